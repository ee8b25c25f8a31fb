import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

struct ExtentNodeTests {
  private let context = ExtentTreeContext(
    inode: InodeNumber(12), firstDataBlock: BlockAddress(0), blockCount: 1 << 47,
    checksumSeed: 0x5eed)
  private let address = BlockAddress(777)

  private static func leaf(_ count: Int) -> ExtentNode {
    ExtentNode(
      depth: 0,
      entries: .leaf(
        (0..<UInt32(count)).map {
          ExtentRecord(
            logical: $0 * 40000, length: $0 % 2 == 0 ? 32768 : 32767,
            address: BlockAddress(UInt64($0) << 33 | 5), isUnwritten: $0 % 2 == 1)
        }))
  }

  private static func index(_ count: Int, depth: UInt16) -> ExtentNode {
    ExtentNode(
      depth: depth,
      entries: .index(
        (0..<UInt32(count)).map {
          ExtentIndexRecord(logical: 7 + $0 * 3, child: BlockAddress(UInt64($0) << 30 | 9))
        }))
  }

  private func encoded(_ node: ExtentNode, blockSize: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xff, count: blockSize)
    bytes.withMutableBytes { node.encode(into: &$0, checksumSeed: context.checksumSeed) }
    return bytes
  }

  private func decode(
    _ bytes: [UInt8], depth: UInt16, key: UInt32, end: UInt32? = nil
  ) throws(FileSystemError) -> ExtentNode {
    try ExtentNode(block: bytes.rawBytes, at: address, depth: depth, key: key, end: end, context)
  }

  @Test(arguments: [1024, 2048, 4096, 65536]) func blocksComeBackAsTheyWent(_ size: Int) throws {
    for count in [1, 2, ExtentNode.capacity(blockSize: size)] {
      let leaf = Self.leaf(count)
      #expect(try decode(encoded(leaf, blockSize: size), depth: 0, key: 0) == leaf)
      let index = Self.index(count, depth: 3)
      #expect(try decode(encoded(index, blockSize: size), depth: 3, key: 7) == index)
    }
  }

  @Test func rootsComeBackAsTheyWent() throws {
    for node in [Self.leaf(0), Self.leaf(4), Self.index(1, depth: 5), Self.index(4, depth: 1)] {
      #expect(try ExtentNode(root: node.encodeRoot(), context) == node)
    }
  }

  /// Every way to break a rule, each from a sound leaf of four extents or index of four entries.
  private func expectCorrupt(
    _ rule: String, _ node: ExtentNode, depth: UInt16, key: UInt32, end: UInt32? = nil,
    _ change: (inout [UInt8]) -> Void
  ) {
    var bytes = encoded(node, blockSize: 1024)
    change(&bytes)
    // The checksum is right, so that the rule itself is what is broken.
    let tail = 12 * 85
    let checksum = crc32c(0x5eed, bytes.rawBytes.extracting(0..<tail))
    bytes.withMutableBytes { $0.setLE32(checksum, at: tail) }
    do {
      _ = try decode(bytes, depth: depth, key: key, end: end)
      Issue.record("not found: \(rule)")
    } catch {
      guard case .corrupt(let corruption) = error else {
        Issue.record("\(error) for \(rule)")
        return
      }
      #expect(corruption.rule.contains(rule), "\(corruption.rule)")
      #expect(corruption.block == address && corruption.inode == context.inode)
    }
  }

  @Test func eachBrokenRuleIsNamed() {
    func leaf(_ rule: String, end: UInt32? = nil, _ change: (inout [UInt8]) -> Void) {
      expectCorrupt(rule, Self.leaf(4), depth: 0, key: 0, end: end, change)
    }
    func index(_ rule: String, end: UInt32? = nil, _ change: (inout [UInt8]) -> Void) {
      expectCorrupt(rule, Self.index(4, depth: 1), depth: 1, key: 7, end: end, change)
    }
    leaf("magic number") { $0[0] = 0 }
    leaf("room for 0 entries") { $0[4] = 0 }
    leaf("room for 255 entries") { $0[4] = 255 }
    leaf("entries where 84 fit") { $0[2] = 85 }
    leaf("depth 6 is above") { $0[6] = 6 }
    leaf("depth 1 instead of 0") { $0[6] = 1 }
    index("without entries") { $0[2] = 0 }
    leaf("has no length") { $0.replaceSubrange(16..<18, with: [0, 0]) }
    leaf("overlaps") { $0.replaceSubrange(24..<28, with: [1, 0, 0, 0]) }
    leaf("passes block") { $0.replaceSubrange(48..<52, with: [255, 255, 255, 255]) }
    leaf("passes block 120001", end: 120_001) { _ in }
    leaf("outside the filesystem") { $0[19] = 255 }
    leaf("outside the filesystem") { $0.replaceSubrange(18..<24, with: [0, 0, 0, 0, 0, 0]) }
    leaf("its parent says 0") { $0[12] = 1 }
    index("does not follow") { $0[24] = 7 }
    index("passes block 16", end: 16) { _ in }
    index("outside the filesystem") { $0[21] = 255 }
  }

  @Test func aWrongChecksumIsCorrupt() {
    var bytes = encoded(Self.leaf(3), blockSize: 4096)
    bytes[4000] ^= 1
    #expect(throws: FileSystemError.self) { try decode(bytes, depth: 0, key: 0) }
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededGenerator(seed: Seed.take())
    let plain = ExtentTreeContext(
      inode: InodeNumber(12), firstDataBlock: BlockAddress(0), blockCount: 1 << 20,
      checksumSeed: nil)
    for _ in 0..<3000 {
      let depth = UInt16(random.below(2))
      var bytes = encoded(
        depth == 0 ? Self.leaf(4) : Self.index(4, depth: depth), blockSize: 1024)
      for _ in 0..<(1 + random.below(8)) {
        bytes[random.below(random.chance(80) ? 72 : 1024)] = UInt8(random.below(256))
      }
      _ = try? ExtentNode(
        block: bytes.rawBytes, at: address, depth: depth, key: 0, end: nil, plain)
      _ = try? ExtentNode(root: Array(bytes[..<60]), plain)
    }
  }
}
