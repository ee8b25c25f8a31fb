import ExtantBase
import ExtentMap

/// What one logical block is mapped to.
struct Block: Hashable {
  var address: UInt64
  var state: ExtentState
}

/// The naive model: one element for every logical block.
struct NaiveMap: Hashable {
  var blocks: [Block?]

  init(_ blocks: [Block?] = []) { self.blocks = blocks }

  subscript(position: Int) -> Block? { position < blocks.count ? blocks[position] : nil }

  mutating func extend(to count: Int) {
    while blocks.count < count { blocks.append(nil) }
  }

  mutating func trim() {
    while let last = blocks.last, last == nil { blocks.removeLast() }
  }

  mutating func put(_ range: Range<Int>, address: UInt64, state: ExtentState) {
    extend(to: range.upperBound)
    for position in range {
      blocks[position] = Block(
        address: address &+ UInt64(position - range.lowerBound), state: state)
    }
  }

  mutating func remove(_ range: Range<Int>) {
    for position in range where position < blocks.count { blocks[position] = nil }
    trim()
  }

  mutating func change(_ range: Range<Int>, to state: ExtentState) {
    for position in range where position < blocks.count {
      if let block = blocks[position], block.state != .delayed { blocks[position]?.state = state }
    }
  }

  mutating func collapse(_ range: Range<Int>) {
    let range = min(range.lowerBound, blocks.count)..<min(range.upperBound, blocks.count)
    blocks.removeSubrange(range)
    trim()
  }

  mutating func insertGap(at position: Int, count: Int) {
    guard position < blocks.count else { return }
    blocks.insert(contentsOf: repeatElement(nil, count: count), at: position)
  }

  func mapped(in range: Range<Int>) -> [Int: Block] {
    var result: [Int: Block] = [:]
    for position in range { if let block = self[position] { result[position] = block } }
    return result
  }

  var end: Int { (blocks.lastIndex { $0 != nil } ?? -1) + 1 }
}

func blocks(of runs: [ExtentRun]) -> [Int: Block] {
  var result: [Int: Block] = [:]
  for run in runs {
    for index in 0..<run.count {
      result[Int(run.logical.rawValue + index)] = Block(
        address: run.address.rawValue &+ index, state: run.state)
    }
  }
  return result
}

func logical(_ range: Range<Int>) -> Range<LogicalBlock> {
  LogicalBlock(UInt64(range.lowerBound))..<LogicalBlock(UInt64(range.upperBound))
}
