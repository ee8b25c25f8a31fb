import BlockIO
import Ext4Format
import ExtantBase

/// Single names in directories that pass 2 has mended.
extension CheckRound {
  /// Where a name is in a directory with blocks.
  struct NamePlace {
    var block: BlockAddress
    var record: DirectoryEntryRecord
  }

  /// The first entry for which `matches` holds, "." and ".." aside; nil where there is none.
  private func findEntry(
    in directory: InodeNumber, _ raw: RawInode,
    _ matches: (DirectoryEntryRecord, [UInt8]) -> Bool
  ) throws(FileSystemError) -> NamePlace? {
    let format = directoryFormat(directory, raw)
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    let end = raw.size(superblock) / UInt64(superblock.blockSize)
    var place: NamePlace?
    try forEachRun(directory, raw) { (run: MapRun) throws(FileSystemError) -> Bool in
      for index in 0..<run.count where run.logical + index < end && !run.isUnwritten {
        let address = run.address + index
        try image.read(address, into: buffer)
        let bytes = buffer.bytes
        // A block that cannot be read to its end was to stay as it is.
        _ = try? format.forEachRecord(bytes) { (record) throws(FileSystemError) in
          guard record.isUsed, record.nameLength > 0 else { return true }
          let name = bytes.array(record.nameRange)
          guard name != [0x2e], name != [0x2e, 0x2e], matches(record, name) else { return true }
          place = NamePlace(block: address, record: record)
          return false
        }
        if place != nil { return false }
      }
      return true
    }
    return place
  }

  /// The inode that a directory names so; nil where it has no such name.
  func lookUp(_ name: [UInt8], in directory: InodeNumber) throws(FileSystemError) -> InodeNumber? {
    let raw = try readInode(directory)
    if raw.flags.contains(.inlineData) {
      return forEachInlineRecord(raw) { record, found in found == name }
        .map { InodeNumber($0.inode) }
    }
    return try findEntry(in: directory, raw) { record, found in found == name }
      .map { InodeNumber($0.record.inode) }
  }

  /// Takes the name of `number` out of a directory. The caller counts.
  ///
  /// - Returns: false where there is none.
  func removeName(
    of number: InodeNumber, in directory: InodeNumber
  ) throws(FileSystemError) -> Bool {
    var raw = try readInode(directory)
    if raw.flags.contains(.inlineData) {
      guard let record = forEachInlineRecord(raw, { record, _ in record.inode == number.rawValue })
      else { return false }
      var data = inlineData(raw)
      data.withMutableBytes { $0.setLE32(0, at: record.offset) }
      guard setInlineData(data, &raw) else { return false }
      try writeInode(directory, raw)
      return true
    }
    guard
      let place = try findEntry(
        in: directory, raw, { record, _ in record.inode == number.rawValue })
    else { return false }
    let buffer = try image.block(place.block)
    let format = directoryFormat(directory, raw)
    var bytes = buffer.mutableBytes
    guard (try? format.remove(&bytes, at: place.record.offset)) != nil else { return false }
    format.seal(&bytes)
    try image.write(buffer, at: place.block)
    return true
  }

  /// The first entry in an inode for which `matches` holds; its place is that in `inlineData`.
  private func forEachInlineRecord(
    _ raw: RawInode, _ matches: (DirectoryEntryRecord, [UInt8]) -> Bool
  ) -> DirectoryEntryRecord? {
    let data = inlineData(raw)
    let format = directoryFormat(.root, raw)
    let head = Inode.blockAreaByteCount
    for area in [4..<head, head..<data.count] {
      var offset = area.lowerBound
      while let record = try? format.record(data.rawBytes, at: offset, end: area.upperBound) {
        if record.isUsed, matches(record, data.rawBytes.array(record.nameRange)) { return record }
        offset = record.end
      }
    }
    return nil
  }
}
