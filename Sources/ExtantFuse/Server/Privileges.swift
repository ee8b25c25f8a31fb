import CFuseTransport
import Extant
import ExtantBase
import Threading

/// Files that are known to have no set-user-ID, set-group-ID or capability, so that most writes ask
/// nobody.
///
/// The kernel leaves clearing these to us (FUSE_HANDLE_KILLPRIV_V2), which saves it a question for
/// `security.capability` before each write.
final class Privileges: Sendable {
  /// Enough for the files written at a time; past it the set starts again.
  private static let capacity = 65536

  private struct State {
    var clean: Set<InodeNumber> = []
    /// Counts what may have given some file privileges.
    var gains: UInt64 = 0
    /// The file whose `security.capability` each process removed last.
    var removals: [Int32: InodeNumber] = [:]
  }

  private let state = Guarded(State(), .innermost)

  /// A point in time at which files are looked at.
  struct Moment { fileprivate var gains: UInt64 }

  /// Nil where the file is known to have nothing to take; else what `markClean` wants to know.
  func looking(at inode: InodeNumber) -> Moment? {
    state.withLock { $0.clean.contains(inode) ? nil : Moment(gains: $0.gains) }
  }

  var now: Moment { state.withLock { Moment(gains: $0.gains) } }

  /// The file had nothing when it was looked at, after `moment`. Not believed where any file may
  /// have got something since.
  func markClean(_ inode: InodeNumber, since moment: Moment) {
    state.withLock { state in
      guard state.gains == moment.gains else { return }
      if state.clean.count >= Self.capacity { state.clean.removeAll(keepingCapacity: true) }
      state.clean.insert(inode)
    }
  }

  /// The inode's mode or attributes were changed, or its number may come to mean another file.
  func forget(_ inode: InodeNumber) {
    state.withLock { state in
      state.gains &+= 1
      state.clean.remove(inode)
    }
  }

  /// `process` removed the file's `security.capability`: setcap(8) did, or the kernel ahead of a write
  /// or a chown(2), whose setattr follows.
  func noteRemovalOfCapability(of inode: InodeNumber, _ process: Int32) {
    state.withLock { state in
      if state.removals.count >= 256 { state.removals.removeAll() }
      state.removals[process] = inode
    }
  }

  /// Whether `process` did so since it was asked last.
  func hasRemovedCapability(of inode: InodeNumber, _ process: Int32) -> Bool {
    state.withLock { state in
      guard state.removals[process] == inode else { return false }
      state.removals[process] = nil
      return true
    }
  }

  /// Whether the request that this thread is serving (a write, an open, a setattr) comes from a
  /// caller without CAP_FSETID.
  static var requestKillsSuid: Bool { csys_fuse_kills_suid() != 0 }
}

extension FuseServer {
  /// Takes from a file what a change of its contents must, before the change is made, and tells the
  /// kernel: execve(2) goes by the mode that it has cached.
  ///
  /// - Parameter killsSuid: the writer lacks CAP_FSETID. Who has it costs a file its capability alone.
  func dropPrivileges(
    of inode: InodeNumber, by request: Request, killsSuid: Bool
  ) throws(FileSystemError) {
    guard let moment = privileges.looking(at: inode) else { return }
    let attributes = try engine.attributes(of: inode)
    let loss = killsSuid ? Self.loss(of: attributes, by: request) : .capability
    if try engine.dropPrivileges(loss, of: inode) { invalidateAttributes(of: inode) }
    if loss.remaining(of: attributes.mode) & 0o6000 == 0 {
      privileges.markClean(inode, since: moment)
    }
  }

  /// What a caller without CAP_FSETID costs a file.
  static func loss(of attributes: Attributes, by request: Request) -> PrivilegeLoss {
    var loss: PrivilegeLoss = [.setID, .capability]
    // Who is in which groups is dear to ask, and seldom matters.
    if attributes.mode & 0o2010 == 0o2000, !request.isCaller(inGroup: attributes.gid) {
      loss.insert(.setGroupIDWithoutExecution)
    }
    return loss
  }
}
