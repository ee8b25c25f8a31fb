import CExtantSystem
import Extant
import ExtantBase
import SystemPackage
import Threading

/// Clears set-user-ID, set-group-ID and file capabilities where a write must.
///
/// The kernel leaves this to us (FUSE_HANDLE_KILLPRIV_V2), which saves it a question for
/// `security.capability` before each write. Files known to have nothing to clear are remembered, so
/// that most writes ask nobody.
final class Privileges: Sendable {
  private static let capability = Array("security.capability".utf8)
  private static let suidAndSgid: UInt16 = 0o6000
  /// Enough for the files written at a time; past it the set starts again.
  private static let capacity = 65536

  private let clean = Guarded<Set<InodeNumber>>([])

  func markClean(_ inode: InodeNumber) {
    clean.withLock { clean in
      if clean.count >= Self.capacity { clean.removeAll(keepingCapacity: true) }
      clean.insert(inode)
    }
  }

  /// The inode's mode or attributes change, or its number may come to mean another file.
  func forget(_ inode: InodeNumber) { _ = clean.withLock { $0.remove(inode) } }

  /// After a change of the file's contents. `killsSuid`: the writer lacks CAP_FSETID.
  func dropAfterChange(
    of inode: InodeNumber, _ engine: FileSystem, killsSuid: Bool
  ) throws(FileSystemError) {
    if clean.withLock({ $0.contains(inode) }) { return }
    let attributes = try engine.attributes(of: inode)
    let hasBits = attributes.mode & Self.suidAndSgid != 0
    if killsSuid && hasBits {
      var change = AttributeChange()
      change.dropsPrivileges = true
      _ = try engine.setAttributes(change, of: inode)
    }
    try dropCapability(of: inode, engine)
    if !hasBits { markClean(inode) }
  }

  /// Only the capability, as for root.
  func dropCapability(of inode: InodeNumber, _ engine: FileSystem) throws(FileSystemError) {
    do throws(FileSystemError) {
      try engine.removeExtendedAttribute(Self.capability, of: inode)
    } catch {
      guard error.errno == .noData || error.errno == .notSupportedOnSocket else { throw error }
    }
  }

  static func isCapability(_ name: [UInt8]) -> Bool { name == capability }

  /// Whether the request that this thread is serving comes from a caller without CAP_FSETID.
  static var requestKillsSuid: Bool { csys_fuse_kills_suid() != 0 }
}
