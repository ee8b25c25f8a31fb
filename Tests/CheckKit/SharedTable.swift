import TestSupport

/// docs/FSCK-IMAGES.md: every shared image with what e2fsck and we make of it.
public enum SharedTable {
  public static let path = Environment.packageRoot + "/docs/FSCK-IMAGES.md"

  public static func text(_ rows: [(name: String, judgement: ImageJudge.Judgement)]) -> String {
    let all = rows.map(\.judgement)
    let judged = all.filter { $0.e2fsck.check != 124 }
    let agreed = judged.count { ($0.e2fsck.check == 0) == ($0.check == 0) }
    let repaired = all.count { $0.after == 0 }
    let still = all.count { $0.second == 0 && !$0.changedBySecond }
    let compared = all.filter { $0.survivors != nil }
    let whole = compared.count { $0.lost.isEmpty }
    var lines = [
      "# extant fsck on the corrupt images of e2fsprogs", "",
      "Written by `make fsck-table` from the images in \(SharedImages.folderName) (half of e2fsprogs'",
      "own tests; not in this repository), beside e2fsck 1.47.0. A row: what `e2fsck -fn` exits with,",
      "`extant fsck -fn`, `extant fsck -fy`, `e2fsck -fn` after that, a second `extant fsck -fy` (which",
      "must change nothing); then the files that can be read after `e2fsck -fy` and how many of these,",
      "bytes and all, can be read after our repair. 0 is sound, 1 repaired, 4 broken, 8 given up.",
      "",
      "- \(agreed) of \(judged.count) are called broken exactly when e2fsck calls them that",
      "- \(repaired) of \(rows.count) are clean to e2fsck after our repair (after its own: "
        + "\(all.count { $0.e2fsck.after == 0 }))",
      "- \(still) of \(rows.count) are not changed by a second run",
      "- in \(whole) of \(compared.count) all files survive that survive e2fsck's repair",
      "",
      "| image | e2fsck -fn | extant -fn | extant -fy | e2fsck after | second -fy | files | kept |",
      "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (name, row) in rows {
      let files = row.survivors.map { "\($0)" } ?? "-"
      let kept = row.survivors.map { "\($0 - row.lost.count)" } ?? "-"
      let check = row.e2fsck.check == 124 ? "no end" : "\(row.e2fsck.check)"
      let second = "\(row.second)" + (row.changedBySecond ? ", changes" : "")
      lines.append(
        "| \(name) | \(check) | \(row.check) | \(row.repair) | \(row.after) | \(second) "
          + "| \(files) | \(kept) |")
    }
    return lines.map { $0 + "\n" }.joined()
  }
}
