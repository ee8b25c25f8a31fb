import ExtantBase
import Synchronization
import SystemPackage
import Threading

/// A device whose writes stay in memory, over one that is only read: a filesystem can be mended
/// and used without its image changing.
///
/// Memory goes to the pieces that were written, up to a limit: what is more goes to a temporary file
/// without a name. Nothing is ever durable here; the base must not change while the overlay is used.
public final class OverlayDevice: BlockDevice {
  public let name: String
  public let byteCount: UInt64
  public let isReadOnly = false
  /// In bytes: what is copied from the base at the first write to it.
  public let pieceByteCount: Int

  private let base: any BlockDevice
  /// Whether `close` closes the base too: a copy leaves it to the first.
  private let ownsBase: Bool
  /// A piece that overlays share is never written: it is copied first.
  private struct Piece {
    enum Contents {
      case memory(BlockBuffer)
      case spilled(UInt64)
    }
    var contents: Contents
    var isShared: Bool
  }
  private struct Pieces {
    var table: [UInt64: Piece] = [:]
    /// How many of them are in memory.
    var memoryCount = 0
  }
  private let pieces: Guarded<Pieces>
  /// Pieces that may be in memory.
  private let memoryLimit: Int
  private let spill: SpillFile
  private let closed = Atomic(false)

  /// An overlay that closes `base` when it is closed.
  ///
  /// - Parameter memoryLimit: in bytes, of what was written: the rest goes to a temporary file.
  public convenience init(
    base: any BlockDevice, pieceByteCount: Int = 4096, memoryLimit: Int = .max
  ) {
    precondition(pieceByteCount > 0)
    self.init(
      base: base, pieceByteCount: pieceByteCount, ownsBase: true, pieces: Pieces(),
      memoryLimit: memoryLimit / pieceByteCount, spill: SpillFile(pieceByteCount: pieceByteCount))
  }

  private init(
    base: any BlockDevice, pieceByteCount: Int, ownsBase: Bool, pieces: Pieces, memoryLimit: Int,
    spill: SpillFile
  ) {
    self.base = base
    self.ownsBase = ownsBase
    name = base.name
    byteCount = base.byteCount
    self.pieceByteCount = pieceByteCount
    self.pieces = Guarded(pieces, .upperDevice)
    self.memoryLimit = memoryLimit
    self.spill = spill
  }

  /// Another overlay of the same base with the same contents; from now on each goes its own way.
  /// Takes no memory for contents until one of them writes. It closes the base only where
  /// `closingBase` says so.
  public func copy(closingBase: Bool = false) -> OverlayDevice {
    let shared = pieces.withLock { pieces in
      for place in pieces.table.keys { pieces.table[place]?.isShared = true }
      return pieces
    }
    return OverlayDevice(
      base: base, pieceByteCount: pieceByteCount, ownsBase: closingBase, pieces: shared,
      memoryLimit: memoryLimit, spill: spill)
  }

  /// The pieces that were written, by their number, ascending.
  public var writtenPieces: [UInt64] { pieces.withLock { $0.table.keys.sorted() } }

