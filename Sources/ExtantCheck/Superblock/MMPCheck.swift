import BlockIO
import Ext4Format
import ExtantBase
import Threading
import ImageIO

/// The block of `mmp` by which hosts tell each other that they use the filesystem.
///
/// Source: the kernel's Documentation/filesystems/ext4/mmp.rst.
struct MMPCheck {
  private let image: WorkingImage
  private var superblock: Superblock
  private let options: CheckOptions
  private let reporter: Reporter

  private static let magic: UInt32 = 0x004D_4D50
  /// Unmounted; being checked; the largest of a mount.
  private static let clean: UInt32 = 0xFF4D_4D50
  private static let checking: UInt32 = 0xE24D_4D50
  private static let largest: UInt32 = 0xE24D_4D4F
  /// In bytes: where the words are.
  private static let sequenceOffset = 4
  private static let intervalOffset = 0x70
  private static let checksumOffset = 1020

  init(
    _ image: WorkingImage, _ superblock: Superblock, _ options: CheckOptions,
    _ reporter: Reporter
  ) {
    self.image = image
    self.superblock = superblock
    self.options = options
    self.reporter = reporter
  }

  /// The superblock, without `mmp` where its block could not be.
  ///
  /// - Throws: `io` where another host uses the filesystem.
  consuming func run() throws(FileSystemError) -> Superblock {
    guard superblock.features.incompat.contains(.mmp) else { return superblock }
    guard try isPossible(superblock.mmpBlock) else {
      if try found(.badMMPBlock, .number(superblock.mmpBlock.rawValue)) { try clearFeature() }
      return superblock
    }
    let block = try image.block(superblock.mmpBlock)
    let bytes = block.bytes
    if bytes.le32(0) != Self.magic {
      if try found(.badMMPMagic, .hexadecimal(UInt64(bytes.le32(0)))) { try makeAnew() }
      return superblock
    }
    if superblock.hasMetadataChecksums, bytes.le32(Self.checksumOffset) != checksum(block) {
      if try found(.badMMPChecksum) { try makeAnew() }
      return superblock
    }
    try checkSequence(block)
    return superblock
  }

  private func found(
    _ issue: SuperblockIssue, _ value: IssueValue? = nil
  ) throws(FileSystemError) -> Bool {
    try reporter.found(
      Issue(.superblock(issue), .block(superblock.mmpBlock), found: value))
  }

  /// Not where superblocks and descriptors lie, nor where descriptors, as they stand, have tables.
  private func isPossible(_ address: BlockAddress) throws(FileSystemError) -> Bool {
    guard let group = superblock.group(of: address) else { return false }
    let start = superblock.groupFirstBlock(group)
    let area = UInt64(superblock.superblockAreaBlockCount(in: group))
    guard address.rawValue - start.rawValue >= area else { return false }
    let buffer = BlockBuffer(byteCount: image.blockSize)
    for index in 0..<superblock.groupCount {
      let group = GroupIndex(index)
      let offset = superblock.descriptorOffset(for: group)
      if offset == 0 { try image.read(superblock.descriptorBlock(for: group), into: buffer) }
      let bytes = buffer.bytes.extracting(offset..<offset + superblock.descriptorSize)
      let descriptor = GroupDescriptor(unchecked: bytes, superblock: superblock)
      for part in GroupPart.allCases where address >= descriptor[part] {
        if address.rawValue - descriptor[part].rawValue < part.count(superblock) { return false }
      }
    }
    return true
  }

  private mutating func clearFeature() throws(FileSystemError) {
    superblock.features.incompat.remove(.mmp)
    superblock.raw.withMutableBytes { $0.setLE64(0, at: SuperblockField.mmpBlock) }
    try image.overlay.store(superblock, isDurable: false)
  }

  private func checksum(_ block: BlockBuffer) -> UInt32 {
    crc32c(superblock.checksumSeed, block.bytes.extracting(0..<Self.checksumOffset))
  }

  private func makeAnew() throws(FileSystemError) {
    let block = BlockBuffer(byteCount: image.blockSize)
    var bytes = block.mutableBytes
    bytes.setLE32(Self.magic, at: 0)
    let interval = superblock.raw.rawBytes.le16(SuperblockField.mmpInterval)
    bytes.setLE16(interval, at: Self.intervalOffset)
    try release(block)
  }

  private func release(_ block: BlockBuffer) throws(FileSystemError) {
    var bytes = block.mutableBytes
    bytes.setLE32(Self.clean, at: Self.sequenceOffset)
    if superblock.hasMetadataChecksums {
      bytes.setLE32(checksum(block), at: Self.checksumOffset)
    }
    try image.write(block, at: superblock.mmpBlock)
  }

  // MARK: Another host

  private func checkSequence(_ block: BlockBuffer) throws(FileSystemError) {
    let sequence = block.bytes.le32(Self.sequenceOffset)
    guard sequence != Self.clean else { return }
    guard sequence <= Self.largest, sequence != Self.checking else {
      throw inUse("its MMP block says that it is being checked")
    }
    // A host that uses it counts on before this much time has passed. Who only looks need not wait.
    if options.mode != .report { try wait(block, sequence) }
    if try found(.mmpNotReleased, .number(UInt64(sequence))) { try release(block) }
  }

  private func wait(_ block: BlockBuffer, _ sequence: UInt32) throws(FileSystemError) {
    let stated = Int(block.bytes.le16(Self.intervalOffset))
    let interval = min(max(stated, 5), 300)
    let seconds = min(2 * interval + 1, interval + 60)
    if let pause = options.pause {
      pause(seconds)
    } else {
      Clock.sleep(nanoseconds: UInt64(seconds) * 1_000_000_000)
    }
    let again = try image.block(superblock.mmpBlock)
    guard again.bytes.le32(Self.sequenceOffset) == sequence else {
      throw inUse("its MMP block is being written")
    }
  }

  private func inUse(_ reason: String) -> FileSystemError {
    .unsupported(Unsupported("a filesystem that another host uses", reason))
  }
}
