import Ext4Format

/// Says whether what a recovery left may be there.
///
/// The rules, for a crash at which some syncs had returned:
///
/// 1. *Names, links, modes, attributes and maps are those after some prefix of the operations.*
///    Transactions are committed in order, and an operation of this size is in one of them.
/// 2. *The prefix holds everything that was confirmed*: all before a returned `sync`; of a returned
///    `fsync` the file's last change, of `fdatasync` its last change of contents or size, and with
///    either everything older, since an older transaction is never committed later.
/// 3. *A confirmed file's data is there*, every sector with a value that it had then or later.
/// 4. *Any other sector has an old or a new value*, of its own cell: sectors are written whole, and
///    in-place data is ordered against nothing until somebody asks. Zeros that truncate or punch
///    write into the rest of a block are ordered: they are there when the operation is.
/// 5. *A cell nobody confirmed may be absent*, wholly: unmapped or unwritten. Then it reads as
///    zeros; what lay in the block before is never seen.
/// 6. *The size is the model's, or it lags*: while cells may be absent, it may be one that was set
///    before, or end with a block, and then that block is there, unless it was punched since.
/// 7. *Nothing else*: no block where the model has a hole, no name or attribute it does not know.
struct Oracle {
  /// After 0, 1, 2 ... operations.
  private let states: [CrashModel]
  let floor: Int

  /// - Parameters:
  ///   - operations: nil where one failed and changed nothing.
  ///   - returned: how many of them had returned; a sync among these is confirmed.
  init(
    base: CrashModel, _ operations: [CrashOperation?], returned: Int
  ) throws(CrashModel.Impossible) {
    var model = base.copy()
    var states = [model]
    for (index, operation) in operations.enumerated() {
      if let operation {
        try model.apply(
          operation, index: index, tag: index + Self.firstTag, isConfirmed: index < returned)
      }
      states.append(model)
    }
    self.states = states
    floor = model.floor
  }

  /// Operations that prepared the image have lower tags.
  static let firstTag = 64

  /// Nil where `image` may be there after a crash during the first `begun` operations; else what is
  /// wrong with it, seen from the prefix that fits best.
  func complaint(about image: ImageContents, begun: Int) -> String? {
    var best: (count: Int, text: String)?
    let last = min(begun, states.count - 1)
    for prefix in stride(from: last, through: min(floor, last), by: -1) {
      var comparison = Comparison(image: image, model: states[prefix], prefix: prefix)
      comparison.run()
      if comparison.differences.isEmpty { return nil }
      if comparison.differences.count < best?.count ?? .max {
        let list = comparison.differences.prefix(4).joined(separator: "; ")
        best = (comparison.differences.count, "after \(prefix) operations: \(list)")
      }
    }
    return best.map { "no state from \(floor) to \(last) operations fits; " + $0.text }
  }
}

private struct Comparison {
  let image: ImageContents
  let model: CrashModel
  let prefix: Int
  var differences: [String] = []
  private var imageOf: [Int: UInt32] = [:]

  init(image: ImageContents, model: CrashModel, prefix: Int) {
    self.image = image
    self.model = model
    self.prefix = prefix
  }

  mutating func run() { compare("/", CrashModel.root, 2) }

  private mutating func compare(_ path: String, _ key: Int, _ number: UInt32) {
    if let known = imageOf[key] {
      if known != number { differences.append("\(path) is not the link it was") }
      return
    }
    if imageOf.values.contains(number) { differences.append("\(path) is a link to another file") }
    imageOf[key] = number
    guard let node = model.nodes[key], let found = image.nodes[number] else {
      differences.append("\(path) has no inode")
      return
    }
    let kind: UInt16 =
      switch node.kind {
      case .file: 0x8000
      case .directory: 0x4000
      case .symbolicLink: 0xA000
      case .whiteout: 0x2000
      }
    guard found.mode == kind | node.permissions else {
      differences.append("\(path) has mode \(String(found.mode, radix: 8))")
      return
    }
    let attributes = node.attribute.map { [Driver.attribute: $0] } ?? [:]
    if found.attributes != attributes { differences.append("\(path) has other attributes") }
    switch node.kind {
    case .directory: compareEntries(path, node, found)
    case .symbolicLink:
      if found.target != Driver.target(node.targetLength) {
        differences.append("\(path) has another target")
      }
    case .file: compareContents(path, node, found)
    case .whiteout:
      if found.device != DeviceNumber(major: 0, minor: 0) {
        differences.append("\(path) is device \(found.device)")
      }
    }
  }

