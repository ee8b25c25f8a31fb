import Ext4Format
import ExtantBase

/// The fields of a superblock whose geometry can be used: what they must not say, alone or together.
struct SuperblockFields {
  private var bytes: [UInt8]
  private let options: CheckOptions
  private let reporter: Reporter
  private let now: Int64
  /// How far ahead a clock may be before anybody says so: a day, in seconds.
  private static let tolerance: Int64 = 86400

  init(_ bytes: [UInt8], _ options: CheckOptions, _ reporter: Reporter, _ now: Int64) {
    self.bytes = bytes
    self.options = options
    self.reporter = reporter
    self.now = now
  }

  /// The 1,024 bytes with what was repaired, under a right checksum.
  consuming func run() throws(FileSystemError) -> [UInt8] {
    try checkRevision()
    try checkFeatures()
    try checkMetaBg()
    try checkCounts()
    try checkExtraSizes()
    try checkIdentity()
    try checkTimes()
    SuperblockMend.seal(&bytes)
    return bytes
  }

  // MARK: Access

  private func le16(_ offset: Int) -> UInt16 { bytes.rawBytes.le16(offset) }
  private func le32(_ offset: Int) -> UInt32 { bytes.rawBytes.le32(offset) }
  private mutating func set16(_ value: UInt16, at offset: Int) {
    bytes.withMutableBytes { $0.setLE16(value, at: offset) }
  }
  private mutating func set32(_ value: UInt32, at offset: Int) {
    bytes.withMutableBytes { $0.setLE32(value, at: offset) }
  }

  private var compat: CompatFeatures {
    get { CompatFeatures(rawValue: le32(SuperblockField.featureCompat)) }
    set { set32(newValue.rawValue, at: SuperblockField.featureCompat) }
  }
  private var incompat: IncompatFeatures {
    get { IncompatFeatures(rawValue: le32(SuperblockField.featureIncompat)) }
    set { set32(newValue.rawValue, at: SuperblockField.featureIncompat) }
  }
  private var readOnlyCompat: ReadOnlyCompatFeatures {
    get { ReadOnlyCompatFeatures(rawValue: le32(SuperblockField.featureReadOnlyCompat)) }
    set { set32(newValue.rawValue, at: SuperblockField.featureReadOnlyCompat) }
  }

  private func found(
    _ issue: SuperblockIssue, _ value: IssueValue? = nil, expected: IssueValue? = nil
  ) throws(FileSystemError) -> Bool {
    try reporter.found(
      Issue(.superblock(issue), .filesystem, found: value, expected: expected))
  }

  // MARK: Rules

  private mutating func checkRevision() throws(FileSystemError) {
    let features = compat.rawValue | incompat.rawValue | readOnlyCompat.rawValue
    guard le32(SuperblockField.revision) == 0, features != 0 else { return }
    guard try found(.featuresInRevision0, expected: 1) else { return }
    set32(1, at: SuperblockField.revision)
    set32(11, at: SuperblockField.firstInode)
    set16(128, at: SuperblockField.inodeSize)
  }

  private mutating func checkFeatures() throws(FileSystemError) {
    if readOnlyCompat.contains([.metadataCsum, .gdtCsum]), try found(.bothChecksums) {
      readOnlyCompat.remove(.gdtCsum)
    }
    if incompat.contains(.is64Bit), !incompat.contains(.extents), try found(.is64BitWithoutExtents)
    {
      incompat.insert(.extents)
    }
    if incompat.contains(.csumSeed), !readOnlyCompat.contains(.metadataCsum),
      try found(.seedWithoutChecksums)
    {
      incompat.remove(.csumSeed)
    }
    if le32(SuperblockField.creatorOS) == 1, incompat.contains(.filetype), try found(.hurdFiletype)
    {
      incompat.remove(.filetype)
      reporter.hasTakenFiletype = true
    }
    let perGroup = le32(SuperblockField.blocksPerGroup)
    let clusters = le32(SuperblockField.clustersPerGroup)
    // Without clusters nothing goes by it.
    if !readOnlyCompat.contains(.bigalloc), clusters != perGroup,
      try found(
        .badClustersPerGroup, .number(UInt64(clusters)), expected: .number(UInt64(perGroup)))
    {
      set32(perGroup, at: SuperblockField.clustersPerGroup)
    }
    let descriptor = le16(SuperblockField.descriptorSize)
    // Nor by this without 64bit; e2fsck gives up over it.
    if !incompat.contains(.is64Bit), descriptor > 1024 || descriptor & (descriptor &- 1) != 0,
      try found(.badDescriptorSize, .number(UInt64(descriptor)), expected: 0)
    {
      set16(0, at: SuperblockField.descriptorSize)
    }
    let flex = bytes.rawBytes.u8(SuperblockField.logGroupsPerFlex)
    // libext2fs refuses it without flex_bg, too.
    if flex > 31, try found(.badFlexSize, "2^\(flex)", expected: 16) {
      bytes.withMutableBytes { $0.setU8(4, at: SuperblockField.logGroupsPerFlex) }
    }
  }

