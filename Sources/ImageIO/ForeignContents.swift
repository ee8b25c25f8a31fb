import BlockIO
import Ext4Format
import ExtantBase

/// What a device holds where no ext4 filesystem begins: something else, or nothing.
///
/// Asked by whoever opens a device and finds no superblock, so that people read what their file is and
/// what helps, and by whoever is about to overwrite it.
public struct ForeignContents: Sendable, Equatable {
  /// With its article: "a gzip file".
  public let name: String
  /// What to do to get at a filesystem in it: a clause.
  public let help: String

  init(_ name: String, _ help: String) {
    self.name = name
    self.help = help
  }

  /// - Returns: nil for an ext4 filesystem, and for what is not recognised.
  public static func find(
    on device: any BlockDevice
  ) throws(FileSystemError) -> ForeignContents? {
    if let journal = try externalJournal(device) { return journal }
    for signature in Signature.all {
      if try signature.isOn(device) { return signature.contents }
    }
    return try partitions(device)
  }

  /// As `find`, and of a device on which nothing at all is: that.
  ///
  /// - Returns: the error that names it, nil for what is not recognised.
  public static func refusal(
    of device: any BlockDevice
  ) throws(FileSystemError) -> FileSystemError? {
    var contents = try find(on: device)
    if contents == nil { contents = try emptiness(device) }
    return contents.map { .unsupported(Unsupported(contents: $0.name, $0.help)) }
  }

  fileprivate static func read(
    _ device: any BlockDevice, _ offset: UInt64, _ count: Int
  ) throws(FileSystemError) -> [UInt8]? {
    guard offset <= device.byteCount, device.byteCount - offset >= UInt64(count) else { return nil }
    let buffer = BlockBuffer(byteCount: count)
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: offset)
    return buffer.bytes.array()
  }

  /// Of ext4: a superblock that says it has a journal and no filesystem.
  private static func externalJournal(
    _ device: any BlockDevice
  ) throws(FileSystemError) -> ForeignContents? {
    // s_magic at 0x38 of the superblock, INCOMPAT_JOURNAL_DEV in s_feature_incompat at 0x60.
    guard let magic = try read(device, 1024 + 0x38, 2), magic == [0x53, 0xef],
      let incompat = try read(device, 1024 + 0x60, 1), incompat.first.map({ $0 & 8 != 0 }) == true
    else { return nil }
    return ForeignContents(
      "the journal of an ext4 filesystem that is elsewhere",
      "name that filesystem, and this as its journal (mount -o journal_path=, EXTANT_JOURNAL_PATH, "
        + "fsck -j)")
  }

  private static func partitions(
    _ device: any BlockDevice
  ) throws(FileSystemError) -> ForeignContents? {
    guard let bytes = try read(device, 0, 512), bytes[510...511] == [0x55, 0xaa] else { return nil }
    // Four entries of 16 bytes from byte 446 on; byte 4 of each is its type, 0 for none.
    let hasPartition = (0..<4).contains { bytes[446 + 16 * $0 + 4] != 0 }
    return hasPartition
      ? ForeignContents("a whole disk with a partition table", Signature.partitionHelp)
      : ForeignContents("a boot sector", "what follows it is not known here")
  }

  /// What is to be said of a device with nothing on it.
  private static func emptiness(
    _ device: any BlockDevice
  ) throws(FileSystemError) -> ForeignContents? {
    let makeIt = "extant mkfs makes a filesystem in it"
    guard device.byteCount > 0 else { return ForeignContents("an empty file", makeIt) }
    guard device.byteCount >= 2048 else {
      return ForeignContents(
        "too small with its \(device.byteCount) bytes", "a superblock ends at byte 2048")
    }
    let bytes = try read(device, 0, Int(min(device.byteCount, 64 << 10)))
    guard let bytes, bytes.allSatisfy({ $0 == 0 }) else { return nil }
    return ForeignContents("blank where a filesystem begins", makeIt)
  }
}

/// Bytes at a place that tell what a device holds.
private struct Signature {
  let offset: UInt64
  /// Whether `offset` counts from the device's end.
  let isFromEnd: Bool
  let bytes: [UInt8]
  let contents: ForeignContents

  init(_ offset: UInt64, _ bytes: [UInt8], _ name: String, _ help: String, fromEnd: Bool = false) {
    self.offset = offset
    self.bytes = bytes
    isFromEnd = fromEnd
    contents = ForeignContents(name, help)
  }

  init(_ offset: UInt64, _ text: String, _ name: String, _ help: String, fromEnd: Bool = false) {
    self.init(offset, Array(text.utf8), name, help, fromEnd: fromEnd)
  }

  func isOn(_ device: any BlockDevice) throws(FileSystemError) -> Bool {
    guard !isFromEnd || offset <= device.byteCount else { return false }
    let place = isFromEnd ? device.byteCount - offset : offset
    return try ForeignContents.read(device, place, bytes.count) == bytes
  }

