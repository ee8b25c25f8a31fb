import BlockCache
import BlockIO
import ExtantBase
import Synchronization
import TestSupport
import Testing
import Threading

@Suite struct ModelTests {
  @Test(arguments: [24, 100, 2000])
  func randomOperationsGiveWhatANaiveModelGives(limit: Int) throws {
    var random = SeededGenerator(seed: Seed.take())
    var model = NaiveCache(limit: limit)
    for _ in 0..<2500 { try model.step(&random) }
    try model.compareAll()
  }

  /// Threads write their own bytes of shared blocks, while others flush, read ahead and evict.
  @Test func threadsThatShareBlocksLoseNothing() throws {
    let seed = Seed.take()
    let f = CacheFixture(blocks: 1024, limit: 100)
    let threadCount = 4
    let share = CacheFixture.blockSize / threadCount
    let expected = Guarded([Int: [UInt8]](), .unranked)
    let failures = Guarded([String](), .unranked)
    let done = Atomic(0)

    let writers: [@Sendable () -> Void] = (0..<threadCount).map { thread in
      {
        var random = SeededGenerator(seed: seed &+ UInt64(thread))
        var mine: [Int: [UInt8]] = [:]
        for _ in 0..<1500 {
          let block = random.below(300)
          let byte = UInt8(random.below(256))
          if random.chance(60) {
            let bytes = [UInt8](repeating: byte, count: share)
            let outcome = try? f.copyIn(
              bytes, to: BlockAddress(UInt64(block)), byteOffset: thread * share,
              owner: InodeNumber(UInt32(1 + thread)), content: .existing)
            if outcome != .done { failures.withLock { $0.append("copyIn \(outcome as Any)") } }
            mine[block] = bytes
          } else if random.chance(10) {
            do { try f.cache.flush(owner: InodeNumber(UInt32(1 + thread))) } catch {
              failures.withLock { $0.append("\(error)") }
            }
          } else {
            let got = try? f.copyOut(
              BlockAddress(UInt64(block)), byteOffset: thread * share, count: share, readAhead: 3)
            let want = mine[block] ?? [UInt8](repeating: 0, count: share)
            if got != want { failures.withLock { $0.append("block \(block) of \(thread)") } }
          }
        }
        expected.withLock { all in
          for (block, bytes) in mine { all[block * threadCount + thread] = bytes }
        }
        done.add(1, ordering: .relaxed)
      }
    }
    let flusher: @Sendable () -> Void = {
      while done.load(ordering: .relaxed) < threadCount {
        try? f.cache.flushAll()
        f.cache.prefetch(BlockAddress(500), count: 50)
      }
    }
    try together(writers + [flusher])
    #expect(failures.withLock { $0 }.isEmpty)
    try f.cache.flushAll()
    #expect(f.device.script.withLock { $0.overlappingWrites } == 0)
    #expect(f.cache.byteCount <= f.cache.byteLimit)
    for (key, bytes) in expected.withLock({ $0 }) {
      let (block, thread) = key.quotientAndRemainder(dividingBy: threadCount)
      let device = try f.onDevice(UInt64(block))
      #expect(Array(device[thread * share..<(thread + 1) * share]) == bytes)
    }
  }

