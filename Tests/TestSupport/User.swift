import CTestSupport

/// Somebody to act as. Only root can.
public struct User: Sendable, CustomStringConvertible {
  public var uid: UInt32
  public var gid: UInt32
  /// Supplementary ones.
  public var groups: [UInt32]

  public init(uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
    self.uid = uid
    self.gid = gid
    self.groups = groups
  }

  public static let nobody = User(uid: 65534, gid: 65534)

  public var description: String {
    groups.isEmpty ? "\(uid):\(gid)" : "\(uid):\(gid)+\(groups)"
  }

  /// Runs `body` as this user, without any capability, on a thread of its own; the others stay who
  /// they are.
  public func act(_ body: () throws(SystemFailure) -> Void) throws(SystemFailure) {
    try withoutActuallyEscaping(body) { (body) throws(SystemFailure) in
      let work = Work(body)
      let result = unsafe ts_as(
        uid, gid, groups, groups.count,
        { unsafe Unmanaged<Work>.fromOpaque($0!).takeUnretainedValue().run() },
        Unmanaged.passUnretained(work).toOpaque())
      _ = try System.check(result, "acting as \(self)")
      if let failure = work.failure { throw failure }
    }
  }

  private final class Work {
    private let body: () throws(SystemFailure) -> Void
    private(set) var failure: SystemFailure?

    init(_ body: @escaping () throws(SystemFailure) -> Void) { self.body = body }

    func run() { do throws(SystemFailure) { try body() } catch { failure = error } }
  }
}
