import BlockIO
import Ext4Format
import TestSupport
import Testing

@testable import Extant

@Suite struct GroupBitsTests {
  @Test func wordSearchesAnswerAsLookingAtEveryBitDoes() {
    var random = SeededGenerator(seed: Seed.take())
    for _ in 0..<300 {
      let count = 1 + random.below(300)
      var bits = GroupBits(count: count)
      var plain = Array(repeating: false, count: count)
      for _ in 0..<random.below(8) {
        let start = random.below(count)
        let range = start..<start + 1 + random.below(count - start)
        let isSet = random.chance(60)
        if isSet { bits.insert(range) } else { bits.remove(range) }
        for index in range { plain[index] = isSet }
      }
      #expect((0..<count).map { bits[$0] } == plain)
      #expect(bits.setCount == plain.count { $0 })
      #expect((0..<count).map { bits.inverted[$0] } == plain.map { !$0 })
      #expect(bits.trailingRunLength == plain.reversed().prefix { $0 }.count)
      for start in 0...count {
        let rest = plain.dropFirst(start)
        #expect(bits.firstSet(from: start) == rest.firstIndex(of: true) ?? count)
        #expect(bits.firstClear(from: start) == rest.firstIndex(of: false) ?? count)
      }
      let runs = plain.indices.filter { plain[$0] && ($0 == 0 || !plain[$0 - 1]) }
        .map { first in first..<bits.firstClear(from: first) }
      let length = 1 + random.below(80)
      #expect(
        bits.firstRun(ofAtLeast: length, from: 0) == runs.first { $0.count >= length })
      #expect(bits.firstRun(below: length) == runs.first { $0.count < length })
      #expect(bits.longestRun(from: 0).count == runs.map(\.count).max() ?? 0)
    }
  }

  @Test func bitsBehindTheLastStayAsTheyAreOnDisk() {
    for count in [8, 13, 64, 77, 128, 200] {
      let buffer = BlockBuffer(byteCount: 1024)
      var bytes = buffer.mutableBytes
      bytes.fill(0..<1024, with: 0xff)
      var bits = GroupBits(bytes.bytes, count: count)
      #expect(bits.setCount == count)
      bits.remove(0..<count)
      bits.insert(3..<5)
      bits.write(into: &bytes)
      let total = bytes.bytes.setBitCount(of: 8192)
      #expect(total == 8192 - count + 2)
      let again = GroupBits(bytes.bytes, count: count)
      #expect(again == bits)
    }
  }
}
