import ExtantBase

/// Block address -> small index: open addressing, linear probing, at most half full.
///
/// One key stands for eight consecutive addresses, so that a walk along a run stays in a line or
/// two of the processor's cache. (Swift's Dictionary hashes against chosen keys at some 30 ns a
/// lookup; block addresses need no such protection beyond a mixing multiplication.) Costs 80 to
/// 160 bytes for each eight.
struct AddressTable {
  private static let groupBits: UInt64 = 3
  private static let groupSize = 1 << 3
  /// No group has this number: addresses shifted right never reach it.
  private static let free = UInt64.max
  private static let absent: Int32 = -1

  private var keys: [UInt64]
  /// `groupSize` for each key.
  private var values: [Int32]
  private var shift: UInt64
  private var groupCount = 0

  init() {
    keys = Array(repeating: Self.free, count: 16)
    values = Array(repeating: Self.absent, count: 16 * Self.groupSize)
    shift = 60
  }

  /// Fibonacci hashing: the multiplication's high bits.
  private func home(_ group: UInt64) -> Int {
    Int(truncatingIfNeeded: (group &* 0x9E37_79B9_7F4A_7C15) &>> shift)
  }

  private func place(of group: UInt64) -> Int? {
    let mask = keys.count - 1
    var place = home(group)
    while true {
      let key = keys[place]
      if key == group { return place }
      if key == Self.free { return nil }
      place = (place + 1) & mask
    }
  }

  private static func group(_ address: BlockAddress) -> UInt64 { address.rawValue >> groupBits }

  private static func place(_ place: Int, _ address: BlockAddress) -> Int {
    place * groupSize + Int(truncatingIfNeeded: address.rawValue) & (groupSize - 1)
  }

  subscript(address: BlockAddress) -> Int? {
    guard let place = place(of: Self.group(address)) else { return nil }
    let value = values[Self.place(place, address)]
    return value >= 0 ? Int(value) : nil
  }

  /// Sets or replaces.
  mutating func set(_ address: BlockAddress, to index: Int) {
    let group = Self.group(address)
    if let place = place(of: group) {
      values[Self.place(place, address)] = Int32(index)
      return
    }
    if (groupCount + 1) * 2 > keys.count { grow() }
    groupCount += 1
    let place = insert(group)
    values[Self.place(place, address)] = Int32(index)
  }

  mutating func remove(_ address: BlockAddress) {
    guard var hole = place(of: Self.group(address)) else { return }
    values[Self.place(hole, address)] = Self.absent
    for value in 0..<Self.groupSize where values[hole * Self.groupSize + value] >= 0 { return }
    groupCount -= 1
    // Groups behind the hole that may not stand behind it move into it (no tombstones).
    let mask = keys.count - 1
    var next = (hole + 1) & mask
    while keys[next] != Self.free {
      let distanceFromHome = (next - home(keys[next])) & mask
      if distanceFromHome >= (next - hole) & mask {
        keys[hole] = keys[next]
        for value in 0..<Self.groupSize {
          values[hole * Self.groupSize + value] = values[next * Self.groupSize + value]
        }
        hole = next
      }
      next = (next + 1) & mask
    }
    keys[hole] = Self.free
    for value in 0..<Self.groupSize { values[hole * Self.groupSize + value] = Self.absent }
  }

  /// A place for a group that is not there yet.
  private mutating func insert(_ group: UInt64) -> Int {
    let mask = keys.count - 1
    var place = home(group)
    while keys[place] != Self.free { place = (place + 1) & mask }
    keys[place] = group
    return place
  }

  private mutating func grow() {
    let (oldKeys, oldValues) = (keys, values)
    keys = Array(repeating: Self.free, count: oldKeys.count * 2)
    values = Array(repeating: Self.absent, count: oldValues.count * 2)
    shift -= 1
    for (old, group) in oldKeys.enumerated() where group != Self.free {
      let place = insert(group)
      for value in 0..<Self.groupSize {
        values[place * Self.groupSize + value] = oldValues[old * Self.groupSize + value]
      }
    }
  }
}
