/// A file as a block device, until `detach`. For root alone.
public struct LoopDevice: Sendable {
  /// /dev/loopN.
  public let path: String

  /// - Parameter options: losetup(8)'s, as "-r" for a write-protected one.
  public init(_ file: String, _ options: [String] = []) throws(SystemFailure) {
    let output = try Program.succeed(["losetup", "-f", "--show"] + options + [file])
    path = String(output.prefix { !$0.isWhitespace })
  }

  /// The device is gone when its last user is.
  public func detach() { _ = try? Program.run(["losetup", "-d", path]) }
}
