import CFiles
import ExtantBase
import SystemPackage

extension FileDevice {
  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkRange(.read, at: offset, count: bytes.byteCount)
    var done = 0
    let error = try withDescriptor(.read) { (descriptor) throws(FileSystemError) in
      unsafe bytes.withUnsafeMutableBytes { bytes in
        unsafe csys_file_read(descriptor, bytes.baseAddress, bytes.count, offset, &done)
      }
    }
    try finish(.read, error, offset + UInt64(done))
  }

  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkWritable(.write, at: offset)
    try checkRange(.write, at: offset, count: bytes.byteCount)
    var done = 0
    let error = try withDescriptor(.write) { (descriptor) throws(FileSystemError) in
      unsafe bytes.withUnsafeBytes { bytes in
        unsafe csys_file_write(descriptor, bytes.baseAddress, bytes.count, offset, &done)
      }
    }
    try finish(.write, error, offset + UInt64(done))
  }

  /// Like a flush, it fails for ever once it has failed.
  public func writeThrough(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkWritable(.write, at: offset)
    try checkRange(.write, at: offset, count: bytes.byteCount)
    try refuseAfterFailedFlush()
    var done = 0
    let error = try withDescriptor(.write) { (descriptor) throws(FileSystemError) in
      unsafe bytes.withUnsafeBytes { bytes in
        unsafe csys_file_write_through(descriptor, bytes.baseAddress, bytes.count, offset, &done)
      }
    }
    noteFlush(error)
    try finish(.write, error, offset + UInt64(done))
  }

  public func read(into buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    let count = try totalCount(of: buffers, .read, at: offset)
    try checkRange(.read, at: offset, count: count)
    var done = 0
    let error = try withDescriptor(.read) { (descriptor) throws(FileSystemError) in
      unsafe withParts(of: buffers) { parts in
        unsafe csys_file_readv(descriptor, parts.baseAddress, parts.count, offset, &done)
      }
    }
    try finish(.read, error, offset + UInt64(done))
  }

  public func write(_ buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    try checkWritable(.write, at: offset)
    let count = try totalCount(of: buffers, .write, at: offset)
    try checkRange(.write, at: offset, count: count)
    var done = 0
    let error = try withDescriptor(.write) { (descriptor) throws(FileSystemError) in
      unsafe withParts(of: buffers) { parts in
        unsafe csys_file_writev(descriptor, parts.baseAddress, parts.count, offset, &done)
      }
    }
    try finish(.write, error, offset + UInt64(done))
  }

  /// `place` is where the transfer stopped.
  private func finish(
    _ operation: DeviceFailure.Operation, _ error: Int32, _ place: UInt64
  ) throws(FileSystemError) {
    guard error != 0 else { return }
    guard error == Errno.noData.rawValue, operation == .read else {
      throw Self.failure(operation, error, name, offset: place)
    }
    throw Self.failure(
      .read, Errno.ioError.rawValue, name, offset: place,
      reason: "the file ends there; it had \(byteCount) bytes when it was opened")
  }

  private func totalCount(
    of buffers: [BlockBuffer], _ operation: DeviceFailure.Operation, at offset: UInt64
  ) throws(FileSystemError) -> Int {
    var total = 0
    for buffer in buffers {
      let (sum, overflow) = total.addingReportingOverflow(buffer.byteCount)
      guard !overflow else {
        throw Self.failure(operation, Errno.invalidArgument.rawValue, name, offset: offset)
      }
      total = sum
    }
    return total
  }

  /// The buffers live until `body` returns, because the array does.
  private func withParts(
    of buffers: [BlockBuffer], _ body: (UnsafeMutableBufferPointer<iovec>) -> Int32
  ) -> Int32 {
    var parts = unsafe buffers.map { buffer in
      unsafe iovec(iov_base: buffer.base.baseAddress, iov_len: buffer.byteCount)
    }
    let result = unsafe parts.withUnsafeMutableBufferPointer { unsafe body($0) }
    withExtendedLifetime(buffers) {}
    return result
  }
}
