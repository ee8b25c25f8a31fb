import Ext4Format
import ExtantBase
import TestSupport

/// One field of the superblock, of a group descriptor or of an inode with a value that somebody hostile or
/// careless would choose, behind a right checksum, on an image of one of many sets of features.
///
/// Every word is a field here, whatever its name: 1, 2 or 4 bytes at each place where one may start.
public struct FieldSweep {
  /// Sets of features: those of the recipes, and others that go together or have no recipe.
  public static let bases: [(name: String, image: BaseImage)] =
    BaseImage.named + [
      ("no64Bit", features("^64bit")),
      ("metaBg32", features("meta_bg,^resize_inode,^64bit", groups: true)),
      ("sparseSuper2", features("sparse_super2,^resize_inode", groups: true)),
      ("noSparseSuper", features("^sparse_super,^resize_inode", groups: true)),
      ("noResize", features("^resize_inode", groups: true)),
      ("bigallocGroups", clusters("bigalloc,^64bit", "4096")),
      ("bigallocQuota", clusters("bigalloc,quota,inline_data", "16384")),
      ("csumSeed", features("metadata_csum_seed,orphan_file,inline_data")),
      (
        "everything",
        features("inline_data,ea_inode,quota,project,orphan_file,casefold,large_dir,mmp")
      ),
      ("uninitNoFlex", features("^metadata_csum,uninit_bg,^flex_bg", groups: true)),
      ("fastCommit", features("fast_commit,stable_inodes,verity")),
      ("encryptCasefold", features("encrypt,casefold,^has_journal")),
      ("extentsAlone", BaseImage(["-t", "ext2", "-b", "2048", "-O", "extent"])),
      ("revision0", BaseImage.revision0),
      ("largeInodes", BaseImage(["-t", "ext4", "-b", "2048", "-I", "1024"])),
    ]

  private static func features(_ list: String, groups: Bool = false) -> BaseImage {
    BaseImage(["-t", "ext4", "-b", "1024", "-O", list] + (groups ? ["-g", "1024"] : []))
  }

  private static func clusters(_ list: String, _ size: String) -> BaseImage {
    BaseImage(["-t", "ext4", "-b", "1024", "-O", list, "-C", size], size: 32768)
  }

  /// The image with the wrong field.
  public let bytes: [UInt8]
  /// Which field has which value.
  public let text: String

  /// Nil where the field has that value anyway.
  public init?(_ sound: [UInt8], seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let planter = try Planter(sound)
    let width = random.pick([1, 2, 2, 4, 4, 4])
    func place(_ end: Int) -> Int { random.below(end / width) * width }
    var what = ""
    switch random.below(10) {
    case 0..<4:
      let offset = place(Self.superblockEnd)
      planter.superblock { what = Self.change(&$0, offset, width, &random) }
      what = "superblock \(what)"
    case 4..<6:
      let count = planter.superblock.groupCount
      let group = random.chance(60) ? 0 : UInt32(random.below(Int(count)))
      let offset = place(planter.superblock.descriptorSize)
      planter.descriptor(group) { what = Self.change(&$0, offset, width, &random) }
      what = "group \(group) \(what)"
    default:
      let number = InodeNumber(UInt32(1 + random.below(30)))
      let offset = place(min(planter.superblock.inodeSize, Self.inodeEnd))
      try planter.inode(number) { what = Self.change(&$0.bytes, offset, width, &random) }
      what = "inode \(number.rawValue) \(what)"
    }
    guard planter.bytes != sound else { return nil }
    bytes = planter.bytes
    text = what
  }

  /// One past the last fields that there are.
  private static let superblockEnd = 0x284
  private static let inodeEnd = 0xA0

  /// 0, 1, the most there is, a neighbour, another sign, half or twice.
  private static func change(
    _ part: inout [UInt8], _ offset: Int, _ width: Int, _ random: inout SeededGenerator
  ) -> String {
    let mask: UInt64 = 1 << UInt64(8 * width) - 1
    let old = (0..<width).reduce(0) { $0 | UInt64(part[offset + $1]) << UInt64(8 * $1) }
    let value =
      mask
      & random.pick([
        0, 1, mask, old &+ 1, old &- 1, old ^ (mask / 2 + 1), old / 2, old &* 2,
        1 << UInt64(random.below(8 * width)) ^ old,
      ])
    for index in 0..<width {
      part[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
    }
    return "\(width) bytes at 0x\(String(offset, radix: 16)): \(value), was \(old)"
  }
}
