import BlockIO
import ExtantBase

/// The blocks of one shard. Everything here runs under the shard's lock.
struct ShardState {
  struct List {
    var head: Int32 = -1  // newest
    var tail: Int32 = -1  // oldest
    var count = 0
  }

  var slots: [Slot] = []
  var freeSlot: Int32 = -1
  var table = AddressTable()
  var small = List()
  var main = List()
  var ghosts: GhostQueue
  var dirty = DirtyLists()
  /// Counts blocks that came in: the clock of `touch`.
  var insertions: UInt32 = 0
  /// A second use counts as a re-use after this many insertions. Uses in quick succession (a
  /// file read in small pieces) are one use: they would make a scan look hot.
  let correlationWindow: UInt32
  /// Goes up whenever a block stops being busy or in flight.
  var completions: UInt64 = 0
  var counters = CacheStatistics()

  init(capacity: Int) {
    ghosts = GhostQueue(capacity: capacity)
    correlationWindow = UInt32(clamping: max(1, capacity / 64))
  }

  func find(_ address: BlockAddress) -> Int? { table[address] }

  /// A new slot in no queue. The address must not be there yet.
  mutating func insert(_ address: BlockAddress, _ buffer: BlockBuffer?, _ flags: Slot.Flags) -> Int
  {
    insertions &+= 1
    var flags = flags
    if ghosts.remove(address) {
      flags.insert(.returned)
      counters.ghostHits += 1
    }
    var slot = Slot(address: address, buffer: buffer, flags: flags)
    slot.touched = insertions
    let index: Int
    if freeSlot >= 0 {
      index = Int(freeSlot)
      freeSlot = slots[index].next
      slots[index] = slot
    } else {
      index = slots.count
      slots.append(slot)
    }
    table.set(address, to: index)
    return index
  }

  /// Forgets a block, whatever state it is in but busy or in flight.
  mutating func remove(_ index: Int) {
    assert(slots[index].flags.isDisjoint(with: [.busy, .writing]))
    dequeue(index)
    if slots[index].flags.contains(.dirty) { markClean(index) }
    drop(index)
  }

  /// Frees the slot of a block that is in no queue and no list.
  private mutating func drop(_ index: Int) {
    table.remove(slots[index].address)
    slots[index].buffer = nil
    slots[index].flags = []
    slots[index].isInUse = false
    slots[index].pins = 0
    slots[index].next = freeSlot
    freeSlot = Int32(index)
  }

  /// Notes a use.
  @inline(__always)
  mutating func touch(_ index: Int) {
    counters.hits += 1
    if !slots[index].flags.contains(.accessed) {
      slots[index].flags.insert(.accessed)
      slots[index].touched = insertions
    } else if slots[index].frequency < 3, insertions &- slots[index].touched >= correlationWindow {
      slots[index].frequency += 1
      slots[index].touched = insertions
    }
  }

  /// Into the owner's list of dirty blocks; one that is in another's moves over.
  mutating func markDirty(_ index: Int, owner: InodeNumber) {
    if slots[index].flags.isDisjoint(with: [.dirty, .writing]) {
      dirty.link(index, owner, &slots)
    } else if slots[index].owner != owner {
      dirty.unlink(index, &slots)
      dirty.link(index, owner, &slots)
    }
    slots[index].flags.insert(.dirty)
  }

  /// Out of the list: the device has the bytes, or nobody wants them.
  mutating func markClean(_ index: Int) {
    slots[index].flags.subtract([.dirty, .writing])
    dirty.unlink(index, &slots)
  }
}
