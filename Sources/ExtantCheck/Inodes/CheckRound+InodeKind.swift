import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// The kind of file: one that ext4 knows, with no more in the inode than the kind has.
  func checkKind(_ inode: inout ExaminedInode) throws(FileSystemError) {
    switch inode.raw.kind {
    case .regular, .directory: return
    case .symbolicLink:
      if !inode.raw.flags.isDisjoint(with: [.immutable, .append]),
        try found(.symlinkProtected, inode.number)
      {
        inode.change { $0.flags.subtract([.immutable, .append]) }
      }
    case nil: try checkUnknownKind(&inode)
    default: try checkSpecial(&inode)
    }
  }

  /// The four bits of the kind are damaged: what i_block says tells whether anything can be kept.
  private func checkUnknownKind(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let mode = IssueValue.hexadecimal(UInt64(inode.raw.mode))
    if try holdsDirectory(inode) {
      if try found(.unknownKindDirectory, number, found: mode) { inode.setKind(.directory) }
    } else if holdsFile(inode) {
      if try found(.unknownKindFile, number, found: mode) { inode.setKind(.regular) }
    } else if try found(.unknownKind, number, found: mode) {
      inode.isCleared = true
    }
  }

  /// Devices, fifos, sockets: i_block holds a device's number or nothing.
  private func checkSpecial(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    let flags = inode.raw.flags
    let mapFlags: InodeFlags = [.index, .extents, .inlineData]
    let protection: InodeFlags = [.immutable, .append]
    if try holdsDirectory(inode), try found(.specialIsDirectory, number) {
      inode.setKind(.directory)
      return
    }
    if flags.contains(.extents), holdsFile(inode), try found(.specialIsFile, number) {
      inode.setKind(.regular)
      return
    }
    if !flags.isDisjoint(with: mapFlags),
      try found(.specialMapFlags, number, found: .hexadecimal(UInt64(flags.rawValue)))
    {
      inode.change { $0.flags.subtract(mapFlags) }
    }
    if !flags.isDisjoint(with: protection) {
      // The kernel never cleared the words behind a device's number: alone they mean nothing.
      let hasWords = (4..<15).contains { inode.raw.blockWord($0) != 0 }
      if try found(hasWords ? .specialWords : .specialProtected, number) {
        inode.change { raw in
          raw.flags.subtract(protection)
          if hasWords { for index in 4..<15 { raw.setBlockWord(index, 0) } }
        }
      }
    }
    let size = inode.raw.wholeSize
    if size != 0, try found(.specialSize, number, found: .number(size)) {
      inode.change { $0.wholeSize = 0 }
    }
  }

  /// Whether i_block maps the contents of a file of which nothing else is known.
  private func holdsFile(_ inode: ExaminedInode) -> Bool {
    let raw = inode.raw
    guard raw.wholeSize > 0 else { return false }
    if raw.flags.contains(.inlineData) { return holdsInlineData(raw) }
    if raw.flags.contains(.extents) { return raw.hasExtentHeader && raw.le16(42) > 0 }
    var words = 0
    for index in 0..<15 {
      let word = raw.blockWord(index)
      if word == 0 { continue }
      guard superblock.contains(BlockAddress(UInt64(word))) else { return false }
      words += 1
    }
    return words > 0
  }

  /// Whether the first block that i_block maps is the first of this very directory.
  func holdsDirectory(_ inode: ExaminedInode) throws(FileSystemError) -> Bool {
    if inode.raw.flags.contains(.inlineData) { return holdsInlineDirectory(inode.raw) }
    guard let address = try firstBlock(inode.raw) else { return false }
    let buffer = try image.block(address)
    let bytes = buffer.bytes
    let length = Int(bytes.le16(4))
    return bytes.le32(0) == inode.number.rawValue && length >= 12 && length % 4 == 0
      && bytes.u8(6) == 1 && bytes.u8(8) == UInt8(ascii: ".")
      && length + 12 <= bytes.byteCount && bytes.u8(length + 6) == 2
      && bytes.le16(length + 8) == 0x2e2e
  }

  /// The block that a map not yet mended gives for the start of the contents; nil where it gives
  /// none that the image has.
  func firstBlock(_ raw: RawInode) throws(FileSystemError) -> BlockAddress? {
    func proper(_ address: UInt64) -> BlockAddress? {
      let address = BlockAddress(address)
      return superblock.contains(address) && address.rawValue < image.deviceBlockCount
        ? address : nil
    }
    guard raw.flags.contains(.extents) else { return proper(UInt64(raw.blockWord(0))) }
    guard raw.hasExtentHeader else { return nil }
    var node = raw.blockArea
    // The first entry of each level, downwards: the depth shrinks, so this ends.
    var depth = node.le16(6)
    while true {
      guard node.le16(0) == ExtentNode.magic, node.le16(2) > 0, node.le16(6) == depth,
        node.le32(12) == 0
      else { return nil }
      if depth == 0 { return proper(UInt64(node.le32(20)) | UInt64(node.le16(18)) << 32) }
      guard let child = proper(UInt64(node.le32(16)) | UInt64(node.le16(20)) << 32) else {
        return nil
      }
      let buffer = try image.block(child)
      node = buffer.bytes.array(0..<24)
      depth -= 1
    }
  }
}

extension [UInt8] {
  fileprivate func le16(_ offset: Int) -> UInt16 { rawBytes.le16(offset) }
  fileprivate func le32(_ offset: Int) -> UInt32 { rawBytes.le32(offset) }
}

extension ExaminedInode {
  /// Sets the four bits of the kind, and leaves the permissions.
  fileprivate mutating func setKind(_ kind: FileKind) {
    change { $0.mode = $0.mode & ~FileKind.mask | kind.rawValue }
  }
}
