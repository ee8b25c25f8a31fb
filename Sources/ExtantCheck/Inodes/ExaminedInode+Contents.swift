import Ext4Format
import ExtantBase

extension RawInode {
  /// Whether i_block holds a symlink's target. Its size alone tells, whatever the other fields say:
  /// that is how e2fsck and the kernel's newer releases read it.
  var isFastSymlink: Bool {
    kind == .symbolicLink && !flags.contains(.inlineData) && wholeSize > 0
      && wholeSize < UInt64(Inode.blockAreaByteCount)
  }

  /// Whether i_block is a map: an extent tree's root or block pointers.
  var hasMap: Bool {
    guard !flags.contains(.inlineData) else { return false }
    return switch kind {
    case .regular, .directory: true
    case .symbolicLink: !isFastSymlink
    default: false
    }
  }
}
