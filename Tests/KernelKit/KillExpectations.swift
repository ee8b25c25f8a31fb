import Extant
import ExtantBase
import TestSupport

/// What must be found after a crash, as one worker knows it: what a sync call confirmed is there to
/// the byte; what came after it may be there, in the order in which it was done.
struct KillExpectations {
  /// A path and the bytes that were confirmed; nothing has touched it since.
  var kept: [String: [UInt8]] = [:]
  /// Extended attributes of kept files.
  var attributes: [String: [String: [UInt8]]] = [:]
  /// Names whose removal was confirmed.
  var gone: Set<String> = []
  /// A file that only grows: what was written, and how much of it was confirmed.
  var log = Log()
  /// A file that is changed by whole operations, each of which is there or not: what it may hold,
  /// in order, from the confirmed state on.
  var shifted = States()
  /// A file that is replaced by renames, likewise.
  var replaced = States()

  struct Log {
    var bytes: [UInt8] = []
    var confirmed = 0
  }

  /// Whole contents, oldest first; nothing before the first is possible. `nil`: no such file.
  struct States {
    var possible: [[UInt8]?] = [nil]

    mutating func add(_ state: [UInt8]?) { possible.append(state) }
    /// The newest is the one that is there for good.
    mutating func confirm() { possible.removeFirst(possible.count - 1) }
  }

  /// What is missing or wrong below `top`.
  func failures(in fileSystem: FileSystem, _ top: String) -> [String] {
    var lines: [String] = []
    for (path, bytes) in kept {
      let found = Self.contents(fileSystem, path)
      if found != bytes { lines.append("\(path): \(Self.compare(found, bytes))") }
      for (name, value) in attributes[path] ?? [:] {
        let found = try? fileSystem.extendedAttribute(
          Array(name.utf8), of: fileSystem.resolve(path))
        if found != value { lines.append("\(path): attribute \(name) is lost") }
      }
    }
    for path in gone where Self.contents(fileSystem, path) != nil {
      lines.append("\(path): is there again")
    }
    lines += logFailures(Self.contents(fileSystem, top + "/log"), top + "/log")
    for (name, states) in [("shifted", shifted), ("replaced", replaced)] {
      let found = Self.contents(fileSystem, top + "/" + name)
      if !states.possible.contains(found) {
        let nearest = states.possible.map { Self.compare(found, $0) }.joined(separator: "; ")
        lines.append("\(top)/\(name): none of \(states.possible.count) states: \(nearest)")
      }
    }
    return lines
  }

  private func logFailures(_ found: [UInt8]?, _ path: String) -> [String] {
    guard let found else { return log.confirmed > 0 ? ["\(path): is lost"] : [] }
    guard found.count >= log.confirmed else {
      return ["\(path): \(found.count) bytes, \(log.confirmed) were confirmed"]
    }
    guard found.count <= log.bytes.count else { return ["\(path): longer than it ever was"] }
    for (place, byte) in found.enumerated() where byte != log.bytes[place] {
      // A block that was there already may grow before its new bytes reach it; but then these are
      // zeros, nobody else's.
      if place < log.confirmed || byte != 0 { return ["\(path): byte \(place) is \(byte)"] }
    }
    return []
  }

  private static func contents(_ fileSystem: FileSystem, _ path: String) -> [UInt8]? {
    guard let inode = try? fileSystem.resolve(path),
      let file = try? fileSystem.openFile(inode, .read)
    else { return nil }
    defer { file.close() }
    return try? file.read(Int(file.attributes().size), at: 0)
  }

  private static func compare(_ found: [UInt8]?, _ expected: [UInt8]?) -> String {
    guard let found else { return "is not there" }
    guard let expected else { return "there should be no such file" }
    let place = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    return "\(found.count) bytes of \(expected.count), the first that differs is "
      + "\(place ?? min(found.count, expected.count))"
  }
}
