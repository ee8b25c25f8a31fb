import BlockIO
import Ext4Format
import ExtantBase

/// The names of one block, by where they are in it: finds a name that is there twice.
///
/// One table for all blocks, which grows with the largest.
struct BlockNames {
  /// Places plus one; 0 is free.
  private var slots = [UInt32](repeating: 0, count: 1024)
  private var count = 0

  mutating func startBlock() {
    guard count > 0 else { return }
    count = 0
    for index in slots.indices { slots[index] = 0 }
  }

  /// Adds the name of the entry at `offset`; returns where the same name is already.
  mutating func insert(_ offset: Int, in buffer: BlockBuffer) -> Int? {
    if count * 2 >= slots.count { grow(buffer) }
    let bytes = buffer.bytes
    let mask = slots.count - 1
    var slot = Self.hash(bytes, offset) & mask
    while slots[slot] != 0 {
      let other = Int(slots[slot]) - 1
      if Self.equal(bytes, offset, other) { return other }
      slot = (slot + 1) & mask
    }
    slots[slot] = UInt32(offset + 1)
    count += 1
    return nil
  }

  private mutating func grow(_ buffer: BlockBuffer) {
    let old = slots
    slots = Array(repeating: 0, count: 2 * old.count)
    let mask = slots.count - 1
    for place in old where place != 0 {
      var slot = Self.hash(buffer.bytes, Int(place) - 1) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = place
    }
  }

  private static func length(_ bytes: RawSpan, _ offset: Int) -> Int { Int(bytes.u8(offset + 6)) }

  private static func hash(_ bytes: RawSpan, _ offset: Int) -> Int {
    var rest = length(bytes, offset)
    var position = offset + DirectoryEntryRecord.headSize
    var hash = UInt64(rest) &* 0x9e37_79b9_7f4a_7c15
    while rest >= 8 {
      hash = (hash ^ bytes.le64(position)) &* 0xff51_afd7_ed55_8ccd
      hash ^= hash >> 32
      position += 8
      rest -= 8
    }
    while rest > 0 {
      hash = (hash ^ UInt64(bytes.u8(position))) &* 0xff51_afd7_ed55_8ccd
      position += 1
      rest -= 1
    }
    return Int(truncatingIfNeeded: hash ^ hash >> 29) & Int.max
  }

  private static func equal(_ bytes: RawSpan, _ a: Int, _ b: Int) -> Bool {
    let length = length(bytes, a)
    guard length == self.length(bytes, b) else { return false }
    let start = DirectoryEntryRecord.headSize
    var index = start
    while index + 8 <= start + length {
      if bytes.le64(a + index) != bytes.le64(b + index) { return false }
      index += 8
    }
    while index < start + length {
      if bytes.u8(a + index) != bytes.u8(b + index) { return false }
      index += 1
    }
    return true
  }
}
