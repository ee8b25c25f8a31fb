import ExtantCheck

/// Where -p asks for a person and e2fsck -p does not, or the other way round, and where -n calls broken
/// what e2fsck -n believes. docs/FSCK.md has the reasons, by the codes.
public struct ModeDifference: Sendable {
  /// The name of a recipe or an image.
  public var recipe: String
  /// Of `-n`, `-p` and `-fp`.
  public var modes: Set<String>

  private static let both: Set = ["-p", "-fp"]
  private static let believing: Set = ["-p"]
  private static let forced: Set = ["-fp"]

  private init(_ recipe: String, _ modes: Set<String>) {
    self.recipe = recipe
    self.modes = modes
  }

  /// The code of the kind that the recipe is for: the longest that its name starts with.
  public var code: String? {
    IssueKind.all.map(\.code).filter { recipe == $0 || recipe.hasPrefix($0 + "-") }
      .max { $0.count < $1.count }
  }

  /// All there are among the recipes, of -p and -fp.
  public static let deciding: [ModeDifference] = weAsk + e2fsckAsks

  /// All there are, each recipe once.
  public static let known: [ModeDifference] = {
    var known = deciding
    for name in believed + unlooked {
      if let index = known.firstIndex(where: { $0.recipe == name }) {
        known[index].modes.insert("-n")
      } else {
        known.append(ModeDifference(name, ["-n"]))
      }
    }
    return known
  }()

  /// All there are among the corrupt images of e2fsprogs.
  public static let images = [
    ModeDifference("f_bad_gdt_csum", ["-n"]),
    ModeDifference("f_clear_orphan_file", ["-n"]),
    ModeDifference("f_orphan_extents_inode", ["-n"]),
    ModeDifference("f_orphan_indirect_inode", ["-n"]),
    ModeDifference("f_orphquot", ["-n"]),
    ModeDifference("f_ea_inode", forced),
    ModeDifference("f_miss_blk_bmap", both),
  ]

  /// What e2fsck -n does not look at where an image says that it is clean, and -fn finds as we do.
  public static let believed = [
    "superblock.64bit-without-extent",
    "superblock.unlike-copies",
    "superblock.resize-inode-with-meta-bg",
    "orphan.unfinished-deletion",
    "orphan.unfinished-deletion-pointers",
    "orphan.unfinished-deletion-attributes",
    "orphan.unfinished-deletion-two",
    "orphan.unfinished-deletion-clusters",
    "orphan.unfinished-truncation",
    "orphan.unfinished-truncation-toNothing",
    "orphan.unfinished-truncation-pointers",
    "orphan.unfinished-truncation-clusters",
    "orphan.link-left",
    "orphan.link-left-file",
    "orphan.bad-link",
    "orphan.circle",
    "orphan.bad-map",
    "orphan.file-not-clean",
    "orphan.file-not-clean-deletion",
    "orphan.file-not-clean-truncation",
    "orphan.file-not-clean-notPresent",
    "orphan.file-bad-entry",
    "orphan.file-bad-magic",
    "orphan.file-bad-magic-another's-block",
    "orphan.file-bad-checksum",
    "orphan.file-bad-size",
    "orphan.file-bad-size-past-its-blocks",
    "orphan.file-not-regular",
    "orphan.file-unlinked",
    "orphan.file-missing",
    "orphan.file-damaged",
    "orphan.file-feature-lost",
    "orphan.file-without-feature",
    "orphan.file-without-journal",
    "orphan.present-but-clean",
    "orphan.present-without-file",
    "quota.inode-forgotten",
    "quota.inode-unasked",
    "quota.number-unasked",
    "quota.number-unasked-projects",
  ]

  /// What e2fsck -fn calls clean as well.
  private static let unlooked = [
    "superblock.bad-inode-size-zero, and a copy that says the rest",
    "superblock.unlike-descriptors-half-of-them-fit",
    "group.bad-checksum",
    "journal.inode-from-backup-pointers",
    "journal.bad-start",
    "journal.transaction-damaged",
    "journal.transaction-damaged-pastEnd",
    "journal.fast-commits-damaged",
    "journal.superblock-in-log-bad",
  ]

  private static let weAsk = [
    ModeDifference("superblock.unlike-copies", believing),
    ModeDifference("superblock.resize-inode-with-meta-bg", believing),
    ModeDifference("group.block-bitmap-overlaps", believing),
    ModeDifference("group.inode-bitmap-overlaps", believing),
    ModeDifference("group.inode-table-overlaps", believing),
    ModeDifference("journal.bad-start", both),
    ModeDifference("journal.transaction-damaged", both),
    ModeDifference("journal.transaction-damaged-pastEnd", both),
    ModeDifference("orphan.file-bad-magic-another's-block", believing),
    ModeDifference("orphan.file-missing", believing),
    ModeDifference("orphan.file-damaged", believing),
    ModeDifference("orphan.file-without-feature", believing),
    ModeDifference("quota.number-unasked", believing),
    ModeDifference("quota.number-unasked-projects", believing),
    ModeDifference("map.shared-with-metadata-shared-blocks", forced),
    ModeDifference("xattr.inode-value-outside-size", forced),
    ModeDifference("xattr.name-with-nul", forced),
    ModeDifference("xattr.value-inode-size", forced),
    ModeDifference("xattr.value-inode-size-impossible", forced),
    ModeDifference("xattr.value-inode-size-impossible-of-the-entry", forced),
    ModeDifference("xattr.value-inode-size-impossible-huge", forced),
    ModeDifference("xattr.value-inode-size-impossible-of-an-empty-inode", forced),
    ModeDifference("xattr.value-inode-attributes", forced),
    ModeDifference("xattr.value-inode-attributes-itself", forced),
    ModeDifference("xattr.value-inode-attributes-itself-counted", forced),
    ModeDifference("xattr.value-inode-attributes-each-other", forced),
    ModeDifference("directory.duplicate-folded-name", forced),
    ModeDifference("directory.duplicate-inline-name", forced),
    ModeDifference("connection.loop-closed", forced),
  ]

  private static let e2fsckAsks = [
    ModeDifference("directory.inode-unused", forced),
    ModeDifference("superblock.reserved-gdt-without-resize-inode", forced),
    ModeDifference("orphan.unfinished-truncation-clusters", forced),
    ModeDifference("orphan.link-left-file", forced),
    ModeDifference("inode.quota-unasked-flags", forced),
    ModeDifference("inode.reserved-mode-resize", forced),
    ModeDifference("inode.block-count-fast symlink", forced),
    ModeDifference("xattr.value-inode-kind-holder-is-a-directory", forced),
    ModeDifference("summary.inode-uninit", forced),
  ]
}
