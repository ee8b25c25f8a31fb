import BlockIO
import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Directories of the kernel read by us, and ours checked by e2fsck and read by the kernel.
@Suite(.enabled(if: Environment.hasKernelMounts), .serialized)
struct DirectoryImageTests {
  struct Recipe: Sendable, CustomTestStringConvertible {
    var blockSize: Int
    var options: [String] = []
    var extended = ""
    var count = 3000
    /// `s_def_hash_version` for debugfs.
    var hash = "half_md4"
    /// What mke2fs sets on machines whose `char` has no sign.
    var isUnsigned = false

    var testDescription: String { "\(blockSize) \(options.joined(separator: " ")) \(hash)" }
  }

  static let recipes = [
    Recipe(blockSize: 1024, count: 9000), Recipe(blockSize: 4096),
    Recipe(blockSize: 1024, options: ["-O", "^metadata_csum"], hash: "tea"),
    Recipe(blockSize: 2048, options: ["-O", "^64bit,metadata_csum_seed"], hash: "legacy"),
    Recipe(blockSize: 1024, count: 1000, isUnsigned: true),
    Recipe(blockSize: 4096, options: ["-O", "^dir_index"], count: 500),
    Recipe(blockSize: 1024, options: ["-O", "^filetype,uninit_bg,^metadata_csum"], count: 1000),
  ]

  @Test(arguments: recipes) func kernelAndWeReadEachOthersDirectories(_ recipe: Recipe) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "48M", blockSize: recipe.blockSize, options: recipe.options)
    if recipe.hash != "half_md4" {
      try Program.succeed(
        ["debugfs", "-w", "-R", "ssv def_hash_version \(recipe.hash)", image.path])
    }
    if recipe.isUnsigned {
      try Program.succeed(["debugfs", "-w", "-R", "ssv flags 2", image.path])
    }
    let names = (0..<recipe.count).map { number in
      "\(number)-" + String(repeating: "n\u{e9}", count: random.below(20))
    }

    // The kernel fills it; the names that go again leave blocks, so that ours surely fit.
    var mount = try image.mountInKernel(at: directory("mount"))
    let target = mount.point + "/target"
    try System.write([1], to: target)
    try System.makeDirectory(mount.point + "/d")
    let number = InodeNumber(UInt32(try System.status(mount.point + "/d").inode))
    let inode = UInt32(try System.status(target).inode)
    for name in names { try System.link(target, mount.point + "/d/" + name) }
    let passing = (0..<(recipe.count / 2)).map { "passing-\($0)-passing-passing" }
    for name in passing { try System.link(target, mount.point + "/d/" + name) }
    for name in passing { try System.unlink(mount.point + "/d/" + name) }
    try mount.unmount()

    let wanted = Set(names.map { Array($0.utf8) })
    let raw = try OfflineImage(image.path)
    let theirs = try ImageDirectory(raw, number)
    try expect(DirectoryEntries(theirs), number, holds: wanted, inode)
    let blockCount = try replace(theirs, number, names.shuffled(using: &random), inode, &random)
    try raw.device.close()
    let node = "<\(number.rawValue)>"
    for command in [
      "punch \(node) \(blockCount)", "sif \(node) size \(blockCount * recipe.blockSize)",
    ] {
      try Program.succeed(["debugfs", "-w", "-R", command, image.path])
    }

    #expect(try image.complaint() == nil)
    mount = try image.mountInKernel(at: directory("mount"), options: "ro")
    #expect(Set(try System.names(in: mount.point + "/d")) == wanted)
    for name in names {
      #expect(try System.status(mount.point + "/d/" + name).inode == UInt64(inode))
    }
    try mount.unmount()
  }

  @Test(arguments: [1024, 4096]) func orphanFilesOfMke2fsAreReadAndWrittenAlike(
    _ blockSize: Int
  ) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "16M", blockSize: blockSize, options: ["-O", "orphan_file"])
    let raw = try OfflineImage(image.path)
    let number = try #require(raw.superblock.orphanFileInode)
    let inode = try raw.inode(number).inode
    let seed = inode.checksumSeed(number: number, superblock: raw.superblock)
    let addresses = try raw.blocks(of: number, inode)
    #expect(addresses.count > 0)
    for address in addresses {
      let buffer = try raw.block(address)
      let block = try OrphanFileBlock(
        buffer.bytes, at: address, orphanFile: number, inodeCount: raw.superblock.inodeCount,
        checksumSeed: seed)
      #expect(block.inodes.allSatisfy { $0 == 0 })
      let copy = BlockBuffer(byteCount: blockSize)
      var bytes = copy.mutableBytes
      block.encode(into: &bytes, at: address, checksumSeed: seed)
      #expect(bytes.array(0..<blockSize) == buffer.bytes.array())
    }
  }

  private func expect(
    _ entries: DirectoryEntries<some DirectoryStorage>, _ number: InodeNumber,
    holds names: Set<[UInt8]>,
    _ inode: UInt32
  ) throws {
    var listed: [DirectoryEntry] = []
    try entries.forEachEntry(from: 0) {
      listed.append($0)
      return true
    }
    let dots = listed.filter { [[0x2e], [0x2e, 0x2e]].contains($0.name) }
    #expect(Set(dots.map(\.inode)) == [number, .root])
    let others = listed.filter { ![[0x2e], [0x2e, 0x2e]].contains($0.name) }
    #expect(others.count == names.count)
    #expect(Set(others.map(\.name)) == names)
    for name in names {
      #expect(try entries.lookup(name)?.inode.rawValue == inode)
    }
  }

  /// Makes the same directory anew and puts it in the place of theirs; returns its blocks.
  private func replace(
    _ theirs: ImageDirectory, _ number: InodeNumber, _ names: [String], _ inode: UInt32,
    _ random: inout SeededGenerator
  ) throws -> Int {
    let ours = MemoryDirectory(
      blockSize: theirs.format.blockSize, checksumSeed: theirs.format.checksumSeed,
      mayBeIndexed: theirs.mayBeIndexed, version: theirs.hash.version, inode: number,
      seed: theirs.hash.seed, hasFileType: theirs.format.hasFileType)
    ours.hash.isUnsigned = theirs.hash.isUnsigned
    try ours.initialise()
    for (index, name) in names.enumerated() {
      try ours.insert(Array(name.utf8), inode)
      if random.chance(20) {
        let other = Array(names[random.below(index + 1)].utf8)
        #expect(try ours.remove(other))
        try ours.insert(other, inode)
      }
    }
    #expect(ours.isIndexed == theirs.isIndexed)
    #expect(ours.blocks.count <= theirs.addresses.count)
    for (buffer, address) in zip(ours.blocks, theirs.addresses) {
      try theirs.image.write(buffer, at: address)
    }
    return ours.blocks.count
  }
}
