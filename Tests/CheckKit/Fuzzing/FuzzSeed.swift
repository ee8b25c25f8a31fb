import BlockIO
import Ext4Format
import ExtantBase
import TestSupport

/// A small sound image, and what in it can be changed.
public struct FuzzSeed: Sendable {
  public let name: String
  let device: MemoryDevice
  let bytes: [UInt8]
  let superblock: Superblock
  let structures: [ImageStructure]
  private let journalSeed: UInt32

  public init(name: String, bytes: [UInt8]) throws {
    self.name = name
    self.bytes = bytes
    device = try ImageBytes.device(bytes)
    let found = try ImageStructures(bytes)
    superblock = found.superblock
    structures = found.all
    journalSeed = found.journalSeed
  }

  /// How a seed is made: as small as mke2fs can, one for each way to store things.
  public struct Recipe: Sendable {
    public var name: String
    public var image: BaseImage
    /// What is done to the sound image, such as a log that is to be replayed.
    var plant: (@Sendable (Planter) throws -> Void)?

    init(
      _ name: String, _ image: BaseImage, plant: (@Sendable (Planter) throws -> Void)? = nil
    ) {
      self.name = name
      self.image = image
      self.plant = plant
    }

    func bytes() throws -> [UInt8] {
      guard let plant else { return try image.bytes() }
      let planter = try Planter(try image.bytes())
      try plant(planter)
      return planter.bytes
    }
  }

  /// None is over 1 MiB but those with a journal: that has 1,024 blocks at least.
  public static let recipes: [Recipe] = [
    Recipe("ext4", small(["-t", "ext4", "-O", "^has_journal"])),
    Recipe("ext4-4k", small(["-t", "ext4", "-O", "^has_journal"], blockSize: 4096, size: 768)),
    Recipe("ext4-journal", small(["-t", "ext4", "-O", "orphan_file"], size: 2048)),
    Recipe(
      "ext4-replay", small(["-t", "ext4", "-O", "orphan_file,metadata_csum_seed"], size: 2048)
    ) { planter in
      try planter.useJournalChecksums()
      try logTwo(planter)
    },
    Recipe("ext3-replay", small(["-t", "ext3"], size: 2048), plant: logTwo),
    Recipe(
      "groups", small(["-t", "ext4", "-g", "256", "-O", "^has_journal,^flex_bg"], size: 640)),
    Recipe(
      "meta-bg",
      small(["-t", "ext4", "-g", "256", "-O", "^has_journal,meta_bg,^resize_inode"], size: 768)
    ),
    Recipe(
      "sparse-super2",
      small(["-t", "ext4", "-g", "256", "-O", "^has_journal,sparse_super2"], size: 1024)),
    Recipe(
      "uninit-bg",
      small(
        ["-t", "ext4", "-g", "256", "-O", "^has_journal,^metadata_csum,uninit_bg"], size: 640)),
    Recipe("no-csum", small(["-t", "ext4", "-O", "^has_journal,^metadata_csum,^uninit_bg"])),
    Recipe("ext2", small(["-t", "ext2"])),
    Recipe("ext2-small-inodes", small(["-t", "ext2", "-I", "128", "-O", "^resize_inode"])),
    Recipe("revision-0", small(["-r", "0"])),
    Recipe("mmp", small(["-t", "ext4", "-O", "^has_journal,mmp,^64bit"])),
    Recipe("inline-data", small(["-t", "ext4", "-O", "^has_journal,inline_data"])),
    Recipe("ea-inode", small(["-t", "ext4", "-O", "^has_journal,ea_inode"], attributes: 2)),
    Recipe(
      "bigalloc", small(["-t", "ext4", "-O", "^has_journal,bigalloc", "-C", "4096"], size: 1024)),
    Recipe("quota", small(["-t", "ext4", "-O", "^has_journal,quota,project"], size: 384)),
    Recipe("casefold", small(["-t", "ext4", "-O", "^has_journal,casefold,encrypt,large_dir"])),
  ]

  /// Leaves the log with two transactions to be replayed: two inodes' blocks as they are.
  @Sendable private static func logTwo(_ planter: Planter) throws {
    let (first, second) = (try planter.inodeBlock("/small"), try planter.inodeBlock("/many"))
    try planter.log([
      Planter.LoggedTransaction(blocks: [(first, planter.readBlock(first))]),
      Planter.LoggedTransaction(
        blocks: [(second, planter.readBlock(second)), (first, planter.readBlock(first))]),
    ])
  }

  /// - Parameter attributes: how many files have an attribute whose value is in an inode.
  private static func small(
    _ options: [String], blockSize: Int = 1024, size: Int = 320, attributes: Int = 0
  ) -> BaseImage {
    let value = String(repeating: "value", count: 250)
    let commands = ["/small", "/dir/a"].prefix(attributes).map { "ea_set \($0) user.held \(value)" }
    var image = BaseImage(
      options + ["-b", String(blockSize), "-N", "48", "-m", "0"], size: size, commands: commands)
    // Enough for an index and two leaves, no more: each is hashed at each execution.
    image.names = blockSize > 1024 ? 80 : 22
    return image
  }

  // MARK: Applying an input

