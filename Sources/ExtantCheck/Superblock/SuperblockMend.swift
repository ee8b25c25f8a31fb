import BlockIO
import Ext4Format
import ExtantBase

/// Puts right a superblock of which there is no copy, where what it should say follows from the rest
/// of it.
struct SuperblockMend {
  private let primary: [UInt8]
  private let device: any BlockDevice

  init(_ primary: [UInt8], _ device: any BlockDevice) {
    self.primary = primary
    self.device = device
  }

  /// Sets the checksum where there is one.
  static func seal(_ bytes: inout [UInt8]) {
    let features = bytes.rawBytes.le32(SuperblockField.featureReadOnlyCompat)
    guard ReadOnlyCompatFeatures(rawValue: features).contains(.metadataCsum) else { return }
    let checksum = crc32c(~0, bytes.rawBytes.extracting(0..<SuperblockField.checksum))
    bytes.withMutableBytes { $0.setLE32(checksum, at: SuperblockField.checksum) }
  }

  // MARK: One bit

  /// Of CRC-32C, lowest bit first.
  private static let polynomial: UInt32 = 0x82f6_3b78

  /// The superblock with the one bit back that makes its checksum right; nil where there is none. By
  /// chance that happens once in half a million.
  func flippedBit() -> SuperblockChoice? {
    var bytes = primary
    let stored = bytes.rawBytes.le32(SuperblockField.checksum)
    let computed = crc32c(~0, bytes.rawBytes.extracting(0..<SuperblockField.checksum))
    // The checksum of a flipped bit is the same whatever lies around it, so what is wrong with the
    // sum tells the bit: it is looked for among the sums of single bits.
    let difference = stored ^ computed
    guard difference != 0 else { return nil }
    var place: Int?
    if difference.nonzeroBitCount == 1 {
      place = SuperblockField.checksum * 8 + difference.trailingZeroBitCount
    } else {
      // Of the last bit first: each one before it has one zero more behind it.
      var sum: UInt32 = 1
      for bit in (0..<SuperblockField.checksum * 8).reversed() {
        sum = (sum >> 1) ^ (sum & 1 == 0 ? 0 : Self.polynomial)
        if sum == difference {
          place = bit
          break
        }
      }
    }
    guard let place else { return nil }
    bytes.withMutableBytes {
      $0.setU8($0.u8(place >> 3) ^ (1 << UInt8(place & 7)), at: place >> 3)
    }
    let features = bytes.rawBytes.le32(SuperblockField.featureReadOnlyCompat)
    guard ReadOnlyCompatFeatures(rawValue: features).contains(.metadataCsum),
      Superblock.fault(bytes.rawBytes) == nil
    else { return nil }
    return SuperblockChoice(
      bytes: bytes, origin: .mended(how: "bit \(place & 7) of byte \(place >> 3) turned over"))
  }

  // MARK: The checksum

  /// Whether a copy says the same of all that does not change while a filesystem is used.
  func agrees(with copy: [UInt8]) -> Bool {
    guard let one = try? Superblock(primary.rawBytes, verifyChecksum: false),
      let other = try? Superblock(copy.rawBytes, verifyChecksum: false)
    else { return false }
    return one.hasSameLayout(as: other)
  }

  func withNewChecksum() -> SuperblockChoice {
    var bytes = primary
    Self.seal(&bytes)
    return SuperblockChoice(bytes: bytes, origin: .mended(how: "a new checksum"))
  }

  // MARK: Fields

