/// A growable row of plain values, for a node's own use.
///
/// As an array, but its count and the pointer to its storage lie in the node itself: where a file
/// has a million extents each cache line touched costs as much as all the arithmetic of an
/// operation, and an array brings one of its own for its header and a reference count.
/// All the unsafe code of this module is here; every index is checked.
@safe struct Elements<Element: BitwiseCopyable>: ~Copyable {
  private var storage: UnsafeMutablePointer<Element>
  private var capacity: Int32
  private var size: Int32 = 0

  init(capacity: Int = 0) {
    self.capacity = Int32(capacity)
    unsafe storage = .allocate(capacity: capacity)
  }

  deinit { unsafe storage.deallocate() }

  var count: Int { Int(size) }

  subscript(index: Int) -> Element {
    @inline(__always) get {
      precondition(index >= 0 && index < Int(size))
      return unsafe storage[index]
    }
    @inline(__always) set {
      precondition(index >= 0 && index < Int(size))
      unsafe storage[index] = newValue
    }
  }

  mutating func reserve(_ count: Int) {
    guard count > Int(capacity) else { return }
    let grown = UnsafeMutablePointer<Element>.allocate(capacity: count)
    unsafe grown.initialize(from: storage, count: Int(size))
    unsafe storage.deallocate()
    unsafe storage = grown
    capacity = Int32(count)
  }

  mutating func append(_ element: Element) {
    resize(count..<count, to: 1)
    self[count - 1] = element
  }

  /// Appends the elements of `other` from `index` on.
  mutating func append(_ other: borrowing Elements, from index: Int) {
    let first = count
    let more = other.count - index
    precondition(index >= 0 && more >= 0)
    resize(first..<first, to: more)
    unsafe (storage + first).update(from: other.storage + index, count: more)
  }

  /// Makes room for `newCount` elements in the place of those in `range`. What is in the room is
  /// left over from before and must be set.
  mutating func resize(_ range: Range<Int>, to newCount: Int) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count && newCount >= 0)
    let difference = newCount - range.count
    if difference == 0 { return }
    let newSize = count + difference
    if newSize > Int(capacity) { reserve(max(newSize, 2 * Int(capacity), 4)) }
    let tail = count - range.upperBound
    unsafe (storage + (range.upperBound + difference)).update(
      from: storage + range.upperBound, count: tail)
    size = Int32(newSize)
  }

  mutating func truncate(to newCount: Int) { resize(newCount..<count, to: 0) }
}
