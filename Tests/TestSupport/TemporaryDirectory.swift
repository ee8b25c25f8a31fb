import CTestSupport
import Foundation
import Synchronization

/// A directory that is removed with its last reference.
///
/// Its name carries our process number, so that what a killed run left behind (mounts above all)
/// is known by its name and cleared by the next run.
public final class TemporaryDirectory: Sendable {
  public let path: String

  /// EXTANT_TMPDIR, else memory (/dev/shm) where there is enough of it, else TMPDIR, else /tmp.
  public static let base: String = {
    let memory = try? FileManager.default.attributesOfFileSystem(forPath: "/dev/shm")
    let free = (memory?[.systemFreeSize] as? NSNumber)?.uint64Value ?? 0
    let base =
      Environment.value("EXTANT_TMPDIR")
      ?? (free > 4 << 30 ? "/dev/shm" : Environment.value("TMPDIR") ?? "/tmp")
    clearStale(in: base)
    return base
  }()

  static let prefix = "extant-test."
  private static let counter = Atomic<Int>(0)

  static func freshName() -> String {
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return "\(prefix)\(System.processID).\(number)"
  }

  public init() throws(SystemFailure) {
    path = Self.base + "/" + Self.freshName()
    try System.makeDirectory(path, mode: 0o700)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  public func callAsFunction(_ name: String) -> String { path + "/" + name }

  /// Unmounts and removes what runs that are no more left under our names.
  private static func clearStale(in base: String) {
    func isStale(_ name: Substring) -> Bool {
      guard name.hasPrefix(prefix) else { return false }
      let process = name.dropFirst(prefix.count).prefix { $0.isNumber }
      guard let id = Int64(process) else { return false }
      return !System.processLives(id)
    }
    let mounts = (try? System.contents("/proc/self/mounts")) ?? []
    let points = String(decoding: mounts, as: UTF8.self).split(separator: "\n").compactMap {
      $0.split(separator: " ").dropFirst().first.map(String.init)
    }
    for point in points.reversed() where point.hasPrefix(base + "/" + prefix) {
      let name = point.dropFirst(base.count + 1).prefix { $0 != "/" }
      // Not through Program: it needs `base`, which is being made.
      if isStale(name) { lazyUnmount(point) }
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []
    for name in names where isStale(name[...]) {
      try? FileManager.default.removeItem(atPath: base + "/" + name)
    }
  }

  private static func lazyUnmount(_ point: String) {
    let program = Environment.find("umount") ?? "/bin/umount"
    unsafe program.withCString { program in
      unsafe "-l".withCString { lazy in
        unsafe point.withCString { point in
          _ = unsafe ts_run([program, lazy, point, nil], "/dev/null", nil)
        }
      }
    }
  }
}
