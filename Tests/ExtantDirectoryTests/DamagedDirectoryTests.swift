import BlockIO
import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Damaged directories get answers or errors: nothing traps, nothing runs on for ever.
struct DamagedDirectoryTests {
  @Test(arguments: [true, false]) func damageNeverTraps(_ skipsVerifying: Bool) throws {
    var random = SeededGenerator(seed: Seed.take())
    let sound = MemoryDirectory(blockSize: 1024, checksumSeed: nil)
    try sound.initialise()
    let names = (0..<400).map { Array("\($0)-\(String(repeating: "n", count: $0 % 150))".utf8) }
    for name in names { try sound.insert(name, 20) }
    let saved = sound.blocks.map { buffer in buffer.bytes.array() }
    var corruptions = 0
    for _ in 0..<120 {
      let directory = sound
      directory.skipsVerifying = false
      directory.blocks = saved.map { bytes in
        let buffer = BlockBuffer(byteCount: bytes.count)
        var target = buffer.mutableBytes
        target.copy(bytes, at: 0)
        return buffer
      }
      for _ in 0..<(1 + random.below(6)) {
        // The root most of all: everything depends on it.
        let block = random.chance(50) ? 0 : random.below(saved.count)
        let buffer = directory.blocks[block]
        var bytes = buffer.mutableBytes
        bytes.setU8(
          UInt8(random.below(256)), at: random.below(random.chance(60) ? 64 : 1024))
      }
      directory.skipsVerifying = skipsVerifying
      for _ in 0..<6 {
        let name = random.pick(names)
        do {
          _ = try directory.entries.lookup(name)
          _ = try directory.entries.isEmpty()
          _ = try directory.list(step: 40)
          try directory.insert(name + [0x21], 7)
          _ = try directory.remove(random.pick(names))
        } catch {
          if case .corrupt = error { corruptions += 1 }
        }
      }
    }
    #expect(corruptions > 30)
  }

  @Test func anIndexThatLeadsToItselfIsCorrupt() throws {
    let directory = MemoryDirectory(blockSize: 1024, checksumSeed: nil)
    try directory.initialise()
    for number in 0..<200 { try directory.insert(Array("name \(number)".utf8), 20) }
    let root = directory.blocks[0]
    var bytes = root.mutableBytes
    // The first entry's block: the root itself.
    bytes.setLE32(0, at: 36)
    directory.skipsVerifying = true
    #expect(throws: FileSystemError.self) { try directory.list() }
    bytes.setLE32(0x0fff_ffff, at: 36)
    #expect(throws: FileSystemError.self) { try directory.list() }
  }

  @Test func aNameInTheWrongLeafIsCorruptAndNotReadForEver() throws {
    let directory = MemoryDirectory(blockSize: 1024)
    try directory.initialise()
    for number in 0..<100 { try directory.insert(Array("name \(number)".utf8), 20) }
    // Two leaves change places; each is sound in itself.
    directory.blocks.swapAt(1, 2)
    do {
      _ = try directory.list(step: 3)
      Issue.record("listed")
    } catch {
      #expect(error.description.contains("in the leaf that begins with"))
    }
  }
}
