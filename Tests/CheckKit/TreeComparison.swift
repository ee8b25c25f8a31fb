import TestSupport

/// Two repairs of one image, path by path: kinds and modes, links, owners, sizes, bytes, attributes.
public struct TreeComparison: Sendable {
  /// What differs, a line each, by path.
  public private(set) var lines: [String] = []
  /// Paths that one of the repairs kept more of: a path that only it has, else more attributes, else more
  /// bytes.
  public private(set) var oursMore = 0
  public private(set) var theirsMore = 0
  /// Paths that differ.
  public private(set) var count = 0

  public init(_ ours: Survivors, _ theirs: Survivors) {
    for path in Set(ours.tree.keys).union(theirs.tree.keys).sorted() {
      let (own, other) = (ours.tree[path], theirs.tree[path])
      let found = Self.lines(path, own, other)
      guard !found.isEmpty else { continue }
      lines += found
      count += 1
      let (mine, its) = (Self.amount(own), Self.amount(other))
      if mine > its { oursMore += 1 }
      if mine < its { theirsMore += 1 }
    }
  }

  private static func lines(_ path: String, _ own: TreeNode?, _ other: TreeNode?) -> [String] {
    func tree(_ node: TreeNode?) -> Tree { Tree(nodes: node.map { [path: $0] } ?? [:]) }
    return tree(own).differences(from: tree(other), "ours", "e2fsck's")
  }

  private static func amount(_ node: TreeNode?) -> (Int, Int, UInt64) {
    node.map { (1, $0.attributes.count, $0.size) } ?? (0, 0, 0)
  }
}
