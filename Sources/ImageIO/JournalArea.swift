import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage

/// The blocks of a journal, numbered from 0, wherever they lie on their device: the runs of the
/// journal's inode, or a device of its own.
public struct JournalArea: Sendable {
  /// Consecutive blocks of the journal that are consecutive on the device.
  public struct Run: Sendable, Equatable {
    /// The first, as a block of the journal.
    public var first: UInt32
    /// In bytes on the device.
    public var offset: UInt64
    /// In blocks, at least one.
    public var count: UInt32

    public init(first: UInt32, offset: UInt64, count: UInt32) {
      self.first = first
      self.offset = offset
      self.count = count
    }
  }

  public let device: any BlockDevice
  /// In bytes.
  public let blockSize: Int
  /// Where the journal's superblock is: 0, except on a device of its own, which starts with a
  /// superblock of ext4.
  public let superblockBlock: UInt32
  /// Ascending, without gaps, from block 0.
  private let runs: [Run]
  public let blockCount: UInt32

  /// - Throws: `corrupt` unless the runs follow each other from block 0 and lie on the device.
  public init(
    device: any BlockDevice, blockSize: Int, runs: [Run], superblockBlock: UInt32 = 0
  ) throws(FileSystemError) {
    var next: UInt32 = 0
    for run in runs {
      let bytes = UInt64(run.count) * UInt64(blockSize)
      let sum = next.addingReportingOverflow(run.count)
      guard run.first == next, run.count > 0, !sum.overflow, run.offset <= device.byteCount,
        bytes <= device.byteCount - run.offset
      else {
        throw .corrupt(
          Corruption("journal", "its blocks from \(run.first) are not \(run.count) on the device"))
      }
      next = sum.partialValue
    }
    self.device = device
    self.blockSize = blockSize
    self.runs = runs
    self.superblockBlock = superblockBlock
    blockCount = next
  }

  /// The same journal on a device that stands for the same bytes.
  public func on(_ device: any BlockDevice) throws(FileSystemError) -> JournalArea {
    try JournalArea(
      device: device, blockSize: blockSize, runs: runs, superblockBlock: superblockBlock)
  }

  /// Whether the other journal lies in the same places of its device.
  package func hasSamePlaces(as other: JournalArea) -> Bool {
    runs == other.runs && blockSize == other.blockSize && superblockBlock == other.superblockBlock
  }

  /// Where `block` lies, in bytes on the device.
  ///
  /// - Throws: EINVAL past the journal's end.
  public func offset(of block: UInt32) throws(FileSystemError) -> UInt64 {
    try place(of: block).offset
  }

  /// Whether the byte at `offset` of the device belongs to the journal.
  public func holds(_ offset: UInt64) -> Bool {
    runs.contains { run in
      offset >= run.offset && offset - run.offset < UInt64(run.count) * UInt64(blockSize)
    }
  }

  public func read(_ block: UInt32, into buffer: BlockBuffer) throws(FileSystemError) {
    let place = try place(of: block)
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: place.offset)
  }

  /// Reads consecutive blocks, each into its buffer.
  public func read(_ first: UInt32, into buffers: [BlockBuffer]) throws(FileSystemError) {
    try forEachPiece(buffers, at: first) { (part, offset) throws(FileSystemError) in
      try device.read(into: part, at: offset)
    }
  }

  /// Writes consecutive blocks.
  public func write(_ buffers: [BlockBuffer], at first: UInt32) throws(FileSystemError) {
    try forEachPiece(buffers, at: first) { (part, offset) throws(FileSystemError) in
      try device.write(part, at: offset)
    }
  }

  /// Writes a block, and returns when it is durable.
  public func writeThrough(_ buffer: BlockBuffer, at block: UInt32) throws(FileSystemError) {
    let place = try place(of: block)
    try device.writeThrough(buffer.bytes, at: place.offset)
  }

  /// Calls `body` for each of the runs that the buffers fall into.
  private func forEachPiece(
    _ buffers: [BlockBuffer], at first: UInt32,
    _ body: ([BlockBuffer], UInt64) throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    guard let count = UInt32(exactly: buffers.count), first <= blockCount,
      count <= blockCount - first
    else { throw outside(first) }
    var done = 0
    while done < buffers.count {
      let place = try place(of: first + UInt32(done))
      let taken = min(buffers.count - done, Int(place.left))
      let all = done == 0 && taken == buffers.count
      try body(all ? buffers : Array(buffers[done..<done + taken]), place.offset)
      done += taken
    }
  }

  /// Writes the journal's superblock.
  ///
  /// - Parameter isDurable: false leaves it to a later flush, as without barriers.
  public func store(
    _ superblock: JournalSuperblock, isDurable: Bool = true
  ) throws(FileSystemError) {
    let block = BlockBuffer(byteCount: blockSize)
    var bytes = block.mutableBytes
    superblock.encode(into: &bytes)
    device.note(.journalSuperblockWrite)
    if isDurable {
      try writeThrough(block, at: superblockBlock)
    } else {
      try write([block], at: superblockBlock)
    }
  }

  /// Where `block` lies, and how many blocks lie there in a row, itself included.
  private func place(of block: UInt32) throws(FileSystemError) -> (offset: UInt64, left: UInt32) {
    guard block < blockCount else { throw outside(block) }
    var low = 0
    var high = runs.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if runs[middle].first <= block { low = middle } else { high = middle }
    }
    let run = runs[low]
    let distance = block - run.first
    return (run.offset + UInt64(distance) * UInt64(blockSize), run.count - distance)
  }

  private func outside(_ block: UInt32) -> FileSystemError {
    .io(
      DeviceFailure(
        .read, .invalidArgument, device: device.name,
        reason: "block \(block) of a journal of \(blockCount) blocks"))
  }
}
