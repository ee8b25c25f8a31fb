import Extant
import ExtantBase

extension Workload {
  static let writes: [Workload] = [
    Workload("write in blocks") { session in session.keep("/a", 16384) },
    Workload("write in blocks of 4 KiB", on: .small4K) { session in session.keep("/a", 40000) },
    Workload("write parts of blocks") { session in
      session.write("/a", 6000)
      session.sync()
      for place in [100, 1500, 3000, 5999] as [UInt64] { session.write("/a", 333, at: place) }
      session.sync()
    },
    Workload("append in small pieces") { session in
      for place in 0..<8 { session.write("/a", 700, at: UInt64(place) * 700) }
      session.sync()
      for place in 8..<12 {
        session.write("/a", 700, at: UInt64(place) * 700)
        session.file("/a") { (file) throws(FileSystemError) in try file.syncData() }
      }
    },
    Workload("write over what is there") { session in
      session.write("/a", 8000)
      session.sync()
      session.write("/a", 8000)
      session.file("/a") { (file) throws(FileSystemError) in try file.sync() }
    },
    Workload("write far apart") { session in
      for place in 0..<6 { session.write("/a", 100, at: UInt64(place) * 100_000) }
      session.sync()
    },
    Workload("truncate down and up") { session in
      session.write("/a", 12000)
      session.sync()
      for size in [5000, 9000, 0, 3000] as [UInt64] {
        session.file("/a") { (file) throws(FileSystemError) in try file.truncate(to: size) }
      }
      session.sync()
      session.write("/a", 100, at: 2000)
      session.sync()
    },
    Workload("truncate a file of many extents", on: .grown1K) { session in
      session.file("/pieces") { (file) throws(FileSystemError) in
        try file.truncate(to: 150_001)
        try file.sync()
        try file.truncate(to: 0)
      }
      session.sync()
    },
    Workload("read what is there", on: .grown1K) { session in
      session.file("/pieces") { (file) throws(FileSystemError) in
        _ = try file.read(60_000, at: 0)
        _ = try file.read(60_000, at: 300_000)
      }
      session.step { (fs) throws(FileSystemError) in
        try fs.readDirectory(try fs.resolve("/many"), from: 0) { _ in true }
        _ = try fs.resolve("/many/a name of some length, number 77")
      }
    },
    Workload("read everything old") { session in
      session.step { (fs) throws(FileSystemError) in
        var walk = TreeWalk()
        walk.visit(fs)
        for error in walk.errors { throw error }
      }
    },
  ]

  static let fallocate: [Workload] = [
    cutting("allocate") { (file, _) throws(FileSystemError) in try file.allocate(2048..<20480) },
    cutting("allocate behind the end") { (file, _) throws(FileSystemError) in
      try file.allocate(10240..<30720, keepSize: true)
    },
    cutting("write into what is allocated") { (file, _) throws(FileSystemError) in
      try file.allocate(16384..<32768)
      try file.sync()
      _ = try file.write(Bystanders.bytes(1000), at: 20000)
    },
    cutting("punch") { (file, _) throws(FileSystemError) in try file.punchHole(1500..<9000) },
    cutting("punch, 4 KiB blocks", on: .small4K) { (file, _) throws(FileSystemError) in
      try file.punchHole(1500..<14000)
    },
    cutting("zero") { (file, _) throws(FileSystemError) in try file.zeroRange(1500..<9000) },
    cutting("zero with the size kept") { (file, _) throws(FileSystemError) in
      try file.zeroRange(9000..<16000, keepSize: true)
    },
    cutting("collapse") { (file, block) throws(FileSystemError) in
      try file.collapse(block..<3 * block)
    },
    cutting("collapse, 4 KiB blocks", on: .small4K) { (file, block) throws(FileSystemError) in
      try file.collapse(block..<2 * block)
    },
    cutting("insert") { (file, block) throws(FileSystemError) in
      try file.insert(length: 2 * block, at: block)
    },
    cutting("insert, 4 KiB blocks", on: .small4K) { (file, block) throws(FileSystemError) in
      try file.insert(length: 2 * block, at: block)
    },
    Workload("collapse and insert in a file of many extents", on: .grown1K) { session in
      session.file("/pieces") { (file) throws(FileSystemError) in
        try file.collapse(100 << 10..<104 << 10)
        try file.sync()
        try file.insert(length: 3 << 10, at: 50 << 10)
        try file.sync()
        try file.punchHole(20 << 10..<60 << 10)
      }
      session.sync()
    },
    Workload("cuts one after the other without a sync") { session in
      session.file("/a") { (file) throws(FileSystemError) in
        for place in 0..<10 { _ = try file.write(Bystanders.bytes(900), at: UInt64(place) * 2048) }
        try file.collapse(2048..<4096)
        try file.insert(length: 1024, at: 3072)
        try file.punchHole(5000..<9000)
        try file.zeroRange(1000..<2000)
        try file.collapse(4096..<8192)
        try file.truncate(to: 7777)
      }
    },
  ]

  /// A file of 12 blocks and a bit, cut, synced, read and extended. Cuts must suit its block size.
  private static func cutting(
    _ name: String, on recipe: FaultImage.Recipe = .small1K,
    _ cut: @escaping @Sendable (File, UInt64) throws(FileSystemError) -> Void
  ) -> Workload {
    Workload(name, on: recipe) { session in
      let block: UInt64 = recipe == .small4K ? 4096 : 1024
      session.file("/a") { (file) throws(FileSystemError) in
        _ = try file.write(Bystanders.bytes(Int(12 * block) + 77), at: 0)
        try file.sync()
        try cut(file, block)
        try file.sync()
        _ = try file.read(Int(block) * 8, at: 0)
        _ = try file.write(Bystanders.bytes(500), at: file.attributes().size)
      }
      session.sync()
    }
  }

  static let syncs: [Workload] = [
    Workload("fsync after each file") { session in
      for name in ["a", "b", "c"] { session.keep("/\(name)", 2500) }
    },
    Workload("fdatasync") { session in
      for name in ["a", "b"] { session.keep("/\(name)", 2500, dataOnly: true) }
      session.write("/a2", 5000)
      session.file("/a2") { (file) throws(FileSystemError) in
        try file.syncData()
        _ = try file.write(Bystanders.bytes(300), at: 100)
        try file.syncData()
      }
    },
    Workload("sync of a directory") { session in
      session.makeDirectory("/d")
      session.write("/d/a", 100)
      session.step { (fs) throws(FileSystemError) in try fs.sync(try fs.resolve("/d")) }
      session.write("/d/b", 100)
      session.sync()
    },
    Workload("sync again and again") { session in
      for round in 0..<6 {
        session.write("/a", 1000, at: UInt64(round) * 1000)
        session.sync()
      }
    },
    Workload("nothing but open and close") { _ in },
  ]
}
