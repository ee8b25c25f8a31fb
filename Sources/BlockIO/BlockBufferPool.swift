import Threading

/// A bounded supply of equal buffers, without malloc or zeroing for each.
///
/// Memory comes in slabs (an aligned allocation per block would waste as much again), grows to
/// the limit as it is needed, and is given back to the system with the pool. A buffer's memory
/// returns to the pool when its last reference goes, so what is counted as in use really is,
/// whoever holds it.
@safe public final class BlockBufferPool: @unchecked Sendable {
  @safe private struct State {
    var free: [UnsafeMutableRawPointer] = unsafe []
    var slabs: [UnsafeMutableRawBufferPointer] = unsafe []
    var inUse = 0
    /// How many buffers the slabs hold together.
    var capacity = 0
  }

  public let blockSize: Int
  /// In buffers.
  public let limit: Int
  private let state = Guarded(State(), .innermost)

  public init(blockSize: Int, limit: Int) {
    precondition(blockSize > 0 && limit > 0)
    self.blockSize = blockSize
    self.limit = limit
  }

  deinit {
    state.withLock { state in
      unsafe state.slabs.forEach { slab in unsafe slab.deallocate() }
    }
  }

  /// Buffers that somebody holds, those beyond the limit included.
  public var inUse: Int { state.withLock { $0.inUse } }

  /// Appends up to `count` buffers, with arbitrary bytes in them, and tells how many; leaves at
  /// least `reserve` buffers for others.
  public func take(_ count: Int, keeping reserve: Int, into buffers: inout [BlockBuffer]) -> Int {
    var memory: [UnsafeMutableRawPointer] = unsafe []
    let taken = state.withLock { state in
      let taken = max(0, min(count, limit - reserve - state.inUse))
      unsafe memory.reserveCapacity(taken)
      for _ in 0..<taken { unsafe memory.append(unsafe next(&state)) }
      state.inUse += taken
      return taken
    }
    buffers.reserveCapacity(buffers.count + taken)
    unsafe memory.forEach { piece in unsafe buffers.append(buffer(piece)) }
    return taken
  }

  /// A buffer even when none is left: for what must not fail. The limit is exceeded until as
  /// many have come back.
  public func takeBeyondLimit() -> BlockBuffer {
    let piece = unsafe state.withLock { state in
      state.inUse += 1
      return unsafe next(&state)
    }
    return unsafe buffer(piece)
  }

  private func buffer(_ piece: UnsafeMutableRawPointer) -> BlockBuffer {
    unsafe BlockBuffer(UnsafeMutableRawBufferPointer(start: piece, count: blockSize), of: self)
  }

  private func next(_ state: inout State) -> UnsafeMutableRawPointer {
    while true {
      if let piece = unsafe state.free.popLast() { return unsafe piece }
      let wanted = max(1, (256 << 10) / blockSize)
      // Beyond the limit one by one.
      let count = state.capacity < limit ? min(wanted, limit - state.capacity) : 1
      let slab = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count * blockSize, alignment: min(max(blockSize, 512), 4096))
      guard let base = slab.baseAddress else { continue }
      unsafe state.slabs.append(slab)
      state.capacity += count
      // Handed out in the order of their addresses: the last of `free` goes first.
      for place in (0..<count).reversed() { unsafe state.free.append(base + place * blockSize) }
    }
  }

  func takeBack(_ memory: UnsafeMutableRawBufferPointer) {
    guard let base = memory.baseAddress else { return }
    state.withLock { state in
      unsafe state.free.append(base)
      state.inUse -= 1
    }
  }
}
