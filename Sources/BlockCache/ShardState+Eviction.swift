import BlockIO
import ExtantBase

/// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): new
/// blocks enter a small queue and leave the cache from its end unless they were used again
/// meanwhile; so a scan passes through the small queue and the main queue keeps what is hot.
extension ShardState {
  /// Puts a block that is no longer held where eviction finds it.
  mutating func enqueue(_ index: Int) {
    guard slots[index].queue == .none, !slots[index].isHeld else { return }
    if slots[index].flags.contains(.returned) || slots[index].frequency >= 2 {
      push(index, .main)
    } else {
      push(index, .small)
    }
  }

  mutating func dequeue(_ index: Int) {
    switch slots[index].queue {
    case .none: return
    case .small: Self.unlink(index, from: &small, &slots)
    case .main: Self.unlink(index, from: &main, &slots)
    }
    slots[index].queue = .none
  }

  private mutating func push(_ index: Int, _ queue: Slot.Queue) {
    slots[index].queue = queue
    if queue == .small {
      Self.link(index, into: &small, &slots)
    } else {
      Self.link(index, into: &main, &slots)
    }
  }

  private static func link(_ index: Int, into list: inout List, _ slots: inout [Slot]) {
    slots[index].previous = -1
    slots[index].next = list.head
    if list.head >= 0 { slots[Int(list.head)].previous = Int32(index) }
    list.head = Int32(index)
    if list.tail < 0 { list.tail = Int32(index) }
    list.count += 1
  }

  private static func unlink(_ index: Int, from list: inout List, _ slots: inout [Slot]) {
    let (previous, next) = (slots[index].previous, slots[index].next)
    if previous >= 0 { slots[Int(previous)].next = next } else { list.head = next }
    if next >= 0 { slots[Int(next)].previous = previous } else { list.tail = previous }
    list.count -= 1
  }

  /// Forgets up to `wanted` blocks from the end of the small queue; how many.
  mutating func evictFromSmall(_ wanted: Int) -> Int {
    var evicted = 0
    var looks = small.count
    while evicted < wanted, looks > 0, small.tail >= 0 {
      looks -= 1
      let index = Int(small.tail)
      dequeue(index)
      // A held one comes back by `enqueue` when it is let go.
      if slots[index].isHeld { continue }
      if slots[index].frequency >= 2 || isUsedOutside(index) {
        slots[index].frequency = 0
        push(index, .main)
        continue
      }
      ghosts.insert(slots[index].address)
      remove(index)
      evicted += 1
    }
    counters.evictions += evicted
    return evicted
  }

  /// Forgets up to `wanted` blocks of the main queue that were not used since the queue last
  /// came round to them; how many.
  mutating func evictFromMain(_ wanted: Int) -> Int {
    var evicted = 0
    // Each round takes one from a block's frequency, which is at most 3.
    var looks = main.count * 4
    while evicted < wanted, looks > 0, main.tail >= 0 {
      looks -= 1
      let index = Int(main.tail)
      dequeue(index)
      if slots[index].isHeld { continue }
      if isUsedOutside(index) {
        push(index, .main)
      } else if slots[index].frequency > 0 {
        slots[index].frequency -= 1
        push(index, .main)
      } else {
        remove(index)
        evicted += 1
      }
    }
    counters.evictions += evicted
    return evicted
  }

  private mutating func isUsedOutside(_ index: Int) -> Bool {
    slots[index].flags.contains(.shared) && !isKnownUniquelyReferenced(&slots[index].buffer)
  }
}
