import TestSupport

/// The corrupt images that lie beside this repository, with what e2fsck said of each. They are not
/// ours and not in it: where the folder is missing, tests that want it skip.
public struct SharedImages: Sendable {
  /// What e2fsck 1.47.0 said of an image, as exit codes. 124: it never ended.
  public struct Verdict: Sendable {
    public var check: Int
    public var repair: Int
    public var after: Int
  }

  /// One image, packed.
  public struct Entry: Sendable {
    public var name: String
    public var path: String
    public var verdict: Verdict
  }

  /// As documents may name it.
  public static let folderName = "../shared/e2fsprogs-images"
  static let folder = Environment.packageRoot + "/" + folderName
  public static let isThere = System.exists(folder + "/e2fsck-1.47.0.tsv")

  /// By name, ascending.
  public static func entries() throws -> [Entry] {
    let table = try System.contents(folder + "/e2fsck-1.47.0.tsv")
    var result: [Entry] = []
    for line in String(decoding: table, as: UTF8.self).split(separator: "\n").dropFirst() {
      let fields = line.split(separator: "\t")
      guard fields.count >= 5, let check = Int(fields[1]), let repair = Int(fields[2]),
        let after = Int(fields[4])
      else { throw SystemFailure(22, "\(folderName): '\(line)' is no line of the table") }
      let packed = ["gz", "bz2"].map { "\(folder)/\(fields[0]).img.\($0)" }
      guard let path = packed.first(where: System.exists) else { continue }
      result.append(
        Entry(
          name: String(fields[0]), path: path,
          verdict: Verdict(check: check, repair: repair, after: after)))
    }
    return result.sorted { $0.name < $1.name }
  }

  /// Unpacks an image to `path`.
  public static func unpack(_ entry: Entry, to path: String) throws {
    let tool = entry.path.hasSuffix(".bz2") ? "bzcat" : "zcat"
    // Images are sparse; so are their copies.
    try Program.succeed([
      "sh", "-c", #""$1" "$2" | cp --sparse=always /dev/stdin "$3""#, "sh", tool, entry.path, path,
    ])
  }
}
