import BlockCache
import ExtantBase
import ExtentMap

extension FileContents {
  /// Reads from `offset` (in bytes) into `bytes`; the count read is short at the end of the file.
  ///
  /// The caller holds `node.lock`, shared.
  func read(
    into bytes: inout MutableRawSpan, at offset: UInt64, readAhead: UInt64
  ) throws(FileSystemError) -> Int {
    let size = node.size
    guard offset < size else { return 0 }
    let count = Int(min(UInt64(bytes.byteCount), size - offset))
    var done = 0
    while done < count {
      let position = offset + UInt64(done)
      let block = LogicalBlock(position / blockSize64)
      let within = Int(position % blockSize64)
      let piece = try node.withState { () throws(FileSystemError) -> MappedPiece in
        try self.piece(at: block)
      }
      let available = piece.blockCount.multipliedReportingOverflow(by: blockSize64)
      let length =
        available.overflow
        ? count - done : Int(min(UInt64(count - done), available.partialValue - UInt64(within)))
      var target = bytes._mutatingExtracting(done..<done + length)
      switch piece.content {
      case .zeros:
        target.fill(0..<length, with: 0)
      case .blocks(let address):
        // The run's blocks behind the copy: what comes after them is somebody else's.
        let covered = UInt64((within + length - 1) / blockSize) + 1
        let behind = piece.blockCount - min(piece.blockCount, covered)
        let outcome = try cache.copyOut(
          from: address, byteOffset: within, into: &target,
          readAhead: address.isVirtual ? 0 : Int(min(readAhead, behind)))
        // Write-back gave the block its home between the look at the map and the copy.
        if outcome == .moved { continue }
      }
      done += length
    }
    return count
  }

  /// What lies at `block` and how far it reaches. Called under `node.state`.
  func piece(at block: LogicalBlock) throws(FileSystemError) -> MappedPiece {
    switch try map.run(at: block) {
    case .hole(let range):
      return MappedPiece(content: .zeros, blockCount: range.upperBound.rawValue - block.rawValue)
    case .extent(let run):
      let skipped = block.rawValue - run.logical.rawValue
      let content: MappedPiece.Content =
        run.state == .unwritten ? .zeros : .blocks(run.address + skipped)
      return MappedPiece(content: content, blockCount: run.count - skipped)
    }
  }
}

/// Consecutive blocks of a file that are read the same way.
struct MappedPiece {
  enum Content {
    case zeros
    /// Consecutive blocks from this address on.
    case blocks(BlockAddress)
  }

  var content: Content
  var blockCount: UInt64
}
