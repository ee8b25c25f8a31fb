import CTestSupport
import TestSupport

/// Somebody who asks: root, or users whose numbers no file of the machine knows.
public enum Actor: String, CaseIterable, Sendable {
  /// Every capability.
  case root
  /// Owns what the cases prepare: uid and gid 6001.
  case owner
  /// Another user who has the owner's group among the supplementary ones.
  case member
  /// Another user of another group.
  case other
  /// Root to everything but filesystems, where setfsuid(2) makes them the owner.
  case guest

  /// Everybody without capabilities.
  public static let users: [Actor] = [.owner, .member, .other]

  public var uid: UInt32 {
    switch self {
    case .root: 0
    case .owner, .guest: 6001
    case .member: 6002
    case .other: 6003
    }
  }

  /// The group of the same number.
  public var gid: UInt32 { uid }

  var groups: [UInt32] {
    switch self {
    case .root: []
    case .member: [gid, Actor.owner.gid, 6010]
    case .owner, .guest: [gid, 6010]
    case .other: [gid]
    }
  }

  /// Makes this thread the actor for the time of `body`.
  func act<T>(_ body: () throws(SystemFailure) -> T) throws(SystemFailure) -> T {
    if self != .root {
      let groups = groups
      let result = unsafe groups.withUnsafeBufferPointer { groups in
        self == .guest
          ? unsafe ts_become_on_disk(uid, gid, groups.baseAddress, groups.count)
          : unsafe ts_become(uid, gid, groups.baseAddress, groups.count)
      }
      precondition(result == 0, "this thread cannot become \(self)")
    }
    defer {
      if self != .root {
        let result = ts_become_root()
        precondition(result == 0, "this thread cannot become root again")
      }
    }
    return try body()
  }
}
