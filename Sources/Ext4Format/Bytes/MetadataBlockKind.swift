/// What a metadata block of a file is, by its own bytes.
///
/// Directory blocks have no magic number: they are what nothing else is. The number of an extent
/// node could begin a directory entry too, but then no entry has that length and no file type.
package enum MetadataBlockKind: Sendable {
  case extentLeaf, extentIndex, xattrs, orphans, directory

  package init(_ block: RawSpan) {
    let tail = block.byteCount - 8
    guard tail >= 8 else {
      self = .directory
      return
    }
    let depth = block.le16(6)
    if block.le16(0) == ExtentNode.magic, depth <= ExtentNode.maximumDepth,
      Int(block.le16(4)) == ExtentNode.capacity(blockSize: block.byteCount)
    {
      self = depth == 0 ? .extentLeaf : .extentIndex
    } else if block.le32(0) == XattrArea.magic {
      self = .xattrs
    } else if block.le32(tail) == OrphanFileBlock.magic {
      self = .orphans
    } else {
      self = .directory
    }
  }
}
