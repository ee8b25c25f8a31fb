import Extant
import ExtantBase
import Threading

/// The room that removed files leave.
///
/// When a file is removed the kernel lets go of it by a request that nobody waits for, and may send the
/// next call's first: on a full disk that would find no room, though unlink(2) has returned.
extension FuseServer {
  /// Does `body` again when a removed file is gone, where it found no room and one is about to go. It
  /// must have changed nothing then.
  func findingRoom<R>(
    _ body: () throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    var deletions = engine.deletionCount
    while true {
      do throws(FileSystemError) { return try body() } catch {
        guard error == .refused(.noSpace), removals.wait(for: self, since: deletions) else {
          throw error
        }
        deletions = engine.deletionCount
      }
    }
  }
}

/// Who waits for removed files to go.
final class Removals: Sendable {
  private struct State {
    var isAwaited = false
    /// Were waited for in vain: a program has them open, or as its directory.
    var held: Set<InodeNumber> = []
  }

  private let state = Guarded(State(), .innermost)
  private static let patience: UInt64 = 500_000_000

  /// Waits until an inode is deleted that was not when `count` were: false where that is not to be
  /// expected, or does not happen for long. One waits at a time, so that there are threads for the
  /// requests that are waited for.
  fileprivate func wait(for server: FuseServer, since count: UInt64) -> Bool {
    // Open ones, too: the kernel tells of the last close as late as of the rest.
    let going = server.engine.removedInodes
    // Asked after the list: what is in neither is free.
    if server.engine.deletionCount != count { return true }
    let mayWait = state.withLock { state in
      state.held.formIntersection(going)
      guard !state.isAwaited, !state.held.isSuperset(of: going) else { return false }
      state.isAwaited = true
      return true
    }
    guard mayWait else { return false }
    defer { state.withLock { $0.isAwaited = false } }
    let deadline = Clock.monotonicNanoseconds() + Self.patience
    while server.engine.deletionCount == count {
      guard Clock.monotonicNanoseconds() < deadline else {
        state.withLock { $0.held.formUnion(going) }
        return false
      }
      Clock.sleep(nanoseconds: 100_000)
    }
    return true
  }
}
