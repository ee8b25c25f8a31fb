/// One node of a directory tree, as far as two filesystems must agree on it.
public struct TreeNode: Equatable, Sendable {
  public var mode: UInt32
  public var links: UInt32
  public var uid: UInt32
  public var gid: UInt32
  /// Of regular files and symbolic links; of directories it is the filesystem's own business.
  public var size: UInt64
  public var contents: ContentHash
  public var attributes: [String: [UInt8]]
  public var device: [UInt32]
  public var modificationTime: Status.Time?
  public var accessTime: Status.Time?

  public init(
    mode: UInt32, links: UInt32, uid: UInt32, gid: UInt32, size: UInt64, contents: ContentHash,
    attributes: [String: [UInt8]], device: [UInt32] = [], modificationTime: Status.Time? = nil,
    accessTime: Status.Time? = nil
  ) {
    self.mode = mode
    self.links = links
    self.uid = uid
    self.gid = gid
    self.size = size
    self.contents = contents
    self.attributes = attributes
    self.device = device
    self.modificationTime = modificationTime
    self.accessTime = accessTime
  }
}

/// A hash of contents in which a hole and zeros are the same: FNV-1a over the bytes that are not
/// in an all-zero page, with their page numbers.
public struct ContentHash: Hashable, Sendable, CustomStringConvertible {
  public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  public init() {}
  public init(_ bytes: [UInt8]) {
    var offset = 0
    while offset < bytes.count {
      let end = min(offset + Self.page, bytes.count)
      add(bytes[offset..<end], at: UInt64(offset))
      offset = end
    }
  }

  public static let page = 4096

  /// `offset` is a multiple of the page size; at most one page.
  public mutating func add(_ page: ArraySlice<UInt8>, at offset: UInt64) {
    guard page.contains(where: { $0 != 0 }) else { return }
    var hash = (value ^ offset) &* 0x100_0000_01b3
    for byte in page { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    value = hash
  }

  public var description: String { "0x" + String(value, radix: 16) }
}

/// A whole tree by path; "" is its root.
public struct Tree: Equatable, Sendable {
  public var nodes: [String: TreeNode]

  public init(nodes: [String: TreeNode]) { self.nodes = nodes }

  /// Reads a mounted tree. lost+found is left out.
  public init(at root: String, times: Bool = false) throws(SystemFailure) {
    nodes = [:]
    var todo = [""]
    while let path = todo.popLast() {
      let full = root + path
      let node = try Self.node(full, times: times)
      nodes[path] = node
      guard node.mode & 0xF000 == 0x4000 else { continue }
      for name in try System.names(in: full) {
        let name = String(decoding: name, as: UTF8.self)
        if path.isEmpty && name == "lost+found" { continue }
        todo.append(path + "/" + name)
      }
    }
  }

  private static func node(_ path: String, times: Bool) throws(SystemFailure) -> TreeNode {
    let status = try System.status(path)
    var node = TreeNode(
      mode: status.mode, links: status.links, uid: status.uid, gid: status.gid, size: status.size,
      contents: ContentHash(), attributes: [:])
    if status.isDirectory { node.size = 0 }
    if status.isSymbolicLink { node.contents = ContentHash(try System.readSymbolicLink(path)) }
    if status.isDevice { node.device = [status.deviceMajor, status.deviceMinor] }
    if status.isRegular { node.contents = try contentHash(path) }
    for name in try System.attributeNames(path) where !name.hasPrefix("security.selinux") {
      node.attributes[name] = try System.attribute(path, name)
    }
    if times {
      node.modificationTime = status.modificationTime
      // Reading the tree changes the access times of what it reads, but of nothing else.
      if !status.isRegular && !status.isDirectory && !status.isSymbolicLink {
        node.accessTime = status.accessTime
      }
    }
    return node
  }

  /// Skips holes, so that sparse files of terabytes are quick.
  public static func contentHash(_ path: String) throws(SystemFailure) -> ContentHash {
    let file = try OpenFile(path)
    var hash = ContentHash()
    let step = Int64(ContentHash.page)
    var next: Int64 = 0
    for range in try file.dataRanges() {
      var place = max(next, range.lowerBound / step * step)
      while place < range.upperBound {
        let bytes = try file.read(1 << 20, at: place)
        if bytes.isEmpty { break }
        var index = 0
        while index < bytes.count {
          let end = min(index + Int(step), bytes.count)
          if place + Int64(index) >= range.upperBound { break }
          hash.add(bytes[index..<end], at: UInt64(place + Int64(index)))
          index = end
        }
        place += Int64(index)
      }
      next = place
    }
    return hash
  }

  /// What differs, a line each; empty where the trees are the same.
  public func differences(from other: Tree, _ ours: String, _ theirs: String) -> [String] {
    var lines: [String] = []
    for path in Set(nodes.keys).union(other.nodes.keys).sorted() {
      let name = path.isEmpty ? "/" : path
      switch (nodes[path], other.nodes[path]) {
      case (let a?, let b?): lines += Self.differences(a, b).map { "\(name): \($0)" }
      case (nil, _?): lines.append("\(name): only in \(theirs)")
      case (_?, nil): lines.append("\(name): only in \(ours)")
      case (nil, nil): break
      }
    }
    return lines
  }

  private static func differences(_ a: TreeNode, _ b: TreeNode) -> [String] {
    var lines: [String] = []
    func compare<T: Equatable>(_ what: String, _ key: KeyPath<TreeNode, T>) {
      let (x, y) = (a[keyPath: key], b[keyPath: key])
      if x != y { lines.append("\(what) \(x) and \(y)") }
    }
    if a.mode != b.mode {
      lines.append("mode \(String(a.mode, radix: 8)) and \(String(b.mode, radix: 8))")
    }
    compare("links", \.links)
    compare("uid", \.uid)
    compare("gid", \.gid)
    compare("size", \.size)
    compare("contents", \.contents)
    compare("attributes", \.attributes)
    compare("device", \.device)
    compare("mtime", \.modificationTime)
    compare("atime", \.accessTime)
    return lines
  }
}
