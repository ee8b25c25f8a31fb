import BlockIO
import Ext4Format
import ExtantBase

/// Maps of block pointers: 12 to data, and three trees of pointer blocks.
extension MapExaminer {
  /// With so many pointers outside the filesystem, what they stand in is taken for something else.
  private static let garbageLimit = 12
  /// Holes that a directory may have, besides one for each of its blocks.
  private static let holeLimit: UInt64 = 64

  /// A block of pointers on the way from i_block to where we are.
  private struct Level {
    let node: BlockBuffer
    let address: BlockAddress
    /// Levels of pointer blocks below.
    let depth: Int
    var index = 0
    var isChanged = false
    /// Something else is there, too: nothing may be written before it has been moved.
    let isReadOnly: Bool
  }

  mutating func examinePointers() throws(FileSystemError) {
    let outside = (0..<PointerReader.wordCount).count { isOutside(inode.raw.blockWord($0)) }
    if outside >= Self.garbageLimit {
      inode.isCleared = try found(.pointersGarbage, found: .number(UInt64(outside)))
      return
    }
    let perBlock = round.image.blockSize / 4
    var run: MapRun?
    var holes: UInt64 = 0
    var logical: UInt64 = 0
    for word in 0..<PointerReader.wordCount {
      let depth = max(0, word - PointerReader.directCount + 1)
      let pointer = inode.raw.blockWord(word)
      if depth == 0 {
        if try !examineData(pointer, logical, parent: nil, isReadOnly: false, &run, &holes) {
          clear(word)
        }
        logical += 1
        continue
      }
      let end = logical + PointerReader.span(depth, perBlock)
      if pointer != 0 {
        if try !examineTree(pointer, depth, logical, &run, &holes) { clear(word) }
      }
      logical = end
    }
    finish(&run)
    if isDirectory, holes > 0 { try closeHoles(holes) }
  }

  private mutating func clear(_ word: Int) {
    inode.raw.setBlockWord(word, 0)
    inode.isChanged = true
  }

  private func isOutside(_ pointer: UInt32) -> Bool {
    pointer != 0 && !round.isMappable(BlockAddress(UInt64(pointer)))
  }

  // MARK: Trees

  /// Examines what hangs on a pointer to a pointer block, with `depth` levels of them. False where the
  /// pointer is to be cleared.
  private mutating func examineTree(
    _ pointer: UInt32, _ depth: Int, _ start: UInt64, _ run: inout MapRun?, _ holes: inout UInt64
  ) throws(FileSystemError) -> Bool {
    let perBlock = round.image.blockSize / 4
    var levels: [Level] = []
    switch try open(pointer, depth, 0, start) {
    case .level(let level): levels = [level]
    case .keep: return true
    case .clear: return false
    }
    var logical = start
    while let top = levels.indices.last {
      guard levels[top].index < perBlock else {
        let level = levels.removeLast()
        if level.isChanged { try round.image.write(level.node, at: level.address) }
        continue
      }
      let index = levels[top].index
      let depth = levels[top].depth
      levels[top].index += 1
      let node = levels[top].node
      let pointer = node.bytes.le32(4 * index)
      var isKept = true
      if depth == 0 {
        isKept = try examineData(
          pointer, logical, parent: levels[top].address, isReadOnly: levels[top].isReadOnly, &run,
          &holes)
        logical += 1
      } else if pointer == 0 || levels[top].isReadOnly && isOutside(pointer) {
        logical += PointerReader.span(depth, perBlock)
      } else {
        switch try open(pointer, depth, top + 1, logical) {
        case .level(let level): levels.append(level)
        case .keep: logical += PointerReader.span(depth, perBlock)
        case .clear:
          isKept = false
          logical += PointerReader.span(depth, perBlock)
        }
      }
      if !isKept, !levels[top].isReadOnly {
        var bytes = node.mutableBytes
        bytes.setLE32(0, at: 4 * index)
        levels[top].isChanged = true
      }
    }
    return true
  }

  private enum Opened {
    case level(Level)
    /// It cannot be followed, and stays.
    case keep
    case clear
  }

