import BlockIO
import Ext4Format
import ExtantBase
import TestSupport
import Testing
import Threading

@testable import Extant

/// An image with both allocators on it, and a transaction that writes its blocks at `commit`.
final class Workbench: Sendable {
  let image: Image
  let device: FileDevice
  let superblock: Superblock
  let store: Store
  let groups: GroupTable
  let blocks: BlockAllocator
  let inodes: InodeAllocator
  private let transactionNumber = Guarded<UInt64>(1, .unranked)

  var transaction: UInt64 { transactionNumber.withLock { $0 } }

  /// Without a reserve for extent trees, unless one is asked for.
  init(_ image: Image, loadedGroupLimit: Int = 1024, treeReserve: UInt64? = 0) throws {
    self.image = image
    device = try FileDevice(path: image.path, access: .readWrite)
    let first = BlockBuffer(byteCount: 1024)
    var bytes = first.mutableBytes
    try device.read(into: &bytes, at: Superblock.byteOffset)
    superblock = try Superblock(first.bytes)
    store = Store(device: device, blockSize: superblock.blockSize)
    groups = try GroupTable(superblock: superblock, reader: store)
    blocks = BlockAllocator(
      superblock: superblock, groups: groups, reader: store, loadedGroupLimit: loadedGroupLimit,
      treeReserve: treeReserve)
    inodes = InodeAllocator(
      superblock: superblock, groups: groups, reader: store, loadedGroupLimit: loadedGroupLimit,
      checksTables: false)
  }

  /// Encodes, writes and forgets: the next look at a bitmap reads and verifies it again.
  func commit() throws {
    blocks.encode(handle: store)
    inodes.encode(handle: store)
    groups.encode(handle: store)
    var superblock = superblock
    superblock.freeBlockCount = groups.totals.freeBlocks
    superblock.freeInodeCount = UInt32(groups.totals.freeInodes)
    let buffer = BlockBuffer(byteCount: 1024)
    var bytes = buffer.mutableBytes
    superblock.encode(into: &bytes)
    try device.write(bytes.bytes, at: Superblock.byteOffset)
    try store.writeChanges()
    let done = transactionNumber.withLock { number in
      number += 1
      return number - 1
    }
    blocks.didCommit(done)
    inodes.didCommit(done)
  }

  /// Reader and handle in one: blocks in a dictionary.
  final class Store: MetadataReader, MetadataHandle {
    private let device: any BlockDevice
    private let blockSize: Int
    private let cached = Guarded<[BlockAddress: BlockBuffer]>([:], .unranked)
    private let changed = Guarded<Set<BlockAddress>>([], .unranked)
    private let failing = Guarded<Set<BlockAddress>>([], .unranked)

    init(device: any BlockDevice, blockSize: Int) {
      self.device = device
      self.blockSize = blockSize
    }

    var changedCount: Int { changed.withLock { $0.count } }

    func fail(at address: BlockAddress) { failing.withLock { _ = $0.insert(address) } }

    func record(_ fault: FileSystemError) {}

    func read(
      _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
    ) throws(FileSystemError) -> BlockBuffer {
      if failing.withLock({ $0.contains(address) }) {
        throw .io(DeviceFailure(.read, .ioError, device: "test"))
      }
      if let buffer = cached.withLock({ $0[address] }) { return buffer }
      let buffer = BlockBuffer(byteCount: blockSize)
      var bytes = buffer.mutableBytes
      try device.read(into: &bytes, at: address.rawValue * UInt64(blockSize))
      try verify(buffer.bytes)
      cached.withLock { $0[address] = buffer }
      return buffer
    }

    func modify(_ address: BlockAddress, _ buffer: BlockBuffer) {
      cached.withLock { $0[address] = buffer }
      changed.withLock { _ = $0.insert(address) }
    }

    func newBlock(_ address: BlockAddress) -> BlockBuffer {
      let buffer = BlockBuffer(byteCount: blockSize)
      modify(address, buffer)
      return buffer
    }

    func forget(_ address: BlockAddress) {
      changed.withLock { _ = $0.remove(address) }
    }

