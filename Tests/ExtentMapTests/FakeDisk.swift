import ExtantBase
import ExtentMap
import SystemPackage

/// Blocks in memory that hold extent nodes, with failures on demand.
final class FakeDisk: ExtentNodeSource {
  var nodes: [BlockAddress: EncodedExtentNode] = [:]
  var root = ExtentRoot.empty
  var nextAddress: UInt64 = 1 << 40
  var loads = 0
  /// The load with this number fails.
  var failingLoad: Int?

  static let failure = FileSystemError.io(DeviceFailure(.read, .ioError, device: "fake"))

  func copy() -> FakeDisk {
    let other = FakeDisk()
    other.nodes = nodes
    other.root = root
    other.nextAddress = nextAddress
    return other
  }

  func loadNode(at address: BlockAddress, depth: Int, key: LogicalBlock)
    throws(FileSystemError) -> ExtentNodeContents
  {
    defer { loads += 1 }
    if loads == failingLoad { throw Self.failure }
    guard let node = nodes[address], node.depth == depth else {
      throw .corrupt(Corruption("extent node", block: address, "is a node of depth \(depth)"))
    }
    return node.contents
  }

  func open(_ capacities: ExtentCapacities) throws -> ExtentMap {
    try ExtentMap(capacities: capacities, root: root, source: self)
  }

  enum Fault {
    case none, allocate
    case write(Int)
  }

  /// Encodes `map` to this disk, as an engine would, and says what rule was broken on the way.
  func store(_ map: ExtentMap, relocateShifted: Bool, fault: Fault = .none)
    throws(FileSystemError) -> String?
  {
    let announced = try map.freshBlocksNeeded(relocateShifted: relocateShifted)
    let moved = try map.freshBlocksNeeded(relocateShifted: true) - map.nodesWithoutHome
    let inPlace = map.changedNodeBound + (relocateShifted ? 0 : moved)
    var allocateCalls = 0
    var allocated: Set<BlockAddress> = []
    var written: [EncodedExtentNode] = []
    var freed: [BlockAddress] = []
    let newRoot = try map.encode(
      relocateShifted: relocateShifted,
      allocate: { (count) throws(FileSystemError) -> [BlockAddress] in
        if case .allocate = fault { throw .refused(.noSpace) }
        allocateCalls += 1
        var addresses: [BlockAddress] = []
        for _ in 0..<count {
          addresses.append(BlockAddress(self.nextAddress))
          self.nextAddress += 1
        }
        allocated = Set(addresses)
        return addresses
      },
      write: { (node) throws(FileSystemError) -> Void in
        if case .write(let index) = fault, index == written.count { throw Self.failure }
        written.append(node)
      },
      freed: { freed.append($0) })
    guard allocateCalls <= 1 else { return "allocate was called \(allocateCalls) times" }
    guard allocated.count <= announced else {
      return "\(allocated.count) blocks allocated, \(announced) announced"
    }
    guard written.count(where: { !$0.isFresh }) <= inPlace else {
      return "more than \(inPlace) nodes rewritten in place"
    }
    for node in written {
      guard node.isFresh == allocated.contains(node.address) else { return "isFresh is wrong" }
      guard node.isFresh || nodes[node.address] != nil else { return "a write to a foreign block" }
      nodes[node.address] = node
    }
    for address in freed {
      guard nodes.removeValue(forKey: address) != nil else { return "\(address) freed twice" }
    }
    if let newRoot { root = newRoot }
    return nil
  }

  /// What the tree on disk maps, and the first of ext4's rules that it breaks.
  func check(_ capacities: ExtentCapacities) -> (runs: [ExtentRun], broken: String?) {
    var runs: [ExtentRun] = []
    var reached: Set<BlockAddress> = []
    var end: UInt64 = 0

    func visit(_ contents: ExtentNodeContents, depth: Int, key: UInt64?, capacity: Int) -> String? {
      guard contents.count <= capacity else { return "\(contents.count) entries in a node" }
      guard contents.count > 0 || key == nil else { return "an empty node" }
      switch contents {
      case .leaf(let leaf):
        guard depth == 0 else { return "a leaf at depth \(depth)" }
        if let key, leaf[0].logical.rawValue != key { return "a key that is not the first block" }
        for run in leaf {
          guard run.logical.rawValue >= end else { return "overlap at \(run.logical)" }
          guard run.state != .delayed, run.count > 0, run.count <= run.state.maximumCount else {
            return "length \(run.count), state \(run.state) at \(run.logical)"
          }
          end = run.end.rawValue
          guard end <= LogicalBlock.limit.rawValue else { return "past the limit" }
        }
        runs += leaf
      case .index(let entries):
        guard depth > 0 else { return "an index at depth 0" }
        guard !entries.isEmpty else { return "an empty index" }
        if let key, entries[0].key.rawValue != key { return "a key that is not the first key" }
        for (index, entry) in entries.enumerated() {
          if index > 0, entry.key <= entries[index - 1].key { return "keys do not ascend" }
          guard reached.insert(entry.address).inserted else { return "a block used twice" }
          guard let node = nodes[entry.address] else { return "\(entry.address) is not a node" }
          guard node.depth == depth - 1 else { return "depth \(node.depth) under \(depth)" }
          let capacity = depth == 1 ? capacities.leaf : capacities.index
          if let broken = visit(
            node.contents, depth: depth - 1, key: entry.key.rawValue, capacity: capacity)
          {
            return broken
          }
        }
      }
      return nil
    }

    var broken = visit(root.contents, depth: root.depth, key: nil, capacity: capacities.root)
    if broken == nil, reached.count != nodes.count {
      broken = "\(nodes.count - reached.count) blocks are lost"
    }
    return (runs, broken)
  }
}
