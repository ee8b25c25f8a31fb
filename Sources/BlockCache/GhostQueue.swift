import ExtantBase

/// The addresses that left the small queue last: a block that comes back while its ghost is here
/// was evicted too soon, and goes straight to the main queue.
struct GhostQueue {
  private let capacity: Int
  private var ring: [BlockAddress] = []
  private var next = 0
  private var places = AddressTable()

  init(capacity: Int) { self.capacity = max(1, capacity) }

  mutating func insert(_ address: BlockAddress) {
    if ring.count < capacity {
      ring.append(address)
      places.set(address, to: ring.count - 1)
      next = ring.count % capacity
      return
    }
    if places[ring[next]] == next { places.remove(ring[next]) }
    ring[next] = address
    places.set(address, to: next)
    next = (next + 1) % capacity
  }

  /// Whether the address was there; it no longer is.
  mutating func remove(_ address: BlockAddress) -> Bool {
    guard places[address] != nil else { return false }
    places.remove(address)
    return true
  }
}
