import BlockIO
import Ext4Format
import ExtantBase

/// What a check decided to write: the blocks in which the repaired image differs from the device.
///
/// It keeps addresses only: contents stay in the report's overlay, which must not change any more,
/// nor may the device before `write`.
public struct RepairPlan: Sendable {
  let device: any BlockDevice
  let repaired: OverlayDevice
  /// The journal on another device, with what a replay changed in it.
  let repairedJournal: RepairedJournal?
  let blockSize: Int
  /// Those that differ, ascending, the one with the superblock among them where it does.
  let blocks: [BlockAddress]

  /// Compares what the check wrote with what is on `device`, which it has checked.
  public init(_ report: CheckReport, device: any BlockDevice) throws(FileSystemError) {
    guard let repaired = report.repaired else {
      throw .refused(.invalidArgument)
    }
    self.device = device
    self.repaired = repaired
    repairedJournal = report.repairedJournal
    blockSize = repaired.pieceByteCount
    blocks = try Self.differences(repaired, device)
  }

  /// How many blocks of the filesystem's block size there are to write.
  public var blockCount: Int { blocks.count }
  public var isEmpty: Bool {
    blocks.isEmpty && (repairedJournal?.overlay.writtenPieces.isEmpty ?? true)
  }

  /// Their addresses, ascending.
  public var addresses: [BlockAddress] { blocks }

  /// The block that holds the superblock.
  var superblockBlock: BlockAddress {
    BlockAddress(Superblock.byteOffset / UInt64(blockSize))
  }

  /// Puts everything on the device, durably.
  ///
  /// - Parameter undo: the path of an undo file to be made first, so that `UndoFile.apply` can bring
  ///   back what is overwritten; nil for none. It must not exist, and not lie in the image.
  public func write(undo path: String? = nil) throws(FileSystemError) {
    guard !isEmpty else { return }
    var undo: UndoFile.Writer?
    if let path {
      undo = try UndoFile.Writer(path: path, device: device, unit: blockSize)
    }
    // One block alone is as good as a transaction.
    if blocks == [superblockBlock] {
      try writeInPlace(undo)
    } else if try !writeThroughJournal(undo) {
      try writeInPlace(undo)
    }
    try undo?.finish()
  }
}

// MARK: - Comparing

extension RepairPlan {
  /// In bytes, of what is read at once.
  static let chunk = 1 << 20

  /// The written pieces of `repaired` whose bytes are not those of `device`.
  static func differences(
    _ repaired: OverlayDevice, _ device: any BlockDevice
  ) throws(FileSystemError) -> [BlockAddress] {
    let size = repaired.pieceByteCount
    var differing: [BlockAddress] = []
    let written = repaired.writtenPieces.map { BlockAddress($0) }
    let longest = max(1, chunk / size)
    let new = BlockBuffer(byteCount: longest * size)
    let old = BlockBuffer(byteCount: longest * size)
    try forEachRun(written, longest: longest) { (run) throws(FileSystemError) in
      let offset = run.first.rawValue * UInt64(size)
      // The last piece may reach past the end of the device.
      let count = min(run.count * size, Int(clamping: device.byteCount - offset))
      var newBytes = new.mutableBytes
      var newPart = newBytes._mutatingExtracting(0..<count)
      try repaired.read(into: &newPart, at: offset)
      var oldBytes = old.mutableBytes
      var oldPart = oldBytes._mutatingExtracting(0..<count)
      try device.read(into: &oldPart, at: offset)
      for index in 0..<run.count {
        let range = index * size..<min((index + 1) * size, count)
        if !areEqual(new.bytes.extracting(range), old.bytes.extracting(range)) {
          differing.append(run.first + UInt64(index))
        }
      }
    }
    return differing
  }

  private static func areEqual(_ a: RawSpan, _ b: RawSpan) -> Bool {
    var offset = 0
    while offset + 8 <= a.byteCount {
      guard a.le64(offset) == b.le64(offset) else { return false }
      offset += 8
    }
    while offset < a.byteCount {
      guard a.u8(offset) == b.u8(offset) else { return false }
      offset += 1
    }
    return true
  }

  /// Calls `body` with stretches of consecutive addresses out of `blocks`, which ascend.
  static func forEachRun(
    _ blocks: [BlockAddress], longest: Int,
    _ body: ((first: BlockAddress, count: Int)) throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    var start = 0
    while start < blocks.count {
      var end = start + 1
      while end < blocks.count, end - start < longest, blocks[end] == blocks[end - 1] + 1 {
        end += 1
      }
      try body((blocks[start], end - start))
      start = end
    }
  }
}
