/// What a filesystem holds, as a program that never saw ext4 would keep it; with one addition: of
/// each block of data it knows every value that the medium may have for it.
///
/// A `CrashModel` is the state after some prefix of a sequence. What a crash may leave is said in
/// `Oracle`; the parts of it that depend on history are kept here:
///
/// - A *cell* is a block of data with an identity. Overwriting adds a value to it; collapse and
///   insert move it to another place of the file; punching drops it. So a value that an overwrite
///   brought to the medium before the crash is found where the cell lies *in the state of names and
///   maps that the crash left*, wherever that is: data in place is not ordered against a collapse
///   that is not committed yet, in ext4 as little as here. Nor is it against a zeroing, which leaves
///   the block where it is and marks it unwritten: what is written to it then is seen in the file as
///   it was before, if the crash leaves that.
/// - A cell whose file nobody synced since the cell came up may be absent: its block was given out
///   late (delayed allocation), or its extent is still marked unwritten.
/// - The size on the medium may lag behind while such cells exist, since it grows as their blocks
///   get their homes. Sizes set on purpose (truncate, fallocate) are metadata and do not lag.
struct CrashModel {
  static let blockSize = 1024
  static let root = 0

  enum Kind { case file, directory, symbolicLink, whiteout }

  enum Block {
    case hole
    /// Set aside; reads as zeros. With the cell that lay in the same place until it was zeroed.
    case unwritten(Cell?)
    case cell(Cell)
  }

  struct Node {
    var kind: Kind
    var permissions: UInt16
    /// Of a directory: names and the keys of `nodes`.
    var entries: [String: Int] = [:]
    var blocks: [Block] = []
    var size = 0
    /// Sizes set on purpose that a crash may find, while cells may be absent; otherwise `size`.
    var explicitSizes: Set<Int> = [0]
    var attribute: [UInt8]?
    /// Bytes of a symbolic link's target.
    var targetLength = 0
    /// How long a prefix must be for the last change of anything, and for the last of contents.
    var lastChange = 0
    var lastDataChange = 0

    init(_ kind: Kind, _ permissions: UInt16, _ prefix: Int) {
      self.kind = kind
      self.permissions = permissions
      lastChange = prefix
      lastDataChange = prefix
    }
  }

  var nodes: [Int: Node] = [root: Node(.directory, 0o755, 0)]
  private var nextKey = 1

  /// The shortest prefix that a crash may leave: what was confirmed is in it.
  var floor = 0

  /// Why an operation that the engine did cannot be: a name that is not there, and the like.
  struct Impossible: Error { var operation: CrashOperation }

  /// Does what the engine did without an error.
  ///
  /// - Parameters:
  ///   - index: of the operation in its sequence.
  ///   - isConfirmed: whether a sync had returned at the moment of the crash.
  mutating func apply(
    _ operation: CrashOperation, index: Int, tag: Int, isConfirmed: Bool
  ) throws(Impossible) {
    func key(_ path: String) throws(Impossible) -> Int {
      guard let key = find(path) else { throw Impossible(operation: operation) }
      return key
    }
    func change(
      _ path: String, _ body: (inout Node) throws(Impossible) -> Void
    ) throws(Impossible) {
      let key = try key(path)
      var node = nodes[key] ?? Node(.file, 0, 0)
      try body(&node)
      node.lastChange = index + 1
      nodes[key] = node
    }
    func changeData(_ path: String, _ body: (inout Node) -> Void) throws(Impossible) {
      try change(path) { (node) throws(Impossible) in
        guard node.kind == .file else { throw Impossible(operation: operation) }
        body(&node)
        node.lastDataChange = index + 1
        node.settleSizes()
      }
    }
    switch operation {
    case .create(let path): try add(path, Node(.file, 0o644, index + 1), operation)
    case .mkdir(let path): try add(path, Node(.directory, 0o755, index + 1), operation)
    case .symlink(let path, let count):
      var node = Node(.symbolicLink, 0o777, index + 1)
      node.targetLength = count
      try add(path, node, operation)
    case .link(let path, let new):
      let key = try key(path)
      try enter(key, new, operation)
      nodes[key]?.lastChange = index + 1
    case .unlink(let path), .rmdir(let path):
      let key = try key(path)
      try remove(path, operation)
      nodes[key]?.lastChange = index + 1
    case .rename(let path, let new), .whiteout(let path, let new):
      let key = try key(path)
      if find(new) == key { return }
      try remove(path, operation)
      if find(new) != nil { try remove(new, operation) }
      try enter(key, new, operation)
      nodes[key]?.lastChange = index + 1
      if case .whiteout = operation { try add(path, Node(.whiteout, 0, index + 1), operation) }
    case .exchange(let path, let other):
      let (first, second) = (try key(path), try key(other))
      if first == second { return }
      try remove(path, operation)
      try remove(other, operation)
      try enter(first, other, operation)
      try enter(second, path, operation)
      nodes[first]?.lastChange = index + 1
      nodes[second]?.lastChange = index + 1
    case .setxattr(let path, let count):
      try change(path) { $0.attribute = CrashBytes.make(tag: tag, count, at: 0) }
    case .write(let path, let offset, let count):
      let bytes = CrashBytes.make(tag: tag, count, at: offset)
      try changeData(path) { $0.write(bytes, at: offset, index) }
    case .truncate(let path, let size): try changeData(path) { $0.truncate(to: size, index) }
    case .allocate(let path, let offset, let count):
      try changeData(path) { $0.allocate(offset..<offset + count, keepSize: false) }
    case .keepSize(let path, let offset, let count):
      try changeData(path) { $0.allocate(offset..<offset + count, keepSize: true) }
    case .punch(let path, let offset, let count):
      try changeData(path) { $0.punch(offset..<offset + count, index) }
    case .zero(let path, let offset, let count):
      try changeData(path) { $0.zero(offset..<offset + count, index) }
    case .collapse(let path, let offset, let count):
      try changeData(path) { $0.collapse(offset..<offset + count) }
    case .insert(let path, let offset, let count):
      try changeData(path) { $0.insert(count, at: offset) }
    case .fsync(let path), .fdatasync(let path):
      let key = try key(path)
      guard isConfirmed else { return }
      // Transactions are ordered: with the one that holds the file's last change, everything
      // before that change is there. fdatasync waits for changes of contents and size alone.
      var needed = nodes[key]?.lastChange ?? 0
      if case .fdatasync = operation { needed = nodes[key]?.lastDataChange ?? 0 }
      floor = max(floor, needed)
      nodes[key]?.confirm()
    case .sync:
      guard isConfirmed else { return }
      floor = max(floor, index + 1)
      for key in nodes.keys { nodes[key]?.confirm() }
    case .commit, .hold, .prelude, .overlap: return
    }
  }

