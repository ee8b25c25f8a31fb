import BlockIO
import ExtantBase
import SystemPackage
import TestSupport
import Testing

extension BlockDevice {
  func readArray(_ count: Int, at offset: UInt64) throws(FileSystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: count)
    var span = bytes.mutableSpan
    var target = unsafe span.mutableBytes
    try read(into: &target, at: offset)
    return bytes
  }

  func writeArray(_ bytes: [UInt8], at offset: UInt64) throws(FileSystemError) {
    try unsafe write(bytes.span.bytes, at: offset)
  }
}

func buffer(_ byte: UInt8, _ count: Int) -> BlockBuffer {
  let buffer = BlockBuffer(byteCount: count)
  let bytes = [UInt8](repeating: byte, count: count)
  var target = buffer.mutableBytes
  unsafe target.overwrite(at: 0, with: bytes.span.bytes)
  return buffer
}

/// The errno and operation of the `.io` that `body` throws.
func failure<R>(
  _ body: () throws(FileSystemError) -> R
) -> (operation: DeviceFailure.Operation, errno: Errno, text: String)? {
  do throws(FileSystemError) {
    _ = try body()
    return nil
  } catch {
    guard case .io(let failure) = error else { return nil }
    return (failure.operation, failure.errno, error.description)
  }
}
