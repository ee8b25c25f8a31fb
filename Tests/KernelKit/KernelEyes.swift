import TestSupport
import TortureKit

extension SeenTree {
  /// Reads a mount of the kernel's ext4. `seeks`: ask for SEEK_DATA and SEEK_HOLE, too, which a
  /// mount that is being written answers by its page cache.
  init(mount root: String, seeks: Bool) throws {
    let born = try Self.creationTimes(root)
    if seeks {
      let text = try Program.succeed(["stat", "-f", "-c", "%S %b %f %c %d", root])
      space = text.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
    }
    var known: [UInt64: SeenNode] = [:]
    var todo = [""]
    while let path = todo.popLast() {
      let full = root + path
      let status = try System.status(full)
      // Names of one inode show the same: look once.
      var node = try known[status.inode] ?? Self.node(full, status, seeks: seeks)
      node.creationTime = born[status.inode]
      known[status.inode] = node
      nodes[path] = node
      guard status.isDirectory else { continue }
      for name in try System.names(in: full) {
        let name = String(decoding: name, as: UTF8.self)
        if path.isEmpty && name == "lost+found" { continue }
        todo.append(path + "/" + name)
      }
    }
  }

  private static func node(_ path: String, _ status: Status, seeks: Bool) throws -> SeenNode {
    var node = SeenNode(
      inode: status.inode, mode: status.mode, links: status.links, uid: status.uid,
      gid: status.gid, size: status.size, blocks: status.blocks,
      times: [status.accessTime, status.modificationTime, status.changeTime])
    if status.isDevice { node.device = [status.deviceMajor, status.deviceMinor] }
    if status.isSymbolicLink { node.target = try System.readSymbolicLink(path) }
    for name in try System.attributeNames(path) {
      node.attributes[name] = try System.attribute(path, name)
    }
    if status.isRegular || status.isDirectory {
      let file = try OpenFile(path, status.isDirectory ? .directory : [])
      node.flags = try file.flags()
      var generation: [UInt8] = [0, 0, 0, 0]
      try file.control(0x8008_7601, &generation)  // FS_IOC_GETVERSION
      node.generation = generation.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    guard status.isRegular, status.blocks > 0 || status.size > 0 else { return node }
    let file = try OpenFile(path)
    let map = FileMap(
      extents: try Fiemap.kernel.extents(of: file), data: [], size: status.size,
      blocks: status.blocks)
    node.runs = map.runs
    // Before the contents are read: a cached page of an unwritten extent counts as data.
    if seeks { node.data = try file.dataRanges() }
    for range in SeenNode.written(map.runs, size: status.size) {
      node.contents += try file.read(range.count, at: Int64(range.lowerBound))
    }
    return node
  }

  /// By inode. statx(2) tells, and stat(1) asks it; 0 where there is none.
  private static func creationTimes(_ root: String) throws -> [UInt64: Status.Time] {
    var times: [UInt64: Status.Time] = [:]
    let lines = try Program.succeed(["find", root, "-exec", "stat", "-c", "%i %.9W", "{}", "+"])
    for line in lines.split(separator: "\n") {
      let parts = line.split(whereSeparator: { $0 == " " || $0 == "." })
      guard parts.count == 3, let inode = UInt64(parts[0]), let seconds = Int64(parts[1]),
        seconds > 0, let nanoseconds = Int64(parts[2])
      else { continue }
      times[inode] = Status.Time(seconds: seconds, nanoseconds: nanoseconds)
    }
    return times
  }
}
