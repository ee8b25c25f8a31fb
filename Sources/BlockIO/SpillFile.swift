import CFiles
import ExtantBase
import SystemPackage
import Threading

/// Where pieces go for which there is no room in memory: a file without a name, made when the first of
/// them comes, and gone with this object.
final class SpillFile: Sendable {
  private struct State {
    var descriptor: Int32?
    /// Places in use.
    var count: UInt64 = 0
  }

  private static let name = "temporary file"
  private let pieceByteCount: Int
  private let state = Guarded(State(), .spillFile)

  init(pieceByteCount: Int) { self.pieceByteCount = pieceByteCount }

  deinit {
    if let descriptor = state.withLock({ $0.descriptor }) { _ = csys_file_close(descriptor) }
  }

  /// Puts a piece into a new place, and returns its number.
  func add(_ buffer: BlockBuffer) throws(FileSystemError) -> UInt64 {
    let (descriptor, slot) = try state.withLock {
      (state: inout State) throws(FileSystemError) -> (Int32, UInt64) in
      if state.descriptor == nil {
        var descriptor: Int32 = -1
        try FileDevice.check(unsafe csys_file_open_unnamed(&descriptor), .open, Self.name)
        state.descriptor = descriptor
      }
      state.count += 1
      return (state.descriptor ?? -1, state.count - 1)
    }
    try write(buffer, descriptor, slot)
    return slot
  }

  /// Replaces the piece in a place.
  func replace(_ slot: UInt64, with buffer: BlockBuffer) throws(FileSystemError) {
    try write(buffer, state.withLock { $0.descriptor ?? -1 }, slot)
  }

  private func write(
    _ buffer: BlockBuffer, _ descriptor: Int32, _ slot: UInt64
  ) throws(FileSystemError) {
    let offset = slot * UInt64(pieceByteCount)
    let error = unsafe buffer.bytes.withUnsafeBytes { bytes in
      var done = 0
      return unsafe csys_file_write(descriptor, bytes.baseAddress, bytes.count, offset, &done)
    }
    try FileDevice.check(error, .write, Self.name, offset: offset)
  }

  func read(_ slot: UInt64) throws(FileSystemError) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: pieceByteCount)
    let descriptor = state.withLock { $0.descriptor ?? -1 }
    let offset = slot * UInt64(pieceByteCount)
    var span = buffer.mutableBytes
    let error = unsafe span.withUnsafeMutableBytes { bytes in
      var done = 0
      return unsafe csys_file_read(descriptor, bytes.baseAddress, bytes.count, offset, &done)
    }
    try FileDevice.check(error, .read, Self.name, offset: offset)
    return buffer
  }
}
