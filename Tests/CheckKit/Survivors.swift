import TestSupport

/// What can be read in a repaired image: the files, by what they are and hold.
public struct Survivors: Sendable {
  struct Node: Sendable, Hashable {
    /// The mode's type bits.
    var type: UInt32
    /// Of files and symbolic links.
    var size: UInt64 = 0
    var contents = ContentHash()
  }

  private(set) var byPath: [String: (inode: UInt64, node: Node)] = [:]
  private var byInode: [UInt64: Node] = [:]
  private var all: Set<Node> = []
  /// With owners and attributes, for who compares whole trees.
  private(set) var tree: [String: TreeNode] = [:]

  /// Mounts the image in the kernel, for reading. Nil where the kernel does not take it.
  public init?(ofImage image: String, _ folder: TemporaryDirectory) throws {
    guard
      let mount = try? Image(path: image).mountInKernel(
        at: folder("mount"), options: "ro,noload,errors=continue")
    else { return nil }
    var todo = [""]
    while let path = todo.popLast() {
      let full = mount.point + path
      // What is named with bytes that are no UTF-8, or cannot be read, is not compared.
      guard let status = try? System.status(full) else { continue }
      var node = Node(type: status.mode & 0xf000)
      if status.isRegular {
        guard let contents = try? Tree.contentHash(full) else { continue }
        node = Node(type: node.type, size: status.size, contents: contents)
      } else if status.isSymbolicLink {
        guard let target = try? System.readSymbolicLink(full) else { continue }
        node = Node(type: node.type, size: status.size, contents: ContentHash(target))
      }
      byPath[path] = (status.inode, node)
      byInode[status.inode] = node
      all.insert(node)
      tree[path] = Self.treeNode(full, status, node)
      guard status.isDirectory, let names = try? System.names(in: full) else { continue }
      for name in names { todo.append(path + "/" + String(decoding: name, as: UTF8.self)) }
    }
    try mount.unmount()
  }

  /// Attributes that cannot be read are none.
  private static func treeNode(_ path: String, _ status: Status, _ node: Node) -> TreeNode {
    var attributes: [String: [UInt8]] = [:]
    for name in (try? System.attributeNames(path)) ?? [] {
      attributes[name] = try? System.attribute(path, name)
    }
    return TreeNode(
      mode: status.mode, links: status.links, uid: status.uid, gid: status.gid, size: node.size,
      contents: node.contents, attributes: attributes,
      device: status.isDevice ? [status.deviceMajor, status.deviceMinor] : [])
  }

  public var count: Int { byPath.count }

  /// Whether a file is here. What is empty is so by its path or its inode only: else what was emptied
  /// would be any other empty file.
  private func holds(_ path: String, _ file: (inode: UInt64, node: Node)) -> Bool {
    byPath[path]?.node == file.node || byInode[file.inode] == file.node
      || file.node.size > 0 && all.contains(file.node)
  }

  /// The paths of `other` whose files are not here: not at their path, not as their inode (names in
  /// lost+found are each tool's own choice), and, where they hold anything, not elsewhere either.
  ///
  /// - Parameter original: the image before it was damaged, where that is known: what is not in
  ///   there has not survived, whatever `other` made of it.
  public func missing(of other: Survivors, original: Survivors?) -> [String] {
    other.byPath.filter { path, file in
      // Either tool makes one where there is none.
      guard path != "/lost+found", !holds(path, file) else { return false }
      if let original { return original.holds(path, file) }
      // What was emptied there, and is not empty here, is no loss.
      return file.node.size > 0 || byInode[file.inode]?.type != file.node.type
    }.map { $0.key.isEmpty ? "/" : $0.key }.sorted()
  }
}
