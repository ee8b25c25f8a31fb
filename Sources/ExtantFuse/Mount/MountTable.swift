import SystemPackage

/// One line of the kernel's list of mounts.
struct MountEntry: Equatable {
  var mountpoint: String
  var type: String
  var source: String
}

/// `/proc/self/mountinfo`, as proc(5) describes it.
enum MountTable {
  static let subtype = "extant"
  /// The filesystem type that our mounts show.
  static let type = "fuse." + subtype

  static func read() -> [MountEntry] {
    guard let text = SystemFile.contents("/proc/self/mountinfo") else { return [] }
    return parse(String(decoding: text, as: UTF8.self))
  }

  static func parse(_ text: String) -> [MountEntry] {
    text.split(separator: "\n").compactMap { line in
      // Fields vary in number up to a lone "-", after which come type and source.
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      guard fields.count > 5, let dash = fields.firstIndex(of: "-"), dash + 2 < fields.count else {
        return nil
      }
      return MountEntry(
        mountpoint: unescaped(fields[4]), type: String(fields[dash + 1]),
        source: unescaped(fields[dash + 2]))
    }
  }

  /// Space, tab, newline and backslash stand as three octal digits after a backslash.
  static func unescaped(_ field: Substring) -> String {
    var bytes: [UInt8] = []
    let input = Array(field.utf8)
    var index = 0
    while index < input.count {
      if input[index] == UInt8(ascii: "\\"), index + 3 < input.count,
        let value = UInt8(String(decoding: input[index + 1...index + 3], as: UTF8.self), radix: 8)
      {
        bytes.append(value)
        index += 4
      } else {
        bytes.append(input[index])
        index += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Our topmost mount at `path` (absolute, without links), or the one of the image `path`.
  static func find(_ path: String, in entries: [MountEntry]) -> MountEntry? {
    let ours = entries.filter { $0.type == type }
    return ours.last { $0.mountpoint == path } ?? ours.last { $0.source == path }
  }
}
