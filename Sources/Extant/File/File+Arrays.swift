import ExtantBase

/// Contents as arrays, where a copy more does not matter.
extension File {
  /// Up to `count` bytes from `offset` on; fewer only at the end of the file.
  public func read(_ count: Int, at offset: UInt64) throws(FileSystemError) -> [UInt8] {
    let size = attributes().size
    let available = size > offset ? size - offset : 0
    var bytes = [UInt8](repeating: 0, count: Int(min(UInt64(max(0, count)), available)))
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    let done = try read(into: &raw, at: offset)
    bytes.removeLast(bytes.count - done)
    return bytes
  }

  /// As `write(_:at:)` of raw bytes.
  public func write(_ bytes: [UInt8], at offset: UInt64) throws(FileSystemError) -> Int {
    try write(unsafe bytes.span.bytes, at: offset)
  }
}