  private mutating func compareEntries(
    _ path: String, _ node: CrashModel.Node, _ found: ImageContents.Node
  ) {
    var names = found.entries
    if path == "/" { names["lost+found"] = nil }
    let prefix = path == "/" ? "/" : path + "/"
    for (name, key) in node.entries.sorted(by: { $0.key < $1.key }) {
      if let number = names.removeValue(forKey: name) {
        compare(prefix + name, key, number)
      } else {
        differences.append("\(prefix)\(name) is missing")
      }
    }
    for name in names.keys.sorted() { differences.append("\(prefix)\(name) is there") }
  }

  private mutating func compareContents(
    _ path: String, _ node: CrashModel.Node, _ found: ImageContents.Node
  ) {
    let size = Int(clamping: found.size)
    if !mayHaveSize(size, node, found) {
      differences.append(
        "\(path) has \(size) bytes, not \(node.size) or one of "
          + "\(node.explicitSizes.sorted().map(String.init).joined(separator: " "))")
    }
    for block in 0..<max(node.blocks.count, found.blocks.count) {
      let expected = block < node.blocks.count ? node.blocks[block] : .hole
      let there = block < found.blocks.count ? found.blocks[block] : .hole
      compare(path, block, expected, there, visible: size - block * CrashModel.blockSize)
    }
  }

  private func mayHaveSize(_ size: Int, _ node: CrashModel.Node, _ found: ImageContents.Node)
    -> Bool
  {
    if node.explicitSizes.contains(size) { return true }
    guard size > node.explicitSizes.min() ?? 0, size <= node.size,
      size == node.size || size % CrashModel.blockSize == 0
    else { return false }
    let last = (size - 1) / CrashModel.blockSize
    // A last block that was punched or zeroed holds nothing back.
    if size == node.size {
      guard last < node.blocks.count, case .cell = node.blocks[last] else { return true }
    }
    guard last < found.blocks.count, case .written = found.blocks[last] else { return false }
    return true
  }

  private mutating func compare(
    _ path: String, _ block: Int, _ expected: CrashModel.Block, _ there: ImageContents.Block,
    visible: Int
  ) {
    switch (expected, there) {
    case (.hole, .hole), (.unwritten, .unwritten): return
    case (.cell(let cell), .hole) where !cell.mustExist && !cell.isOverUnwritten: return
    case (.cell(let cell), .unwritten) where !cell.mustExist && cell.isOverUnwritten: return
    case (.cell(let cell), .written(let address)):
      compare(path, block, cell, address, visible: min(visible, CrashModel.blockSize))
    default:
      differences.append("block \(block) of \(path) is \(there), not \(name(expected))")
    }
  }

  private func name(_ block: CrashModel.Block) -> String {
    switch block {
    case .hole: "hole"
    case .unwritten: "unwritten"
    case .cell(let cell): cell.mustExist ? "written" : "written or absent"
    }
  }

  private mutating func compare(
    _ path: String, _ block: Int, _ cell: Cell, _ address: Int, visible: Int
  ) {
    let values = cell.values(prefix: prefix)
    var start = 0
    while start < visible {
      let end = min(start + CrashImage.sectorSize, visible)
      let found = image.bytes(of: address, start..<end)
      if !values.contains(where: { found[...] == $0.bytes[start..<end] }) {
        let stale = found.contains(CrashBytes.poison) ? ": old data of nobody's" : ""
        differences.append(
          "block \(block) of \(path), bytes \(start) to \(end), is none of "
            + "\(values.count) values\(stale) (\(found.prefix(4)))")
      }
      start = end
    }
  }
}
