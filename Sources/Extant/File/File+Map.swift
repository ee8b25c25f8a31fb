import ExtantBase

/// Where a file has blocks: FIEMAP, SEEK_DATA and SEEK_HOLE.
extension File {
  /// The extents that touch the range, or all of them, those behind the end of the file too; the
  /// first `limit` of these.
  public func extents(
    in range: Range<UInt64>? = nil, limit: Int = .max
  ) throws(FileSystemError) -> [FileExtent] {
    try fileSystem.watch { () throws(FileSystemError) in
      try fileSystem.contents(of: node)?.extents(in: range, limit: limit) ?? []
    }
  }

  /// The first byte at or after `offset` that is data: SEEK_DATA. Nil where none follows before
  /// the end of the file (ENXIO).
  public func seekData(from offset: UInt64) throws(FileSystemError) -> UInt64? {
    try seek(from: offset, data: true)
  }

  /// The first byte at or after `offset` that is in a hole, the end of the file at the latest:
  /// SEEK_HOLE. Nil where `offset` is not before the end of the file (ENXIO).
  public func seekHole(from offset: UInt64) throws(FileSystemError) -> UInt64? {
    try seek(from: offset, data: false)
  }

  /// A file without blocks is one hole.
  private func seek(from offset: UInt64, data: Bool) throws(FileSystemError) -> UInt64? {
    try fileSystem.watch { () throws(FileSystemError) in
      guard let contents = fileSystem.contents(of: node) else {
        return data || offset >= node.size ? nil : offset
      }
      return try contents.seek(from: offset, data: data)
    }
  }
}
