import ExtantBase
import TestSupport
import Testing

@testable import BlockCache

@Suite struct AddressTableTests {
  /// Few groups far apart, all addresses of each: long clusters, and removals in their midst.
  @Test func anyInsertionsAndRemovalsGiveWhatADictionaryGives() {
    var random = SeededGenerator(seed: Seed.take())
    var table = AddressTable()
    var model: [BlockAddress: Int] = [:]
    func address(_ random: inout SeededGenerator) -> BlockAddress {
      let base: UInt64 = random.pick([0, 1 << 20, 1 << 63, .max - 400])
      return BlockAddress(base + UInt64(random.below(400)))
    }
    for round in 0..<20_000 {
      let some = address(&random)
      // The share of removals swings, so that the table fills and empties.
      if random.chance(round / 2000 % 2 == 0 ? 70 : 30) {
        let index = random.below(1 << 20)
        table.set(some, to: index)
        model[some] = index
      } else {
        table.remove(some)
        model[some] = nil
      }
      let other = address(&random)
      #expect(table[other] == model[other])
    }
    for (address, index) in model { #expect(table[address] == index) }
  }

  @Test func ghostsAreTheLastAddressesInOrder() {
    var ghosts = GhostQueue(capacity: 4)
    for address in 0..<10 as Range<UInt64> { ghosts.insert(BlockAddress(address)) }
    let left = (0..<10 as Range<UInt64>).filter { ghosts.remove(BlockAddress($0)) }
    #expect(left == [6, 7, 8, 9])
    #expect((0..<10 as Range<UInt64>).allSatisfy { !ghosts.remove(BlockAddress($0)) })
  }
}
