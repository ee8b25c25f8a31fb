/// A set of numbers below a limit, in pages that cost memory only where something is in them.
///
/// One bit a number: 32,768 numbers are 4 KiB.
struct SparseBitSet: Sendable {
  /// In bits.
  private static let pageSize = 1 << 15
  private static let wordsPerPage = pageSize / 64

  /// One past the largest number.
  let limit: UInt64
  /// Empty pages stand for zeros.
  private var pages: [[UInt64]]

  init(limit: UInt64) {
    self.limit = limit
    let count = (limit + UInt64(Self.pageSize) - 1) / UInt64(Self.pageSize)
    pages = Array(repeating: [], count: Int(count))
  }

  /// False for what is not below the limit.
  func contains(_ number: UInt64) -> Bool {
    guard number < limit else { return false }
    let page = pages[Int(number >> 15)]
    guard !page.isEmpty else { return false }
    let bit = Int(number & 0x7fff)
    return page[bit >> 6] & (1 << UInt64(bit & 63)) != 0
  }

  /// Adds it; true where it was not there. What is not below the limit is left out.
  @discardableResult
  mutating func insert(_ number: UInt64) -> Bool {
    guard number < limit else { return false }
    let page = Int(number >> 15)
    if pages[page].isEmpty { pages[page] = Array(repeating: 0, count: Self.wordsPerPage) }
    let bit = Int(number & 0x7fff)
    let mask: UInt64 = 1 << UInt64(bit & 63)
    guard pages[page][bit >> 6] & mask == 0 else { return false }
    pages[page][bit >> 6] |= mask
    return true
  }

  mutating func remove(_ number: UInt64) {
    guard number < limit else { return }
    let page = Int(number >> 15)
    guard !pages[page].isEmpty else { return }
    let bit = Int(number & 0x7fff)
    pages[page][bit >> 6] &= ~(1 << UInt64(bit & 63))
  }

  /// Adds a range, cut to the limit. Calls `overlapping` with each part that was there already.
  mutating func insert(_ range: Range<UInt64>, overlapping: (Range<UInt64>) -> Void = { _ in }) {
    Self.forEachWord(range, limit: limit) { page, word, mask, base in
      if pages[page].isEmpty { pages[page] = Array(repeating: 0, count: Self.wordsPerPage) }
      let present = pages[page][word] & mask
      pages[page][word] |= mask
      if present != 0 { Self.forEachRun(present, base, overlapping) }
    }
  }

  /// Adds a range, cut to the limit, and to `repeated` those parts of it that were there already.
  /// True where there were any. Both sets have the same limit.
  mutating func insert(_ range: Range<UInt64>, repeated: inout SparseBitSet) -> Bool {
    var hasRepeated = false
    Self.forEachWord(range, limit: min(limit, repeated.limit)) { page, word, mask, _ in
      if pages[page].isEmpty { pages[page] = Array(repeating: 0, count: Self.wordsPerPage) }
      let present = pages[page][word] & mask
      if present != mask { pages[page][word] |= mask }
      guard present != 0 else { return }
      hasRepeated = true
      if repeated.pages[page].isEmpty {
        repeated.pages[page] = Array(repeating: 0, count: Self.wordsPerPage)
      }
      repeated.pages[page][word] |= present
    }
    return hasRepeated
  }

  /// Removes what of a range is in neither of two other sets, a word of bits a step.
  mutating func remove(
    _ range: Range<UInt64>, keeping first: borrowing SparseBitSet,
    and second: borrowing SparseBitSet
  ) {
    Self.forEachWord(range, limit: limit) { page, word, mask, base in
      guard !pages[page].isEmpty else { return }
      pages[page][word] &= ~(mask & ~first.word(base >> 6) & ~second.word(base >> 6))
    }
  }

  mutating func remove(_ range: Range<UInt64>) {
    Self.forEachWord(range, limit: limit) { page, word, mask, _ in
      if !pages[page].isEmpty { pages[page][word] &= ~mask }
    }
  }

