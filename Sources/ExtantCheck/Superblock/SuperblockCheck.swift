import BlockIO
import Ext4Format
import ExtantBase
import ImageIO
import Threading

/// Finds a superblock that can be used, and mends it, before anything else is looked at.
struct SuperblockCheck {
  let image: WorkingImage
  let options: CheckOptions
  let reporter: Reporter

  init(_ image: WorkingImage, _ options: CheckOptions, _ reporter: Reporter) {
    self.image = image
    self.options = options
    self.reporter = reporter
  }

  /// - Throws: `corrupt` where there is nothing to go by; `unsupported` for features and kinds of
  ///   filesystem that this project cannot check.
  func run() throws(FileSystemError) -> Superblock {
    var bytes = try read()
    let before = bytes
    if let fault = Superblock.fault(bytes.rawBytes) {
      bytes = try replacement(fault)
    } else if let choice = image.choice, isUntouched {
      bytes = try chosen(choice, bytes)
    }
    try refuseUnknown(try Superblock(bytes.rawBytes))
    bytes = try SuperblockFields(bytes, options, reporter, now).run()
    if bytes != before { try image.overlay.write(bytes.rawBytes, at: Superblock.byteOffset) }
    let superblock = try Superblock(bytes.rawBytes)
    try superblock.checkDeviceSize(image.overlay.byteCount)
    return try MMPCheck(image, superblock, options, reporter).run()
  }

  private func read() throws(FileSystemError) -> [UInt8] {
    guard let buffer = try image.overlay.superblockBytes() else {
      throw .corrupt(Corruption("superblock", "the device ends before it"))
    }
    return buffer.bytes.array()
  }

  /// Whether nothing was repaired yet: a choice is made once.
  private var isUntouched: Bool { image.overlay.writtenPieces.isEmpty }

  private var now: Int64 { options.time ?? Clock.now().seconds }

  /// What goes in the place of a superblock that cannot be used.
  private func replacement(_ fault: SuperblockFault) throws(FileSystemError) -> [UInt8] {
    guard let choice = image.choice, Superblock.fault(choice.bytes.rawBytes) == nil else {
      throw .corrupt(Corruption("superblock", fault.text))
    }
    let issue = Issue(
      .superblock(fault.rule.issue), .filesystem, found: .text(fault.text),
      expected: .text(choice.text))
    guard try reporter.found(issue) else {
      throw .corrupt(Corruption("superblock", "\(fault.text), and that is to stay"))
    }
    return choice.bytes
  }

  /// The superblock that the search chose though the first can be used.
  private func chosen(
    _ choice: SuperblockChoice, _ primary: [UInt8]
  ) throws(FileSystemError) -> [UInt8] {
    let issue: Issue
    switch choice.origin {
    case .primary, .mended: return primary
    case .chosenCopy:
      issue = Issue(.superblock(.copyChosen), .filesystem, found: .text(choice.text))
    case .copy:
      issue = Issue(.superblock(choice.doubt), .filesystem, expected: .text(choice.text))
    }
    return try reporter.found(issue) ? choice.bytes : primary
  }

  // MARK: Features

  private static let knownCompat: CompatFeatures = [
    .dirPrealloc, .imagicInodes, .hasJournal, .extAttr, .resizeInode, .dirIndex, .sparseSuper2,
    .fastCommit, .stableInodes, .orphanFile,
  ]
  private static let knownIncompat: IncompatFeatures = [
    .filetype, .needsRecovery, .metaBg, .extents, .is64Bit, .mmp, .flexBg, .eaInode, .csumSeed,
    .largedir, .inlineData, .encrypt, .casefold,
  ]
  private static let knownReadOnlyCompat: ReadOnlyCompatFeatures = [
    .sparseSuper, .largeFile, .hugeFile, .gdtCsum, .dirNlink, .extraIsize, .quota, .bigalloc,
    .metadataCsum, .readOnly, .project, .sharedBlocks, .verity, .orphanPresent,
  ]

  /// What is not known may mean anything: a check would break it.
  private func refuseUnknown(_ superblock: Superblock) throws(FileSystemError) {
    let features = superblock.features
    guard !features.incompat.contains(.journalDev) else {
      throw .unsupported(
        Unsupported("journal_dev", "the device holds a journal, and no filesystem"))
    }
    let unknown =
      features.compat.subtracting(Self.knownCompat).names
      + features.incompat.subtracting(Self.knownIncompat).names
      + features.readOnlyCompat.subtracting(Self.knownReadOnlyCompat).names
    guard unknown.isEmpty else {
      throw .unsupported(
        Unsupported(unknown.joined(separator: ", "), "the image cannot be checked without it"))
    }
    let encoding = superblock.raw.rawBytes.le16(SuperblockField.encoding)
    // 1 is UTF-8 as of Unicode 12.1, the only one there is.
    guard !features.incompat.contains(.casefold) || encoding == 1 else {
      throw .unsupported(Unsupported("encoding \(encoding)", "only encoding 1, UTF-8, is known"))
    }
  }

  // MARK: Clean

  /// Whether the filesystem says it is clean and that nobody wants it checked.
  static func isClean(_ superblock: Superblock, _ options: CheckOptions) -> Bool {
    superblock.state.contains(.clean) && !superblock.state.contains(.errors)
      && superblock.errorCount == 0 && superblock.storedLastOrphan == 0
      && !superblock.features.readOnlyCompat.contains(.orphanPresent)
      && !superblock.needsRecovery
      && !isDue(superblock, options.time ?? Clock.now().seconds)
  }

  /// Whether it was mounted as often as it may be, or long enough ago checked.
  static func isDue(_ superblock: Superblock, _ now: Int64) -> Bool {
    if superblock.maxMountCount > 0, superblock.mountCount >= superblock.maxMountCount {
      return true
    }
    // A last check that is to come says nothing of when there was one.
    return superblock.checkInterval > 0
      && (superblock.lastCheck > now
        || now - superblock.lastCheck >= Int64(superblock.checkInterval))
  }
}

extension SuperblockFault.Rule {
  fileprivate var issue: SuperblockIssue {
    switch self {
    case .magic, .revision, .checksumType: .noMagic
    case .checksum: .badChecksum
    case .blockSize: .badBlockSize
    case .clusterSize: .badClusterSize
    case .blocksPerGroup: .badBlocksPerGroup
    case .clustersPerGroup: .badClustersPerGroup
    case .firstDataBlock: .badFirstDataBlock
    case .blockCount: .badBlockCount
    case .reservedBlocks: .badReservedBlocks
    case .inodeSize: .badInodeSize
    case .inodesPerGroup: .badInodesPerGroup
    case .inodeCount: .badInodeCount
    case .firstInode: .badFirstInode
    case .descriptorSize: .badDescriptorSize
    case .descriptorTable: .badDescriptorTable
    case .reservedDescriptorBlocks: .badReservedDescriptorBlocks
    }
  }
}

extension WorkingImage {
  /// The image, with the block size that its superblock or the copy to be used says.
  convenience init(
    _ device: any BlockDevice, _ options: CheckOptions, _ reporter: Reporter
  ) throws(FileSystemError) {
    let choice = try SuperblockSearch(device, options).run()
    self.init(device, blockSize: choice.blockSize, choice: choice)
  }
}