  /// Bytes that were written, those shared with other overlays included.
  public var writtenByteCount: Int { pieces.withLock { $0.table.count } * pieceByteCount }
  /// Of these, bytes in memory.
  public var memoryByteCount: Int { pieces.withLock { $0.memoryCount } * pieceByteCount }

  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkOpen(.read)
    try checkRange(.read, at: offset, count: bytes.byteCount)
    var done = 0
    while done < bytes.byteCount {
      let (piece, start, count) = place(offset + UInt64(done), bytes.byteCount - done)
      let copied = try pieces.withLock { (pieces) throws(FileSystemError) -> Bool in
        guard let present = pieces.table[piece] else { return false }
        let buffer = try contents(present)
        bytes.overwrite(at: done, with: buffer.bytes.extracting(start..<start + count))
        return true
      }
      if copied {
        done += count
        continue
      }
      // As much as is not written, in one call.
      var end = done + count
      while end < bytes.byteCount {
        let (next, _, more) = place(offset + UInt64(end), bytes.byteCount - end)
        guard pieces.withLock({ $0.table[next] == nil }) else { break }
        end += more
      }
      var part = bytes._mutatingExtracting(done..<end)
      try base.read(into: &part, at: offset + UInt64(done))
      done = end
    }
  }

  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkOpen(.write)
    try checkRange(.write, at: offset, count: bytes.byteCount)
    var done = 0
    while done < bytes.byteCount {
      let (piece, start, count) = place(offset + UInt64(done), bytes.byteCount - done)
      try pieces.withLock { (pieces) throws(FileSystemError) in
        try change(piece, &pieces, at: start, to: bytes.extracting(done..<done + count))
      }
      done += count
    }
  }

  private func contents(_ piece: Piece) throws(FileSystemError) -> BlockBuffer {
    switch piece.contents {
    case .memory(let buffer): return buffer
    case .spilled(let slot): return try spill.read(slot)
    }
  }

  /// Writes a part of one piece.
  private func change(
    _ piece: UInt64, _ pieces: inout Pieces, at start: Int, to bytes: RawSpan
  ) throws(FileSystemError) {
    let buffer: BlockBuffer
    if let present = pieces.table[piece] {
      let old = try contents(present)
      guard present.isShared else {
        Self.overwrite(old, at: start, with: bytes)
        if case .spilled(let slot) = present.contents { try spill.replace(slot, with: old) }
        return
      }
      buffer = BlockBuffer(copying: old)
      if case .memory = present.contents { pieces.memoryCount -= 1 }
    } else {
      buffer = try baseContents(piece)
    }
    Self.overwrite(buffer, at: start, with: bytes)
    let contents: Piece.Contents
    if pieces.memoryCount < memoryLimit {
      contents = .memory(buffer)
      pieces.memoryCount += 1
    } else {
      contents = .spilled(try spill.add(buffer))
    }
    pieces.table[piece] = Piece(contents: contents, isShared: false)
  }

  private static func overwrite(_ buffer: BlockBuffer, at start: Int, with bytes: RawSpan) {
    var target = buffer.mutableBytes
    target.overwrite(at: start, with: bytes)
  }

  private func baseContents(_ piece: UInt64) throws(FileSystemError) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: pieceByteCount)
    let start = piece * UInt64(pieceByteCount)
    let count = min(pieceByteCount, Int(clamping: byteCount - start))
    var bytes = buffer.mutableBytes
    var part = bytes._mutatingExtracting(0..<count)
    try base.read(into: &part, at: start)
    return buffer
  }

  /// Nothing: there is nothing more durable than memory here.
  public func flush() throws(FileSystemError) { try checkOpen(.flush) }

  /// Nothing: the contents of a discarded range may be anything, so they stay.
  public func discard(_ range: Range<UInt64>) throws(FileSystemError) {
    try checkOpen(.discard)
    guard range.upperBound <= byteCount else {
      throw .io(DeviceFailure(.discard, .invalidArgument, offset: range.lowerBound, device: name))
    }
  }

  public func note(_ event: DeviceEvent) { base.note(event) }
  public var listensToEvents: Bool { base.listensToEvents }

  /// Closes the base too, except in a copy.
  public func close() throws(FileSystemError) {
    guard !closed.exchange(true, ordering: .relaxed) else {
      throw .io(DeviceFailure(.flush, .badFileDescriptor, device: name, reason: "closed before"))
    }
    if ownsBase { try base.close() }
  }

  private func checkOpen(_ operation: DeviceFailure.Operation) throws(FileSystemError) {
    guard !closed.load(ordering: .relaxed) else {
      throw .io(DeviceFailure(operation, .badFileDescriptor, device: name))
    }
  }

  /// The piece that holds `offset`, the place in it, and how many of `count` bytes it holds.
  private func place(_ offset: UInt64, _ count: Int) -> (piece: UInt64, start: Int, count: Int) {
    let size = UInt64(pieceByteCount)
    let start = Int(offset % size)
    return (offset / size, start, min(count, pieceByteCount - start))
  }
}
