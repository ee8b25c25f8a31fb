import ExtantBase

/// A shard's blocks that are dirty or being written, in one list for each owner, linked through
/// the slots.
struct DirtyLists {
  private struct Owned {
    var owner: InodeNumber
    var head: Int32
  }

  private var lists: [Owned] = []
  private var freeLists: [Int32] = []
  private var byOwner: [InodeNumber: Int32] = [:]
  /// The list used last: most changes in a row are one owner's, and need no hashing.
  private var last: Int32 = -1
  /// Of blocks.
  private(set) var count = 0

  var owners: some Sequence<InodeNumber> { byOwner.keys }

  mutating func link(_ index: Int, _ owner: InodeNumber, _ slots: inout [Slot]) {
    let list = list(of: owner)
    let head = lists[Int(list)].head
    slots[index].owner = owner
    slots[index].dirtyList = list
    slots[index].dirtyPrevious = -1
    slots[index].dirtyNext = head
    if head >= 0 { slots[Int(head)].dirtyPrevious = Int32(index) }
    lists[Int(list)].head = Int32(index)
    count += 1
  }

  mutating func unlink(_ index: Int, _ slots: inout [Slot]) {
    let (previous, next) = (slots[index].dirtyPrevious, slots[index].dirtyNext)
    if next >= 0 { slots[Int(next)].dirtyPrevious = previous }
    if previous >= 0 {
      slots[Int(previous)].dirtyNext = next
    } else {
      let list = slots[index].dirtyList
      lists[Int(list)].head = next
      if next < 0 { drop(list) }
    }
    count -= 1
  }

  private mutating func list(of owner: InodeNumber) -> Int32 {
    if last >= 0, lists[Int(last)].owner == owner { return last }
    let list: Int32
    if let found = byOwner[owner] {
      list = found
    } else if let free = freeLists.popLast() {
      lists[Int(free)] = Owned(owner: owner, head: -1)
      byOwner[owner] = free
      list = free
    } else {
      list = Int32(lists.count)
      lists.append(Owned(owner: owner, head: -1))
      byOwner[owner] = list
    }
    last = list
    return list
  }

  private mutating func drop(_ list: Int32) {
    byOwner[lists[Int(list)].owner] = nil
    freeLists.append(list)
    if last == list { last = -1 }
  }

  /// The addresses of the owner's blocks (nil: everybody's) that have a home on the device.
  func collect(of owner: InodeNumber?, from slots: [Slot], into addresses: inout [BlockAddress]) {
    func collect(_ list: Int32) {
      var index = lists[Int(list)].head
      while index >= 0 {
        let address = slots[Int(index)].address
        if !address.isVirtual { addresses.append(address) }
        index = slots[Int(index)].dirtyNext
      }
    }
    if let owner {
      if let list = byOwner[owner] { collect(list) }
    } else {
      for list in byOwner.values { collect(list) }
    }
  }
}
