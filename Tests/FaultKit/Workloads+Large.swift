import Extant
import ExtantBase

extension Workload {
  static let growth: [Workload] = [
    Workload("a directory that becomes a tree") { session in
      session.makeDirectory("/d")
      for index in 0..<30 {
        session.file("/d/a long name, to fill the block, \(index)") { _ in }
      }
      session.sync()
    },
    Workload("a directory whose leaves split", on: .grown1K) { session in
      for index in 0..<25 {
        session.file("/many/one more name of some length \(index)") { _ in }
      }
      session.sync()
    },
    Workload("a directory that empties", on: .grown1K) { session in
      for index in stride(from: 0, to: 120, by: 6) {
        session.remove("/many/a name of some length, number \(index)")
      }
      session.sync()
    },
    Workload("extents that need a leaf") { session in
      session.file("/a") { (file) throws(FileSystemError) in
        for place in 0..<8 { _ = try file.write([1], at: UInt64(place) * 2048) }
      }
      session.sync()
    },
    Workload("extents whose leaf splits") { session in
      session.file("/a") { (file) throws(FileSystemError) in
        for place in 0..<90 { _ = try file.write([1], at: UInt64(place) * 2048) }
        try file.sync()
        for place in 0..<10 { _ = try file.write([1], at: UInt64(place) * 2048 + 200_000) }
      }
      session.sync()
    },
    Workload("extents in an old tree that splits", on: .grown1K) { session in
      session.file("/pieces") { (file) throws(FileSystemError) in
        for place in 0..<12 { _ = try file.write([9], at: UInt64(place) * 2048 + 600_000) }
        for place in 0..<6 {
          try file.punchHole(UInt64(place) * 8192..<UInt64(place) * 8192 + 2048)
        }
      }
      session.sync()
    },
    Workload("a large file removed", on: .grown1K) { session in
      session.remove("/pieces")
      session.sync()
      session.write("/b", 30_000)
      session.sync()
    },
  ]

  static let opening: [Workload] = [
    Workload("orphans deleted at opening", on: .orphans1K) { session in
      session.write("/a", 3000)
      session.sync()
    },
    Workload("a journal recovered at opening", on: .dirty1K) { session in
      session.write("/a", 3000)
      session.sync()
    },
    Workload("a journal recovered at opening, 4 KiB blocks", on: .dirty4K) { session in
      session.write("/a", 3000)
      session.sync()
    },
  ]

  static let others: [Workload] = [
    Workload("a tree as cp makes it") { session in
      for directory in ["/t", "/t/one", "/t/two"] {
        session.makeDirectory(directory)
        for name in ["x", "y"] {
          session.write("\(directory)/\(name)", 1800)
          session.step { (fs) throws(FileSystemError) in
            var change = AttributeChange()
            change.mode = 0o640
            change.modificationTime = .at(Timestamp(seconds: 1_500_000_000, nanoseconds: 0))
            _ = try fs.setAttributes(change, of: try fs.resolve("\(directory)/\(name)"))
          }
        }
      }
      session.sync()
    },
    Workload("a tree made and removed", on: .small4K) { session in
      for directory in ["/t", "/t/u"] {
        session.makeDirectory(directory)
        session.write("\(directory)/x", 5000)
      }
      session.sync()
      for path in ["/t/u/x", "/t/x"] { session.remove(path) }
      for path in ["/t/u", "/t"] { session.remove(path, directory: true) }
      session.sync()
    },
    Workload("a disk that is full", on: .full1K) { session in
      session.write("/a", 40_000)
      session.makeDirectory("/d")
      session.sync()
      session.file("/filler") { (file) throws(FileSystemError) in
        try file.punchHole(10_000..<30_000)
      }
      session.write("/b", 15_000)
      session.sync()
      session.remove("/a")
      session.sync()
    },
    Workload("trim") { session in
      session.write("/a", 20_000)
      session.sync()
      session.remove("/a")
      session.step { (fs) throws(FileSystemError) in
        _ = try fs.trim(0..<3 << 20, minimum: 0)
      }
      session.write("/b", 5000)
      session.sync()
    },
    Workload("shut down in mid-work") { session in
      session.keep("/a", 3000)
      session.write("/b", 3000)
      session.shutDown()
      session.write("/c", 3000)
    },
    Workload("some of everything without a journal", on: .bare1K) { session in
      someOfEverything(session)
    },
    Workload("some of everything without journal and checksums", on: .plain1K) { session in
      someOfEverything(session)
    },
    Workload("some of everything", on: .small1K) { session in someOfEverything(session) },
  ]

  private static func someOfEverything(_ session: Session) {
    session.makeDirectory("/d")
    for name in ["a", "b", "c"] { session.write("/d/\(name)", 1500) }
    session.setAttribute("/d/a", "user.x", 600)
    session.sync()
    session.rename("/d/b", to: "/z")
    session.file("/d/a") { (file) throws(FileSystemError) in
      for place in 0..<6 { _ = try file.write(Bystanders.bytes(1500), at: UInt64(place) * 4096) }
      try file.punchHole(1024..<3072)
      try file.collapse(4096..<8192)
      try file.insert(length: 2048, at: 1024)
      _ = try file.read(10_000, at: 0)
      try file.sync()
      try file.truncate(to: 9000)
    }
    session.remove("/d/c")
    session.sync()
  }
}
