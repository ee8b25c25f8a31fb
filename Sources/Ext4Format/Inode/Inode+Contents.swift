import ExtantBase

/// A device's major and minor number.
public struct DeviceNumber: Hashable, Sendable {
  /// 12 bits are stored.
  public var major: UInt32
  /// 20 bits are stored.
  public var minor: UInt32

  public init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }

  /// Whether ext4 can store it.
  public var isStorable: Bool { major < 1 << 12 && minor < 1 << 20 }
}

/// What i_block holds where it is not a map of blocks, and where attributes lie.
extension Inode {
  /// The number that a device's inode stands for.
  ///
  /// Word 0 is the old encoding (8 and 8 bits); where it is zero, word 1 is the new one (12 and
  /// 20). Setting picks the old one where the number fits, as the kernel does.
  public var deviceNumber: DeviceNumber {
    get {
      let old = blockArea.rawBytes.le32(0)
      if old != 0 { return DeviceNumber(major: (old >> 8) & 0xff, minor: old & 0xff) }
      let new = blockArea.rawBytes.le32(4)
      return DeviceNumber(
        major: (new >> 8) & 0xfff, minor: (new & 0xff) | ((new >> 12) & 0xf_ff00))
    }
    set {
      let isOld = newValue.major < 256 && newValue.minor < 256
      let old = newValue.major << 8 | newValue.minor
      let new =
        (newValue.minor & 0xff) | (newValue.major & 0xfff) << 8
        | (newValue.minor & 0xf_ff00) << 12
      blockArea.withMutableBytes { bytes in
        bytes.fill(0..<Self.blockAreaByteCount, with: 0)
        bytes.setLE32(isOld ? old : 0, at: 0)
        bytes.setLE32(isOld ? 0 : new, at: 4)
      }
    }
  }

  /// The longest target that a fast symlink holds, in bytes: one less than i_block, for a NUL.
  public static let fastSymlinkLimit = blockAreaByteCount - 1

  /// Whether this is a symlink whose target lies in the inode: it owns no block of data.
  ///
  /// A new inode's is told by its size; of old ones with attributes, or with a target in a block
  /// in spite of being short, only the block count tells.
  public func isFastSymlink(superblock: Superblock) -> Bool {
    guard kind == .symbolicLink, !flags.contains(.inlineData), !flags.contains(.extents) else {
      return false
    }
    let attributeBlocks: UInt64 = fileACL.rawValue == 0 ? 0 : UInt64(superblock.blockSize / 512)
    return blocks512 == attributeBlocks && size <= UInt64(Self.fastSymlinkLimit)
  }

  /// The target of a fast symlink: `size` bytes of i_block. Nil where the size is out of range.
  public var fastSymlinkTarget: [UInt8]? {
    guard size > 0, size <= UInt64(Self.fastSymlinkLimit) else { return nil }
    return Array(blockArea[..<Int(size)])
  }

  /// Makes this a fast symlink to `target`; false where it is too long for that.
  public mutating func setFastSymlinkTarget(_ target: [UInt8]) -> Bool {
    guard !target.isEmpty, target.count <= Self.fastSymlinkLimit else { return false }
    blockArea = target + [UInt8](repeating: 0, count: Self.blockAreaByteCount - target.count)
    size = UInt64(target.count)
    flags.remove(.extents)
    return true
  }

  /// Where attributes lie in the inode's bytes, the magic word before them included; nil where
  /// there is no room for that word and one entry's end.
  ///
  /// An inode that never had extra fields (extra size 0) has no attributes either; whoever adds the
  /// first sets `extraSize` before.
  public func xattrRange(inodeSize: Int) -> Range<Int>? {
    let start = Self.baseSize + Int(extraSize)
    guard extraSize > 0, start + 8 <= inodeSize else { return nil }
    return start..<inodeSize
  }
}
