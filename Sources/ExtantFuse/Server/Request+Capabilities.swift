import Glibc

/// Those that the kernel's FUSE client leaves to us, and that are not taken for granted of root. See
/// capabilities(7).
enum Capability: UInt64 {
  case systemResource = 24
}

extension Request {
  /// Whether the caller has a capability over the whole system. Asks /proc, so only while the caller
  /// waits; where that does not tell, root has it and nobody else.
  func callerHas(_ capability: Capability) -> Bool {
    let caller = caller
    guard process > 0, let effective = Self.effectiveCapabilities(of: process),
      let own = Self.userNamespace(of: "self"), let theirs = Self.userNamespace(of: "\(process)")
    else { return caller.uid == 0 }
    // In a user namespace of their own anybody has them all.
    return own == theirs && effective >> capability.rawValue & 1 != 0
  }

  private static func effectiveCapabilities(of process: Int32) -> UInt64? {
    guard let text = SystemFile.contents("/proc/\(process)/status") else { return nil }
    let key = "CapEff:\t"
    let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first {
      $0.hasPrefix(key)
    }
    return line.flatMap { UInt64($0.dropFirst(key.count), radix: 16) }
  }

  private static func userNamespace(of process: String) -> UInt64? {
    var status = stat()
    guard unsafe stat("/proc/\(process)/ns/user", &status) == 0 else { return nil }
    return UInt64(status.st_ino)
  }
}
