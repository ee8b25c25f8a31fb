import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 3: every directory can be reached from the root, and its ".." leads back.
  func checkConnectivity() throws(FileSystemError) {
    // Without a root whose entries were read there is nothing to hang the rest on.
    guard directories.index(of: .root) != nil, inodes[.root].namesCounted > 0 else { return }
    options.progress?(3, 0)
    for top in unreachableTops() { try connectDirectory(top) }
    try connectDisplaced()
    options.progress?(3, 0.5)
    try checkParents()
    options.progress?(3, 1)
  }

  /// The uppermost directories of what cannot be reached, and one of each ring of directories.
  private func unreachableTops() -> [InodeNumber] {
    enum Mark: UInt8 { case unknown, onPath, settled }
    let list = directories.directories
    var marks = [Mark](repeating: .unknown, count: list.count)
    var tops: [InodeNumber] = []
    var path: [Int] = []
    if let root = directories.index(of: .root) { marks[root] = .settled }
    for start in list.indices where marks[start] == .unknown {
      var place = start
      path.removeAll(keepingCapacity: true)
      while marks[place] == .unknown {
        marks[place] = .onPath
        path.append(place)
        guard let parent = list[place].parent, let next = directories.index(of: parent) else {
          tops.append(list[place].inode)
          break
        }
        if marks[next] == .onPath { tops.append(list[ringTop(next)].inode) }
        place = next
      }
      for place in path { marks[place] = .settled }
    }
    return tops
  }

  /// Where a ring is best opened: at a directory whose ".." leads out of it, else at the first.
  private func ringTop(_ start: Int) -> Int {
    let list = directories.directories
    var first = start
    var place = start
    repeat {
      let directory = list[place]
      if let dotDot = directory.dotDot, dotDot != directory.parent, dotDot != directory.inode {
        return place
      }
      first = min(first, place)
      guard let parent = directory.parent, let next = directories.index(of: parent) else { break }
      place = next
    } while place != start
    return first
  }

  /// Connects a directory that no path leads to. Where its name is, in a ring, it is taken away.
  private func connectDirectory(_ number: InodeNumber) throws(FileSystemError) {
    guard let place = directories.index(of: number) else { return }
    let directory = directories[place]
    let dotDot = directory.dotDot
    let old: IssueValue? = dotDot.map { .text("its \"..\" is inode \($0.rawValue)") }
    if let holder = directory.parent, directories.index(of: holder) != nil {
      guard try found(.connection(.loop), .inode(number), found: old) else { return }
      guard try removeName(of: number, in: holder) else { return }
      directories[place].parent = nil
      inodes[number].namesCounted &-= 1
      _ = try giveName(to: number, .directory)
    } else {
      let issue = Issue(.connection(.unreachable), .inode(number), found: old)
      guard try reporter.found(issue) else { return }
      if try !giveName(to: number, .directory) { reporter.giveUp(issue) }
    }
  }

  /// Every ".." is the directory that holds the name.
  private func checkParents() throws(FileSystemError) {
    for place in directories.directories.indices {
      let directory = directories[place]
      let parent = directory.inode == .root ? .root : directory.parent
      guard let parent, let dotDot = directory.dotDot, dotDot != parent else { continue }
      guard
        try found(
          .connection(.wrongParent), .inode(directory.inode),
          found: .number(UInt64(dotDot.rawValue)), expected: .number(UInt64(parent.rawValue)))
      else { continue }
      try setDotDot(of: directory.inode, to: parent)
    }
  }

  /// Makes ".." name another directory, and counts that.
  func setDotDot(of number: InodeNumber, to parent: InodeNumber) throws(FileSystemError) {
    guard let place = directories.index(of: number) else { return }
    guard try writeDotDot(of: number, to: parent) else { return }
    if let old = directories[place].dotDot { try countName(of: old, by: -1) }
    try countName(of: parent, by: 1)
    directories[place].dotDot = parent
  }

  private func writeDotDot(
    of number: InodeNumber, to parent: InodeNumber
  ) throws(FileSystemError) -> Bool {
    var raw = try readInode(number)
    if raw.flags.contains(.inlineData) {
      raw.setBlockWord(0, parent.rawValue)
      try writeInode(number, raw)
      return true
    }
    guard let address = try firstBlock(number, raw) else { return false }
    let buffer = try image.block(address)
    let format = directoryFormat(number, raw)
    let end = superblock.blockSize
    guard let dot = try? format.record(buffer.bytes, at: 0, end: end),
      let dotDot = try? format.record(buffer.bytes, at: dot.end, end: end),
      dotDot.isUsed, buffer.bytes.array(dotDot.nameRange) == [0x2e, 0x2e]
    else { return false }
    var bytes = buffer.mutableBytes
    format.setTarget(&bytes, at: dotDot.offset, parent, .directory)
    if raw.flags.contains(.index),
      let node = try? format.hashTreeNode(buffer.bytes, .root, at: address)
    {
      format.sealHashTree(&bytes, node)
    } else {
      format.seal(&bytes)
    }
    try image.write(buffer, at: address)
    return true
  }

  private func firstBlock(
    _ number: InodeNumber, _ raw: RawInode
  ) throws(FileSystemError) -> BlockAddress? {
    var address: BlockAddress?
    try forEachRun(number, raw) { (run: MapRun) throws(FileSystemError) -> Bool in
      if run.logical == 0 { address = run.address }
      return false
    }
    return address
  }

  /// A name of an inode came or went while directories were connected. A link count that was right
  /// before stays right.
  func countName(of number: InodeNumber, by change: Int32) throws(FileSystemError) {
    guard inodes.isInUse(number) else { return }
    let before = inodes[number]
    let counted = UInt32(bitPattern: Int32(bitPattern: before.namesCounted) &+ change)
    inodes[number].namesCounted = counted
    guard UInt32(before.linkCount) == before.namesCounted, before.linkCount > 1,
      counted <= UInt32(Self.linkLimit)
    else { return }
    inodes[number].linkCount = UInt16(truncatingIfNeeded: counted)
    var raw = try readInode(number)
    raw.linkCount = UInt16(truncatingIfNeeded: counted)
    try writeInode(number, raw)
    if lostAndFound?.number == number { try lostAndFound?.reload() }
  }
}