  /// The image with the changes that `input` says, on an overlay of its own.
  ///
  /// Each change is 10 bytes: the structure (2), the offset in it (2), what to do (1), how wide (1), a
  /// value (4). What is changed gets its checksum set, unless the change says not to.
  func image(with input: ArraySlice<UInt8>) throws(FileSystemError) -> OverlayDevice {
    let overlay = OverlayDevice(base: device, pieceByteCount: superblock.blockSize)
    var rest = input
    var changed: [Int: [UInt8]] = [:]
    var unsealed: Set<Int> = []
    var count = 0
    while rest.count >= 10, count < Self.changeLimit {
      count += 1
      let step = Array(rest.prefix(10))
      rest = rest.dropFirst(10)
      let words = step.rawBytes
      let number = Int(words.le16(0)) % structures.count
      let structure = structures[number]
      var part = changed[number] ?? Array(bytes[structure.range])
      apply(step, to: &part)
      changed[number] = part
      if step[4] & 0x80 != 0 { unsealed.insert(number) }
    }
    // Descriptors last: they hold the bitmaps' checksums.
    for (number, part) in changed.sorted(by: { $0.key > $1.key }) {
      var part = part
      let structure = structures[number]
      if !unsealed.contains(number) {
        try seal(structure, &part, changed: &changed)
      }
      try overlay.write(part.rawBytes, at: UInt64(structure.range.lowerBound))
    }
    return overlay
  }

  /// Changes in one input; what it says further is not looked at.
  private static let changeLimit = 64

  private func apply(_ step: [UInt8], to part: inout [UInt8]) {
    let words = step.rawBytes
    let width = 1 << Int(step[5] & 3)
    let value = words.le32(6)
    var offset = Int(words.le16(2)) % part.count
    if step[5] & 4 == 0 { offset &= ~(width - 1) }
    offset = min(offset, part.count - width)
    for index in 0..<width {
      let byte = UInt8(truncatingIfNeeded: value >> UInt32(8 * (index & 3)))
      let place = offset + index
      switch step[4] & 7 {
      case 0, 1: part[place] = byte
      case 2: part[place] ^= byte
      case 3: part[place] = 0
      case 4: part[place] = 0xff
      case 5: part[place] = part[place] &+ (index == 0 ? UInt8(truncatingIfNeeded: value & 3) : 0)
      case 6: part[place] = part[place] &- (index == 0 ? UInt8(truncatingIfNeeded: value & 3) : 0)
      default:
        // A number within the filesystem, as a block's or an inode's.
        let limit =
          step[5] & 8 == 0 ? UInt32(clamping: superblock.blockCount) : superblock.inodeCount
        let number = value % max(limit, 1)
        part[place] = UInt8(truncatingIfNeeded: index < 4 ? number >> UInt32(8 * index) : 0)
      }
    }
  }

  private func seal(
    _ structure: ImageStructure, _ part: inout [UInt8], changed: inout [Int: [UInt8]]
  ) throws(FileSystemError) {
    let hasChecksums = superblock.hasMetadataChecksums
    switch structure.seal {
    case .none: break
    case .superblock:
      guard hasChecksums else { return }
      part.setLE32(
        crc32c(~0, Array(part[..<SuperblockField.checksum])), at: SuperblockField.checksum)
    case .descriptor(let group):
      guard superblock.hasUninitializedGroups else { return }
      let descriptor = GroupDescriptor(unchecked: part.rawBytes, superblock: superblock)
      part.withMutableBytes {
        descriptor.encode(into: &$0, group: group, superblock: superblock)
      }
    case .blockBitmap, .inodeBitmap:
      // What is wrong in a bitmap is as well found with a wrong checksum.
      break
    case .inode(let number):
      guard hasChecksums else { return }
      var raw = RawInode(part)
      raw.updateChecksum(number, superblock)
      part = raw.bytes
    case .block(let kind, let address):
      switch kind {
      case .journalSuperblock, .journalBlock:
        // The journal's checksums do not hang on the filesystem's.
        return kind.seal(&part, at: address, seed: journalSeed)
      default: guard hasChecksums else { return }
      }
      var seed = superblock.checksumSeed
      if let inode = kind.inode {
        // The generation that the inode has after its own changes.
        for (index, candidate) in structures.enumerated() {
          guard case .inode(let number) = candidate.seal, number == inode else { continue }
          let raw = RawInode(changed[index] ?? Array(bytes[candidate.range]))
          seed = raw.checksumSeed(number, superblock) ?? seed
          break
        }
      }
      kind.seal(&part, at: address, seed: seed)
    }
  }
}

// MARK: - On disk

extension FuzzSeed {
  /// Where the packed seeds are.
  static var folder: String { Environment.packageRoot + "/Images/seeds" }

  /// The seeds in Images/seeds, unpacked, by name.
  public static func packed() throws -> [FuzzSeed] {
    let names = try System.names(in: folder).map { String(decoding: $0, as: UTF8.self) }
      .filter { $0.hasSuffix(".img.gz") }.sorted()
    let temporary = try TemporaryDirectory()
    return try names.map { name in
      let image = temporary("image")
      try Program.succeed(["sh", "-c", "gzip -dc '\(folder)/\(name)' >'\(image)'"])
      return try FuzzSeed(name: String(name.dropLast(7)), bytes: try System.contents(image))
    }
  }

  /// Makes them again.
  public static func pack() throws {
    if !System.exists(folder) { try System.makeDirectory(folder) }
    for recipe in recipes {
      let path = "\(folder)/\(recipe.name).img"
      try System.write(try recipe.bytes(), to: path)
      try Program.succeed(["gzip", "-9nf", path])
    }
  }
}
