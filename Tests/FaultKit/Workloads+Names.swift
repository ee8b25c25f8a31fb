import Ext4Format
import Extant
import ExtantBase

extension Workload {
  static let names: [Workload] = [
    Workload("create") { session in
      for name in ["a", "b", "c"] { session.file("/\(name)") { _ in } }
      session.sync()
    },
    Workload("create, 4 KiB blocks", on: .small4K) { session in
      for name in ["a", "b", "c"] { session.file("/\(name)") { _ in } }
      session.sync()
    },
    Workload("unlink") { session in
      session.write("/a", 5000)
      session.sync()
      session.remove("/a")
      session.sync()
      session.write("/b", 3000)
      session.sync()
    },
    Workload("unlink a file that is open") { session in
      session.file("/a") { (file) throws(FileSystemError) in
        _ = try file.write(Bystanders.bytes(4000), at: 0)
        try file.sync()
        session.remove("/a")
        session.sync()
        _ = try file.write(Bystanders.bytes(4000), at: 4000)
        _ = try file.read(100, at: 0)
      }
      session.sync()
    },
    Workload("mkdir and rmdir") { session in
      session.makeDirectory("/d")
      session.makeDirectory("/d/e")
      session.sync()
      session.remove("/d/e", directory: true)
      session.remove("/d", directory: true)
      session.makeDirectory("/f")
      session.sync()
    },
    Workload("rename in a directory") { session in
      session.write("/a", 100)
      session.sync()
      session.rename("/a", to: "/b")
      session.sync()
    },
    Workload("rename over a file") { session in
      session.write("/a", 2000)
      session.write("/b", 3000)
      session.sync()
      session.rename("/a", to: "/b")
      session.sync()
    },
    Workload("rename a directory to another") { session in
      for path in ["/d", "/e", "/d/x"] { session.makeDirectory(path) }
      session.write("/d/x/f", 1500)
      session.sync()
      session.rename("/d/x", to: "/e/y")
      session.sync()
    },
    Workload("exchange two names", on: .small4K) { session in
      session.makeDirectory("/d")
      session.write("/a", 200)
      session.sync()
      session.step { (fs) throws(FileSystemError) in
        try fs.rename(
          try FileName("a"), in: .root, to: try FileName("d"), in: .root, .exchange)
      }
      session.sync()
    },
    Workload("replace by rename, as editors save") { session in
      for round in 1...3 {
        session.file("/note.new") { (file) throws(FileSystemError) in
          _ = try file.write(Bystanders.bytes(round * 700), at: 0)
          try file.sync()
        }
        session.rename("/note.new", to: "/note")
        session.step { (fs) throws(FileSystemError) in try fs.sync(.root) }
      }
    },
    Workload("devices and pipes") { session in
      session.step { (fs) throws(FileSystemError) in
        _ = try fs.makeNode(try FileName("fifo"), in: .root, kind: .fifo, mode: 0o600)
        _ = try fs.makeNode(
          try FileName("null"), in: .root, kind: .characterDevice, mode: 0o666,
          device: DeviceNumber(major: 1, minor: 3))
      }
      session.sync()
      session.remove("/fifo")
      session.sync()
    },
  ]

  static let links: [Workload] = [
    Workload("hard links") { session in
      session.write("/a", 900)
      for name in ["b", "c"] {
        session.step { (fs) throws(FileSystemError) in
          _ = try fs.link(try fs.resolve("/a"), as: try FileName(name), in: .root)
        }
      }
      session.sync()
      session.remove("/a")
      session.remove("/b")
      session.sync()
    },
    Workload("short symbolic link") { session in
      session.step { (fs) throws(FileSystemError) in
        _ = try fs.makeSymbolicLink(try FileName("s"), in: .root, target: Array("old/short".utf8))
      }
      session.sync()
      session.step { (fs) throws(FileSystemError) in _ = try fs.resolve("/s") }
      session.remove("/s")
      session.sync()
    },
    Workload("long symbolic link") { session in
      session.step { (fs) throws(FileSystemError) in
        _ = try fs.makeSymbolicLink(
          try FileName("s"), in: .root, target: [UInt8](repeating: 0x61, count: 300))
      }
      session.sync()
      session.step { (fs) throws(FileSystemError) in
        _ = try fs.readSymbolicLink(try fs.resolve("/s", followLast: false))
      }
      session.remove("/s")
      session.sync()
    },
  ]

  static let attributes: [Workload] = [
    Workload("attributes in the inode") { session in
      session.write("/a", 10)
      session.setAttribute("/a", "user.x", 40)
      session.sync()
      session.setAttribute("/a", "user.x", 60)
      session.sync()
    },
    Workload("attributes in a block") { session in
      session.write("/a", 10)
      session.setAttribute("/a", "user.x", 600)
      session.sync()
      session.setAttribute("/a", "user.y", 200)
      session.sync()
      session.remove("/a")
      session.sync()
    },
    Workload("attribute block that two share, changed in one") { session in
      for path in ["/a", "/b"] {
        session.write(path, 10)
        session.setAttribute(path, "user.same", 500)
      }
      session.sync()
      session.setAttribute("/b", "user.other", 100)
      session.sync()
      session.remove("/a")
      session.sync()
    },
    Workload("attributes removed", on: .small4K) { session in
      session.write("/a", 10)
      session.setAttribute("/a", "user.x", 900)
      session.sync()
      session.step { (fs) throws(FileSystemError) in
        try fs.removeExtendedAttribute(Array("user.x".utf8), of: try fs.resolve("/a"))
      }
      session.sync()
    },
    Workload("access control lists") { session in
      session.makeDirectory("/d")
      session.step { (fs) throws(FileSystemError) in
        let list = try AccessControlList([
          .init(.userObject, 7), .init(.user, 5, id: 1000), .init(.groupObject, 5), .init(.mask, 7),
          .init(.other, 0),
        ]).encodeForLinux()
        let directory = try fs.resolve("/d")
        for kind in ["access", "default"] {
          try fs.setExtendedAttribute(
            Array("system.posix_acl_\(kind)".utf8), list, of: directory)
        }
      }
      session.write("/d/inherits", 10)
      session.sync()
    },
    Workload("mode, owner and times") { session in
      session.write("/a", 10)
      session.sync()
      session.step { (fs) throws(FileSystemError) in
        var change = AttributeChange()
        change.mode = 0o600
        change.uid = 1000
        change.modificationTime = .at(Timestamp(seconds: 1_000_000_000, nanoseconds: 1))
        _ = try fs.setAttributes(change, of: try fs.resolve("/a"))
      }
      session.sync()
    },
    Workload("label") { session in
      session.step { (fs) throws(FileSystemError) in try fs.setLabel(Array("faults".utf8)) }
      session.write("/a", 10)
      session.sync()
    },
  ]
}

extension Session {
  func setAttribute(_ path: String, _ name: String, _ count: Int) {
    step { (fs) throws(FileSystemError) in
      try fs.setExtendedAttribute(
        Array(name.utf8), Bystanders.bytes(count), of: try fs.resolve(path))
    }
  }
}