  /// Reads and claims the pointer block that `pointer`, on level `level` of `depth`, leads to.
  private mutating func open(
    _ pointer: UInt32, _ depth: Int, _ level: Int, _ logical: UInt64
  ) throws(FileSystemError) -> Opened {
    let address = BlockAddress(UInt64(pointer))
    if !round.isMappable(address) || address.rawValue >= round.image.deviceBlockCount {
      let isCleared = try found(
        .pointerBlockOutside, logical: logical, found: .number(address.rawValue))
      return isCleared ? .clear : .keep
    }
    if inode.number == .badBlocks, round.claims.isClaimed(address) {
      return try found(.badBlockListBlock, block: address, logical: logical) ? .clear : .keep
    }
    guard mayTakeNode(address) else { return try dropRepeated(address, logical) }
    let node = round.maps.buffer(level)
    try round.image.read(address, into: node)
    let outside = countOutside(node)
    if outside >= Self.garbageLimit {
      let isCleared = try found(
        .pointerBlockGarbage, block: address, logical: logical, found: .number(UInt64(outside)))
      return isCleared ? .clear : .keep
    }
    if depth == 1, round.maps.sharedRunsLeft == 0 {
      for offset in stride(from: 0, to: node.bytes.byteCount, by: 4)
      where !mayShare(BlockAddress(UInt64(node.bytes.le32(offset))), count: 1) {
        return try dropRepeated(address, logical)
      }
    }
    takeNode(address)
    return .level(
      Level(node: node, address: address, depth: depth - 1, isReadOnly: isMetadata(address)))
  }

  private mutating func dropRepeated(
    _ address: BlockAddress, _ logical: UInt64
  ) throws(FileSystemError) -> Opened {
    if dropsRepeated == nil {
      dropsRepeated = try found(.pointerBlockRepeated, block: address, logical: logical)
    }
    return dropsRepeated == true ? .clear : .keep
  }

  private func countOutside(_ node: BlockBuffer) -> Int {
    var count = 0
    let first = max(1, round.superblock.firstDataBlock)
    let end = UInt32(clamping: round.superblock.blockCount)
    let bytes = node.bytes
    for offset in stride(from: 0, to: bytes.byteCount, by: 4) {
      let pointer = bytes.le32(offset)
      if pointer != 0, pointer < first || pointer >= end { count += 1 }
    }
    return count
  }

  // MARK: Data

  /// Examines a pointer to data. False where it is to be cleared.
  private mutating func examineData(
    _ pointer: UInt32, _ logical: UInt64, parent: BlockAddress?, isReadOnly: Bool,
    _ run: inout MapRun?, _ holes: inout UInt64
  ) throws(FileSystemError) -> Bool {
    guard pointer != 0 else { return true }
    let address = BlockAddress(UInt64(pointer))
    guard round.isMappable(address) else {
      if isReadOnly { return true }
      return try !found(
        inode.number == .badBlocks ? .badBlockOutside : .pointerOutside, block: parent,
        logical: logical, found: .number(address.rawValue))
    }
    if inode.number == .badBlocks, try !examineBadBlock(address, logical, parent) { return false }
    if inode.raw.kind == .symbolicLink, logical > 0, !isReadOnly {
      return try !found(.symlinkTooLong, block: address, logical: logical)
    }
    if isDirectory {
      let taken = (run.map { $0.logical + $0.count }) ?? position
      if logical >= directoryLimit || directoryRoom <= (run?.count ?? 0), !isReadOnly {
        return try !found(.directoryTooBig, block: address, logical: logical)
      }
      // How many they are decides whether they become blocks of the directory, or are closed.
      holes += logical - min(taken, logical)
    }
    if let last = run, last.logical + last.count == logical,
      last.address.rawValue + last.count == address.rawValue
    {
      run?.count += 1
      return true
    }
    finish(&run)
    run = MapRun(logical: logical, address: address, count: 1)
    // Whether the list holds one of its own blocks is told by what is claimed.
    if inode.number == .badBlocks { finish(&run) }
    return true
  }

  private mutating func finish(_ run: inout MapRun?) {
    if let run { take(run) }
    run = nil
  }

  /// Pass 2 fills holes of directories; where there are very many, a directory without them is nearer
  /// to what it was.
  private mutating func closeHoles(_ holes: UInt64) throws(FileSystemError) {
    let blocks = position - holes
    guard holes > blocks + Self.holeLimit, try found(.directoryHole, found: .number(holes)) else {
      return
    }
    var start = round.directories.runs.count
    while start > 0, round.directories.runs[start - 1].inode == inode.number { start -= 1 }
    let own = Array(round.directories.runs[start...])
    round.directories.runs.removeSubrange(start...)
    var next: UInt64 = 0
    for run in own where run.address.rawValue != 0 {
      addDirectoryRun(next, run.address, run.count)
      next += run.count
    }
    inode.mappedEnd = next
    inode.writtenEnd = next
    round.later(.closeHoles, inode.number)
  }
}
