import Ext4Format
import ExtantBase

/// Directories, entry by entry, for recipes.
extension Planter {
  /// Changes a block of a directory: `kind` says which checksum follows, nil none.
  func directoryBlock(
    _ path: String, _ index: Int = 0, as kind: (InodeNumber) -> ChecksummedBlock?,
    _ change: (inout [UInt8]) throws -> Void
  ) throws {
    let address = try blocks(path)[index]
    if let kind = kind(try inodeNumber(path)) {
      try block(address, as: kind, change)
    } else {
      try block(address, change)
    }
  }

  /// Changes a block of entries.
  func entries(
    _ path: String, _ index: Int = 0, keepingChecksum: Bool = false,
    _ change: (inout [UInt8]) throws -> Void
  ) throws {
    try directoryBlock(path, index, as: { keepingChecksum ? nil : .directory($0) }, change)
  }

  /// Changes one entry, which begins at the offset that is passed.
  func entry(
    _ path: String, _ name: String, _ change: (inout [UInt8], Int) throws -> Void
  ) throws {
    try entries(path) { bytes in
      guard let offset = Self.offset(of: Array(name.utf8), in: bytes) else {
        throw SystemMissing(name: name)
      }
      try change(&bytes, offset)
    }
  }

  struct SystemMissing: Error { var name: String }

  static func offset(of name: [UInt8], in bytes: [UInt8], from start: Int = 0) -> Int? {
    var offset = start
    while offset + 8 <= bytes.count, bytes.le16(offset + 4) >= 8 {
      let length = Int(bytes[offset + 6])
      if bytes.le32(offset) != 0, Array(bytes[offset + 8..<offset + 8 + length]) == name {
        return offset
      }
      offset += Int(bytes.le16(offset + 4))
    }
    return nil
  }

  /// Adds an entry behind the last one of a directory's first block.
  func addEntry(
    _ path: String, _ name: [UInt8], _ inode: InodeNumber, fileType: UInt8 = 1
  ) throws {
    try entries(path) { Self.addEntry(&$0, 0, name, inode, fileType) }
  }

  func addEntry(
    _ path: String, _ name: String, _ inode: InodeNumber, fileType: UInt8 = 1
  ) throws {
    try addEntry(path, Array(name.utf8), inode, fileType: fileType)
  }

  static func addEntry(
    _ bytes: inout [UInt8], _ start: Int, _ name: [UInt8], _ inode: InodeNumber, _ fileType: UInt8
  ) {
    var last = start
    while true {
      let next = last + Int(bytes.le16(last + 4))
      // The checksum's own entry is none.
      guard next + 12 < bytes.count, bytes.le16(next + 4) >= 12 else { break }
      last = next
    }
    let end = last + Int(bytes.le16(last + 4))
    let offset = last + (8 + Int(bytes[last + 6]) + 3) & ~3
    bytes.setLE16(UInt16(offset - last), at: last + 4)
    bytes.setLE32(inode.rawValue, at: offset)
    bytes.setLE16(UInt16(end - offset), at: offset + 4)
    bytes[offset + 6] = UInt8(name.count)
    bytes[offset + 7] = fileType
    bytes.replaceSubrange(offset + 8..<offset + 8 + name.count, with: name)
  }

  /// Changes the root of a directory's hash tree.
  func indexRoot(
    _ path: String, keepingChecksum: Bool = false, _ change: (inout [UInt8]) throws -> Void
  ) throws {
    try directoryBlock(path, as: { keepingChecksum ? nil : .hashTreeRoot($0) }, change)
  }

  /// Makes an inode one that is encrypted with the key that `key` stands for.
  func encrypt(_ path: String, key: UInt8, flags: InodeFlags = []) throws {
    var context = [UInt8](repeating: key, count: 28)
    context.replaceSubrange(0..<4, with: [1, 1, 4, 0])
    try inode(path) { raw in
      raw.flags.insert(.encrypted)
      raw.flags.insert(flags)
      let start = Self.xattrStart(raw)
      let value = raw.bytes.count - context.count
      let entry = PlantedXattr(
        index: 9, name: [UInt8(ascii: "c")], valueOffset: UInt16(value - start - 4),
        valueSize: UInt32(context.count))
      for offset in start..<raw.bytes.count { raw.bytes[offset] = 0 }
      raw.setLE32(0xea02_0000, at: start)
      _ = entry.write(&raw.bytes, at: start + 4)
      raw.bytes.replaceSubrange(value..<value + context.count, with: context)
    }
  }
}