  /// The superblock with the magic number, its checksum, and at most one number of its geometry put
  /// right; nil where that is not enough.
  func run(_ fault: SuperblockFault) throws(FileSystemError) -> SuperblockChoice? {
    var bytes = primary
    var how: [String] = []
    if fault.rule == .magic {
      bytes.withMutableBytes { $0.setLE16(Superblock.magic, at: SuperblockField.magic) }
      // Without a checksum that says so, these need not be the bytes of a superblock.
      let features = bytes.rawBytes.le32(SuperblockField.featureReadOnlyCompat)
      guard ReadOnlyCompatFeatures(rawValue: features).contains(.metadataCsum),
        Superblock.fault(bytes.rawBytes) == nil
      else { return nil }
      return SuperblockChoice(bytes: bytes, origin: .mended(how: "the magic number"))
    }
    if let wrong = Superblock.fault(bytes.rawBytes, verifyChecksum: false) {
      guard let name = try mend(wrong.rule, &bytes) else { return nil }
      how.append(name)
      guard Superblock.fault(bytes.rawBytes, verifyChecksum: false) == nil else { return nil }
    }
    if fault.rule == .checksum { how.append("a new checksum") }
    Self.seal(&bytes)
    guard Superblock.fault(bytes.rawBytes) == nil else { return nil }
    return SuperblockChoice(bytes: bytes, origin: .mended(how: how.joined(separator: ", ")))
  }

  /// Changes the field that a rule is about; what it then says, nil where nobody knows.
  private func mend(
    _ rule: SuperblockFault.Rule, _ bytes: inout [UInt8]
  ) throws(FileSystemError) -> String? {
    let log = bytes.rawBytes.le32(SuperblockField.logBlockSize)
    func set(_ value: UInt32, at offset: Int, _ name: String) -> String {
      bytes.withMutableBytes { $0.setLE32(value, at: offset) }
      return "\(name) \(value)"
    }
    switch rule {
    case .clusterSize:
      return set(log, at: SuperblockField.logClusterSize, "log cluster size")
    case .blocksPerGroup:
      guard log <= 6 else { return nil }
      _ = set(8192 << log, at: SuperblockField.clustersPerGroup, "")
      return set(8192 << log, at: SuperblockField.blocksPerGroup, "blocks per group")
    case .clustersPerGroup:
      let clusterLog = bytes.rawBytes.le32(SuperblockField.logClusterSize)
      let blocks = bytes.rawBytes.le32(SuperblockField.blocksPerGroup)
      guard clusterLog >= log, clusterLog - log < 32 else { return nil }
      return set(
        blocks >> (clusterLog - log), at: SuperblockField.clustersPerGroup, "clusters per group")
    case .firstDataBlock:
      let isPlain = log == 0 && bytes.rawBytes.le32(SuperblockField.logClusterSize) == 0
      return set(isPlain ? 1 : 0, at: SuperblockField.firstDataBlock, "first data block")
    case .blockCount:
      return mendBlockCount(&bytes)
    case .inodeCount:
      return try mendInodeCount(&bytes)
    case .reservedBlocks:
      _ = set(0, at: SuperblockField.reservedBlocksCountHigh, "")
      return set(
        bytes.rawBytes.le32(SuperblockField.blocksCountLow) / 20,
        at: SuperblockField.reservedBlocksCountLow, "reserved blocks")
    case .firstInode:
      return set(11, at: SuperblockField.firstInode, "first inode")
    case .descriptorSize:
      bytes.withMutableBytes { $0.setLE16(64, at: SuperblockField.descriptorSize) }
      return "descriptor size 64"
    case .reservedDescriptorBlocks:
      bytes.withMutableBytes { $0.setLE16(0, at: SuperblockField.reservedDescriptorBlocks) }
      return "reserved GDT blocks 0"
    case .magic, .revision, .checksumType, .checksum, .blockSize, .inodeSize, .inodesPerGroup,
      .descriptorTable:
      return nil
    }
  }

