import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

struct DirectoryBlockTests {
  private let address = BlockAddress(99)

  private func format(_ blockSize: Int, seed: UInt32? = 0x5eed) -> DirectoryBlockFormat {
    DirectoryBlockFormat(
      inode: InodeNumber(12), blockSize: blockSize, hasFileType: true, checksumSeed: seed,
      inodeCount: 1000)
  }

  private func block(_ format: DirectoryBlockFormat, names: [String]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: format.blockSize)
    bytes.withMutableBytes { span in
      format.pack(
        &span,
        names.enumerated().map {
          DirectoryEntryImage(
            inode: UInt32(20 + $0.offset), fileType: 1, name: Array($0.element.utf8))
        })
      format.seal(&span)
    }
    return bytes
  }

  @Test(arguments: [1024, 4096, 65536]) func packedBlocksVerify(_ size: Int) throws {
    for seed in [nil, 7] as [UInt32?] {
      let format = format(size, seed: seed)
      for names in [[], ["a"], ["one", "two", "three"]] {
        let bytes = block(format, names: names)
        try format.verify(bytes.rawBytes, at: address)
        let images = try format.images(bytes.rawBytes)
        #expect(images.map { String(decoding: $0.name, as: UTF8.self) } == names)
      }
    }
  }

  @Test func aChangedByteIsCorrupt() {
    let format = format(1024)
    var bytes = block(format, names: ["one", "two"])
    bytes[500] ^= 4
    #expect(throws: FileSystemError.self) { try format.verify(bytes.rawBytes, at: address) }
  }

  @Test func eachBrokenRuleIsNamed() {
    let format = format(1024, seed: nil)
    func expect(_ rule: String, _ change: (inout [UInt8]) -> Void) {
      // "one" at 0 (12 bytes), "two" at 12 (12), "three" at 24.
      var bytes = block(format, names: ["one", "two", "three"])
      change(&bytes)
      do {
        try format.verify(bytes.rawBytes, at: address)
        Issue.record("not found: \(rule)")
      } catch {
        #expect(error.description.contains(rule), "\(error)")
        #expect(error.description.contains("block 99"))
      }
    }
    expect("not a multiple of 4") { $0[4] = 13 }
    expect("is below 12") { $0[4] = 8 }
    expect("too small for a name of 5 bytes") { $0[6] = 5 }
    expect("passes the block's end") { $0[29] = 4 }
    expect("too few for another") { $0.replaceSubrange(28..<30, with: [0xe0, 0x03]) }
    expect("inode 65535 is above 1000") { $0.replaceSubrange(0..<2, with: [255, 255]) }
    expect("no name") { $0[6] = 0 }
    expect("NUL or '/'") { $0[8] = UInt8(ascii: "/") }
  }

  @Test func recordLengthsOf64KiBBlocksComeBack() {
    let format = format(65536)
    for length in [12, 65532, 65536] {
      #expect(format.decodeRecordLength(format.encodeRecordLength(length)) == length)
    }
    #expect(format.decodeRecordLength(0) == 65536)
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededGenerator(seed: Seed.take())
    let format = format(1024, seed: nil)
    let sound = block(format, names: (0..<20).map { "name \($0)" })
    for _ in 0..<5000 {
      var bytes = sound
      for _ in 0..<(1 + random.below(6)) { bytes[random.below(400)] = UInt8(random.below(256)) }
      _ = try? format.verify(bytes.rawBytes, at: address)
      _ = try? format.find(Array("name 7".utf8), in: bytes.rawBytes)
      _ = try? format.images(bytes.rawBytes)
      _ = try? format.room(for: 30, in: bytes.rawBytes)
      try? bytes.withMutableBytes { (span) throws(FileSystemError) in
        try format.remove(&span, at: 4 * random.below(256))
      }
      for role in [HashTreeNode.Role.root, .node] {
        _ = try? format.verifyHashTree(bytes.rawBytes, role, at: address, blockCount: 10)
      }
    }
  }

  // MARK: Hash tree

  private func tree(_ format: DirectoryBlockFormat) -> (root: [UInt8], node: [UInt8]) {
    var root = [UInt8](repeating: 0, count: format.blockSize)
    var node = root
    root.withMutableBytes { span in
      var head = format.makeHashTreeRoot(
        &span, dot: DirectoryEntryImage(inode: 12, fileType: 2, name: [0x2e]),
        dotDot: DirectoryEntryImage(inode: 2, fileType: 2, name: [0x2e, 0x2e]),
        version: .halfMD4, leaf: 1)
      for block in 2..<(UInt32(head.limit) + 1) {
        head.insert(HashTreeEntry(hash: block << 8, block: block), at: head.count, in: &span)
      }
      #expect(head.isFull)
      format.sealHashTree(&span, head)
      node.withMutableBytes { other in
        var lower = format.makeHashTreeNode(&other)
        var copy = head
        let hash = copy.moveTail(from: 10, in: &span, to: &lower, &other)
        #expect(hash == 11 << 8)
        #expect(copy.count == 10 && lower.count == head.count - 10)
        format.sealHashTree(&other, lower)
        format.sealHashTree(&span, copy)
      }
    }
    return (root, node)
  }

  @Test(arguments: [1024, 4096, 65536]) func hashTreesVerify(_ size: Int) throws {
    for seed in [nil, 7] as [UInt32?] {
      let format = format(size, seed: seed)
      let (root, node) = tree(format)
      try format.verifyHashTree(root.rawBytes, .root, at: address, blockCount: 1 << 20)
      try format.verifyHashTree(node.rawBytes, .node, at: address, blockCount: 1 << 20)
      let head = try format.hashTreeNode(root.rawBytes, .root, at: address)
      #expect(head.position(of: 0, in: root.rawBytes) == 0)
      #expect(head.position(of: 2 << 8, in: root.rawBytes) == 1)
      #expect(head.position(of: 4 << 8 - 2, in: root.rawBytes) == 2)
      #expect(head.position(of: .max, in: root.rawBytes) == 9)
    }
  }

  @Test func eachBrokenRuleOfAnIndexIsNamed() {
    let format = format(1024, seed: nil)
    let (root, node) = tree(format)
    func expect(
      _ rule: String, _ role: HashTreeNode.Role = .root, _ change: (inout [UInt8]) -> Void
    ) {
      var bytes = role == .root ? root : node
      change(&bytes)
      do {
        try format.verifyHashTree(bytes.rawBytes, role, at: address, blockCount: 1000)
        Issue.record("not found: \(rule)")
      } catch {
        #expect(error.description.contains(rule), "\(error)")
      }
    }
    expect("do not cover the root") { $0[4] = 16 }
    expect("head is not 8 bytes") { $0[29] = 9 }
    expect("hash version 9") { $0[28] = 9 }
    expect("2 levels") { $0[30] = 2 }
    expect("unknown flags") { $0[31] = 1 }
    expect("room for 9 entries") { $0[32] = 9 }
    expect("0 entries where") { $0[34] = 0 }
    expect("200 entries where") { $0[34] = 200 }
    expect("follows") { $0[49] = 1 }
    expect("is none of the directory's") { $0[37] = 0xff }
    expect("block 0 is none") { $0[36] = 0 }
    expect("no unused entry", .node) { $0[0] = 1 }
  }
}
