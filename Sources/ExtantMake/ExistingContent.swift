import BlockIO
import Ext4Format
import ExtantBase

/// What is on `device` already, in words ("an ext4 filesystem called data"), nil where nothing is
/// recognised. A tool asks before it makes a filesystem over it.
public func detectExistingContent(
  on device: any BlockDevice
) throws(FileSystemError) -> String? {
  if let text = try describeExt(device) { return text }
  return try ForeignContents.find(on: device)?.name
}

/// Up to `count` bytes at `offset`; fewer at the device's end.
private func read(
  _ device: any BlockDevice, _ offset: UInt64, _ count: Int
) throws(FileSystemError) -> [UInt8] {
  guard offset < device.byteCount else { return [] }
  var bytes = [UInt8](repeating: 0, count: min(count, Int(device.byteCount - offset)))
  try bytes.withMutableBytes { (span) throws(FileSystemError) in
    try device.read(into: &span, at: offset)
  }
  return bytes
}

private func describeExt(_ device: any BlockDevice) throws(FileSystemError) -> String? {
  let bytes = try read(device, Superblock.byteOffset, Superblock.byteCount)
  guard bytes.count == Superblock.byteCount,
    bytes.rawBytes.le16(SuperblockField.magic) == Superblock.magic
  else { return nil }
  let superblock: Superblock
  do throws(FileSystemError) {
    superblock = try Superblock(bytes.rawBytes, verifyChecksum: false)
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
