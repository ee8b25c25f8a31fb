import BlockIO
import Ext4Format
import ExtantBase

/// Extent trees: from the root down and from left to right, each node mended before the next is read.
extension MapExaminer {
  /// A node on the way from the root to where we are.
  fileprivate struct Level {
    let node: BlockBuffer
    /// Nil for the root.
    let address: BlockAddress?
    /// Levels below: the root's word counts, not the node's.
    let depth: UInt16
    /// What it maps ends here at the latest.
    let limit: UInt64
    var index = 0
    var isChanged = false
    /// Something else is there, too: nothing may be written before it has been moved.
    var isReadOnly = false
    var hasValidChecksum = true

    var count: Int { RawExtentNode.count(node.bytes) }

    mutating func change(_ body: (inout MutableRawSpan) -> Void) {
      var bytes = node.mutableBytes
      body(&bytes)
      isChanged = true
    }
  }

  mutating func examineExtents() throws(FileSystemError) {
    let root = round.maps.root
    var bytes = root.mutableBytes
    bytes.copy(inode.raw.blockArea, at: 0)
    guard let isMended = try examineRoot(root) else { return }
    var levels = [
      Level(
        node: root, address: nil, depth: RawExtentNode.depth(root.bytes),
        limit: LogicalBlock.limit.rawValue, isChanged: isMended)
    ]
    try sort(&levels[0])
    let seed = inode.raw.checksumSeed(inode.number, round.superblock)
    while let top = levels.indices.last {
      if levels[top].index >= levels[top].count {
        try leave(&levels, seed)
      } else if levels[top].depth == 0 {
        try examineExtent(&levels[top])
      } else {
        try examineIndex(&levels, seed)
      }
    }
  }

  // MARK: Nodes

  /// Checks the root's header. True where it was mended; nil where the inode is to be cleared, or left
  /// alone.
  private mutating func examineRoot(_ root: BlockBuffer) throws(FileSystemError) -> Bool? {
    let depth = RawExtentNode.depth(root.bytes)
    let isValid = RawExtentNode.hasValidHeader(root.bytes) && depth <= ExtentReader.depthLimit
    if !isValid {
      guard let count = usableEntries(root) else {
        inode.isCleared = try found(.extentRoot)
        return nil
      }
      let isEmpty = count == 0 && RawExtentNode.hasValidHeader(root.bytes)
      guard try found(isEmpty ? .extentRootEmpty : .extentRootHeader) else { return nil }
      var bytes = root.mutableBytes
      bytes.setLE16(ExtentNode.magic, at: 0)
      bytes.setLE16(UInt16(count), at: 2)
      bytes.setLE16(UInt16(ExtentNode.rootCapacity), at: 4)
      if count == 0 { bytes.setLE16(0, at: 6) }
      return true
    }
    if depth > ExtentNode.maximumDepth,
      try found(
        .extentTreeTooDeep, found: .number(UInt64(depth)),
        expected: .number(UInt64(ExtentNode.maximumDepth)))
    {
      round.later(.rebuild, inode.number)
    }
    return false
  }

  /// How many entries of a root with a damaged header are as they should be; nil where it is no root.
  private func usableEntries(_ root: BlockBuffer) -> Int? {
    let said = RawExtentNode.count(root.bytes)
    // A file that is empty by all that is said of it has no entries to be lost.
    if !isDirectory, said == 0, root.bytes.le16(0) == ExtentNode.magic, inode.raw.wholeSize == 0 {
      return 0
    }
    let depth = RawExtentNode.depth(root.bytes)
    guard depth <= ExtentNode.maximumDepth else { return nil }
    var usable = 0
    var position: UInt64 = 0
    while usable < ExtentNode.rootCapacity {
      let logical = UInt64(RawExtentNode.logical(root.bytes, usable))
      guard logical >= position else { break }
      if depth == 0 {
        let extent = RawExtentNode.extent(root.bytes, usable)
        guard extent.length > 0, round.isMappable(extent.address),
          round.superblock.contains(extent.address, count: UInt64(extent.length))
        else { break }
        position = extent.end
      } else {
        let child = RawExtentNode.child(root.bytes, usable)
        guard round.isMappable(child), child.rawValue < round.image.deviceBlockCount else { break }
        position = logical + 1
      }
      usable += 1
    }
    guard usable > 0 else { return nil }
    return said > 0 && said <= usable ? said : usable
  }

