/// A feature word of the superblock. Names are those of ext4(5) and `mke2fs -O`.
public protocol FeatureSet: OptionSet, Sendable where RawValue == UInt32 {
  static var knownNames: [(bit: Self, name: String)] { get }
  /// The letter that stands for the word where a bit has no name, as in `FEATURE_I19`.
  static var letter: String { get }
}

extension FeatureSet {
  /// The names of all bits set, lowest first; an unknown bit 19 of incompat reads `FEATURE_I19`.
  public var names: [String] {
    (0..<32).compactMap { (index: UInt32) -> String? in
      let bit: UInt32 = 1 << index
      guard rawValue & bit != 0 else { return nil }
      return Self.knownNames.first { $0.bit.rawValue == bit }?.name
        ?? "FEATURE_\(Self.letter)\(index)"
    }
  }

  /// The feature called `name`, nil when this word has none of that name.
  public init?(name: String) {
    guard let known = Self.knownNames.first(where: { $0.name == name }) else { return nil }
    self = known.bit
  }
}

/// s_feature_compat: whoever does not know one of these may still read and write.
public struct CompatFeatures: FeatureSet, Hashable {
  public var rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let dirPrealloc = Self(rawValue: 0x1)
  public static let imagicInodes = Self(rawValue: 0x2)
  public static let hasJournal = Self(rawValue: 0x4)
  public static let extAttr = Self(rawValue: 0x8)
  public static let resizeInode = Self(rawValue: 0x10)
  public static let dirIndex = Self(rawValue: 0x20)
  public static let lazyBg = Self(rawValue: 0x40)
  public static let excludeInode = Self(rawValue: 0x80)
  public static let excludeBitmap = Self(rawValue: 0x100)
  public static let sparseSuper2 = Self(rawValue: 0x200)
  public static let fastCommit = Self(rawValue: 0x400)
  public static let stableInodes = Self(rawValue: 0x800)
  public static let orphanFile = Self(rawValue: 0x1000)

  public static let letter = "C"
  public static let knownNames: [(bit: Self, name: String)] = [
    (dirPrealloc, "dir_prealloc"), (imagicInodes, "imagic_inodes"), (hasJournal, "has_journal"),
    (extAttr, "ext_attr"), (resizeInode, "resize_inode"), (dirIndex, "dir_index"),
    (lazyBg, "lazy_bg"), (excludeInode, "snapshot_bitmap"), (excludeBitmap, "exclude_bitmap"),
    (sparseSuper2, "sparse_super2"), (fastCommit, "fast_commit"),
    (stableInodes, "stable_inodes"), (orphanFile, "orphan_file"),
  ]
}

/// s_feature_incompat: whoever does not know one of these must not touch the image at all.
public struct IncompatFeatures: FeatureSet, Hashable {
  public var rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let compression = Self(rawValue: 0x1)
  public static let filetype = Self(rawValue: 0x2)
  public static let needsRecovery = Self(rawValue: 0x4)
  public static let journalDev = Self(rawValue: 0x8)
  public static let metaBg = Self(rawValue: 0x10)
  public static let extents = Self(rawValue: 0x40)
  public static let is64Bit = Self(rawValue: 0x80)
  public static let mmp = Self(rawValue: 0x100)
  public static let flexBg = Self(rawValue: 0x200)
  public static let eaInode = Self(rawValue: 0x400)
  public static let dirdata = Self(rawValue: 0x1000)
  public static let csumSeed = Self(rawValue: 0x2000)
  public static let largedir = Self(rawValue: 0x4000)
  public static let inlineData = Self(rawValue: 0x8000)
  public static let encrypt = Self(rawValue: 0x10000)
  public static let casefold = Self(rawValue: 0x20000)

  public static let letter = "I"
  public static let knownNames: [(bit: Self, name: String)] = [
    (compression, "compression"), (filetype, "filetype"), (needsRecovery, "needs_recovery"),
    (journalDev, "journal_dev"), (metaBg, "meta_bg"), (extents, "extent"), (is64Bit, "64bit"),
    (mmp, "mmp"), (flexBg, "flex_bg"), (eaInode, "ea_inode"), (dirdata, "dirdata"),
    (csumSeed, "metadata_csum_seed"), (largedir, "large_dir"), (inlineData, "inline_data"),
    (encrypt, "encrypt"), (casefold, "casefold"),
  ]
}

/// s_feature_ro_compat: whoever does not know one of these may read but not write.
public struct ReadOnlyCompatFeatures: FeatureSet, Hashable {
  public var rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let sparseSuper = Self(rawValue: 0x1)
  public static let largeFile = Self(rawValue: 0x2)
  public static let btreeDir = Self(rawValue: 0x4)
  public static let hugeFile = Self(rawValue: 0x8)
  public static let gdtCsum = Self(rawValue: 0x10)
  public static let dirNlink = Self(rawValue: 0x20)
  public static let extraIsize = Self(rawValue: 0x40)
  public static let hasSnapshot = Self(rawValue: 0x80)
  public static let quota = Self(rawValue: 0x100)
  public static let bigalloc = Self(rawValue: 0x200)
  public static let metadataCsum = Self(rawValue: 0x400)
  public static let replica = Self(rawValue: 0x800)
  public static let readOnly = Self(rawValue: 0x1000)
  public static let project = Self(rawValue: 0x2000)
  public static let sharedBlocks = Self(rawValue: 0x4000)
  public static let verity = Self(rawValue: 0x8000)
  public static let orphanPresent = Self(rawValue: 0x10000)

  public static let letter = "R"
  public static let knownNames: [(bit: Self, name: String)] = [
    (sparseSuper, "sparse_super"), (largeFile, "large_file"), (btreeDir, "btree_dir"),
    (hugeFile, "huge_file"), (gdtCsum, "uninit_bg"), (dirNlink, "dir_nlink"),
    (extraIsize, "extra_isize"), (hasSnapshot, "has_snapshot"), (quota, "quota"),
    (bigalloc, "bigalloc"), (metadataCsum, "metadata_csum"), (replica, "replica"),
    (readOnly, "read-only"), (project, "project"), (sharedBlocks, "shared_blocks"),
    (verity, "verity"), (orphanPresent, "orphan_present"),
  ]
}
