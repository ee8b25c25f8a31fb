import BlockIO
import Ext4Format
import ExtantBase
import ImageIO

/// What is on `device` already, in words ("an ext4 filesystem called data"), nil where nothing is
/// recognised. A tool asks before it makes a filesystem over it.
public func detectExistingContent(
  on device: any BlockDevice
) throws(FileSystemError) -> String? {
  if let text = try describeExt(device) { return text }
  return try ForeignContents.find(on: device)?.name
}

private func describeExt(_ device: any BlockDevice) throws(FileSystemError) -> String? {
  guard let buffer = try device.superblockBytes(),
    buffer.bytes.le16(SuperblockField.magic) == Superblock.magic
  else { return nil }
  let superblock: Superblock
  do throws(FileSystemError) {
    superblock = try Superblock(buffer.bytes, verifyChecksum: false)
  } catch {
    let other = try ForeignContents.find(on: device)
    return other?.name ?? "a damaged ext2, ext3 or ext4 filesystem"
  }
  let features = superblock.features
  let isExt4 =
    !features.incompat.isDisjoint(with: [.extents, .is64Bit, .flexBg])
    || !features.readOnlyCompat.isDisjoint(with: [.hugeFile, .gdtCsum, .metadataCsum, .dirNlink])
  let kind =
    isExt4 ? "an ext4" : features.compat.contains(.hasJournal) ? "an ext3" : "an ext2"
  let label = NameText.shown(superblock.label)
  return "\(kind) filesystem" + (label.isEmpty ? "" : " called \(label)")
}
