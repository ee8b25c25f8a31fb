import ExtantBase
import struct SystemPackage.Errno

/// Range surgery. Offsets and lengths are in bytes.
extension File {
  /// fallocate(2) with its raw mode bits, its rules and its errors.
  public func fallocate(
    mode: FallocateMode, offset: Int64, length: Int64
  ) throws(FileSystemError) {
    try fileSystem.watch { () throws(FileSystemError) in
      _ = try fileSystem.checkFallocate(
        node, mode: mode, offset: offset, length: length, access: access)
      try fileSystem.mappedContents(of: node).fallocate(
        mode: mode, offset: offset, length: length, access: access)
    }
  }

  /// The checks that come before a file loses its privileges, and these before anything else.
  public func checkFallocate(
    mode: FallocateMode, offset: Int64, length: Int64
  ) throws(FileSystemError) {
    _ = try fileSystem.checkFallocate(
      node, mode: mode, offset: offset, length: length, access: access)
    try fileSystem.requireWritable()
  }

  /// Sets blocks aside: holes in the range become unwritten extents that read as zeros.
  public func allocate(
    _ range: Range<UInt64>, keepSize: Bool = false
  ) throws(FileSystemError) {
    try fallocate(keepSize ? .keepSize : [], range)
  }

  /// Frees the blocks of the range; it reads as zeros. The size stays.
  public func punchHole(_ range: Range<UInt64>) throws(FileSystemError) {
    try fallocate([.punchHole, .keepSize], range)
  }

  /// The range reads as zeros and stays allocated.
  public func zeroRange(
    _ range: Range<UInt64>, keepSize: Bool = false
  ) throws(FileSystemError) {
    try fallocate(keepSize ? [.zeroRange, .keepSize] : .zeroRange, range)
  }

  /// Cuts the range out of the file: what lies behind moves down to its start. Both bounds must
  /// be multiples of the block size, and the range must end before the end of the file (EINVAL).
  public func collapse(_ range: Range<UInt64>) throws(FileSystemError) {
    try fallocate(.collapseRange, range)
  }

  /// Opens a hole of `length` at `offset`: what lies there and behind moves up. Both must be
  /// multiples of the block size, and the offset lie before the end of the file (EINVAL).
  public func insert(length: UInt64, at offset: UInt64) throws(FileSystemError) {
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow else { throw .refused(.fileTooLarge) }
    try fallocate(.insertRange, offset..<end)
  }

  private func fallocate(
    _ mode: FallocateMode, _ range: Range<UInt64>
  ) throws(FileSystemError) {
    guard let offset = Int64(exactly: range.lowerBound),
      let length = Int64(exactly: range.upperBound - range.lowerBound)
    else { throw .refused(.fileTooLarge) }
    try fallocate(mode: mode, offset: offset, length: length)
  }
}
