import ExtantBase

/// Block address -> small index: open addressing, linear probing, at most half full.
///
/// Swift's Dictionary hashes against chosen keys at some 30 ns a lookup; block addresses need
/// no such protection beyond a mixing multiplication, and a lookup here is a tenth of that.
struct AddressTable {
  private struct Entry {
    var key: UInt64 = 0
    var value: Int32 = -1  // -1: free
  }

  private var entries: [Entry]
  private var shift: UInt64
  private(set) var count = 0

  init() {
    entries = Array(repeating: Entry(), count: 16)
    shift = 60
  }

  /// Fibonacci hashing: the multiplication's high bits.
  private func home(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) &>> shift)
  }

  private func place(of key: UInt64) -> Int? {
    let mask = entries.count - 1
    var place = home(key)
    while entries[place].value >= 0 {
      if entries[place].key == key { return place }
      place = (place + 1) & mask
    }
    return nil
  }

  subscript(address: BlockAddress) -> Int? {
    place(of: address.rawValue).map { Int(entries[$0].value) }
  }

  /// Sets or replaces.
  mutating func set(_ address: BlockAddress, to index: Int) {
    if let place = place(of: address.rawValue) {
      entries[place].value = Int32(index)
      return
    }
    if (count + 1) * 2 > entries.count { grow() }
    insertNew(Entry(key: address.rawValue, value: Int32(index)))
    count += 1
  }

  mutating func remove(_ address: BlockAddress) {
    guard var hole = place(of: address.rawValue) else { return }
    let mask = entries.count - 1
    count -= 1
    // Entries behind the hole that may not stand behind it move into it (no tombstones).
    var next = (hole + 1) & mask
    while entries[next].value >= 0 {
      let distanceFromHome = (next - home(entries[next].key)) & mask
      if distanceFromHome >= (next - hole) & mask {
        entries[hole] = entries[next]
        hole = next
      }
      next = (next + 1) & mask
    }
    entries[hole] = Entry()
  }

  private mutating func insertNew(_ entry: Entry) {
    let mask = entries.count - 1
    var place = home(entry.key)
    while entries[place].value >= 0 { place = (place + 1) & mask }
    entries[place] = entry
  }

  private mutating func grow() {
    let old = entries
    entries = Array(repeating: Entry(), count: old.count * 2)
    shift -= 1
    for entry in old where entry.value >= 0 { insertNew(entry) }
  }
}
