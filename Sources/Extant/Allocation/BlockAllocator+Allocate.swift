import Ext4Format
import ExtantBase

/// From a request to blocks in use.
extension BlockAllocator {
  struct Request {
    var goal: UInt64
    var wanted: UInt64
    var window: UInt64
    var reserved: Bool
    var stream: InodeNumber?
  }
}

extension BlockAllocator.State {
  /// No window takes more than this part of what is free: streams on a small device share it.
  private static var windowShare: UInt64 { 4 }
  /// Runs shorter than this are holes: good for metadata, worth little to files.
  private static var smallRun: Int { 16 }

  mutating func allocate(
    _ request: BlockAllocator.Request, _ handle: any MetadataHandle
  ) throws(FileSystemError) -> BlockAllocator.Run {
    operationStart = clock
    let limit = try allowance(request.wanted, reserved: request.reserved)
    if let run = takeFromWindow(request, limit, handle) {
      return settle(run, reserved: request.reserved)
    }
    var window: UInt64 = 0
    if let stream = request.stream, request.window > limit {
      dropWindow(of: stream)
      window = min(request.window, usableCount / Self.windowShare)
    }
    // Each round that fails retires a group or drops the windows, so this ends.
    while true {
      let found = find(near: request.goal, need: max(limit, window), least: limit)
      if (found?.count ?? 0) < limit, !windows.isEmpty {
        dropAllWindows()
        continue
      }
      guard let found else { throw .refused(.noSpace) }
      let taken = BlockAllocator.Run(start: found.start, count: min(limit, found.count))
      do throws(FileSystemError) {
        try prepare(taken, handle)
      } catch {
        continue
      }
      withdraw(taken)
      markUsed(taken)
      if let stream = request.stream, window > taken.count, found.count > taken.count {
        let rest = BlockAllocator.Run(
          start: taken.range.upperBound, count: min(window, found.count) - taken.count)
        keep(rest, for: stream)
      }
      return settle(taken, reserved: request.reserved)
    }
  }

  mutating func allocateMetadataBlock(
    goal: UInt64, reserved: Bool, _ handle: any MetadataHandle
  ) throws(FileSystemError) -> BlockAllocator.Run {
    operationStart = clock
    _ = try allowance(1, reserved: reserved)
    while true {
      guard let block = findMetadataBlock(near: goal) else {
        guard !windows.isEmpty else { throw .refused(.noSpace) }
        dropAllWindows()
        continue
      }
      let run = BlockAllocator.Run(start: block, count: 1)
      do throws(FileSystemError) {
        try prepare(run, handle)
      } catch {
        continue
      }
      withdraw(run)
      markUsed(run)
      return settle(run, reserved: reserved)
    }
  }

  /// Takes these very blocks. Throws `corrupt`, changing nothing, unless all of them are free.
  mutating func claim(
    _ run: BlockAllocator.Run, _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    operationStart = clock
    let start = BlockAddress(run.start)
    guard superblock.contains(start, count: run.count), !table.zones.overlaps(run.range) else {
      throw .corrupt(
        Corruption("block bitmap", block: start, "\(run.count) blocks that no file may have"))
    }
    dropAllWindows()
    try prepare(run, handle)
    for (group, bits) in pieces(of: run) {
      guard groups[group].available.containsAll(bits) else {
        throw .corrupt(
          Corruption("block bitmap", block: start, "of \(run.count) blocks some are in use"))
      }
    }
    withdraw(run)
    markUsed(run)
  }

  /// How many of `wanted` blocks the caller may have.
  private func allowance(_ wanted: UInt64, reserved: Bool) throws(FileSystemError) -> UInt64 {
    // Other callers' reservations are theirs. What is kept back was judged by `reserve`.
    let allowed = reserved ? usableCount : unreserved(for: .root)
    guard allowed > 0 else { throw .refused(.noSpace) }
    return min(wanted, allowed)
  }

  /// Serves a request that continues its stream's window.
  private mutating func takeFromWindow(
    _ request: BlockAllocator.Request, _ limit: UInt64, _ handle: any MetadataHandle
  ) -> BlockAllocator.Run? {
    guard let stream = request.stream, let window = windows[stream], window.start == request.goal
    else { return nil }
    let taken = BlockAllocator.Run(start: window.start, count: min(limit, window.count))
    do throws(FileSystemError) {
      try prepare(taken, handle)
    } catch {
      dropWindow(of: stream)
      return nil
    }
    markUsed(taken)
    let rest = BlockAllocator.Run(
      start: taken.range.upperBound, count: window.count - taken.count)
    windows[stream] = rest.count > 0 ? rest : nil
    return taken
  }

  /// Makes `run`, of which the start is about to be taken, the window of `stream`.
  private mutating func keep(_ run: BlockAllocator.Run, for stream: InodeNumber) {
    // The search may have judged a group by its descriptor alone; the window must be in memory.
    var loaded = BlockAllocator.Run(start: run.start, count: 0)
    for (group, bits) in pieces(of: run) {
      do throws(FileSystemError) { try load(group) } catch { break }
      guard groups[group].available.containsAll(bits) else { break }
      loaded.count += UInt64(bits.count)
    }
    guard loaded.count > 0 else { return }
    withdraw(loaded)
    windows[stream] = loaded
  }

  /// Does everything about taking `run` that can fail.
  private mutating func prepare(
    _ run: BlockAllocator.Run, _ handle: any MetadataHandle
  ) throws(FileSystemError) {
    let pieces = pieces(of: run)
    for (group, _) in pieces { try load(group) }
    for (group, _) in pieces { try prepare(group, handle) }
  }

  private mutating func markUsed(_ run: BlockAllocator.Run) {
    for (group, bits) in pieces(of: run) {
      groups[group].used?.insert(bits)
      table.update(group) { $0.freeBlocks &-= UInt32(truncatingIfNeeded: bits.count) }
    }
    freeCount -= run.count
  }

  private mutating func settle(
    _ run: BlockAllocator.Run, reserved: Bool
  ) -> BlockAllocator.Run {
    if reserved { reservedCount -= min(run.count, reservedCount) }
    return run
  }

  private mutating func findMetadataBlock(near goal: UInt64) -> UInt64? {
    let (first, bit) = place(of: clamp(goal))
    for step in 0..<groups.count {
      let group = (first + step) % groups.count
      guard isWorthLoading(group) else { continue }
      do throws(FileSystemError) { try load(group) } catch { continue }
      let available = groups[group].available
      guard groups[group].availableCount > 0 else { continue }
      if let hole = available.firstRun(below: Self.smallRun) {
        return start(of: group) + UInt64(hole.lowerBound)
      }
      let behind = available.firstSet(from: step == 0 ? bit : 0)
      let free = behind < available.count ? behind : available.firstSet(from: 0)
      return start(of: group) + UInt64(free)
    }
    return nil
  }
}
