import ExtantCheck

/// Where -p asks for a person and e2fsck -p does not, or the other way round. docs/FSCK.md has the
/// reasons, by the codes.
public struct ModeDifference: Sendable {
  /// The name of a recipe.
  public var recipe: String
  /// Of `-p` and `-fp`.
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

  /// All there are among the recipes.
  public static let known: [ModeDifference] = weAsk + e2fsckAsks

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
