import Glibc
import SystemPackage

/// Small files of /proc and /sys, and paths.
enum SystemFile {
  static func contents(_ path: String) -> [UInt8]? {
    guard let file = try? FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
    else { return nil }
    defer { try? file.close() }
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16384)
    while let count = unsafe try? piece.withUnsafeMutableBytes({ unsafe try file.read(into: $0) }),
      count > 0
    {
      result += piece.prefix(count)
    }
    return result
  }

  /// Whether all of `text` was written.
  @discardableResult
  static func write(_ text: String, to path: String) -> Bool {
    guard let file = try? FileDescriptor.open(FilePath(path), .writeOnly, options: [.closeOnExec])
    else { return false }
    defer { try? file.close() }
    return (try? file.writeAll(text.utf8)) != nil
  }

  /// The absolute path without links, or the error of finding it.
  static func resolved(_ path: String) throws(Errno) -> String {
    guard let result = unsafe realpath(path, nil) else { throw Errno(rawValue: errno) }
    defer { unsafe free(result) }
    return unsafe String(cString: result)
  }

  /// As `resolved`, without looking at the last component: a mount whose daemon died answers
  /// ENOTCONN to everything.
  static func resolvedParent(_ path: String) throws(Errno) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let components = path.split(separator: "/")
    guard let last = components.last, last != ".", last != ".." else { return try resolved(path) }
    let parent = path.dropLast(last.count)
    let above = try resolved(parent.isEmpty ? "." : String(parent))
    return above == "/" ? "/" + last : above + "/" + last
  }
}
