import DeviceFaults
import Ext4Format
import TestSupport

/// Writes that a crash may leave or not, and which subsets of them are tried.
///
/// What a device keeps whole is a sector of 512 bytes; what it is likely to keep whole is a block,
/// and a gathered write may be taken apart anywhere between its blocks. So a *unit* is one block of
/// one write, and is there wholly, not at all, or torn into its sectors.
struct InFlight {
  struct Unit {
    /// The number of the write it is a part of.
    var write: Int
    var bytes: [UInt8]
    var sectors: [(number: Int, key: UInt64)]
  }

  /// In the order in which they were written: a later one goes over an earlier one.
  private(set) var units: [Unit] = []
  private var writeCount = 0

  /// A bit for each sector of a unit that is there.
  typealias Subset = [UInt8]

  mutating func append(_ write: RecordedWrite) {
    let size = CrashImage.sectorSize
    let first = Int(write.offset) / size
    let sectorsPerBlock = CrashModel.blockSize / size
    var start = 0
    precondition(Int(write.offset) % size == 0 && write.bytes.count % size == 0)
    while start < write.bytes.count {
      let sector = first + start / size
      let room = (sectorsPerBlock - sector % sectorsPerBlock) * size
      let end = min(start + room, write.bytes.count)
      let bytes = Array(write.bytes[start..<end])
      let sectors = (0..<bytes.count / size).map { index in
        let span = bytes.rawBytes
        let key = ContentKey.of(
          span.extracting(index * size..<(index + 1) * size), UInt64(sector + index))
        return (number: sector + index, key: key)
      }
      units.append(Unit(write: writeCount, bytes: bytes, sectors: sectors))
      start = end
    }
    writeCount += 1
  }

  mutating func removeAll() { units.removeAll() }

  /// Takes away what a write that is durable now went over.
  mutating func remove(coveredBy write: RecordedWrite) {
    let size = CrashImage.sectorSize
    let covered =
      Int(write.offset) / size..<(Int(write.offset) + write.bytes.count) / size
    units.removeAll { unit in unit.sectors.allSatisfy { covered.contains($0.number) } }
  }

  func apply(_ subset: Subset, to image: CrashImage) {
    let size = CrashImage.sectorSize
    for (unit, bits) in zip(units, subset) where bits != 0 {
      for (index, sector) in unit.sectors.enumerated() where bits >> UInt8(index) & 1 != 0 {
        let span = unit.bytes.rawBytes
        image.put(
          span.extracting(index * size..<(index + 1) * size), sector: sector.number,
          key: sector.key)
      }
    }
  }

  static let whole: UInt8 = 3

  /// How thoroughly.
  struct Plan {
    /// Up to so many units, or else so many writes, every subset is tried.
    var complete = 12
    /// Subsets drawn past that.
    var samples = 256
    /// Torn states drawn, beside those in which one unit alone is torn.
    var torn = 16
  }

  /// Calls `body` with every subset to try: the same may come twice.
  func forEachSubset(
    _ plan: Plan, _ random: inout SeededGenerator, _ body: (Subset) -> Void
  ) {
    let count = units.count
    let all = Subset(repeating: Self.whole, count: count)
    let none = Subset(repeating: 0, count: count)
    if count <= plan.complete {
      for bits in 0..<1 << count {
        body((0..<count).map { bits >> $0 & 1 != 0 ? Self.whole : 0 })
      }
    } else {
      body(none)
      body(all)
      forEachSetOfWrites(plan, body)
      for index in 0..<count {
        var subset = all
        subset[index] = 0
        body(subset)
        subset = none
        subset[index] = Self.whole
        body(subset)
        body((0..<count).map { $0 <= index ? Self.whole : 0 })
      }
      for _ in 0..<plan.samples {
        let share = 1 + random.below(99)
        body((0..<count).map { _ in random.chance(share) ? Self.whole : 0 })
      }
    }
    guard plan.torn > 0 else { return }
    for index in 0..<min(count, 32) where units[index].sectors.count > 1 {
      for half: UInt8 in 1...2 {
        var subset = all
        subset[index] = half
        body(subset)
        subset = none
        subset[index] = half
        body(subset)
      }
    }
    guard count > 0 else { return }
    for _ in 0..<plan.torn {
      let share = 1 + random.below(99)
      var subset: Subset = (0..<count).map { _ in random.chance(share) ? Self.whole : 0 }
      for _ in 0...random.below(3) {
        subset[random.below(count)] = UInt8(1 + random.below(2))
      }
      body(subset)
    }
  }

  /// Where the units are too many but the writes are not: every set of whole writes.
  private func forEachSetOfWrites(_ plan: Plan, _ body: (Subset) -> Void) {
    let writes = Set(units.map(\.write)).sorted()
    guard writes.count <= plan.complete else { return }
    let place = Dictionary(uniqueKeysWithValues: writes.enumerated().map { ($1, $0) })
    for bits in 0..<1 << writes.count {
      body(units.map { bits >> (place[$0.write] ?? 0) & 1 != 0 ? Self.whole : 0 })
    }
  }
}
