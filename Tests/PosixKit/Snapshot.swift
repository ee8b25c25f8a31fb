import CTestSupport
import TestSupport

/// What stat(2) says of the paths that a case names.
struct Snapshot {
  private var nodes: [String: Status] = [:]

  init() {}

  init(_ paths: [String]) {
    for path in paths { nodes[path] = try? System.status(path) }
  }

  var inodes: Set<UInt64> { Set(nodes.values.map(\.inode)) }

  /// What became different, a line for each path. Times as far as both sides can agree on them:
  /// that one changed, or what it was set to.
  func changes(
    since old: Snapshot, _ labels: inout InodeLabels, now: Int64, accessTimes: Bool
  ) -> [String] {
    labels.forget(except: old.inodes)
    let clock = Clock(now: now, accessTimes: accessTimes)
    let known = Dictionary(old.nodes.values.map { ($0.inode, $0) }) { first, _ in first }
    return Set(nodes.keys).union(old.nodes.keys).sorted().compactMap { path in
      let name = path.count > 40 ? path.prefix(20) + "...(\(path.count))" : path
      switch (old.nodes[path], nodes[path]) {
      case (nil, let new?):
        return "+\(name) \(Self.words(new, &labels))" + clock.words(known[new.inode], new)
      case (_?, nil): return "-\(name)"
      case (let before?, let after?):
        if before.mode & 0o170000 != after.mode & 0o170000 || before.inode != after.inode {
          return "\(name) is now \(Self.words(after, &labels))"
            + clock.words(known[after.inode], after)
        }
        let change = Self.change(before, after) + clock.words(before, after)
        return change.isEmpty ? nil : name + change
      case (nil, nil): return nil
      }
    }
  }

  private static func words(_ node: Status, _ labels: inout InodeLabels) -> String {
    var words = [
      kind(node.mode), Mode(node.mode & 0o7777).description, "\(node.uid):\(node.gid)",
      "links \(node.links)",
    ]
    // A directory's size is the filesystem's own business.
    if !node.isDirectory { words.append("size \(node.size)") }
    if node.isDevice { words.append("device \(node.deviceMajor):\(node.deviceMinor)") }
    words.append(labels.label(node.inode))
    return words.joined(separator: " ")
  }

  private static func change(_ before: Status, _ after: Status) -> String {
    var text = ""
    if before.mode != after.mode {
      text += " mode \(Mode(before.mode & 0o7777))>\(Mode(after.mode & 0o7777))"
    }
    if before.uid != after.uid || before.gid != after.gid {
      text += " owner \(before.uid):\(before.gid)>\(after.uid):\(after.gid)"
    }
    if before.links != after.links { text += " links \(before.links)>\(after.links)" }
    if !after.isDirectory, before.size != after.size {
      text += " size \(before.size)>\(after.size)"
    }
    return text
  }

  private static func kind(_ mode: UInt32) -> String {
    switch mode & 0o170000 {
    case 0o040000: "directory"
    case 0o100000: "file"
    case 0o120000: "symlink"
    case 0o010000: "fifo"
    case 0o140000: "socket"
    case 0o020000: "character"
    case 0o060000: "block"
    default: "kind \(mode >> 12)"
    }
  }
}

/// What is said of times.
private struct Clock {
  var now: Int64
  var accessTimes: Bool

  /// The times that are not what they were, or, of a new file, were not taken from the clock.
  func words(_ before: Status?, _ after: Status) -> String {
    var keys: [(String, KeyPath<Status, Status.Time>)] = [
      ("mtime", \.modificationTime), ("ctime", \.changeTime),
    ]
    if accessTimes { keys.insert(("atime", \.accessTime), at: 0) }
    var text = ""
    for (name, key) in keys {
      let new = after[keyPath: key]
      // A time far from now was set.
      let isSet = abs(new.seconds.subtractingReportingOverflow(now).partialValue) > 3600
      guard before.map({ $0[keyPath: key] != new }) ?? isSet else { continue }
      text += " " + name + (isSet ? "=\(new.seconds).\(new.nanoseconds)" : "")
    }
    return text
  }
}

/// Inode numbers are the filesystem's own business; which names share one is not.
struct InodeLabels {
  private var labels: [UInt64: Int] = [:]
  private var next = 1

  mutating func label(_ inode: UInt64) -> String {
    if let known = labels[inode] { return "#\(known)" }
    labels[inode] = next
    next += 1
    return "#\(next - 1)"
  }

  /// A number may come to mean another file once nobody has it.
  mutating func forget(except used: Set<UInt64>) {
    labels = labels.filter { used.contains($0.key) }
  }
}
