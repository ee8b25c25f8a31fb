import BlockIO
import Ext4Format
import ExtantBase

/// Reads a quota file's blocks, and goes through its tree.
struct QuotaReader {
  private let round: CheckRound
  private var runs: [MapRun] = []
  /// In bytes, as the inode says.
  let size: UInt64
  private let block = BlockBuffer(byteCount: QuotaFile.blockSize)

  init(_ round: CheckRound, _ number: InodeNumber, _ raw: RawInode) throws(FileSystemError) {
    self.round = round
    size = raw.wholeSize
    guard raw.kind == .regular, !raw.flags.contains(.inlineData) else { return }
    var runs: [MapRun] = []
    try round.forEachRun(number, raw) { (run: MapRun) throws(FileSystemError) -> Bool in
      runs.append(run)
      return true
    }
    self.runs = runs
  }

  /// In blocks of a quota file.
  var blockCount: UInt64 { size / UInt64(QuotaFile.blockSize) }

  /// Where the block `number` of the file is, in bytes; nil in a hole.
  private func offset(_ number: UInt32) -> UInt64? {
    let blockSize = UInt64(round.superblock.blockSize)
    let start = UInt64(number) * UInt64(QuotaFile.blockSize)
    let logical = start / blockSize
    var low = 0
    var high = runs.count
    while low < high {
      let middle = (low + high) / 2
      let run = runs[middle]
      if run.logical + run.count <= logical { low = middle + 1 } else { high = middle }
    }
    guard low < runs.count, runs[low].logical <= logical, !runs[low].isUnwritten else {
      return nil
    }
    let address = runs[low].address + (logical - runs[low].logical)
    guard round.superblock.contains(address), address.rawValue < round.image.deviceBlockCount else {
      return nil
    }
    // Blocks of 1 KiB lie in one block of the filesystem.
    return address.rawValue * blockSize + start % blockSize
  }

  /// The block `number` of the file, in a buffer that the next call uses again; zeros for a hole.
  func read(_ number: UInt32) throws(FileSystemError) -> BlockBuffer {
    var bytes = block.mutableBytes
    if let offset = offset(number) {
      try round.image.overlay.read(into: &bytes, at: offset)
    } else {
      bytes.fill(0..<QuotaFile.blockSize, with: 0)
    }
    return block
  }

  /// Overwrites a block of the file.
  func write(_ buffer: BlockBuffer, to number: UInt32) throws(FileSystemError) {
    guard let offset = offset(number) else { return }
    try round.image.overlay.write(buffer.bytes, at: offset)
  }

  func head() throws(FileSystemError) -> QuotaHead {
    let buffer = try read(0)
    return QuotaHead(buffer.bytes)
  }

  /// Calls `body` with each entry that the tree leads to, each block once.
  ///
  /// - Returns: the first reference that leads outside of the file; nil where none does.
  func forEachEntry(
    _ head: QuotaHead, _ body: (QuotaEntry) -> Void
  ) throws(FileSystemError) -> UInt32? {
    let limit = min(UInt64(head.blockCount), blockCount)
    var seen = SparseBitSet(limit: limit)
    var outside: UInt32?
    var stack: [(block: UInt32, level: Int)] = [(QuotaFile.rootBlock, 0)]
    seen.insert(UInt64(QuotaFile.rootBlock))
    while let (number, level) = stack.popLast() {
      guard UInt64(number) < limit else { continue }
      let buffer = try read(number)
      let bytes = buffer.bytes
      if level == QuotaFile.depth {
        QuotaFile.forEachEntry(bytes, body)
        continue
      }
      // The stack holds 256 blocks of each level at most.
      for index in (0..<QuotaFile.referencesPerBlock).reversed() {
        let next = QuotaFile.reference(index, in: bytes)
        guard next != 0 else { continue }
        guard UInt64(next) < limit else {
          outside = outside ?? next
          continue
        }
        if seen.insert(UInt64(next)) { stack.append((next, level + 1)) }
      }
    }
    return outside
  }
}
