import ExtantBase

/// The attributes behind an inode's fixed fields (`ext4_xattr_ibody_header`): a magic number, then
/// entries, whose values' offsets count from the first entry.
public enum InodeXattrs {
  static let header = 4

  private static func area(_ inode: InodeNumber) -> XattrArea {
    XattrArea(
      structure: "in-inode attributes", inode: inode, block: nil, firstEntry: header,
      valueBase: header, hasHashes: false)
  }

  /// Bytes for entries and values in a region of `byteCount` bytes.
  public static func capacity(byteCount: Int) -> Int {
    XattrArea.capacity(byteCount: byteCount, firstEntry: header)
  }

  /// The attributes in the region from its magic number on. Without the number there are none.
  public static func decode(
    _ region: [UInt8], inode: InodeNumber
  ) throws(FileSystemError) -> [Xattr] {
    let bytes = region.rawBytes
    guard bytes.byteCount >= header, bytes.le32(0) == XattrArea.magic else { return [] }
    return try area(inode).decode(bytes)
  }

  /// A region of `byteCount` bytes; all zeros for no attributes. They must fit: the sum of their
  /// lengths is at most `capacity`.
  public static func encode(
    _ attributes: [Xattr], byteCount: Int, inode: InodeNumber
  ) -> [UInt8] {
    var region = [UInt8](repeating: 0, count: byteCount)
    guard !attributes.isEmpty else { return region }
    region.withMutableBytes { bytes in
      bytes.setLE32(XattrArea.magic, at: 0)
      area(inode).encode(attributes, into: &bytes)
    }
    return region
  }
}
