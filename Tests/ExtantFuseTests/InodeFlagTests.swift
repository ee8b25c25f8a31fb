import TestSupport
import Testing

/// chattr(1), and chattr of xfs_io(8): bit by bit as the kernel's ext4 has it.
@Suite(.enabled(if: SideBySide.canRun), .serialized)
struct InodeFlagTests {
  /// struct fsxattr: flags, extent size, number of extents, project, copy-on-write extent size.
  private static func extended(_ file: OpenFile) throws(SystemFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 28)
    try file.control(0x801c_581f, &bytes)
    return bytes
  }

  private static func open(_ path: String, _ isDirectory: Bool) throws -> OpenFile {
    if isDirectory {
      try System.makeDirectory(path)
      return try OpenFile(path, .directory)
    }
    return try OpenFile(path, [.write, .create])
  }

  // Without extents a file would need to be block-mapped. The journal's flag is CAP_SYS_RESOURCE's,
  // which root need not have.
  private static let bits = (0..<32).filter { $0 != 19 }

  @Test(arguments: [false, true])
  func everyBit(_ isDirectory: Bool) throws {
    try SideBySide.check { (root) in
      try Self.bits.flatMap { bit in
        let file = try Self.open(root + "/\(bit)", isDirectory)
        let old = try file.flags()
        let outcome = SideBySide.outcome { () throws(SystemFailure) in
          try file.setFlags(old ^ 1 << bit)
        }
        let new = try file.flags()
        let xflags = try Self.extended(file)
        var lines = ["\(bit): \(outcome) \(String(new, radix: 16)) \(xflags)"]
        if isDirectory, new & 0x30 == 0 {
          // What is made in it inherits.
          let inner = try OpenFile(root + "/\(bit)/file", [.write, .create])
          try System.makeDirectory(root + "/\(bit)/sub")
          let sub = try OpenFile(root + "/\(bit)/sub", .directory)
          lines.append(
            "\(String(try inner.flags(), radix: 16)) \(String(try sub.flags(), radix: 16))")
        }
        try file.setFlags(old)
        return lines
      }
    }
  }

  @Test(arguments: [false, true])
  func everyExtendedBit(_ isDirectory: Bool) throws {
    try SideBySide.check { (root) in
      try (0..<32).flatMap { bit in
        let file = try Self.open(root + "/\(bit)", isDirectory)
        let old = try file.flags()
        return try [0, 4096].map { (size: UInt64) in
          let outcome = SideBySide.outcome { () throws(SystemFailure) in
            var bytes =
              Bytes.of(1 << UInt64(bit), count: 4) + Bytes.of(size, count: 4)
              + [UInt8](repeating: 0, count: 20)
            try file.control(0x401c_5820, &bytes)
          }
          let flags = try file.flags()
          let xflags = try Self.extended(file)
          try file.setFlags(old)
          return "\(bit) \(size): \(outcome) \(String(flags, radix: 16)) \(xflags)"
        }
      }
    }
  }

  @Test func whatIsImmutableStaysAsItIs() throws {
    try SideBySide.check { (root) in
      let file = try Self.open(root + "/file", false)
      let old = try file.flags()
      return try [old | 0x10, old | 0x50, old | 0x30, old | 0x10, old | 0x40, old].map { flags in
        let outcome = SideBySide.outcome { () throws(SystemFailure) in try file.setFlags(flags) }
        return "\(outcome) \(String(try file.flags(), radix: 16))"
      }
    }
  }

  @Test func whoMaySetThem() throws {
    try SideBySide.check { (root) in
      try [User.nobody, User(uid: 1000, gid: 1000)].flatMap { user in
        try [0x1, 0x8, 0x10, 0x20, 0x40, 0x4000, 0x10000].map { (flag: UInt32) in
          let path = root + "/file"
          defer { try? System.unlink(path) }
          let file = try Self.open(path, false)
          try System.changeOwner(path, uid: 1000, gid: 1000)
          try System.changeMode(path, 0o666)
          let flags = try file.flags() | flag
          let outcome = SideBySide.outcome(as: user) { () throws(SystemFailure) in
            try OpenFile(path).setFlags(flags)
          }
          return "\(user) \(flag): \(outcome) \(String(try file.flags(), radix: 16))"
        }
      }
    }
  }
}
