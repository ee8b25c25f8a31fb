import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

@Suite("Group descriptors and bitmaps", .enabled(if: Environment.hasTools))
struct GroupTests {
  @Test(
    "each is what dumpe2fs says, and encodes to the bytes it came from", arguments: FormatRecipe.all
  )
  func fields(recipe: FormatRecipe) throws {
    let directory = try TemporaryDirectory()
    let image = try recipe.make(in: directory)
    let raw = try RawImage(image.path)
    let text = try Program.succeed(["dumpe2fs", image.path])
    let told = text.split(separator: "\nGroup ").filter { $0.first?.isNumber == true }.map {
      $0.split(separator: "\n").map(String.init)
    }
    #expect(told.count == Int(raw.superblock.groupCount))
    for (group, lines) in zip(raw.groups, told) {
      let descriptor = try raw.descriptor(group)
      func number(after words: String) -> UInt64? {
        for line in lines {
          guard let range = line.firstRange(of: words) else { continue }
          return UInt64(line[range.upperBound...].prefix { $0.isNumber })
        }
        return nil
      }
      #expect(number(after: "Block bitmap at ") == descriptor.blockBitmap.rawValue)
      #expect(number(after: "Inode bitmap at ") == descriptor.inodeBitmap.rawValue)
      #expect(number(after: "Inode table at ") == descriptor.inodeTable.rawValue)
      let counts = try #require(lines.first { $0.contains("free blocks, ") })
      var wanted =
        "\(descriptor.freeBlocks) free blocks, \(descriptor.freeInodes) free inodes, "
        + "\(descriptor.usedDirectories) directories"
      if descriptor.unusedInodes > 0 { wanted += ", \(descriptor.unusedInodes) unused inodes" }
      #expect(counts.trimmingPrefix { $0 == " " } == wanted)
      if raw.superblock.hasUninitializedGroups {
        #expect(lines[0].contains("INODE_UNINIT") == descriptor.flags.contains(.inodeUninit))
        #expect(lines[0].contains("BLOCK_UNINIT") == descriptor.flags.contains(.blockUninit))
        #expect(lines[0].contains("ITABLE_ZEROED") == descriptor.flags.contains(.inodeZeroed))
      }
      let bytes = try raw.descriptorBytes(group)
      var again = bytes
      again.withMutableBytes {
        descriptor.encode(into: &$0, group: group, superblock: raw.superblock)
      }
      #expect(again == bytes)
    }
  }

