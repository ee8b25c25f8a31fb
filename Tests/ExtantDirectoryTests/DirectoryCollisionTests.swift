import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Names of one and the same hash.
struct DirectoryCollisionTests {
  /// Names of 240 bytes that TEA gives one hash, major and minor: each 16 bytes of a name are a
  /// key of TEA, and a key stays equivalent when the top bits of its first two words, or of its
  /// last two, both change.
  static func collidingNames(_ count: Int) -> [[UInt8]] {
    (0..<count).map { number in
      var name = [UInt8](repeating: 0x61, count: 240)
      for bit in 0..<20 where number >> bit & 1 == 1 {
        let word = bit / 2 * 16 + bit % 2 * 8
        name[word] ^= 0x80
        name[word + 4] ^= 0x80
      }
      return name
    }
  }

  @Test func collidingNamesCollide() {
    let hash = MemoryDirectory(blockSize: 1024, version: .tea).hash
    let names = Self.collidingNames(64)
    #expect(Set(names).count == 64)
    #expect(Set(names.map(hash.hash)).count == 1)
  }

  @Test(arguments: [1024, 4096]) func oneHashMayFillManyLeaves(_ blockSize: Int) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = MemoryDirectory(blockSize: blockSize, version: .tea)
    try directory.initialise()
    let colliding = Self.collidingNames(200).shuffled(using: &random)
    let others = (0..<200).map { Array("other\($0)".utf8) }
    var model: [[UInt8]: UInt32] = [:]
    for (index, pair) in zip(colliding, others).enumerated() {
      for name in [pair.0, pair.1] {
        let inode = UInt32(100 + index)
        try directory.insert(name, inode)
        model[name] = inode
      }
    }
    for step in [9, .max] {
      let listed = try directory.list(step: step).dropFirst(2)
      #expect(listed.count == model.count)
      #expect(Set(listed.map(\.name)) == Set(model.keys))
    }
    for (name, inode) in model {
      #expect(try directory.entries.lookup(name)?.inode.rawValue == inode)
    }
    for name in colliding.shuffled(using: &random) { #expect(try directory.remove(name)) }
    #expect(try directory.list().count == others.count + 2)
    for name in colliding { #expect(try directory.entries.lookup(name) == nil) }
    for name in colliding { try directory.insert(name, 7) }
    #expect(try directory.list().count == others.count + colliding.count + 2)
  }
}