  /// Adds a range below the limit; false, with nothing changed, where any of it was there already.
  mutating func insertIfFree(_ range: Range<UInt64>) -> Bool {
    guard range.upperBound <= limit else { return false }
    let bit = range.lowerBound & 63
    let page = Int(range.lowerBound >> 15)
    if bit + UInt64(range.count) <= 64, !range.isEmpty, !pages[page].isEmpty {
      let mask: UInt64 = (~0 >> (64 - UInt64(range.count))) << bit
      let word = Int(range.lowerBound & 0x7fff) >> 6
      guard pages[page][word] & mask == 0 else { return false }
      pages[page][word] |= mask
      return true
    }
    guard !intersects(range) else { return false }
    insert(range)
    return true
  }

  /// Whether any number of the range is in the set.
  func intersects(_ range: Range<UInt64>) -> Bool {
    var found = false
    var number = range.lowerBound
    let end = min(range.upperBound, limit)
    while number < end, !found {
      let page = Int(number >> 15)
      let pageEnd = min(end, UInt64(page + 1) << 15)
      if pages[page].isEmpty {
        number = pageEnd
        continue
      }
      let bit = Int(number & 0x7fff)
      let count = min(64 - bit & 63, Int(pageEnd - number))
      let mask: UInt64 = (count == 64 ? ~0 : (1 << UInt64(count)) - 1) << UInt64(bit & 63)
      found = pages[page][bit >> 6] & mask != 0
      number += UInt64(count)
    }
    return found
  }

  /// The first number from `start` on that is in the set, or that is not.
  func first(_ present: Bool, from start: UInt64, below end: UInt64? = nil) -> UInt64? {
    let end = min(end ?? limit, limit)
    var number = start
    while number < end {
      let page = Int(number >> 15)
      if pages[page].isEmpty {
        if !present { return number }
        number = UInt64(page + 1) << 15
        continue
      }
      let bit = Int(number & 0x7fff)
      var word = pages[page][bit >> 6]
      if !present { word = ~word }
      word &= ~0 << UInt64(bit & 63)
      if word != 0 {
        let result = (number & ~63) + UInt64(word.trailingZeroBitCount)
        return result < end ? result : nil
      }
      number = (number & ~63) + 64
    }
    return nil
  }

  /// The 64 numbers from `64 * index` on, the lowest in the lowest bit.
  func word(_ index: UInt64) -> UInt64 {
    let number = index << 6
    guard number < limit else { return 0 }
    let page = pages[Int(number >> 15)]
    return page.isEmpty ? 0 : page[Int(number & 0x7fff) >> 6]
  }

  /// How many numbers of the range are in the set.
  func count(in range: Range<UInt64>) -> UInt64 {
    var total: UInt64 = 0
    var number = range.lowerBound
    let end = min(range.upperBound, limit)
    while number < end {
      let page = Int(number >> 15)
      let pageEnd = min(end, UInt64(page + 1) << 15)
      if pages[page].isEmpty {
        number = pageEnd
        continue
      }
      let bit = Int(number & 0x7fff)
      let count = min(64 - bit & 63, Int(pageEnd - number))
      let mask: UInt64 = (count == 64 ? ~0 : (1 << UInt64(count)) - 1) << UInt64(bit & 63)
      total += UInt64((pages[page][bit >> 6] & mask).nonzeroBitCount)
      number += UInt64(count)
    }
    return total
  }

  var isEmpty: Bool { first(true, from: 0) == nil }
  var count: UInt64 { count(in: 0..<limit) }

  @inline(__always)
  private static func forEachWord(
    _ range: Range<UInt64>, limit: UInt64,
    _ body: (_ page: Int, _ word: Int, _ mask: UInt64, _ base: UInt64) -> Void
  ) {
    var number = range.lowerBound
    let end = min(range.upperBound, limit)
    while number < end {
      let bit = Int(number & 63)
      let count = min(64 - bit, Int(clamping: end - number))
      let mask: UInt64 = (count == 64 ? ~0 : (1 << UInt64(count)) - 1) << UInt64(bit)
      body(Int(number >> 15), Int(number & 0x7fff) >> 6, mask, number & ~63)
      number += UInt64(count)
    }
  }

  private static func forEachRun(_ bits: UInt64, _ base: UInt64, _ body: (Range<UInt64>) -> Void) {
    var rest = bits
    while rest != 0 {
      let start = UInt64(rest.trailingZeroBitCount)
      let length = UInt64((~(rest >> start)).trailingZeroBitCount)
      body(base + start..<base + start + length)
      rest &= length + start >= 64 ? 0 : ~0 << (start + length)
    }
  }
}
