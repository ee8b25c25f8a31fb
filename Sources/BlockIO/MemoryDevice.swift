import ExtantBase
import Synchronization
import SystemPackage
import Threading

/// A device in memory, for tests and for work that needs no file. Starts as zeros, and takes
/// memory only for the pieces that were written.
public final class MemoryDevice: BlockDevice {
  /// Memory comes in pieces of this size.
  private static let pieceSize = 64 << 10

  public let name: String
  public let byteCount: UInt64
  public let isReadOnly = false

  /// Each piece has the lock of its stripe; a call takes one at a time.
  private let stripes: [Guarded<[Int: BlockBuffer]>]
  private let closed = Atomic(false)

  public init(byteCount: UInt64, name: String = "memory") {
    self.byteCount = byteCount
    self.name = name
    stripes = (0..<16).map { _ in Guarded([:], .fileDevice) }
  }

  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkOpen(.read)
    try checkRange(.read, at: offset, count: bytes.byteCount)
    var done = 0
    while done < bytes.byteCount {
      let (piece, start, count) = place(offset + UInt64(done), bytes.byteCount - done)
      stripes[piece % stripes.count].withLock { pieces in
        if let buffer = pieces[piece] {
          bytes.overwrite(at: done, with: buffer.bytes.extracting(start..<start + count))
        } else {
          bytes.zero(done..<done + count)
        }
      }
      done += count
    }
  }

  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkOpen(.write)
    try checkRange(.write, at: offset, count: bytes.byteCount)
    var done = 0
    while done < bytes.byteCount {
      let (piece, start, count) = place(offset + UInt64(done), bytes.byteCount - done)
      stripes[piece % stripes.count].withLock { pieces in
        let buffer = pieces[piece] ?? BlockBuffer(byteCount: Self.pieceSize)
        pieces[piece] = buffer
        var target = buffer.mutableBytes
        target.overwrite(at: start, with: bytes.extracting(done..<done + count))
      }
      done += count
    }
  }

  /// Nothing: memory is as durable as it gets.
  public func flush() throws(FileSystemError) { try checkOpen(.flush) }

  /// Zeroes the range, and gives back the memory of whole pieces.
  public func discard(_ range: Range<UInt64>) throws(FileSystemError) {
    try checkOpen(.discard)
    guard range.upperBound <= byteCount else {
      throw .io(
        DeviceFailure(.discard, .invalidArgument, offset: range.lowerBound, device: name))
    }
    var offset = range.lowerBound
    while offset < range.upperBound {
      let left = Int(clamping: range.upperBound - offset)
      let (piece, start, count) = place(offset, left)
      stripes[piece % stripes.count].withLock { pieces in
        if count == Self.pieceSize {
          pieces[piece] = nil
        } else if let buffer = pieces[piece] {
          var target = buffer.mutableBytes
          target.zero(start..<start + count)
        }
      }
      offset += UInt64(count)
    }
  }

  public func close() throws(FileSystemError) { closed.store(true, ordering: .relaxed) }

  private func checkOpen(_ operation: DeviceFailure.Operation) throws(FileSystemError) {
    guard !closed.load(ordering: .relaxed) else {
      throw .io(DeviceFailure(operation, .badFileDescriptor, device: name))
    }
  }

  /// The piece that holds `offset`, the place in it, and how many of `count` bytes it holds.
  private func place(_ offset: UInt64, _ count: Int) -> (piece: Int, start: Int, count: Int) {
    let size = UInt64(Self.pieceSize)
    let start = Int(offset % size)
    return (Int(clamping: offset / size), start, min(count, Self.pieceSize - start))
  }
}
