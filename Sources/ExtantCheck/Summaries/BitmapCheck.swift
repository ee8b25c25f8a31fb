import BlockIO
import Ext4Format
import ExtantBase

/// A group's bitmap against what the passes before found, block or inode bitmap alike.
struct BitmapCheck {
  /// What is to be called what.
  struct Kinds {
    var markedFree: SummaryIssue
    /// For those in `special`.
    var specialMarkedFree: SummaryIssue
    var markedUsed: SummaryIssue
    var tail: SummaryIssue
    var checksum: SummaryIssue
    var uninit: SummaryIssue
  }

  let kinds: Kinds
  /// The number that the first bit stands for, and how many each stands for.
  var base: UInt64 = 0
  var stride: UInt64 = 1
  /// Bits that stand for something.
  var count = 0
  /// Bits that would, were the group no shorter than others.
  var fullCount = 0

  /// What the passes found; all ones from `count` on.
  var expected: BitmapWords
  /// What the image says, and in the end, what it shall say.
  var stored: BitmapWords
  /// What repairs of this round took.
  var taken: BitmapWords

  init(_ kinds: Kinds, blockSize: Int) {
    self.kinds = kinds
    expected = BitmapWords(byteCount: blockSize)
    stored = expected
    taken = expected
  }

  /// Free ones, by what the image shall say.
  var freeCount: UInt64 { UInt64(count - stored.count(in: 0..<count)) }

  /// Reports where `stored` differs from `expected`, and changes it where that is to be repaired.
  ///
  /// - Parameter special: those of a kind apart; computed only where something is marked free.
  /// - Returns: whether it changed.
  mutating func compare(
    _ round: CheckRound, _ place: Place, followsRepairs: Bool, special: () -> BitmapWords
  ) throws(FileSystemError) -> Bool {
    let before = stored
    let valid = 0..<count
    let missing = expected.subtracting(stored, in: valid)
    if !missing.isEmpty {
      let untaken = missing.subtracting(taken, in: valid)
      stored.formUnion(missing.subtracting(untaken, in: valid))
      let others = untaken.subtracting(special(), in: valid)
      let apart = untaken.subtracting(others, in: valid)
      for (kind, part) in [(kinds.specialMarkedFree, apart), (kinds.markedFree, others)]
      where !part.isEmpty {
        if try round.found(
          .summary(kind), place, found: .text(part.text(base, stride: stride)))
        {
          stored.formUnion(part)
        }
      }
    }
    let excess = stored.subtracting(expected, in: valid)
    if !excess.isEmpty {
      // Who freed an inode before its blocks were claimed left no trace.
      let isRepaired: Bool
      if followsRepairs {
        isRepaired = true
      } else {
        isRepaired = try round.found(
          .summary(kinds.markedUsed), place, found: .text(excess.text(base, stride: stride)))
      }
      if isRepaired { stored = stored.subtracting(excess, in: 0..<stored.bitCount) }
    }
    if !stored.isFull(fullCount..<stored.bitCount),
      try round.found(.summary(kinds.tail), place)
    {
      stored.insert(fullCount..<stored.bitCount)
    }
    if !stored.isFull(count..<fullCount), try round.found(.summary(.blockBitmapEnd), place) {
      stored.insert(count..<fullCount)
    }
    return stored.words != before.words
  }

  /// The same for a bitmap that was never written, where `stored` is what it stands for.
  ///
  /// - Returns: whether it is to be written.
  mutating func compareUninit(
    _ round: CheckRound, _ place: Place
  ) throws(FileSystemError) -> Bool {
    let valid = 0..<count
    let missing = expected.subtracting(stored, in: valid)
    guard !missing.isEmpty else { return false }
    let untaken = missing.subtracting(taken, in: valid)
    if !untaken.isEmpty {
      let isRepaired = try round.found(
        .summary(kinds.uninit), place, found: .text(untaken.text(base, stride: stride)))
      guard isRepaired else { return false }
    }
    stored = expected
    return true
  }
}
