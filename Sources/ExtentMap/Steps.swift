/// The distances between the starts of a node's elements.
///
/// `self[i]` is the distance from element i to element i + 1; the last is 0. Beside them stand the
/// offsets of some twenty evenly spaced elements, so that looking for a position reads two cache
/// lines of a large node instead of all its distances: a file's nodes rarely are in the cache.
struct Steps: ~Copyable {
  private var values = Elements<UInt32>()
  private let shift: UInt8
  /// Offset of element `(i + 1) << Int(shift)` from the first, for each that exists.
  private var marks = InlineArray<22, UInt32>(repeating: 0)

  /// Steps of a node that holds up to `capacity` elements, or a few more while it is edited.
  init(capacity: Int) {
    var shift: UInt8 = 4
    while (capacity + 8) >> Int(shift) > 22 { shift += 1 }
    self.shift = shift
  }

  var count: Int { values.count }

  var last: Int? { count > 0 ? self[count - 1] : nil }

  subscript(index: Int) -> Int { Int(values[index]) }

  /// The last element that starts at or before `offset` from the first, and its offset; the first
  /// where none does.
  func find(_ offset: Int) -> (index: Int, offset: Int) {
    let last = values.count - 1
    guard last > 0, offset > 0 else { return (0, 0) }
    let target = UInt32(clamping: offset)
    let groups = last >> Int(shift)
    var group = 0
    while group < groups, marks[group] <= target { group &+= 1 }
    var index = group << Int(shift)
    var reached = group > 0 ? marks[group - 1] : 0
    while index < last {
      let next = reached &+ values[index]
      if next > target { break }
      reached = next
      index &+= 1
    }
    return (index, Int(reached))
  }

  /// The offset of element `index` from the first.
  func offset(of index: Int) -> Int {
    let group = index >> Int(shift)
    var sum = group > 0 ? marks[group - 1] : 0
    for i in group << Int(shift)..<index { sum &+= values[i] }
    return Int(sum)
  }

  /// Moves all elements behind `index` by `distance`.
  mutating func add(_ distance: Int, at index: Int) {
    values[index] = UInt32(Int(values[index]) + distance)
    let delta = UInt32(truncatingIfNeeded: distance)
    for group in index >> Int(shift)..<max(index >> Int(shift), (values.count - 1) >> Int(shift)) {
      marks[group] &+= delta
    }
  }

  mutating func append(_ step: Int) {
    values.append(UInt32(step))
    mark(from: values.count - 2)
  }

  /// Puts the elements with the steps `new` in the place of those in `range`; `before` becomes the
  /// step of the element in front of them, if there is one.
  mutating func replace(_ range: Range<Int>, with new: [Int], before: Int) {
    values.resize(range, to: new.count)
    for index in new.indices { values[range.lowerBound + index] = UInt32(new[index]) }
    finish(range.lowerBound, before)
  }

  /// The same, for the first `count` of three.
  mutating func replace(_ range: Range<Int>, with new: InlineArray<3, Int>, count: Int, before: Int)
  {
    values.resize(range, to: count)
    for index in 0..<count { values[range.lowerBound + index] = UInt32(new[index]) }
    finish(range.lowerBound, before)
  }

  private mutating func finish(_ first: Int, _ before: Int) {
    if first > 0 { values[first - 1] = UInt32(before) }
    mark(from: first - 1)
  }

  /// Moves the elements from `index` on to `right`, which is empty.
  mutating func splitOff(from index: Int, to right: inout Steps, capacity: Int) {
    right.values.reserve(capacity + 2)
    right.values.append(values, from: index)
    right.mark(from: 0)
    values.truncate(to: index)
    if index > 0 { values[index - 1] = 0 }
  }

  /// Takes over `right`, whose first element starts `distance` after the last one here.
  mutating func absorb(_ right: borrowing Steps, distance: Int) {
    let count = values.count
    if count > 0 { values[count - 1] = UInt32(distance) }
    values.append(right.values, from: 0)
    mark(from: count - 1)
  }

  /// Computes the marks behind element `index` anew.
  private mutating func mark(from index: Int) {
    let groups = max(0, values.count - 1) >> Int(shift)
    var group = max(0, index) >> Int(shift)
    guard group < groups else { return }
    var sum = group > 0 ? marks[group - 1] : 0
    while group < groups {
      for index in group << Int(shift)..<(group + 1) << Int(shift) { sum &+= values[index] }
      marks[group] = sum
      group += 1
    }
  }

  /// Whether the marks agree with the distances. For tests.
  var isConsistent: Bool {
    var sum: UInt32 = 0
    for index in 0..<count {
      if index > 0, index & ((1 << Int(shift)) - 1) == 0, marks[(index >> Int(shift)) - 1] != sum {
        return false
      }
      sum &+= values[index]
    }
    return true
  }
}
