/// The distances between the starts of a node's elements.
///
/// `self[i]` is the distance from element i to element i + 1; the last is 0. Beside them stand the
/// offsets of some twenty evenly spaced elements, so that looking for a position reads two cache
/// lines of a large node instead of all its distances: a file's nodes rarely are in the cache.
struct Steps {
  private var values: [UInt32] = []
  /// Offset of element `(i + 1) << shift` from the first, for each that exists.
  private var marks = InlineArray<22, UInt32>(repeating: 0)
  private let shift: Int

  /// Steps of a node that holds up to `capacity` elements, or a few more while it is edited.
  init(capacity: Int) {
    var shift = 4
    while (capacity + 8) >> shift > 22 { shift += 1 }
    self.shift = shift
  }

  var count: Int { values.count }

  var last: UInt32? { values.last }

  subscript(index: Int) -> Int { Int(values[index]) }

  /// The last element that starts at or before `offset` from the first, and its offset; the first
  /// where none does.
  func find(_ offset: Int) -> (index: Int, offset: Int) {
    let last = values.count - 1
    guard last > 0, offset > 0 else { return (0, 0) }
    let target = UInt32(clamping: offset)
    let groups = last >> shift
    var group = 0
    while group < groups, marks[group] <= target { group &+= 1 }
    var index = group << shift
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
    let group = index >> shift
    var sum = group > 0 ? marks[group - 1] : 0
    for i in group << shift..<index { sum &+= values[i] }
    return Int(sum)
  }

  /// Moves all elements behind `index` by `distance`.
  mutating func add(_ distance: Int, at index: Int) {
    values[index] = UInt32(Int(values[index]) + distance)
    let delta = UInt32(truncatingIfNeeded: distance)
    for group in index >> shift..<max(index >> shift, (values.count - 1) >> shift) {
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
    values.replaceSubrange(range, with: new.map { UInt32($0) })
    if range.lowerBound > 0 { values[range.lowerBound - 1] = UInt32(before) }
    mark(from: range.lowerBound - 1)
  }

  /// The same, for the first `count` of three.
  mutating func replace(_ range: Range<Int>, with new: InlineArray<3, Int>, count: Int, before: Int)
  {
    let first = range.lowerBound
    if count > range.count {
      values.insert(
        contentsOf: repeatElement(0, count: count - range.count), at: range.upperBound)
    } else if count < range.count {
      values.removeSubrange(first + count..<range.upperBound)
    }
    for index in 0..<count { values[first + index] = UInt32(new[index]) }
    if first > 0 { values[first - 1] = UInt32(before) }
    mark(from: first - 1)
  }

  /// Removes the elements from `index` on and returns them.
  mutating func splitOff(from index: Int, capacity: Int) -> Steps {
    var right = Steps(capacity: capacity)
    right.values.reserveCapacity(capacity + 2)
    right.values.append(contentsOf: values[index...])
    right.mark(from: 0)
    values.removeSubrange(index...)
    if index > 0 { values[index - 1] = 0 }
    return right
  }

  /// Takes over `right`, whose first element starts `distance` after the last one here.
  mutating func absorb(_ right: Steps, distance: Int) {
    let count = values.count
    if count > 0 { values[count - 1] = UInt32(distance) }
    values.append(contentsOf: right.values)
    mark(from: count - 1)
  }

  /// Computes the marks behind element `index` anew.
  private mutating func mark(from index: Int) {
    let groups = max(0, values.count - 1) >> shift
    var group = max(0, index) >> shift
    guard group < groups else { return }
    var sum = group > 0 ? marks[group - 1] : 0
    let values = values
    while group < groups {
      for index in group << shift..<(group + 1) << shift { sum &+= values[index] }
      marks[group] = sum
      group += 1
    }
  }

  /// Whether the marks agree with the distances. For tests.
  var isConsistent: Bool {
    var copy = self
    copy.mark(from: 0)
    for group in 0..<max(0, values.count - 1) >> shift where marks[group] != copy.marks[group] {
      return false
    }
    return true
  }
}