  /// Either the inodes in a group or those of all are wrong: whichever the first inode bitmap does not
  /// belie, which is all ones past the group's inodes, and of two the fewer.
  private func mendInodeCount(_ bytes: inout [UInt8]) throws(FileSystemError) -> String? {
    guard let groups = Self.groupCount(bytes) else { return nil }
    let perGroup = UInt64(bytes.rawBytes.le32(SuperblockField.inodesPerGroup))
    let total = UInt64(bytes.rawBytes.le32(SuperblockField.inodesCount))
    var candidates: [(perGroup: UInt64, isTotalWrong: Bool)] = []
    // Whoever makes a filesystem fills the bytes of its inode bitmaps.
    if perGroup % 8 == 0 { candidates.append((perGroup, true)) }
    if total % (groups * 8) == 0 { candidates.append((total / groups, false)) }
    candidates.sort { $0.perGroup < $1.perGroup }
    for (perGroup, isTotalWrong) in candidates {
      let (count, overflow) = groups.multipliedReportingOverflow(by: perGroup)
      guard !overflow, let count = UInt32(exactly: count), let perGroup = UInt32(exactly: perGroup)
      else { continue }
      var mended = bytes
      mended.withMutableBytes {
        $0.setLE32(count, at: SuperblockField.inodesCount)
        $0.setLE32(perGroup, at: SuperblockField.inodesPerGroup)
      }
      guard let superblock = try? Superblock(mended.rawBytes, verifyChecksum: false),
        try firstBitmapAllows(superblock)
      else { continue }
      bytes = mended
      return isTotalWrong ? "inode count \(count)" : "inodes per group \(perGroup)"
    }
    return nil
  }

  /// Whether the inode bitmap of group 0 is all ones past the group's inodes; also where there is none.
  private func firstBitmapAllows(_ superblock: Superblock) throws(FileSystemError) -> Bool {
    let block = BlockBuffer(byteCount: superblock.blockSize)
    func read(_ address: BlockAddress) throws(FileSystemError) -> Bool {
      guard superblock.contains(address), address.rawValue > 0,
        address.rawValue < device.byteCount / UInt64(superblock.blockSize)
      else { return false }
      var bytes = block.mutableBytes
      try device.read(into: &bytes, at: address.rawValue * UInt64(superblock.blockSize))
      return true
    }
    guard try read(superblock.descriptorBlock(for: GroupIndex(0))) else { return true }
    let descriptor = GroupDescriptor(unchecked: block.bytes, superblock: superblock)
    guard try read(descriptor.inodeBitmap) else { return true }
    let used = Int(superblock.inodesPerGroup / 8)
    return (used..<block.byteCount).allSatisfy { block.bytes.u8($0) == 0xff }
  }

  /// As many blocks as the device has, if the inodes are as many as that makes.
  private func mendBlockCount(_ bytes: inout [UInt8]) -> String? {
    let log = bytes.rawBytes.le32(SuperblockField.logBlockSize)
    guard log <= 6 else { return nil }
    let count = device.byteCount >> (10 + UInt64(log))
    let inodes = bytes.rawBytes.le32(SuperblockField.inodesCount)
    bytes.withMutableBytes {
      $0.setLE32(UInt32(truncatingIfNeeded: count), at: SuperblockField.blocksCountLow)
      $0.setLE32(UInt32(truncatingIfNeeded: count >> 32), at: SuperblockField.blocksCountHigh)
    }
    let perGroup = UInt64(bytes.rawBytes.le32(SuperblockField.inodesPerGroup))
    guard let groups = Self.groupCount(bytes), groups < 1 << 31, groups * perGroup == UInt64(inodes)
    else { return nil }
    return "block count \(count)"
  }

  private static func groupCount(_ bytes: [UInt8]) -> UInt64? {
    let raw = bytes.rawBytes
    let is64Bit = raw.le32(SuperblockField.featureIncompat) & 0x80 != 0
    let blocks =
      UInt64(raw.le32(SuperblockField.blocksCountLow))
      | (is64Bit ? UInt64(raw.le32(SuperblockField.blocksCountHigh)) << 32 : 0)
    let first = UInt64(raw.le32(SuperblockField.firstDataBlock))
    let perGroup = UInt64(raw.le32(SuperblockField.blocksPerGroup))
    guard perGroup > 0, blocks > first, blocks <= 1 << 48 else { return nil }
    return (blocks - first + perGroup - 1) / perGroup
  }
}
