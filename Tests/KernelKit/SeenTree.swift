import TestSupport
import TortureKit

/// Everything that a filesystem tells of one inode, times and places included: two readers of one
/// image must agree on all of it.
struct SeenNode: Equatable {
  var inode: UInt64
  var mode: UInt32
  var links: UInt32
  var uid: UInt32
  var gid: UInt32
  var size: UInt64
  /// In units of 512 bytes.
  var blocks: UInt64
  var device: [UInt32] = []
  var times: [Status.Time]
  /// Seconds and nanoseconds; nil where the inode has no room for it.
  var creationTime: Status.Time?
  var target: [UInt8] = []
  var attributes: [String: [UInt8]] = [:]
  /// Of files and directories: those that FS_IOC_GETFLAGS shows, and FS_IOC_GETVERSION.
  var flags: UInt32 = 0
  var generation: UInt32 = 0
  /// What is mapped, past the end of the file too; neighbours of one state are made one.
  var runs: [FileMap.Run] = []
  /// The bytes of the written ones, up to the end of the file.
  var contents: [UInt8] = []
  /// What SEEK_DATA and SEEK_HOLE say, where they were asked.
  var data: [Range<Int64>]?

  func differences(from other: SeenNode) -> [String] {
    var lines: [String] = []
    func compare<T: Equatable>(_ what: String, _ key: KeyPath<SeenNode, T>) {
      let (a, b) = (self[keyPath: key], other[keyPath: key])
      if a != b { lines.append("\(what) \(a) and \(b)") }
    }
    compare("inode", \.inode)
    compare("mode", \.mode)
    compare("links", \.links)
    compare("uid", \.uid)
    compare("gid", \.gid)
    compare("size", \.size)
    compare("blocks", \.blocks)
    compare("device", \.device)
    compare("times", \.times)
    compare("creation", \.creationTime)
    compare("target", \.target)
    compare("attributes", \.attributes)
    compare("flags", \.flags)
    compare("generation", \.generation)
    compare("runs", \.runs)
    if contents != other.contents {
      let place = zip(contents, other.contents).enumerated().first { $0.element.0 != $0.element.1 }
      lines.append(
        "contents: \(contents.count) and \(other.contents.count) bytes, the first that differs is"
          + " \(place?.offset ?? min(contents.count, other.contents.count))")
    }
    if data != nil, other.data != nil { compare("data", \.data) }
    return lines
  }

  /// The parts of `runs` that hold bytes of the file.
  static func written(_ runs: [FileMap.Run], size: UInt64) -> [Range<UInt64>] {
    runs.filter { !$0.isUnwritten && $0.range.lowerBound < size }
      .map { $0.range.clamped(to: 0..<size) }
  }
}

/// A whole tree by path; "" is its root. lost+found is left out.
struct SeenTree {
  var nodes: [String: SeenNode] = [:]
  /// Block size, blocks, free blocks, inodes, free inodes, as statfs(2) tells.
  var space: [UInt64]?

  /// What differs, a line each and not too many of them.
  func differences(from other: SeenTree, _ ours: String, _ theirs: String) -> [String] {
    var lines: [String] = []
    if let space, let others = other.space, space != others {
      lines.append("space \(space) and \(others)")
    }
    for path in Set(nodes.keys).union(other.nodes.keys).sorted() {
      switch (nodes[path], other.nodes[path]) {
      case (let a?, let b?): lines += a.differences(from: b).map { "\(path)/: \($0)" }
      case (nil, _?): lines.append("\(path): only in \(theirs)")
      default: lines.append("\(path): only in \(ours)")
      }
    }
    return lines.prefix(20).map { String($0.prefix(600)) }
  }
}