  /// Sorts a node's entries where they are not. A directory's are taken as they stand: it has no holes,
  /// so that each begins where the one before ends, whatever it says.
  private func sort(_ level: inout Level) throws(FileSystemError) {
    if isDirectory { return }
    let count = level.count
    var isSorted = true
    for index in 0..<count where index > 0 {
      if RawExtentNode.logical(level.node.bytes, index - 1)
        > RawExtentNode.logical(level.node.bytes, index)
      {
        isSorted = false
        break
      }
    }
    guard !isSorted, !level.isReadOnly else { return }
    if level.depth == 0, try removeOutliers(&level) { return try sort(&level) }
    guard try found(.extentNodeOrder, block: level.address) else { return }
    let size = RawExtentNode.entrySize
    let bytes = level.node.bytes.array(
      RawExtentNode.headerSize..<RawExtentNode.headerSize + size * count)
    let order = (0..<count).sorted {
      let (a, b) = (bytes.rawBytes.le32(size * $0), bytes.rawBytes.le32(size * $1))
      return a == b ? $0 < $1 : a < b
    }
    level.change { node in
      for (place, index) in order.enumerated() {
        node.copy(
          Array(bytes[size * index..<size * (index + 1)]),
          at: RawExtentNode.headerSize + size * place)
      }
    }
  }

  /// Removes extents from a node out of order that begin past the end of the file: sorted in, they
  /// would make it as large as some wrong number says. True where there was one.
  private func removeOutliers(_ level: inout Level) throws(FileSystemError) -> Bool {
    var isChanged = false
    var index = 0
    while index + 1 < level.count {
      let extent = RawExtentNode.extent(level.node.bytes, index)
      guard UInt64(extent.logical) > max(fileEnd, 1),
        extent.logical > RawExtentNode.logical(level.node.bytes, index + 1),
        try found(.extentMisplaced, block: extent.address, logical: UInt64(extent.logical))
      else {
        index += 1
        continue
      }
      level.change { RawExtentNode.remove(&$0, index) }
      isChanged = true
    }
    return isChanged
  }

  /// One past the file's last block, by its size.
  private var fileEnd: UInt64 {
    let blockSize = UInt64(round.image.blockSize)
    let size = inode.raw.size(round.superblock)
    return size / blockSize + (size % blockSize > 0 ? 1 : 0)
  }

  /// Goes back to the parent: writes the node where it was mended, and makes the parent agree.
  private mutating func leave(
    _ levels: inout [Level], _ seed: UInt32?
  ) throws(FileSystemError) {
    guard var level = levels.popLast() else { return }
    guard let address = level.address, let parent = levels.indices.last else {
      try finishRoot(&level)
      return
    }
    if !level.hasValidChecksum, !level.isReadOnly,
      try found(.extentNodeChecksum, block: address)
    {
      level.isChanged = true
    }
    if level.count == 0, !level.isReadOnly, !levels[parent].isReadOnly {
      giveBackNode(address)
      // The parent went on to its next entry.
      levels[parent].index -= 1
      let index = levels[parent].index
      levels[parent].change { RawExtentNode.remove(&$0, index) }
      return
    }
    if level.isChanged, !level.isReadOnly {
      var bytes = level.node.mutableBytes
      RawExtentNode.updateChecksum(&bytes, seed: seed)
      try round.image.write(level.node, at: address)
      let logical = RawExtentNode.logical(level.node.bytes, 0)
      let index = levels[parent].index - 1
      let above = levels[parent].node
      if !levels[parent].isReadOnly, RawExtentNode.logical(above.bytes, index) != logical {
        levels[parent].change { RawExtentNode.setLogical(logical, &$0, index) }
      }
    }
  }

  private mutating func finishRoot(_ root: inout Level) throws(FileSystemError) {
    if root.depth > 0, root.count == 0 {
      // Where the entries were taken out by us, there is nothing more to say.
      var isFlat = root.isChanged
      if !isFlat { isFlat = try found(.extentRootEmpty) }
      if isFlat { root.change { $0.setLE16(0, at: 6) } }
    }
    if root.isChanged {
      inode.raw.blockArea = root.node.bytes.array()
      inode.isChanged = true
    }
    if root.depth > 0 { try examineEnd() }
  }

  /// One block past the end of a file is let pass, but not in a tree with nodes: there the parent's
  /// entry ends with the file.
  private mutating func examineEnd() throws(FileSystemError) {
    let blockSize = UInt64(round.image.blockSize)
    let size = inode.raw.size(round.superblock)
    guard !isDirectory, size > 0, size % blockSize == 0, inode.writtenEnd == size / blockSize + 1,
      try found(.extentPastSize, logical: size / blockSize)
    else { return }
    round.later(.cut(at: size / blockSize), inode.number)
  }

  // MARK: Entries