  /// Writers and readers of virtual blocks follow `.moved` through a map, as the engine does,
  /// while another thread gives the blocks homes and frees them again.
  @Test func copiesRaceWithRenamesAndFindTheirBytes() throws {
    let seed = Seed.take()
    let f = CacheFixture(blocks: 4096, limit: 100)
    let count = 24
    let first = f.cache.allocateVirtualRun(count: UInt64(count))
    let map = Guarded((0..<count).map { first + UInt64($0) }, .unranked)
    for address in map.withLock({ $0 }) { try f.put(f.block(0), to: address) }
    let done = Atomic(0)
    let failures = Guarded([String](), .unranked)

    let workers: [@Sendable () -> Void] = (0..<3).map { thread in
      {
        var random = SeededGenerator(seed: seed &+ UInt64(thread))
        var mine = [UInt8](repeating: 0, count: count)
        for _ in 0..<2000 {
          let block = random.below(count)
          while true {
            let address = map.withLock { $0[block] }
            if random.chance(50) {
              let byte = UInt8(random.below(256))
              let outcome = try? f.copyIn(
                [byte], to: address, byteOffset: thread * 7, content: .existing)
              if outcome == .done {
                mine[block] = byte
                break
              }
              if outcome != .moved { failures.withLock { $0.append("copyIn") } }
            } else if let got = try? f.copyOut(address, byteOffset: thread * 7, count: 1) {
              if got != [mine[block]] { failures.withLock { $0.append("block \(block)") } }
              break
            }
          }
        }
        done.add(1, ordering: .relaxed)
      }
    }
    // Each block is renamed once; all of them in time. Then flushes race with the copies.
    let renamer: @Sendable () -> Void = {
      var random = SeededGenerator(seed: seed &- 1)
      for block in (0..<count).shuffled(using: &random) {
        map.withLock { map in
          let home = BlockAddress(UInt64(1000 + block))
          f.cache.rename(map[block], count: 1, to: home)
          map[block] = home
        }
        do { try f.cache.flushAll() } catch { failures.withLock { $0.append("\(error)") } }
      }
      while done.load(ordering: .relaxed) < 3 { try? f.cache.flushAll() }
    }
    try together(workers + [renamer])
    #expect(failures.withLock { $0 }.isEmpty)
    #expect(f.device.script.withLock { $0.overlappingWrites } == 0)
  }
}

/// What the cache must look like from outside: bytes by address, and which addresses are in use.
private struct NaiveCache {
  static let physicalCount: UInt64 = 700
  let f: CacheFixture
  /// Blocks whose bytes are defined. A physical block that is not here is free: what it holds is
  /// nobody's business until it is written as fresh.
  var blocks: [BlockAddress: [UInt8]] = [:]

  init(limit: Int) {
    f = CacheFixture(blocks: Int(Self.physicalCount), limit: limit)
    for address in 0..<Self.physicalCount / 2 { blocks[BlockAddress(address)] = f.block(0) }
  }

  mutating func step(_ random: inout SeededGenerator) throws {
    switch random.below(100) {
    case ..<30: try write(&random)
    case ..<70: try read(&random)
    case ..<80: try writeVirtual(&random)
    case ..<86: rename(atMost: 1 + random.below(8), &random)
    case ..<92: discard(&random)
    case ..<96: try f.cache.flush(owner: InodeNumber(UInt32(1 + random.below(4))))
    case ..<98: f.cache.prefetch(BlockAddress(random.next() % Self.physicalCount), count: 9)
    default: try f.cache.flushAll()
    }
    #expect(f.cache.byteCount <= f.cache.byteLimit)
  }

  /// A run of addresses that are all in use, or all free.
  private func run(_ random: inout SeededGenerator) -> (start: BlockAddress, count: Int, used: Bool)
  {
    let start = BlockAddress(random.next() % Self.physicalCount)
    let used = blocks[start] != nil
    var count = 1
    let wanted = 1 + random.below(random.chance(10) ? 80 : 8)
    while count < wanted, start.rawValue + UInt64(count) < Self.physicalCount,
      (blocks[start + UInt64(count)] != nil) == used
    {
      count += 1
    }
    return (start, count, used)
  }

  private mutating func write(_ random: inout SeededGenerator) throws {
    let (start, count, used) = run(&random)
    let limit = count * CacheFixture.blockSize
    let offset = random.below(limit)
    let length = 1 + random.below(limit - offset)
    let bytes = random.chance(20) ? nil : Self.bytes(length, &random)
    let owner = InodeNumber(UInt32(1 + random.below(4)))
    try apply(bytes, length, start, offset, owner, used ? .existing : .fresh, &random)
  }

