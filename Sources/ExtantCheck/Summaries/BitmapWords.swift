import BlockIO
import Ext4Format
import ExtantBase

/// What a bitmap's block should hold, 64 bits a word, and where another differs.
///
/// One is filled again for each group: a large image has many thousands.
struct BitmapWords {
  private(set) var words: [UInt64]

  /// - Parameter byteCount: of the block, a multiple of 8.
  init(byteCount: Int) { words = Array(repeating: 0, count: byteCount / 8) }

  var bitCount: Int { words.count * 64 }

  subscript(word index: Int) -> UInt64 {
    get { words[index] }
    set { words[index] = newValue }
  }

  func contains(_ bit: Int) -> Bool { words[bit >> 6] & (1 << UInt64(bit & 63)) != 0 }

  mutating func clear() {
    for index in words.indices { words[index] = 0 }
  }

  /// The bits of the word that lie in `range`.
  private static func mask(_ word: Int, _ range: Range<Int>) -> UInt64 {
    let low = max(range.lowerBound - word * 64, 0)
    let high = min(range.upperBound - word * 64, 64)
    guard low < high else { return 0 }
    return (high - low == 64 ? ~0 : (1 << UInt64(high - low)) - 1) << UInt64(low)
  }

  private func indices(_ range: Range<Int>) -> Range<Int> {
    let end = min((range.upperBound + 63) / 64, words.count)
    return min(range.lowerBound / 64, end)..<end
  }

  mutating func insert(_ range: Range<Int>) {
    for index in indices(range) { words[index] |= Self.mask(index, range) }
  }

  func count(in range: Range<Int>) -> Int {
    var total = 0
    for index in indices(range) {
      total += (words[index] & Self.mask(index, range)).nonzeroBitCount
    }
    return total
  }

  /// Takes `count` bits of a set, from the number `start` on, into the first bits; the rest is 0.
  mutating func load(_ set: SparseBitSet, from start: UInt64, count: Int) {
    let shift = start & 63
    var source = start >> 6
    var current = set.word(source)
    for index in words.indices {
      guard index * 64 < count else {
        words[index] = 0
        continue
      }
      if shift == 0 {
        words[index] = current
        source += 1
        current = set.word(source)
      } else {
        let next = set.word(source + 1)
        words[index] = current >> shift | next << (64 - shift)
        source += 1
        current = next
      }
      if (index + 1) * 64 > count { words[index] &= Self.mask(index, 0..<count) }
    }
  }

  /// Takes the bits of a bitmap as it lies in a block.
  mutating func load(_ bytes: RawSpan) {
    for index in words.indices { words[index] = bytes.le64(index * 8) }
  }

  func store(_ bytes: inout MutableRawSpan, at offset: Int = 0) {
    for (index, word) in words.enumerated() { bytes.setLE64(word, at: offset + index * 8) }
  }

  /// Whether the bitmap in `bytes` has exactly these bits.
  func isEqual(to bytes: RawSpan) -> Bool {
    for index in words.indices where words[index] != bytes.le64(index * 8) { return false }
    return true
  }

  /// Whether all bits of the range are set.
  func isFull(_ range: Range<Int>) -> Bool {
    for index in indices(range) {
      let mask = Self.mask(index, range)
      if words[index] & mask != mask { return false }
    }
    return true
  }

  /// The bits of the range that are set here and not in `other`.
  func subtracting(_ other: BitmapWords, in range: Range<Int>) -> BitmapWords {
    var result = self
    for index in words.indices {
      result.words[index] = words[index] & ~other.words[index] & Self.mask(index, range)
    }
    return result
  }

  mutating func formUnion(_ other: BitmapWords) {
    for index in words.indices { words[index] |= other.words[index] }
  }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// The bits as ranges of numbers from `base` on, as people read them: `12, 20-31 and 5 more`.
  ///
  /// - Parameter stride: how many numbers a bit stands for.
  func text(_ base: UInt64, stride: UInt64 = 1) -> String {
    let limit = 12
    var parts: [String] = []
    var shown = 0
    var position = 0
    while position < bitCount, parts.count < limit {
      let rest = words[position >> 6] >> UInt64(position & 63)
      guard rest != 0 else {
        position = (position | 63) + 1
        continue
      }
      position += rest.trailingZeroBitCount
      let start = position
      while position < bitCount, contains(position) { position += 1 }
      shown += position - start
      let first = base + UInt64(start) * stride
      let last = base + UInt64(position) * stride - 1
      parts.append(first == last ? "\(first)" : "\(first)-\(last)")
    }
    let more = count(in: 0..<bitCount) - shown
    let listed = parts.joined(separator: ", ")
    return more == 0 ? listed : listed + " and \(UInt64(more) * stride) more"
  }
}
