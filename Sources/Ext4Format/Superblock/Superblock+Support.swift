import ExtantBase

/// What may be done with an image, going by its features.
public enum SupportLevel: Sendable, Equatable {
  case readWrite
  case readOnly(reason: String)
}

extension Superblock {
  static let supportedIncompat: IncompatFeatures = [
    .filetype, .needsRecovery, .extents, .is64Bit, .flexBg, .csumSeed,
  ]
  static let supportedReadOnlyCompat: ReadOnlyCompatFeatures = [
    .sparseSuper, .largeFile, .hugeFile, .gdtCsum, .dirNlink, .extraIsize, .metadataCsum,
    .orphanPresent,
  ]

  /// Whether the journal may hold changes that are not in place yet.
  public var needsRecovery: Bool { features.incompat.contains(.needsRecovery) }

  /// Whether this project can write the image, only read it, or neither.
  ///
  /// - Throws: `unsupported` with the feature's name for each kind of image that cannot be read.
  public func checkSupport() throws(FileSystemError) -> SupportLevel {
    let features = self.features
    let missing = features.incompat.subtracting(Self.supportedIncompat)
    guard missing.isEmpty else {
      throw .unsupported(
        Unsupported(missing.names.joined(separator: ", "), "the image cannot be read without it"))
    }
    guard !features.readOnlyCompat.contains(.bigalloc) else {
      throw .unsupported(Unsupported("bigalloc", "allocation in clusters is not built"))
    }
    guard features.incompat.contains(.extents) else {
      throw .unsupported(
        Unsupported("an image without extent", "files mapped by block pointers cannot be read"))
    }
    // As the kernel: the Hurd has other things where the upper halves are.
    guard !isHurd || !features.incompat.contains(.is64Bit) else {
      throw .unsupported(
        Unsupported("64bit on the Hurd", "its inodes have no room for upper halves"))
    }
    let unwritable = features.readOnlyCompat.subtracting(Self.supportedReadOnlyCompat)
    guard unwritable.isEmpty else {
      let names = unwritable.names.joined(separator: ", ")
      return .readOnly(reason: "writing is not supported with the feature \(names)")
    }
    return .readWrite
  }
}