  private mutating func writeVirtual(_ random: inout SeededGenerator) throws {
    let count = 1 + random.below(6)
    let start = f.cache.allocateVirtualRun(count: UInt64(count))
    let length = count * CacheFixture.blockSize - random.below(CacheFixture.blockSize)
    let bytes = Self.bytes(length, &random)
    try apply(bytes, length, start, 0, InodeNumber(UInt32(1 + random.below(4))), .fresh, &random)
  }

  private mutating func apply(
    _ bytes: [UInt8]?, _ length: Int, _ start: BlockAddress, _ offset: Int, _ owner: InodeNumber,
    _ content: BlockContent, _ random: inout SeededGenerator
  ) throws {
    while true {
      let outcome =
        if let bytes {
          try f.copyIn(bytes, to: start, byteOffset: offset, owner: owner, content: content)
        } else {
          try f.cache.zero(
            length, from: start, byteOffset: offset, owner: owner, content: content)
        }
      if outcome == .done { break }
      try #require(outcome == .full)
      rename(atMost: .max, &random)
    }
    let size = CacheFixture.blockSize
    var done = 0
    while done < length {
      let address = start + UInt64((offset + done) / size)
      let first = (offset + done) % size
      let count = min(size - first, length - done)
      let new = bytes.map { Array($0[done..<done + count]) } ?? Array(repeating: 0, count: count)
      var block = blocks[address] ?? f.block(0)
      block.replaceSubrange(first..<first + count, with: new)
      blocks[address] = block
      done += count
    }
  }

  /// Bytes that differ from block to block and from call to call.
  private static func bytes(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
    let words = [UInt64](repeating: 0, count: (count + 255) / 256).map { _ in random.next() }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(words.count * 256)
    for word in words {
      bytes += Array(repeating: UInt8(truncatingIfNeeded: word), count: 255)
      bytes.append(UInt8(truncatingIfNeeded: word >> 8))
    }
    return Array(bytes[..<count])
  }

  private func read(_ random: inout SeededGenerator) throws {
    if random.chance(25), let virtual = blocks.keys.first(where: \.isVirtual) {
      #expect(try f.copyOut(virtual) == blocks[virtual])
      return
    }
    let (start, count, used) = run(&random)
    guard used else { return }
    let limit = count * CacheFixture.blockSize
    let offset = random.below(limit)
    let length = 1 + random.below(limit - offset)
    let got = try f.copyOut(start, byteOffset: offset, count: length, readAhead: random.below(20))
    let all = (0..<count).flatMap { blocks[start + UInt64($0)] ?? [] }
    #expect(got == Array(all[offset..<offset + length]))
  }

  private mutating func rename(atMost limit: Int, _ random: inout SeededGenerator) {
    let virtual = blocks.keys.filter(\.isVirtual).sorted()
    var renamed = 0
    for address in virtual where renamed < limit {
      let free = (0..<Self.physicalCount).map { BlockAddress($0) }.filter { blocks[$0] == nil }
      guard let home = free.randomElement(using: &random) else {
        // The device is full: something is deleted.
        f.cache.discard(address, count: 1)
        blocks[address] = nil
        continue
      }
      f.cache.rename(address, count: 1, to: home)
      blocks[home] = blocks.removeValue(forKey: address)
      renamed += 1
    }
  }

  private mutating func discard(_ random: inout SeededGenerator) {
    let (start, count, used) = run(&random)
    guard used else { return }
    let part = min(count, 1 + random.below(10))
    f.cache.discard(start, count: UInt64(part))
    for place in 0..<part { blocks[start + UInt64(place)] = nil }
  }

  func compareAll() throws {
    for (address, bytes) in blocks { #expect(try f.copyOut(address) == bytes) }
    try f.cache.flushAll()
    for (address, bytes) in blocks where !address.isVirtual {
      #expect(try f.onDevice(address.rawValue) == bytes)
    }
    #expect(
      f.cache.dirtyByteCount == blocks.keys.filter(\.isVirtual).count * CacheFixture.blockSize)
    #expect(f.device.script.withLock { $0.overlappingWrites } == 0)
  }
}
