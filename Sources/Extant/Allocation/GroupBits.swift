import Ext4Format

/// One group's bits in memory, as words: bit n stands for the group's n-th block or inode.
///
/// Bits at and past `count` are always clear. Searches skip whole words.
struct GroupBits: Equatable, Sendable {
  private var words: [UInt64]
  let count: Int

  /// All clear.
  init(count: Int) {
    self.count = count
    words = Array(repeating: 0, count: (count + 63) / 64)
  }

  /// The first `count` bits of an on-disk bitmap; the rest of the block is left alone.
  ///
  /// - Parameter bitmap: at least `(count + 7) / 8` bytes.
  init(_ bitmap: RawSpan, count: Int) {
    self.init(count: count)
    for index in 0..<(count / 64) { words[index] = bitmap.le64(index * 8) }
    let rest = count % 64
    guard rest > 0 else { return }
    var last: UInt64 = 0
    for byte in 0..<((rest + 7) / 8) {
      last |= UInt64(bitmap.u8(count / 64 * 8 + byte)) << UInt64(byte * 8)
    }
    words[count / 64] = last & Self.mask(0..<rest)
  }

  /// Writes the first `count` bits into an on-disk bitmap; those behind them stay as they are.
  func write(into bitmap: inout MutableRawSpan) {
    for index in 0..<(count / 64) { bitmap.setLE64(words[index], at: index * 8) }
    let start = count / 64 * 64
    for index in start..<count { bitmap.setBit(index, to: self[index]) }
  }

  subscript(index: Int) -> Bool { words[index >> 6] >> UInt64(index & 63) & 1 != 0 }

  /// How many bits are set.
  var setCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  mutating func insert(_ range: Range<Int>) {
    Self.forEachWord(range) { index, mask in words[index] |= mask }
  }

  mutating func remove(_ range: Range<Int>) {
    Self.forEachWord(range) { index, mask in words[index] &= ~mask }
  }

  mutating func subtract(_ other: GroupBits) {
    for index in words.indices { words[index] &= ~other.words[index] }
  }

  /// The bits that are clear here.
  var inverted: GroupBits {
    var result = GroupBits(count: count)
    result.insert(0..<count)
    result.subtract(self)
    return result
  }

  func containsAll(_ range: Range<Int>) -> Bool {
    firstClear(from: range.lowerBound) >= range.upperBound
  }

  func containsNone(_ range: Range<Int>) -> Bool {
    firstSet(from: range.lowerBound) >= range.upperBound
  }

  /// The first set bit at or after `start`; `count` when there is none.
  func firstSet(from start: Int) -> Int { first(from: start, flip: 0) }

  /// The first clear bit at or after `start`; `count` when there is none.
  func firstClear(from start: Int) -> Int { first(from: start, flip: ~0) }

  private func first(from start: Int, flip: UInt64) -> Int {
    guard start < count else { return count }
    var index = start >> 6
    var word = (words[index] ^ flip) & (~0 << UInt64(start & 63))
    while word == 0 {
      index += 1
      guard index < words.count else { return count }
      word = words[index] ^ flip
    }
    return min(index << 6 + word.trailingZeroBitCount, count)
  }

  /// How many set bits follow one another from `start` on.
  func runLength(from start: Int) -> Int { firstClear(from: start) - start }

  /// How many set bits end the group: the part of a run that may go on in the next group.
  var trailingRunLength: Int {
    var end = count
    while end > 0 {
      let word = words[(end - 1) >> 6]
      // Bits at and past `count` are clear: bring the last bit in question to the top.
      let aligned = word << UInt64(63 - (end - 1) & 63)
      let ones = min((~aligned).leadingZeroBitCount, (end - 1) & 63 + 1)
      end -= ones
      if ones == 0 || end & 63 != 0 { break }
    }
    return count - end
  }

  /// The first run of at least `length` set bits that starts at or after `start`, whole.
  func firstRun(ofAtLeast length: Int, from start: Int) -> Range<Int>? {
    var index = start
    while true {
      let first = firstSet(from: index)
      guard count - first >= length, first < count else { return nil }
      let end = firstClear(from: first)
      if end - first >= length { return first..<end }
      index = end
    }
  }

  /// The first run of fewer than `length` set bits.
  func firstRun(below length: Int) -> Range<Int>? {
    var index = firstSet(from: 0)
    while index < count {
      let end = firstClear(from: index)
      if end - index < length { return index..<end }
      index = firstSet(from: end)
    }
    return nil
  }

  /// The longest run of set bits from `start` on, the first of them; empty when none is set.
  func longestRun(from start: Int) -> Range<Int> {
    var best = start..<start
    var index = start
    while let run = firstRun(ofAtLeast: best.count + 1, from: index) {
      best = run
      index = run.upperBound
    }
    return best
  }

  private static func mask(_ bits: Range<Int>) -> UInt64 {
    guard !bits.isEmpty else { return 0 }
    return (~0 >> UInt64(64 - bits.count)) << UInt64(bits.lowerBound)
  }

  private static func forEachWord(_ range: Range<Int>, _ body: (Int, UInt64) -> Void) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(range.upperBound, (start | 63) + 1)
      let first = start & 63
      body(start >> 6, mask(first..<(first + end - start)))
      start = end
    }
  }
}
