import Foundation

/// What the machine offers; tests that need more skip.
public enum Environment {
  public static func value(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name]
  }

  /// Asks for the longer runs and the larger universes.
  public static let isLong = value("EXTANT_LONG") == "1"

  /// Root and loop devices: the kernel's ext4 can be asked.
  public static let hasKernelMounts =
    System.isRoot && System.exists("/dev/loop-control") && find("mke2fs") != nil
    && find("mount") != nil

  /// Mounts through FUSE can be made.
  public static let hasFuse =
    System.exists("/dev/fuse") && (System.isRoot || find("fusermount3") != nil)

  public static let hasTools = find("mke2fs") != nil && find("e2fsck") != nil

  /// The path of a program, looked for where administrators' programs are, too.
  public static func find(_ program: String) -> String? {
    let path = (value("PATH") ?? "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
    for directory in path.split(separator: ":") {
      let candidate = "\(directory)/\(program)"
      if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
    }
    return nil
  }

  /// The folder that SwiftPM put the products in: where this very test's binary is.
  public static var products: String {
    let own = (try? System.readSymbolicLink("/proc/self/exe")) ?? []
    let path = String(decoding: own, as: UTF8.self)
    // Swift Testing runs the bundle inside a helper of the toolchain; the bundle's path is then
    // among the arguments.
    let arguments = ProcessInfo.processInfo.arguments
    let candidates = arguments.filter { $0.hasSuffix(".xctest") } + [path]
    for candidate in candidates {
      let directory = (candidate as NSString).deletingLastPathComponent
      if FileManager.default.isExecutableFile(atPath: "\(directory)/extant") { return directory }
    }
    return (path as NSString).deletingLastPathComponent
  }

  /// The root of the package, for fixtures.
  public static var packageRoot: String {
    let here = #filePath as NSString
    let tests = here.deletingLastPathComponent as NSString
    return (tests.deletingLastPathComponent as NSString).deletingLastPathComponent
  }
}