  @Test(
    "bitmaps have the checksum that the descriptor holds, and count what it counts",
    arguments: FormatRecipe.all)
  func bitmaps(recipe: FormatRecipe) throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(recipe.make(in: directory).path)
    let superblock = raw.superblock
    for group in raw.groups {
      let descriptor = try raw.descriptor(group)
      let usesFlags = superblock.hasUninitializedGroups
      if !usesFlags || !descriptor.flags.contains(.blockUninit) {
        var bytes = try raw.block(descriptor.blockBitmap)
        try Bitmap.verifyBlockBitmap(
          bytes.rawBytes, group: group, descriptor: descriptor, superblock: superblock)
        let count = Int(superblock.blocks(in: group))
        #expect(count - bytes.rawBytes.setBitCount(of: count) == Int(descriptor.freeBlocks))
        bytes[100] ^= 4
        let rule = try brokenRule {
          try Bitmap.verifyBlockBitmap(
            bytes.rawBytes, group: group, descriptor: descriptor, superblock: superblock)
        }
        #expect((rule != nil) == superblock.hasMetadataChecksums)
      }
      if !usesFlags || !descriptor.flags.contains(.inodeUninit) {
        let bytes = try raw.block(descriptor.inodeBitmap)
        try Bitmap.verifyInodeBitmap(
          bytes.rawBytes, group: group, descriptor: descriptor, superblock: superblock)
        let count = Int(superblock.inodesPerGroup)
        #expect(count - bytes.rawBytes.setBitCount(of: count) == Int(descriptor.freeInodes))
      }
    }
  }

  @Test(
    "a flipped bit is caught by crc32c and by crc16",
    arguments: [
      FormatRecipe(1024), FormatRecipe(1024, "^metadata_csum,uninit_bg"),
      FormatRecipe(1024, "^64bit"),
    ])
  func flips(recipe: FormatRecipe) throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(recipe.make(in: directory).path)
    let good = try raw.descriptorBytes(GroupIndex(1))
    for offset in good.indices {
      var bytes = good
      bytes[offset] ^= 0x10
      let rule = try brokenRule {
        _ = try GroupDescriptor(bytes.rawBytes, group: GroupIndex(1), superblock: raw.superblock)
      }
      #expect(rule?.contains("checksum") == true, "byte \(offset)")
    }
    let moved = try brokenRule {
      _ = try GroupDescriptor(good.rawBytes, group: GroupIndex(2), superblock: raw.superblock)
    }
    #expect(moved?.contains("checksum") == true)
  }

  @Test("numbers out of range are corrupt, each with its rule")
  func broken() throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(1024).make(in: directory).path)
    let superblock = raw.superblock
    let good = try raw.descriptor(GroupIndex(1))
    func rule(_ change: (inout GroupDescriptor) -> Void) throws -> String {
      var descriptor = good
      change(&descriptor)
      var bytes = [UInt8](repeating: 0, count: superblock.descriptorSize)
      bytes.withMutableBytes {
        descriptor.encode(into: &$0, group: GroupIndex(1), superblock: superblock)
      }
      return try brokenRule {
        _ = try GroupDescriptor(bytes.rawBytes, group: GroupIndex(1), superblock: superblock)
      } ?? "none"
    }
    #expect(try rule { _ in } == "none")
    #expect(try rule { $0.blockBitmap = BlockAddress(0) }.contains("block bitmap"))
    #expect(try rule { $0.inodeBitmap = BlockAddress(1 << 40) }.contains("inode bitmap"))
    #expect(
      try rule { $0.inodeTable = BlockAddress(superblock.blockCount - 3) }.contains("inode table"))
    #expect(try rule { $0.inodeTable = BlockAddress(.max) }.contains("inode table"))
    #expect(try rule { $0.inodeBitmap = $0.blockBitmap }.contains("overlap"))
    #expect(try rule { $0.inodeBitmap = $0.inodeTable + 1 }.contains("overlap"))
    #expect(try rule { $0.freeBlocks = 8193 }.contains("free blocks"))
    #expect(try rule { $0.freeInodes = superblock.inodesPerGroup + 1 }.contains("free inodes"))
    #expect(try rule { $0.usedDirectories = 1 }.contains("directories"))
    #expect(try rule { $0.unusedInodes = 0xffff }.contains("unused"))
  }

  @Test("ranges of bits are set, counted and found as bit by bit")
  func bits() throws {
    var random = SeededGenerator(seed: Seed.take())
    for _ in 0..<300 {
      var bytes = [UInt8](repeating: 0, count: 64)
      var model = [Bool](repeating: false, count: 512)
      for _ in 0..<6 {
        let start = random.below(512)
        let range = start..<(start + random.below(513 - start))
        let value = random.chance(60)
        bytes.withMutableBytes { $0.setBits(range, to: value) }
        for index in range { model[index] = value }
      }
      let count = random.below(513)
      let span = bytes.rawBytes
      #expect(span.setBitCount(of: count) == model[..<count].count { $0 })
      let start = random.below(512)
      let range = start..<(start + random.below(513 - start))
      for value in [true, false] {
        #expect(span.firstBit(value, in: range) == range.first { model[$0] == value })
      }
    }
  }

  @Test("checksums have the known values of their polynomials")
  func knownValues() {
    let text = Array("123456789".utf8)
    #expect(crc32c(~0, text) == ~0xE306_9283)
    #expect(crc16(0, text.rawBytes) == 0xBB3D)
    #expect(crc16(~0, text.rawBytes) == 0x4B37)
    #expect(crc32c(5, littleEndian: 0x0403_0201) == crc32c(5, [1, 2, 3, 4]))
    #expect(crc32c(5, zeros: 3) == crc32c(5, [0, 0, 0]))
    #expect(crc32c(77, []) == 77)
  }
}
