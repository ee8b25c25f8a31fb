import ExtantBase
import SystemPackage
import TestSupport
import Testing

@testable import Ext4Format

struct XattrTests {
  private func name(_ text: String) throws(FileSystemError) -> XattrName {
    try XattrName(Array(text.utf8))
  }

  @Test func namesAreSplitAtTheirPrefix() throws {
    for (text, index) in [
      ("user.a", 1), ("system.posix_acl_access", 2), ("system.posix_acl_default", 3),
      ("trusted.b.c", 4), ("security.selinux", 6),
    ] as [(String, UInt8)] {
      let name = try name(text)
      #expect(name.index == index)
      #expect(name.text == Array(text.utf8))
    }
    let refusals: [(String, Errno)] = [
      ("", .outOfRange), ("user.", .invalidArgument), ("system.other", .notSupported),
      ("system.posix_acl_access.x", .notSupported), ("nothing", .notSupported),
      ("user." + String(repeating: "n", count: 251), .outOfRange),
    ]
    for (text, errno) in refusals {
      #expect(throws: FileSystemError.refused(errno)) { try name(text) }
    }
    #expect(try name("user." + String(repeating: "n", count: 250)).suffix.count == 250)
  }

  private func random(_ random: inout SeededGenerator) -> Xattr {
    let length = 1 + random.below(20)
    return Xattr(
      XattrName(
        index: random.pick([1, 4, 6]),
        suffix: (0..<length).map { _ in UInt8(97 + random.below(4)) }),
      (0..<random.below(60)).map { _ in UInt8(random.below(256)) })
  }

  @Test func layoutsHoldWhatADictionaryHolds() throws {
    var generator = SeededGenerator(seed: Seed.take())
    let inode = InodeNumber(12)
    for (regionSize, blockSize) in [(96, 1024), (0, 1024), (96, 4096), (896, 2048), (28, 1024)] {
      var model: [XattrName: [UInt8]] = [:]
      var region = [UInt8](repeating: 0, count: regionSize)
      var block = [UInt8](repeating: 0, count: blockSize)
      var hasBlock = false
      var refused = 0
      for _ in 0..<600 {
        let address = BlockAddress(5 << 33)
        var layout = XattrLayout(
          inInode: try InodeXattrs.decode(region, inode: inode),
          inBlock: hasBlock
            ? try XattrBlock(block.rawBytes, at: address, inode: inode, checksumSeed: 3).attributes
            : [],
          inodeCapacity: InodeXattrs.capacity(byteCount: regionSize),
          blockCapacity: XattrBlock.capacity(blockSize: blockSize))
        #expect(layout.all.count == model.count)
        for (name, value) in model { #expect(layout.value(of: name) == value) }
        if generator.chance(60) {
          let attribute = random(&generator)
          do {
            try layout.set(attribute)
            model[attribute.name] = attribute.value
          } catch {
            #expect(error == .refused(.noSpace))
            refused += 1
          }
        } else if let name = model.keys.randomElement(using: &generator) {
          let wasThere = layout.remove(name)
          let isStillThere = layout.remove(name)
          #expect(wasThere && !isStillThere)
          model[name] = nil
        }
        region = InodeXattrs.encode(layout.inInode, byteCount: regionSize, inode: inode)
        hasBlock = !layout.inBlock.isEmpty
        block.withMutableBytes {
          XattrBlock(attributes: layout.inBlock).encode(into: &$0, at: address, checksumSeed: 3)
        }
      }
      if blockSize == 1024 { #expect(refused > 0) }
    }
  }

  @Test func damagedAttributesNeverTrap() {
    var generator = SeededGenerator(seed: Seed.take())
    let inode = InodeNumber(12)
    let address = BlockAddress(9)
    let attributes = (0..<6).map { _ in random(&generator) }
    var block = [UInt8](repeating: 0, count: 1024)
    block.withMutableBytes {
      XattrBlock(attributes: attributes).encode(into: &$0, at: address, checksumSeed: nil)
    }
    let region = InodeXattrs.encode(Array(attributes.prefix(2)), byteCount: 512, inode: inode)
    for _ in 0..<5000 {
      var bytes = block
      var small = region
      for _ in 0..<(1 + generator.below(4)) {
        bytes[generator.below(200)] = UInt8(generator.below(256))
        small[4 + generator.below(100)] = UInt8(generator.below(256))
      }
      _ = try? XattrBlock(bytes.rawBytes, at: address, inode: inode, checksumSeed: nil)
      _ = try? InodeXattrs.decode(small, inode: inode)
    }
    // And cut off anywhere.
    for count in 0..<512 { _ = try? InodeXattrs.decode(Array(region[..<count]), inode: inode) }
  }

  @Test func valuesInOtherInodesAreRefusedByName() throws {
    var region = InodeXattrs.encode(
      [Xattr(try name("user.a"), [1])], byteCount: 96, inode: InodeNumber(12))
    region[8] = 15
    do {
      _ = try InodeXattrs.decode(region, inode: InodeNumber(12))
      Issue.record("taken")
    } catch {
      guard case .unsupported(let what) = error else { throw error }
      #expect(what.feature == "ea_inode")
    }
  }

  @Test func sharedBlocksCountTheirInodes() throws {
    let address = BlockAddress(77)
    var bytes = [UInt8](repeating: 0, count: 1024)
    bytes.withMutableBytes {
      XattrBlock(referenceCount: 2, attributes: [Xattr(.accessACL, [1, 2, 3])])
        .encode(into: &$0, at: address, checksumSeed: 8)
      let remaining = XattrBlock.removeReference(in: &$0, at: address, checksumSeed: 8)
      #expect(remaining == 1)
    }
    let block = try XattrBlock(
      bytes.rawBytes, at: address, inode: InodeNumber(12), checksumSeed: 8)
    #expect(block.referenceCount == 1)
    #expect(throws: FileSystemError.self) {
      try XattrBlock(
        bytes.rawBytes, at: BlockAddress(78), inode: InodeNumber(12), checksumSeed: 8)
    }
  }

  @Test func orphanFileBlocksComeBackAsTheyWent() throws {
    let address = BlockAddress(55)
    let file = InodeNumber(13)
    var bytes = [UInt8](repeating: 1, count: 1024)
    let block = OrphanFileBlock(inodes: [12, 0, 99] + [UInt32](repeating: 0, count: 251))
    bytes.withMutableBytes { block.encode(into: &$0, at: address, checksumSeed: 6) }
    func decode(_ inodeCount: UInt32, seed: UInt32) throws(FileSystemError) -> OrphanFileBlock {
      try OrphanFileBlock(
        bytes.rawBytes, at: address, orphanFile: file, inodeCount: inodeCount,
        checksumSeed: seed)
    }
    #expect(try decode(100, seed: 6) == block)
    #expect(throws: FileSystemError.self) { try decode(98, seed: 6) }
    #expect(throws: FileSystemError.self) { try decode(100, seed: 7) }
  }
}
