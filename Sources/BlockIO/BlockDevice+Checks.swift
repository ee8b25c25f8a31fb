import ExtantBase
import SystemPackage

extension BlockDevice {
  /// Throws EINVAL unless `count` bytes at `offset` lie inside the device.
  package func checkRange(
    _ operation: DeviceFailure.Operation, at offset: UInt64, count: Int
  ) throws(FileSystemError) {
    guard let count = UInt64(exactly: count), offset <= byteCount, count <= byteCount - offset
    else {
      throw .io(
        DeviceFailure(
          operation, .invalidArgument, offset: offset, device: name,
          reason: "\(count) bytes there reach past the device's end at \(byteCount)"))
    }
  }

  /// Throws EROFS when the device was opened for reading only.
  package func checkWritable(
    _ operation: DeviceFailure.Operation, at offset: UInt64? = nil
  ) throws(FileSystemError) {
    guard !isReadOnly else {
      throw .io(DeviceFailure(operation, .readOnlyFileSystem, offset: offset, device: name))
    }
  }
}
