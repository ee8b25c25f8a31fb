import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Random changes of a directory, beside a dictionary that must always say the same.
struct DirectoryModelTests {
  struct Setup: Sendable, CustomTestStringConvertible {
    var blockSize: Int
    var checksums = true
    var mayBeIndexed = true
    var version = DirectoryHash.Version.halfMD4
    var hasFileType = true

    var testDescription: String {
      "\(blockSize), checksums \(checksums), index \(mayBeIndexed), \(version)"
    }

    func make() -> MemoryDirectory {
      MemoryDirectory(
        blockSize: blockSize, checksumSeed: checksums ? 0xabcd : nil, mayBeIndexed: mayBeIndexed,
        version: version, hasFileType: hasFileType)
    }
  }

  static let setups = [
    Setup(blockSize: 1024), Setup(blockSize: 1024, checksums: false, version: .tea),
    Setup(blockSize: 2048, version: .legacy), Setup(blockSize: 4096),
    Setup(blockSize: 4096, checksums: false, hasFileType: false),
    Setup(blockSize: 1024, mayBeIndexed: false), Setup(blockSize: 65536, version: .tea),
  ]

  private static func name(_ random: inout SeededGenerator, _ number: Int) -> [UInt8] {
    let length = random.chance(80) ? 1 + random.below(20) : 1 + random.below(245)
    let bytes = (0..<length).map { _ in
      var byte: UInt8
      repeat { byte = UInt8(1 + random.below(255)) } while byte == UInt8(ascii: "/")
      return byte
    }
    return bytes + Array("\(number)".utf8)
  }

  @Test(arguments: setups) func behavesAsADictionary(_ setup: Setup) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = setup.make()
    try directory.initialise()
    var model: [[UInt8]: UInt32] = [:]
    var names: [[UInt8]] = []
    let steps = setup.mayBeIndexed ? 3000 : 800
    for step in 0..<steps {
      // Grows at first, then shrinks: gaps, merges and packing all come up.
      let grows = random.below(steps) > step / 2
      if grows || names.isEmpty {
        let name = Self.name(&random, step)
        let inode = UInt32(100 + step)
        try directory.insert(name, inode)
        model[name] = inode
        names.append(name)
      } else if random.chance(80) {
        let index = random.below(names.count)
        names.swapAt(index, names.count - 1)
        let name = names.removeLast()
        #expect(try directory.remove(name))
        #expect(try !directory.remove(name))
        model[name] = nil
      } else {
        let name = random.pick(names)
        let inode = UInt32(1_000_000 + step)
        let match = try #require(try directory.entries.lookup(name))
        #expect(match.inode.rawValue == model[name])
        try directory.change { (handle) throws(FileSystemError) in
          try directory.entries.replace(match, with: InodeNumber(inode), .directory, handle)
        }
        model[name] = inode
      }
      if step % 701 == 0 { try expectEqual(directory, model, step: 1 + random.below(50)) }
    }
    try expectEqual(directory, model, step: 7)
    #expect(directory.isIndexed == setup.mayBeIndexed)
    for name in names { #expect(try directory.remove(name)) }
    #expect(try directory.entries.isEmpty())
    #expect(try directory.list().map(\.name) == [[0x2e], [0x2e, 0x2e]])
  }

  private func expectEqual(
    _ directory: MemoryDirectory, _ model: [[UInt8]: UInt32], step: Int
  ) throws {
    let whole = try directory.list()
    #expect(try directory.list(step: step) == whole)
    #expect(whole.prefix(2).map(\.name) == [[0x2e], [0x2e, 0x2e]])
    let listed = whole.dropFirst(2)
    #expect(listed.count == model.count)
    #expect(
      Dictionary(listed.map { ($0.name, $0.inode.rawValue) }, uniquingKeysWith: { a, _ in a })
        == model)
    #expect(try directory.entries.isEmpty() == model.isEmpty)
    for (name, inode) in model.prefix(300) {
      #expect(try directory.entries.lookup(name)?.inode.rawValue == inode)
    }
    #expect(try directory.entries.lookup(Array("no such name".utf8)) == nil)
  }

  @Test func listingSeesEveryLastingNameOnceWhateverHappensMeanwhile() throws {
    var random = SeededGenerator(seed: Seed.take())
    for checksums in [true, false] {
      let directory = Setup(blockSize: 1024, checksums: checksums).make()
      try directory.initialise()
      // Few enough to start linear, so that the listing spans the conversion.
      let lasting = (0..<20).map { Array("lasting\($0)".utf8) }
      for (index, name) in lasting.enumerated() { try directory.insert(name, UInt32(50 + index)) }
      #expect(!directory.isIndexed)
      var seen: [[UInt8]] = []
      var cookie: UInt64 = 0
      var passing: [[UInt8]] = []
      var number = 0
      while true {
        var entry: DirectoryEntry?
        try directory.entries.forEachEntry(from: cookie) {
          guard entry == nil else { return false }
          entry = $0
          return true
        }
        guard let entry else { break }
        cookie = entry.nextCookie
        seen.append(entry.name)
        guard number < 2000 else { continue }
        for _ in 0..<40 {
          number += 1
          if random.chance(70) || passing.isEmpty {
            let name = Array("passing\(number)".utf8)
            try directory.insert(name, 77)
            passing.append(name)
          } else {
            #expect(try directory.remove(passing.removeLast()))
          }
        }
      }
      #expect(directory.isIndexed)
      #expect(Set(seen).count == seen.count)
      #expect(Set(lasting).isSubset(of: Set(seen)))
    }
  }

  @Test func twoLevelsHoldWhatOneCannot() throws {
    let directory = Setup(blockSize: 1024).make()
    try directory.initialise()
    let names = (0..<3000).map { number -> [UInt8] in
      Array("\(number)".utf8) + [UInt8](repeating: 0x78, count: 200)
    }
    for (index, name) in names.enumerated() { try directory.insert(name, UInt32(index + 20)) }
    // Some 4 names a leaf: more leaves than the 123 that a root of 1 KiB leads to.
    #expect(directory.blocks.count > 600)
    #expect(Set(try directory.list(step: 11).dropFirst(2).map(\.name)) == Set(names))
    for (index, name) in names.enumerated() {
      #expect(try directory.entries.lookup(name)?.inode.rawValue == UInt32(index + 20))
    }
  }

  @Test func aFullIndexIsENOSPCAndChangesNothing() throws {
    let directory = Setup(blockSize: 1024).make()
    try directory.initialise()
    var count = 0
    var refused: [UInt8]?
    while refused == nil {
      let name = Array("\(count)".utf8) + [UInt8](repeating: 0x79, count: 240)
      do { try directory.insert(name, 33) } catch {
        #expect(error == .refused(.noSpace))
        refused = name
        break
      }
      count += 1
      try #require(count < 200_000)
    }
    let before = directory.fingerprints
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try directory.insert(try #require(refused), 34)
    }
    #expect(directory.fingerprints == before)
    #expect(try directory.list().count == count + 2)
    // Another name may still fit, and a removal makes room again.
    #expect(try directory.remove(Array("0".utf8) + [UInt8](repeating: 0x79, count: 240)))
  }
}