  private mutating func checkMetaBg() throws(FileSystemError) {
    if incompat.contains(.metaBg) {
      let first = le32(SuperblockField.firstMetaBlockGroup)
      let superblock = try Superblock(bytes.rawBytes, verifyChecksum: false)
      let count = superblock.descriptorTableBlockCount
      // The descriptor of a single group lies where it lies.
      let issue: SuperblockIssue =
        superblock.groupCount == 1 && first == count + 1
        ? .firstMetaBgUnneeded : .firstMetaBgTooBig
      if first > count, try found(issue, .number(UInt64(first)), expected: 0) {
        set32(0, at: SuperblockField.firstMetaBlockGroup)
      }
      if compat.contains(.resizeInode), try found(.resizeInodeWithMetaBg) {
        compat.remove(.resizeInode)
        set16(0, at: SuperblockField.reservedDescriptorBlocks)
      }
    }
    let reserved = le16(SuperblockField.reservedDescriptorBlocks)
    if !compat.contains(.resizeInode), reserved != 0,
      try found(.reserveWithoutResizeInode, .number(UInt64(reserved)), expected: 0)
    {
      set16(0, at: SuperblockField.reservedDescriptorBlocks)
    }
  }

  private mutating func checkCounts() throws(FileSystemError) {
    var superblock = try Superblock(bytes.rawBytes, verifyChecksum: false)
    let reserved = superblock.reservedBlockCount
    let usual = superblock.blockCount / 20
    if reserved > superblock.blockCount / 2,
      try found(.badReservedBlocks, .number(reserved), expected: .number(usual))
    {
      superblock.reservedBlockCount = usual
      bytes = superblock.raw
    }
    let overhead = superblock.overheadBlockCount
    if UInt64(overhead) > superblock.blockCount >> UInt64(superblock.clusterShift),
      try found(.badOverhead, .number(UInt64(overhead)), expected: 0)
    {
      set32(0, at: SuperblockField.overheadBlocks)
    }
  }

  private mutating func checkExtraSizes() throws(FileSystemError) {
    guard le32(SuperblockField.revision) >= 1 else { return }
    let inodeSize = le16(SuperblockField.inodeSize)
    guard inodeSize > 128 else { return }
    // What the fields that there are today take.
    let usual: UInt16 = 32
    for (offset, issue) in [
      (SuperblockField.minimumExtraInodeSize, SuperblockIssue.requiredExtraSize),
      (SuperblockField.wantExtraInodeSize, .desiredExtraSize),
    ] {
      let size = le16(offset)
      // Beyond the rule, 0 stands for none stated.
      guard size != 0, size < 4 || size > inodeSize - 128 || size % 4 != 0 else { continue }
      if try found(issue, .number(UInt64(size)), expected: .number(UInt64(usual))) {
        set16(usual, at: offset)
      }
    }
  }

  private mutating func checkIdentity() throws(FileSystemError) {
    // With checksums the UUID is what they start from, and something is in it.
    let uuid = SuperblockField.uuid..<SuperblockField.uuid + 16
    if bytes.rawBytes.isZero(uuid), !readOnlyCompat.contains(.metadataCsum),
      !readOnlyCompat.contains(.gdtCsum), !compat.contains(.hasJournal), try found(.noUUID)
    {
      var generator = SystemRandomNumberGenerator()
      var new = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
      // A random one, as RFC 9562 marks it.
      new[6] = new[6] & 0x0f | 0x40
      new[8] = new[8] & 0x3f | 0x80
      bytes.replaceSubrange(uuid, with: new)
    }
    let version = bytes.rawBytes.u8(SuperblockField.defaultHashVersion)
    if compat.contains(.dirIndex), version > 6,
      try found(.badHashVersion, .number(UInt64(version)), expected: 1)
    {
      bytes.withMutableBytes { $0.setU8(1, at: SuperblockField.defaultHashVersion) }
    }
    var flags = Superblock.Flags(rawValue: le32(SuperblockField.flags))
    if compat.contains(.dirIndex),
      flags.isDisjoint(with: [.signedDirectoryHash, .unsignedDirectoryHash]),
      try found(.noHashSignedness)
    {
      flags.insert(.signedDirectoryHash)
    }
    if flags.contains(.testFilesystem), try found(.testFilesystem) {
      flags.remove(.testFilesystem)
    }
    set32(flags.rawValue, at: SuperblockField.flags)
  }

  private mutating func checkTimes() throws(FileSystemError) {
    var superblock = try Superblock(bytes.rawBytes, verifyChecksum: false)
    let limit = now + Self.tolerance
    if superblock.mountTime > limit, try found(.mountTimeInFuture) { superblock.mountTime = now }
    if superblock.writeTime > limit, try found(.writeTimeInFuture) { superblock.writeTime = now }
    bytes = superblock.raw
  }
}
