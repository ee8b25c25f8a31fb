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
    let descriptors = (blocks.count + format.tagsPerDescriptor - 1) / format.tagsPerDescriptor
    let length = Int(superblock.lastLogBlock - superblock.firstLogBlock)
    guard descriptors + blocks.count + 1 < length else { return false }
    var place = plan.endBlock
    func put(_ buffer: BlockBuffer) throws(FileSystemError) {
      try area.write([buffer], at: place)
      place = next(place)
    }
    let sequence = plan.endSequence
    let homes = HomeBlocks(blocks.map { ($0.home, $0.image) })
    for start in stride(from: 0, to: homes.count, by: format.tagsPerDescriptor) {
      let part = homes.part(start..<start + format.tagsPerDescriptor)
      let (descriptor, images) = format.logged(part, sequence: sequence)
      try put(descriptor)
      for image in images { try put(image) }
    }
    try area.device.flush()
    let (seconds, nanoseconds) = Clock.now()
    let commit = format.commitRecord(
      sequence: sequence, time: Timestamp(seconds: seconds, nanoseconds: nanoseconds))
    try area.writeThrough(commit, at: place)
    return true
  }
}
