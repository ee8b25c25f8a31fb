import BlockIO
import Ext4Format
import ExtantBase

/// What is on `device` already, in words ("an ext4 filesystem called data"), nil where nothing is
/// recognised. A tool asks before it makes a filesystem over it.
public func detectExistingContent(
  on device: any BlockDevice
) throws(FileSystemError) -> String? {
  if let text = try describeExt(device) { return text }
  for signature in Signature.all {
    let bytes = try read(device, signature.offset, signature.bytes.count)
    if bytes == signature.bytes { return signature.meaning }
  }
  return try describePartitions(device)
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
    return "a damaged ext2, ext3 or ext4 filesystem"
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

private func describePartitions(_ device: any BlockDevice) throws(FileSystemError) -> String? {
  let bytes = try read(device, 0, 512)
  guard bytes.count == 512, bytes[510] == 0x55, bytes[511] == 0xaa else { return nil }
  // Four entries of 16 bytes from byte 446 on; byte 4 of each is its type, 0 for none.
  let hasPartition = (0..<4).contains { bytes[446 + 16 * $0 + 4] != 0 }
  return hasPartition ? "a partition table" : "a boot sector"
}

/// Bytes at a place that tell what a device holds.
private struct Signature {
  let offset: UInt64
  let bytes: [UInt8]
  let meaning: String

  init(_ offset: UInt64, _ bytes: [UInt8], _ meaning: String) {
    self.offset = offset
    self.bytes = bytes
    self.meaning = meaning
  }

  init(_ offset: UInt64, _ text: String, _ meaning: String) {
    self.init(offset, Array(text.utf8), meaning)
  }

  static let all = [
    Signature(512, "EFI PART", "a GPT partition table"),
    Signature(0, "XFSB", "an XFS filesystem"),
    Signature(0x10040, "_BHRfS_M", "a Btrfs filesystem"),
    Signature(0x1018, bcachefs, "a bcachefs filesystem"),
    Signature(0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe], "a LUKS volume"),
    Signature(0x218, "LVM2 001", "an LVM physical volume"),
    Signature(0x1000, [0xfc, 0x4e, 0x2b, 0xa9], "a member of a RAID"),
    Signature(0, [0xfc, 0x4e, 0x2b, 0xa9], "a member of a RAID"),
    Signature(3, "NTFS    ", "an NTFS filesystem"),
    Signature(3, "EXFAT   ", "an exFAT filesystem"),
    Signature(0x52, "FAT32   ", "a FAT filesystem"),
    Signature(0x36, "FAT16   ", "a FAT filesystem"),
    Signature(0x36, "FAT12   ", "a FAT filesystem"),
    Signature(0x8001, "CD001", "an ISO 9660 filesystem"),
    Signature(0x8001, "BEA01", "a UDF filesystem"),
    Signature(0, "hsqs", "a SquashFS filesystem"),
    Signature(0x400, [0xe2, 0xe1, 0xf5, 0xe0], "an EROFS filesystem"),
    Signature(0x400, [0x10, 0x20, 0xf5, 0xf2], "an F2FS filesystem"),
    Signature(0x8000, "JFS1", "a JFS filesystem"),
    Signature(0x10034, "ReIsEr", "a ReiserFS filesystem"),
    Signature(4086, "SWAPSPACE2", "swap space"),
    Signature(65526, "SWAPSPACE2", "swap space"),
  ]

  private static let bcachefs: [UInt8] = [
    0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
  ]
}
