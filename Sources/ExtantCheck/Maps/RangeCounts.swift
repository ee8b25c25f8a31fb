/// Counts, of which a whole range is raised or lowered, and the first zero of a range is found, in the
/// logarithm of how many they are.
///
/// A binary tree in an array: a node's left half follows it, its right half follows that.
struct RangeCounts {
  private let count: Int
  /// By node: the least count below it, with what was added to all of them.
  private var least: [Int32] = []
  /// By node: what was added to all below it, and is not in their own numbers.
  private var added: [Int32] = []

  init(_ counts: [Int32]) {
    count = counts.count
    guard count > 0 else { return }
    least = Array(repeating: 0, count: 2 * count - 1)
    added = least
    build(0, 0..<count, counts)
  }

  private static func halves(_ node: Int, _ range: Range<Int>) -> (
    middle: Int, left: Int, right: Int
  ) {
    let middle = range.lowerBound + range.count / 2
    return (middle, node + 1, node + 2 * (middle - range.lowerBound))
  }

  private mutating func build(_ node: Int, _ range: Range<Int>, _ counts: [Int32]) {
    guard range.count > 1 else {
      least[node] = counts[range.lowerBound]
      return
    }
    let (middle, left, right) = Self.halves(node, range)
    build(left, range.lowerBound..<middle, counts)
    build(right, middle..<range.upperBound, counts)
    least[node] = min(least[left], least[right])
  }

  /// Raises all counts of a range.
  mutating func add(_ number: Int32, _ range: Range<Int>) {
    guard !range.isEmpty else { return }
    add(number, range, 0, 0..<count)
  }

  private mutating func add(
    _ number: Int32, _ range: Range<Int>, _ node: Int, _ own: Range<Int>
  ) {
    guard own.overlaps(range) else { return }
    if range.lowerBound <= own.lowerBound, own.upperBound <= range.upperBound {
      least[node] &+= number
      added[node] &+= number
      return
    }
    let (middle, left, right) = Self.halves(node, own)
    add(number, range, left, own.lowerBound..<middle)
    add(number, range, right, middle..<own.upperBound)
    least[node] = min(least[left], least[right]) &+ added[node]
  }

  /// The first of a range that is zero.
  func firstZero(in range: Range<Int>) -> Int? {
    range.isEmpty ? nil : firstZero(range, 0, 0..<count, 0)
  }

  private func firstZero(
    _ range: Range<Int>, _ node: Int, _ own: Range<Int>, _ above: Int32
  ) -> Int? {
    guard own.overlaps(range), least[node] &+ above <= 0 else { return nil }
    guard own.count > 1 else { return own.lowerBound }
    let (middle, left, right) = Self.halves(node, own)
    let above = above &+ added[node]
    return firstZero(range, left, own.lowerBound..<middle, above)
      ?? firstZero(range, right, middle..<own.upperBound, above)
  }

  subscript(index: Int) -> Int32 {
    var (node, own, above) = (0, 0..<count, Int32(0))
    while own.count > 1 {
      let (middle, left, right) = Self.halves(node, own)
      above &+= added[node]
      (node, own) =
        index < middle ? (left, own.lowerBound..<middle) : (right, middle..<own.upperBound)
    }
    return least[node] &+ above
  }
}
