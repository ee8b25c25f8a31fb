import TestSupport
import Testing

/// Asks the kernel's ext4, through a loop mount, and a mount of ours the same: the kernel's answer is
/// the right one.
enum SideBySide {
  static let canRun = TestMount.canRun && Environment.hasKernelMounts

  /// Runs `scenario` in the root of both, which anybody may write to. What it returns, a line for each
  /// thing it saw, must be the same but for lines in `knownDifferences`, and e2fsck finds nothing.
  ///
  /// - Parameter knownDifferences: what our lines begin with where the kernel's FUSE client decides
  ///   without asking us.
  static func check(
    size: String = "64M", knownDifferences: [String] = [],
    _ scenario: (String) throws -> [String]
  ) throws {
    let mount = try TestMount(size: size, options: "allow_other")
    try System.changeMode(mount.directory.path, 0o755)
    let image = try Image.make(at: mount.directory("kernel.img"), size: size)
    let kernel = try image.mountInKernel(at: mount.directory("kernel"))
    try System.changeMode(kernel.point, 0o777)
    try System.changeMode(mount.point, 0o777)
    let wanted = try scenario(kernel.point)
    let seen = try scenario(mount.point)
    try kernel.unmount()
    try mount.stop()
    #expect(try image.complaint() == nil)
    #expect(try mount.image.complaint() == nil)
    #expect(!wanted.isEmpty)
    #expect(wanted.count == seen.count)
    for (wanted, seen) in zip(wanted, seen)
    where !knownDifferences.contains(where: { seen.hasPrefix($0) }) {
      #expect(seen == wanted)
    }
  }

  /// The name of the errno that `body` ends with, OK where it ends well.
  static func outcome(
    as user: User? = nil, _ body: () throws(SystemFailure) -> Void
  ) -> String {
    ErrorName.of(
      errno { () throws(SystemFailure) in
        if let user { try user.act(body) } else { try body() }
      })
  }
}

extension Status {
  /// The permission bits in octal.
  var permissions: String { String(mode & 0o7777, radix: 8) }
}
