import ExtantBase
import Synchronization
import SystemPackage
import Threading

/// A device whose writes stay in memory, over one that is only read: a filesystem can be mended
/// and used without its image changing.
///
/// Memory goes to the pieces that were written. Nothing is ever durable here; the base must not
/// change while the overlay is used.
public final class OverlayDevice: BlockDevice {
  public let name: String
  public let byteCount: UInt64
  public let isReadOnly = false
  /// In bytes: what is copied from the base at the first write to it.
  public let pieceByteCount: Int

  private let base: any BlockDevice
  /// Whether `close` closes the base too: a copy leaves it to the first.
  private let ownsBase: Bool
  /// A piece that overlays share is never written: `unshared` copies it first.
  private struct Piece {
    var buffer: BlockBuffer
    var isShared: Bool
  }
  private let pieces: Guarded<[UInt64: Piece]>
  private let closed = Atomic(false)

  /// An overlay that closes `base` when it is closed.
  public convenience init(base: any BlockDevice, pieceByteCount: Int = 4096) {
    precondition(pieceByteCount > 0)
    self.init(base: base, pieceByteCount: pieceByteCount, ownsBase: true, pieces: [:])
  }

  private init(
    base: any BlockDevice, pieceByteCount: Int, ownsBase: Bool, pieces: [UInt64: Piece]
  ) {
    self.base = base
    self.ownsBase = ownsBase
    name = base.name
    byteCount = base.byteCount
    self.pieceByteCount = pieceByteCount
    self.pieces = Guarded(pieces)
  }

  /// Another overlay of the same base with the same contents; from now on each goes its own way.
  /// Takes no memory for contents until one of them writes. It closes the base only where
  /// `closingBase` says so.
  public func copy(closingBase: Bool = false) -> OverlayDevice {
    let shared = pieces.withLock { pieces in
      for place in pieces.keys { pieces[place]?.isShared = true }
      return pieces
    }
    return OverlayDevice(
      base: base, pieceByteCount: pieceByteCount, ownsBase: closingBase, pieces: shared)
  }

  /// The pieces that were written, by their number, ascending.
  public var writtenPieces: [UInt64] { pieces.withLock { $0.keys.sorted() } }

  /// Bytes of memory that were written, those shared with other overlays included.
  public var writtenByteCount: Int { pieces.withLock { $0.count } * pieceByteCount }

  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkOpen(.read)
    try checkRange(.read, at: offset, count: bytes.byteCount)
    var done = 0
    while done < bytes.byteCount {
      let (piece, start, count) = place(offset + UInt64(done), bytes.byteCount - done)
      let copied = pieces.withLock { pieces in
        guard let buffer = pieces[piece]?.buffer else { return false }
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
        guard pieces.withLock({ $0[next] == nil }) else { break }
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
        let buffer = try unshared(piece, &pieces)
        var target = buffer.mutableBytes
        target.overwrite(at: start, with: bytes.extracting(done..<done + count))
      }
      done += count
    }
  }

  /// The piece's own buffer, with its contents so far.
  private func unshared(
    _ piece: UInt64, _ pieces: inout [UInt64: Piece]
  ) throws(FileSystemError) -> BlockBuffer {
    if let present = pieces[piece] {
      guard present.isShared else { return present.buffer }
      let buffer = BlockBuffer(copying: present.buffer)
      pieces[piece] = Piece(buffer: buffer, isShared: false)
      return buffer
    }
    let buffer = BlockBuffer(byteCount: pieceByteCount)
    let start = piece * UInt64(pieceByteCount)
    let count = min(pieceByteCount, Int(clamping: byteCount - start))
    var bytes = buffer.mutableBytes
    var part = bytes._mutatingExtracting(0..<count)
    try base.read(into: &part, at: start)
    pieces[piece] = Piece(buffer: buffer, isShared: false)
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
