import BlockIO
import Ext4Format
import ExtantBase

/// All entries of a directory but "." and "..", taken out of their blocks to be written anew.
///
/// 32 bytes an entry, and its name.
struct DirectoryContents {
  struct Entry {
    var inode: UInt32
    /// Of the name, in `bytes`; for entries that carry their hash with that.
    var start: UInt32
    var nameLength: UInt8
    var fileType: UInt8
    var hash = NameHash(major: 0, minor: 0)
  }

  var entries: [Entry] = []
  private(set) var bytes: [UInt8] = []
  /// Entries carry 8 bytes of hash behind their name.
  let carriesHashes: Bool

  init(carriesHashes: Bool) { self.carriesHashes = carriesHashes }

  /// Bytes that the entry needs in a block.
  func length(_ entry: Entry) -> Int {
    DirectoryEntryRecord.length(nameLength: Int(entry.nameLength)) + (carriesHashes ? 8 : 0)
  }

  func name(_ entry: Entry) -> [UInt8] {
    Array(bytes[Int(entry.start)..<Int(entry.start) + Int(entry.nameLength)])
  }

  /// What follows the inode, length, name's length and kind.
  func tail(_ entry: Entry) -> Range<Int> {
    let start = Int(entry.start)
    return start..<start + length(entry) - DirectoryEntryRecord.headSize
  }

  mutating func add(_ image: DirectoryEntryImage) {
    let start = bytes.count
    bytes += image.name
    let entry = Entry(
      inode: image.inode, start: UInt32(clamping: start), nameLength: UInt8(image.name.count),
      fileType: image.fileType)
    bytes += [UInt8](
      repeating: 0, count: length(entry) - DirectoryEntryRecord.headSize - image.name.count)
    entries.append(entry)
  }

  /// Gives an entry another name.
  mutating func rename(_ index: Int, _ name: [UInt8]) {
    let old = entries[index]
    add(DirectoryEntryImage(inode: old.inode, fileType: old.fileType, name: name))
    entries[index] = entries.removeLast()
  }

  /// Takes the used entries out of a block, as far as it can be read.
  mutating func take(from buffer: BlockBuffer, _ format: DirectoryBlockFormat) {
    let block = buffer.bytes
    var offset = 0
    while offset + DirectoryBlockFormat.minimumRecordLength <= format.blockSize {
      let length = format.decodeRecordLength(block.le16(offset + 4))
      let nameLength = Int(block.u8(offset + 6))
      guard length >= DirectoryBlockFormat.minimumRecordLength, length & 3 == 0,
        offset + length <= format.blockSize, DirectoryEntryRecord.headSize + nameLength <= length
      else { return }
      defer { offset += length }
      let inode = block.le32(offset)
      let name = offset + DirectoryEntryRecord.headSize
      guard inode != 0, nameLength > 0 else { continue }
      let dot = UInt8(ascii: ".")
      if nameLength <= 2, block.u8(name) == dot, nameLength == 1 || block.u8(name + 1) == dot {
        continue
      }
      var entry = Entry(
        inode: inode, start: UInt32(clamping: bytes.count), nameLength: UInt8(nameLength),
        fileType: block.u8(offset + 7))
      let tail = self.length(entry) - DirectoryEntryRecord.headSize
      // An entry may lack the hash that it should carry.
      let present = min(tail, length - DirectoryEntryRecord.headSize)
      bytes += block.array(name..<name + present)
      bytes += [UInt8](repeating: 0, count: tail - present)
      // Behind the name there may be anything.
      for index in bytes.count - tail + nameLength..<bytes.count - (carriesHashes ? 8 : 0) {
        bytes[index] = 0
      }
      if carriesHashes, present == tail {
        let hash = name + tail - 8
        entry.hash = NameHash(major: block.le32(hash), minor: block.le32(hash + 4))
      }
      entries.append(entry)
    }
  }

  /// Computes every name's hash; false where that cannot be done for all of them.
  mutating func hashNames(_ hash: DirectoryHash, isCasefolded: Bool) -> Bool {
    if carriesHashes { return true }
    let copy = bytes
    let bytes = copy.rawBytes
    for index in entries.indices {
      let entry = entries[index]
      if isCasefolded {
        guard let folded = NameEncoding.folded(name(entry)) else { return false }
        let folding = hash.hash(folded)
        entries[index].hash = folding
      } else {
        let start = Int(entry.start)
        let found = hash.hash(bytes.extracting(start..<start + Int(entry.nameLength)))
        entries[index].hash = found
      }
    }
    return true
  }

  /// Whether the name of one comes before the other's, as bytes.
  func precedes(_ a: Entry, _ b: Entry) -> Bool {
    let (first, second) = (Int(a.start), Int(b.start))
    let (firstCount, secondCount) = (Int(a.nameLength), Int(b.nameLength))
    for index in 0..<min(firstCount, secondCount) {
      let (x, y) = (bytes[first + index], bytes[second + index])
      if x != y { return x < y }
    }
    return firstCount < secondCount
  }

  mutating func sortByHash() {
    let copy = self
    entries.sort { a, b in
      if a.hash != b.hash { return a.hash < b.hash }
      return copy.precedes(a, b)
    }
  }
}