  static let partitionHelp =
    "name the partition's own device (losetup -P makes /dev/loopNpM of a file)"
  private static let otherKind = "only ext2, ext3 and ext4 are read here"

  private static func packed(_ command: String) -> String { "unpack it first (\(command))" }
  private static func disk(_ format: String) -> String {
    "make a raw image of it first (qemu-img convert -f \(format) -O raw)"
  }

  /// The first that fits is taken: what lies around another comes before it.
  static let all = [
    Signature(0, [0x1f, 0x8b], "a gzip file", packed("gunzip")),
    Signature(0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], "an xz file", packed("unxz")),
    Signature(0, [0x28, 0xb5, 0x2f, 0xfd], "a zstd file", packed("unzstd")),
    Signature(0, "BZh", "a bzip2 file", packed("bunzip2")),
    Signature(0, [0x04, 0x22, 0x4d, 0x18], "an lz4 file", packed("unlz4")),
    Signature(0, "LZIP", "an lzip file", packed("lzip -d")),
    Signature(0, [0x50, 0x4b, 3, 4], "a zip archive", packed("unzip")),
    Signature(0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], "a 7-Zip archive", packed("7z x")),
    Signature(257, "ustar", "a tar archive", packed("tar xf")),
    Signature(0, [0x51, 0x46, 0x49, 0xfb], "a qcow2 disk image", disk("qcow2")),
    Signature(0, "KDMV", "a VMDK disk image", disk("vmdk")),
    Signature(0, "# Disk DescriptorFile", "the description of a VMDK disk image", disk("vmdk")),
    Signature(0, "vhdxfile", "a VHDX disk image", disk("vhdx")),
    Signature(0, "conectix", "a VHD disk image", disk("vpc")),
    Signature(0x40, [0x7f, 0x10, 0xda, 0xbe], "a VDI disk image", disk("vdi")),
    Signature(
      0, [0x3a, 0xff, 0x26, 0xed], "an Android sparse image",
      "make a raw image of it first (simg2img)"
    ),
    Signature(
      0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe], "a LUKS volume",
      "open it first (cryptsetup open), and name its device in /dev/mapper"),
    Signature(
      0x218, "LVM2 001", "an LVM physical volume",
      "name one of its logical volumes (lvs lists them)"),
    Signature(
      0x1000, [0xfc, 0x4e, 0x2b, 0xa9], "a member of a RAID", "assemble it first (mdadm --assemble)"
    ),
    Signature(
      0, [0xfc, 0x4e, 0x2b, 0xa9], "a member of a RAID", "assemble it first (mdadm --assemble)"),
    Signature(0, "XFSB", "an XFS filesystem", otherKind),
    Signature(0x10040, "_BHRfS_M", "a Btrfs filesystem", otherKind),
    Signature(0x1018, bcachefs, "a bcachefs filesystem", otherKind),
    Signature(3, "NTFS    ", "an NTFS filesystem", otherKind),
    Signature(3, "EXFAT   ", "an exFAT filesystem", otherKind),
    Signature(3, "-FVE-FS-", "a BitLocker volume", otherKind),
    Signature(0x52, "FAT32   ", "a FAT filesystem", otherKind),
    Signature(0x36, "FAT16   ", "a FAT filesystem", otherKind),
    Signature(0x36, "FAT12   ", "a FAT filesystem", otherKind),
    Signature(32, "NXSB", "an APFS container", otherKind),
    Signature(0, "hsqs", "a SquashFS filesystem", otherKind),
    Signature(0, [0x45, 0x3d, 0xcd, 0x28], "a cramfs filesystem", otherKind),
    Signature(0x400, [0xe2, 0xe1, 0xf5, 0xe0], "an EROFS filesystem", otherKind),
    Signature(0x400, [0x10, 0x20, 0xf5, 0xf2], "an F2FS filesystem", otherKind),
    Signature(0x400, "H+\u{0}\u{4}", "an HFS+ filesystem", otherKind),
    Signature(0x8000, "JFS1", "a JFS filesystem", otherKind),
    Signature(0x10034, "ReIsEr", "a ReiserFS filesystem", otherKind),
    Signature(0, "UBI#", "a UBI volume", otherKind),
    Signature(4086, "SWAPSPACE2", "swap space", "it holds no files"),
    Signature(65526, "SWAPSPACE2", "swap space", "it holds no files"),
    // Hybrid images have a partition table as well.
    Signature(0x8001, "CD001", "an ISO 9660 filesystem", otherKind),
    Signature(0x8001, "BEA01", "a UDF filesystem", otherKind),
    Signature(512, "EFI PART", "a whole disk with a GPT partition table", partitionHelp),
    Signature(4096, "EFI PART", "a whole disk with a GPT partition table", partitionHelp),
    // Of a fixed size: the disk as it is, and a footer.
    Signature(512, "conectix", "a VHD disk image", disk("vpc"), fromEnd: true),
  ]

  private static let bcachefs: [UInt8] = [
    0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
  ]
}
