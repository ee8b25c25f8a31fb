import Ext4Format
import ExtantBase

/// The contents of an inode that holds them itself: the 60 bytes of i_block, then the value of the
/// attribute system.data, which may be empty.
///
/// A directory's begin with its parent's number; its entries fill the rest of i_block, and then the
/// attribute's value: no entry lies in both.
enum InlineData {
  /// Where the attribute's value lies in the inode's slot; nil where there is no such attribute.
  static func valueRange(_ raw: RawInode, _ area: Range<Int>?) -> Range<Int>? {
    guard let area, raw.le32(area.lowerBound) == RawXattrArea.magic else { return nil }
    let bytes = raw.bytes.rawBytes.extracting(area)
    let name = RawXattr.inlineDataName
    var offset = RawXattrArea.inode.firstEntry
    while offset + RawXattrEntry.headSize <= bytes.byteCount, bytes.le32(offset) != 0 {
      let entry = RawXattrEntry(bytes, at: offset)
      guard offset + entry.length <= bytes.byteCount else { return nil }
      let start = offset + RawXattrEntry.headSize
      if entry.nameIndex == name.index, entry.nameLength == name.suffix.count,
        entry.valueInode == 0, bytes.array(start..<start + entry.nameLength) == name.suffix
      {
        guard let value = XattrScan.value(of: entry, .inode, bytes.byteCount) else { return nil }
        let first = area.lowerBound + value.lowerBound
        return first..<first + Int(entry.valueSize)
      }
      offset += entry.length
    }
    return nil
  }
}

extension CheckRound {
  /// Whether an inode whose kind is in doubt has the attribute that only contents in inodes have.
  func holdsInlineData(_ raw: RawInode) -> Bool {
    superblock.features.incompat.contains(.inlineData)
      && InlineData.valueRange(raw, xattrRange(raw)) != nil
  }

  /// Whether those contents begin as a directory's do: with a parent and an entry.
  func holdsInlineDirectory(_ raw: RawInode) -> Bool {
    guard superblock.features.incompat.contains(.inlineData),
      let value = InlineData.valueRange(raw, xattrRange(raw)), value.count % 4 == 0
    else { return false }
    func isOrdinary(_ number: UInt32) -> Bool {
      (superblock.firstInode...superblock.inodeCount).contains(number)
    }
    let start = RawInode.blockAreaOffset
    let parent = raw.le32(start)
    let first = raw.le32(start + 4)
    let length = raw.le16(start + 8)
    return (parent == InodeNumber.root.rawValue || isOrdinary(parent))
      && (first == 0 || isOrdinary(first))
      && length <= UInt16(Inode.blockAreaByteCount - 4)
  }

  /// The contents of an inode with `inlineData` that pass 1 has mended: 60 bytes or more.
  func inlineData(_ raw: RawInode) -> [UInt8] {
    guard let range = InlineData.valueRange(raw, xattrRange(raw)) else { return raw.blockArea }
    return raw.blockArea + raw.bytes[range]
  }

  /// Sets the contents: 60 bytes or more. The size is the caller's business, and so is writing the
  /// inode.
  ///
  /// - Returns: false, with nothing changed, where they do not fit.
  func setInlineData(_ data: [UInt8], _ raw: inout RawInode) -> Bool {
    let head = Inode.blockAreaByteCount
    guard data.count >= head else { return false }
    if let range = InlineData.valueRange(raw, xattrRange(raw)), range.count == data.count - head {
      var attributes = inodeAttributes(raw)
      guard let index = attributes.firstIndex(where: { $0.name == RawXattr.inlineDataName }) else {
        return false
      }
      if attributes[index].hash == 0 {
        raw.bytes.replaceSubrange(range, with: data[head...])
      } else {
        attributes[index].value = Array(data[head...])
        guard setInodeAttributes(attributes, &raw) else { return false }
      }
    } else {
      var attributes = inodeAttributes(raw)
      attributes.removeAll { $0.name == RawXattr.inlineDataName }
      // In front: it is searched for most.
      attributes.insert(RawXattr(RawXattr.inlineDataName, Array(data[head...])), at: 0)
      guard setInodeAttributes(attributes, &raw) else { return false }
    }
    raw.blockArea = Array(data[..<head])
    return true
  }

  /// Takes the attribute away, and the flag: the contents are elsewhere now.
  func removeInlineData(_ raw: inout RawInode) {
    let attributes = inodeAttributes(raw).filter { $0.name != RawXattr.inlineDataName }
    _ = setInodeAttributes(attributes, &raw)
    raw.flags.remove(.inlineData)
    raw.blockArea = [UInt8](repeating: 0, count: Inode.blockAreaByteCount)
  }

  /// The attributes in an inode that pass 1 has mended.
  func inodeAttributes(_ raw: RawInode) -> [RawXattr] {
    guard let range = xattrRange(raw), raw.le32(range.lowerBound) == RawXattrArea.magic else {
      return []
    }
    return XattrSalvage(.inode, raw.bytes.rawBytes.extracting(range), isTrusted: true).kept
  }

  /// False, with nothing changed, where there is no room.
  func setInodeAttributes(_ attributes: [RawXattr], _ raw: inout RawInode) -> Bool {
    guard let range = xattrRange(raw) else { return attributes.isEmpty }
    let needed = attributes.reduce(0) { $0 + $1.length }
    guard needed <= RawXattrArea.inode.capacity(byteCount: range.count) else { return false }
    raw.bytes.withMutableBytes { slot in
      var part = slot._mutatingExtracting(range)
      RawXattrArea.inode.encode(attributes, into: &part)
    }
    return true
  }
}
