import Ext4Format
import ExtantBase

/// The features a new filesystem gets.
struct FeatureChoice {
  private(set) var features: Superblock.Features

  /// mke2fs.conf's for ext4.
  private static let standard = Superblock.Features(
    compat: [.hasJournal, .extAttr, .resizeInode, .dirIndex],
    incompat: [.filetype, .extents, .is64Bit, .flexBg],
    readOnlyCompat: [.sparseSuper, .largeFile, .hugeFile, .dirNlink, .extraIsize, .metadataCsum])

  /// What can be made. The rest exists, but not here.
  private static let possible = Superblock.Features(
    compat: standard.compat.union(.orphanFile),
    incompat: standard.incompat.union(.csumSeed),
    readOnlyCompat: standard.readOnlyCompat.union(.gdtCsum))

  /// The default features, changed by `text` as `mke2fs -O` would.
  ///
  /// - Throws: `unsupported` with the name, for one that is unknown, cannot be made, or misses
  ///   another that it needs.
  init(_ text: String) throws(FileSystemError) {
    features = Self.standard
    for item in text.split(whereSeparator: { $0 == "," || $0 == " " }) {
      if item == "none" {
        features = Superblock.Features()
        continue
      }
      let isWanted = item.first != "^"
      try set(String(isWanted ? item : item.dropFirst()), isWanted)
    }
    try check()
  }

  private mutating func set(_ given: String, _ isWanted: Bool) throws(FileSystemError) {
    // mke2fs knows these names as well.
    let name =
      switch given {
      case "extents": "extent"
      case "gdt_csum": "uninit_bg"
      default: given
      }
    let isKnown: Bool
    if let feature = CompatFeatures(name: name) {
      isKnown = Self.possible.compat.contains(feature)
      if isWanted { features.compat.insert(feature) } else { features.compat.remove(feature) }
    } else if let feature = IncompatFeatures(name: name) {
      isKnown = Self.possible.incompat.contains(feature)
      if isWanted { features.incompat.insert(feature) } else { features.incompat.remove(feature) }
    } else if let feature = ReadOnlyCompatFeatures(name: name) {
      isKnown = Self.possible.readOnlyCompat.contains(feature)
      if isWanted {
        features.readOnlyCompat.insert(feature)
      } else {
        features.readOnlyCompat.remove(feature)
      }
    } else {
      throw wrong("feature \(given)", "ext4 has none of that name")
    }
    guard isKnown || !isWanted else {
      throw wrong("feature \(given)", "a filesystem with it cannot be made here")
    }
  }

  private mutating func check() throws(FileSystemError) {
    guard features.incompat.contains(.extents) else {
      throw wrong("features without extent", "files mapped by block pointers cannot be made here")
    }
    guard
      features.readOnlyCompat.contains(.sparseSuper) || !features.compat.contains(.resizeInode)
    else {
      throw wrong("feature resize_inode", "it needs sparse_super")
    }
    guard
      features.readOnlyCompat.contains(.metadataCsum) || !features.incompat.contains(.csumSeed)
    else {
      throw wrong("feature metadata_csum_seed", "it needs metadata_csum")
    }
    guard features.compat.contains(.hasJournal) || !features.compat.contains(.orphanFile) else {
      throw wrong("feature orphan_file", "it needs has_journal")
    }
    // Of the two, metadata_csum says more.
    if features.readOnlyCompat.contains(.metadataCsum) {
      features.readOnlyCompat.remove(.gdtCsum)
    }
  }
}
