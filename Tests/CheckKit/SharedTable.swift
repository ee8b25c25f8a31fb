import TestSupport

/// docs/FSCK-IMAGES.md: every shared image with what e2fsck and we make of it.
public enum SharedTable {
  public static let path = Environment.packageRoot + "/docs/FSCK-IMAGES.md"

  public static func text(_ rows: [(name: String, judgement: ImageJudge.Judgement)]) -> String {
    let all = rows.map(\.judgement)
    let judged = all.filter { !$0.isUndecided }
    let agreed = judged.count(where: \.agrees)
    let repaired = all.count { $0.after == 0 }
    let still = all.count { $0.second == 0 && !$0.changedBySecond }
    let compared = all.filter { $0.survivors != nil }
    let whole = compared.count { $0.lost.isEmpty }
    let trees = all.compactMap(\.trees)
    var lines = [
      "# extant fsck on the corrupt images of e2fsprogs", "",
      "Written by `make fsck-table` from the images in \(SharedImages.folderName) (half of e2fsprogs'",
      "own tests; not in this repository), beside e2fsck 1.47.0. A row: what `e2fsck -fn` exits with,",
      "`extant fsck -fn`, `extant fsck -fy`, `e2fsck -fn` after that, a second `extant fsck -fy` (which",
      "must change nothing); then the files that can be read after `e2fsck -fy` and how many of these,",
      "bytes and all, can be read after our repair. 0 is sound, 1 repaired, 4 broken, 8 given up.",
      "Last, the two repaired trees side by side: paths whose kind, mode, links, owner, size, bytes or",
      "attributes differ, and how many of them are more in ours and in e2fsck's: a path that the other",
      "has not, else more attributes, else more bytes. What differs stands below the table.",
      "",
      "- \(agreed) of \(judged.count) are called broken exactly when e2fsck calls them that; of "
        + "\(rows.count - judged.count) it has no verdict: it does not end, or asks and exits with 0",
      "- \(repaired) of \(rows.count) are clean to e2fsck after our repair (after its own: "
        + "\(all.count { $0.e2fsck.after == 0 }))",
      "- \(still) of \(rows.count) are not changed by a second run",
      "- in \(whole) of \(compared.count) all files survive that survive e2fsck's repair",
      "- \(trees.count { $0.count == 0 }) of \(trees.count) trees are the same after both repairs; "
        + "of \(trees.reduce(0) { $0 + $1.count }) paths that differ ours has more in "
        + "\(trees.reduce(0) { $0 + $1.oursMore }), e2fsck's in \(trees.reduce(0) { $0 + $1.theirsMore })",
      "",
      "| image | e2fsck -fn | extant -fn | extant -fy | e2fsck after | second -fy | files | kept "
        + "| paths differ | ours more | e2fsck's more |",
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (name, row) in rows {
      let files = row.survivors.map { "\($0)" } ?? "-"
      let kept = row.survivors.map { "\($0 - row.lost.count)" } ?? "-"
      let check =
        row.e2fsck.check == 124
        ? "no end" : "\(row.e2fsck.check)" + (row.e2fsck.check == 0 && row.hasAsked ? ", asks" : "")
      let second = "\(row.second)" + (row.changedBySecond ? ", changes" : "")
      lines.append(
        "| \(name) | \(check) | \(row.check) | \(row.repair) | \(row.after) | \(second) "
          + "| \(files) | \(kept) | \(cells(row.trees)) |")
    }
    for (name, row) in rows {
      guard let trees = row.trees, trees.count > 0 else { continue }
      lines += ["", "`\(name)`:", ""] + trees.lines.prefix(lineLimit).map { "- \($0)" }
      let rest = trees.lines.count - lineLimit
      if rest > 0 { lines.append("- ... and \(rest) more") }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// Lines of what differs that are kept of one image.
  private static let lineLimit = 12

  private static func cells(_ trees: TreeComparison?) -> String {
    trees.map { "\($0.count) | \($0.oursMore) | \($0.theirsMore)" } ?? "- | - | -"
  }
}