  private mutating func examineIndex(
    _ levels: inout [Level], _ seed: UInt32?
  ) throws(FileSystemError) {
    let top = levels.count - 1
    let index = levels[top].index
    let parent = levels[top]
    let key = RawExtentNode.logical(parent.node.bytes, index)
    let child = RawExtentNode.child(parent.node.bytes, index)
    levels[top].index += 1

    func drop(_ issue: MapIssue) throws(FileSystemError) {
      guard !parent.isReadOnly,
        try found(
          issue, block: issue == .extentNodeOutside ? parent.address : child, logical: UInt64(key),
          found: issue == .extentNodeOutside ? .number(child.rawValue) : nil)
      else { return }
      levels[top].change { RawExtentNode.remove(&$0, index) }
      levels[top].index = index
    }

    guard round.isMappable(child) else { return try drop(.extentNodeOutside) }
    guard child.rawValue < round.image.deviceBlockCount else { return try drop(.extentNode) }
    let wasClaimed = round.claims.isClaimed(child)
    guard mayTakeNode(child) else { return try drop(.extentNodeOverlap) }
    let node = round.maps.buffer(top)
    try round.image.read(child, into: node)
    guard RawExtentNode.hasValidHeader(node.bytes) else { return try drop(.extentNode) }
    let count = RawExtentNode.count(node.bytes)
    guard count > 0 else { return try drop(.extentNodeEmpty) }
    var limit = parent.limit
    if index + 1 < parent.count {
      let next = UInt64(RawExtentNode.logical(parent.node.bytes, index + 1))
      if next > UInt64(key) { limit = min(limit, next) }
    }
    var level = Level(node: node, address: child, depth: parent.depth - 1, limit: limit)
    level.isReadOnly = isMetadata(child)
    level.hasValidChecksum = RawExtentNode.hasValidChecksum(node.bytes, seed: seed)
    try sort(&level)
    let last = UInt64(RawExtentNode.logical(node.bytes, count - 1))
    if last < position, !isDirectory || wasClaimed { return try drop(.extentNodeOverlap) }
    if level.depth == 0, round.maps.sharedRunsLeft == 0 {
      for index in 0..<count {
        let extent = RawExtentNode.extent(node.bytes, index)
        guard mayShare(extent.address, count: UInt64(extent.length)) else {
          return try drop(.extentNodeOverlap)
        }
      }
    }
    if RawExtentNode.depth(node.bytes) != level.depth, !level.isReadOnly,
      try found(
        .extentNodeDepth, block: child, found: .number(UInt64(RawExtentNode.depth(node.bytes))),
        expected: .number(UInt64(level.depth)))
    {
      let depth = level.depth
      level.change { $0.setLE16(depth, at: 6) }
    }
    let first = RawExtentNode.logical(node.bytes, 0)
    if first != key, !parent.isReadOnly, !level.isReadOnly,
      try found(
        .extentNodeStart, block: child, found: .number(UInt64(key)),
        expected: .number(UInt64(first)))
    {
      levels[top].change { RawExtentNode.setLogical(first, &$0, index) }
    }
    takeNode(child)
    levels.append(level)
  }

  private mutating func examineExtent(_ level: inout Level) throws(FileSystemError) {
    let index = level.index
    var extent = RawExtentNode.extent(level.node.bytes, index)
    level.index += 1
    if let issue = fault(extent, level.limit) {
      guard !level.isReadOnly,
        try found(
          issue, block: issue == .extentOutside ? level.address : extent.address,
          logical: UInt64(extent.logical),
          found: issue == .extentOutside
            ? .number(extent.address.rawValue) : .number(UInt64(extent.length)))
      else { return }
      level.change { RawExtentNode.remove(&$0, index) }
      level.index = index
      return
    }
    if isDirectory {
      if extent.isUnwritten, !level.isReadOnly,
        try found(
          .extentUnwrittenDirectory, block: extent.address, logical: UInt64(extent.logical))
      {
        extent.isUnwritten = false
      }
      if UInt64(extent.logical) != position, !level.isReadOnly,
        try found(
          UInt64(extent.logical) > position ? .directoryHole : .directoryOverlap,
          block: extent.address, logical: UInt64(extent.logical), expected: .number(position))
      {
        extent.logical = UInt32(truncatingIfNeeded: position)
      }
      guard extent.end <= directoryLimit, UInt64(extent.length) <= directoryRoom else {
        guard !level.isReadOnly,
          try found(
            .directoryTooBig, block: extent.address, logical: UInt64(extent.logical),
            found: .number(UInt64(extent.length)))
        else { return }
        level.change { RawExtentNode.remove(&$0, index) }
        level.index = index
        return
      }
      if extent != RawExtentNode.extent(level.node.bytes, index) {
        let mended = extent
        level.change { RawExtentNode.setExtent(mended, &$0, index) }
      }
    }
    take(
      MapRun(
        logical: UInt64(extent.logical), address: extent.address, count: UInt64(extent.length),
        isUnwritten: extent.isUnwritten))
  }

  /// Why an extent cannot stay; nil where it can.
  private func fault(_ extent: RawExtentNode.Extent, _ limit: UInt64) -> MapIssue? {
    guard round.isMappable(extent.address) else { return .extentOutside }
    guard extent.length > 0 else { return .extentLengthZero }
    guard round.superblock.contains(extent.address, count: UInt64(extent.length)) else {
      return .extentPastEnd
    }
    // Where a directory's extent stands does not matter: it is put behind the one before.
    if isDirectory { return nil }
    guard UInt64(extent.logical) >= position else { return .extentOverlap }
    guard extent.end <= LogicalBlock.limit.rawValue else { return .extentLogicalLimit }
    guard extent.end <= limit else { return .extentMisplaced }
    return nil
  }
}