    func writeChanges() throws {
      for address in changed.withLock({ $0 }) {
        guard let buffer = cached.withLock({ $0[address] }) else { continue }
        try device.write(buffer.bytes, at: address.rawValue * UInt64(blockSize))
      }
      changed.withLock { $0.removeAll() }
      cached.withLock { $0.removeAll() }
    }
  }
}

extension Workbench {
  /// Which blocks dumpe2fs lists as free, and which inodes.
  func listedFree() throws -> (blocks: Set<UInt64>, inodes: Set<UInt64>) {
    let text = try Program.succeed(["dumpe2fs", image.path])
    var blocks: Set<UInt64> = []
    var inodes: Set<UInt64> = []
    // Groups' lines are indented; the header counts in lines of the same names.
    for line in text.split(separator: "\n") where line.hasPrefix("  ") {
      let words = line.drop { $0 == " " }
      if words.hasPrefix("Free blocks: ") {
        blocks.formUnion(Self.numbers(words.dropFirst(13)))
      } else if words.hasPrefix("Free inodes: ") {
        inodes.formUnion(Self.numbers(words.dropFirst(13)))
      }
    }
    return (blocks, inodes)
  }

  /// "3-5, 9" as numbers.
  private static func numbers(_ list: Substring) -> [UInt64] {
    list.split(separator: ",").flatMap { part -> [UInt64] in
      let ends = part.split(separator: "-").compactMap { UInt64($0.filter(\.isNumber)) }
      guard let first = ends.first, let last = ends.last else { return [] }
      return Array(first...last)
    }
  }

  /// What e2fsck says apart from blocks and inodes in use that nobody owns.
  func seriousComplaints() throws -> [String] {
    let harmless = [
      "Block bitmap differences:  -", "Inode bitmap differences:  -", "Fix? no", "Pass ",
      "Free blocks count wrong", "Free inodes count wrong", "Directories count wrong",
      "WARNING: Filesystem still has errors", "e2fsck ", image.path, "Padding at end",
    ]
    let output = try Program.run(["e2fsck", "-fn", image.path]).output
    return output.split(separator: "\n").map(String.init).filter { line in
      !line.isEmpty && !harmless.contains { line.hasPrefix($0) }
    }
  }

  /// What the image's own bitmaps show as free, read without the allocator.
  func freeMap() throws -> [Bool] {
    var map = Array(repeating: false, count: Int(superblock.blockCount))
    for block in try listedFree().blocks { map[Int(block)] = true }
    return map
  }
}

/// Kinds of images that allocation meets.
struct AllocationRecipe: Sendable, CustomTestStringConvertible {
  var name: String
  var size = "48M"
  var blockSize = 4096
  var options: [String] = []
  var extended = ""

  var testDescription: String { name }

  func make(in directory: TemporaryDirectory) throws -> Image {
    try Image.make(
      at: directory("image"), size: size, blockSize: blockSize, options: options,
      extended: extended)
  }

  static let all: [AllocationRecipe] = [
    AllocationRecipe(name: "defaults, 4 KiB"),
    AllocationRecipe(name: "defaults, 1 KiB", blockSize: 1024),
    AllocationRecipe(name: "defaults, 2 KiB", blockSize: 2048),
    AllocationRecipe(name: "^flex_bg", blockSize: 1024, options: ["-O", "^flex_bg"]),
    AllocationRecipe(
      name: "uninit_bg", blockSize: 1024, options: ["-O", "^metadata_csum,uninit_bg"]),
    AllocationRecipe(
      name: "no checksums", blockSize: 1024, options: ["-O", "^metadata_csum,^uninit_bg"]),
    AllocationRecipe(name: "^64bit", blockSize: 2048, options: ["-O", "^64bit"]),
    AllocationRecipe(
      name: "small odd groups", size: "20001K", blockSize: 1024, options: ["-g", "1000"]),
    AllocationRecipe(
      name: "small groups, small flexible groups", size: "20001K", blockSize: 1024,
      options: ["-g", "512", "-G", "8"]),
    AllocationRecipe(name: "no reserve, no journal", options: ["-m", "0", "-O", "^has_journal"]),
  ]
}
