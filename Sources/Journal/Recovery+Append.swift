import BlockIO
import Ext4Format
import ExtantBase
import Threading

extension Recovery {
  /// Replays `plan`, and puts one more transaction in its place, which takes the number that the
  /// fast commits add to. Each step leaves what can be recovered to the same.
  ///
  /// - Returns: the journal as it is then; nil where its log is too small for the transaction, and
  ///   the fast commits are left.
  public func add(
    _ blocks: [(home: BlockAddress, image: BlockBuffer)], to plan: Plan,
    onto device: any BlockDevice
  ) throws(FileSystemError) -> (superblock: JournalSuperblock, plan: Plan)? {
    let emptied = try replay(plan, onto: device, ending: .fastCommitsLeft)
    let recovery = try Recovery(area: area, superblock: emptied, blockLimit: blockLimit)
    let nothing = try recovery.plan()
    guard nothing.copies.isEmpty, try recovery.append(blocks, after: nothing) else { return nil }
    return (emptied, try recovery.plan())
  }

  /// Puts one more transaction behind those of `plan`, in a log that `replay` left with
  /// `fastCommitsLeft`, and makes it durable. A crash before that leaves the log as it was.
  ///
  /// - Parameter blocks: by their homes, each once.
  /// - Returns: false, with nothing changed, where the log is too small for them.
  func append(
    _ blocks: [(home: BlockAddress, image: BlockBuffer)], after plan: Plan
  ) throws(FileSystemError) -> Bool {
    let images = Dictionary(blocks.map { ($0.home, $0.image) }, uniquingKeysWith: { $1 })
    return try append(blocks.map(\.home), after: plan) { images[$0] }
  }

  /// Log blocks that a transaction of so many blocks takes, with the one behind it; nil where the log
  /// has not as many.
  package func blocksNeeded(_ count: Int) -> Int? {
    let descriptors = (count + format.tagsPerDescriptor - 1) / format.tagsPerDescriptor
    let needed = descriptors + count + 2
    return needed <= Int(superblock.lastLogBlock - superblock.firstLogBlock) ? needed : nil
  }

  /// Whether the log can say where a block belongs.
  package func canHold(_ address: BlockAddress) -> Bool {
    address.rawValue <= UInt64(UInt32.max) || superblock.incompat.contains(.is64Bit)
  }

  /// As above, with the blocks asked for when they are written.
  ///
  /// - Parameter image: what belongs to a home.
  package func append(
    _ homes: [BlockAddress], after plan: Plan,
    image: (BlockAddress) throws(FileSystemError) -> BlockBuffer?
  ) throws(FileSystemError) -> Bool {
    guard blocksNeeded(homes.count) != nil else { return false }
    var place = plan.endBlock
    func put(_ buffer: BlockBuffer) throws(FileSystemError) {
      try area.write([buffer], at: place)
      place = next(place)
    }
    let sequence = plan.endSequence
    for start in stride(from: 0, to: homes.count, by: format.tagsPerDescriptor) {
      var part: [(address: BlockAddress, image: BlockBuffer)] = []
      for home in homes[start..<min(start + format.tagsPerDescriptor, homes.count)] {
        guard let image = try image(home) else { return false }
        part.append((home, image))
      }
      let (descriptor, images) = format.logged(HomeBlocks(part), sequence: sequence)
      try put(descriptor)
      for image in images { try put(image) }
    }
    // What stands behind it by chance must not go on where it ends.
    try area.write([BlockBuffer(byteCount: area.blockSize)], at: next(place))
    try area.device.flush()
    let (seconds, nanoseconds) = Clock.now()
    let commit = format.commitRecord(
      sequence: sequence, time: Timestamp(seconds: seconds, nanoseconds: nanoseconds))
    try area.writeThrough(commit, at: place)
    return true
  }
}