  // MARK: Names

  func find(_ path: String) -> Int? {
    var key = Self.root
    for name in path.split(separator: "/") {
      guard let next = nodes[key]?.entries[String(name)] else { return nil }
      key = next
    }
    return key
  }

  private func split(_ path: String) -> (parent: String, name: String) {
    let names = path.split(separator: "/").map(String.init)
    return (names.dropLast().joined(separator: "/"), names.last ?? "")
  }

  private mutating func add(
    _ path: String, _ node: Node, _ operation: CrashOperation
  ) throws(Impossible) {
    try enter(nextKey, path, operation)
    nodes[nextKey] = node
    nextKey += 1
  }

  private mutating func enter(
    _ key: Int, _ path: String, _ operation: CrashOperation
  ) throws(Impossible) {
    let (parent, name) = split(path)
    guard let directory = find(parent), nodes[directory]?.kind == .directory,
      nodes[directory]?.entries[name] == nil
    else { throw Impossible(operation: operation) }
    nodes[directory]?.entries[name] = key
  }

  private mutating func remove(_ path: String, _ operation: CrashOperation) throws(Impossible) {
    let (parent, name) = split(path)
    guard let directory = find(parent), nodes[directory]?.entries[name] != nil else {
      throw Impossible(operation: operation)
    }
    nodes[directory]?.entries[name] = nil
  }

  // MARK: Beginnings

  /// What all states of sequences begin with: everything here is on the medium for sure.
  mutating func settle() {
    floor = 0
    for key in nodes.keys {
      nodes[key]?.confirm()
      nodes[key]?.lastChange = 0
      nodes[key]?.lastDataChange = 0
    }
  }

  /// A copy of a settled model, whose cells are its own.
  func copy() -> CrashModel {
    var copy = self
    for (key, node) in nodes {
      copy.nodes[key]?.blocks = node.blocks.map { block in
        if case .cell(let cell) = block { .cell(cell.copy()) } else { block }
      }
    }
    return copy
  }
}

/// A block of data with an identity: everything that was ever to be in it.
final class Cell {
  struct Write {
    /// The operation's index.
    var operation: Int
    /// The whole block after it.
    var bytes: [UInt8]
    /// Whether a crash that leaves the operation's metadata leaves this, too.
    var isOrdered: Bool
  }

  /// What is there while the cell is absent: an unwritten block, or a hole.
  let isOverUnwritten: Bool
  private(set) var writes: [Write]
  /// A sync since the last write returned: older values are gone, and the cell is there.
  private(set) var oldest = 0
  private(set) var mustExist = false
  /// What is in the same place on the medium while a zeroing in between is not committed.
  private let beneath: Cell?

  init(overUnwritten: Bool, beneath: Cell? = nil, _ operation: Int, _ bytes: [UInt8]) {
    isOverUnwritten = overUnwritten
    writes = [Write(operation: operation, bytes: bytes, isOrdered: false)]
    self.beneath = beneath
    beneath?.overwrite(operation, bytes, isOrdered: false)
  }

  private init(_ other: Cell) {
    isOverUnwritten = other.isOverUnwritten
    writes = other.writes
    oldest = other.oldest
    mustExist = other.mustExist
    beneath = nil
  }

  func copy() -> Cell { Cell(self) }

  var current: [UInt8] { writes.last?.bytes ?? [] }

  func overwrite(_ operation: Int, _ bytes: [UInt8], isOrdered: Bool) {
    writes.append(Write(operation: operation, bytes: bytes, isOrdered: isOrdered))
    beneath?.overwrite(operation, bytes, isOrdered: isOrdered)
  }

  func confirm() {
    oldest = writes.count - 1
    mustExist = true
  }

  /// The values that may be there after a crash that left the first `prefix` operations' metadata.
  func values(prefix: Int) -> ArraySlice<Write> {
    let ordered = writes.lastIndex { $0.isOrdered && $0.operation < prefix } ?? 0
    return writes[max(oldest, ordered)...]
  }
}
