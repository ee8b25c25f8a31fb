import ExtantBase
import ExtentMap

/// One change of a map, applied to map and model alike.
enum Change: Hashable, CustomStringConvertible {
  case set(Range<Int>, address: UInt64, ExtentState)
  case remove(Range<Int>)
  case changeState(Range<Int>, ExtentState)
  case replace(Range<Int>, address: UInt64, ExtentState)
  case collapse(Range<Int>)
  case insertGap(Int, count: Int)
  /// Cut a range out, close nothing, and paste it where it is a hole.
  case move(Range<Int>, to: Int)

  var description: String {
    switch self {
    case .set(let range, let address, let state): "set \(range) \(address) \(state)"
    case .remove(let range): "remove \(range)"
    case .changeState(let range, let state): "change \(range) to \(state)"
    case .replace(let range, let address, let state): "replace \(range) \(address) \(state)"
    case .collapse(let range): "collapse \(range)"
    case .insertGap(let position, let count): "insert \(count) at \(position)"
    case .move(let range, let position): "move \(range) to \(position)"
    }
  }

  /// Whether the map may take it. A move pastes behind everything or back where it was.
  func isAllowed(on model: NaiveMap) -> Bool {
    switch self {
    case .set(let range, _, _): model.mapped(in: range).isEmpty
    default: true
    }
  }

  /// Entries that leaves gain at most, as `worstCaseNewNodes` counts them.
  func insertedEntries(on map: ExtentMap) throws -> Int {
    switch self {
    case .changeState(let range, _): try 2 * map.runs(in: logical(range)).count + 1
    case .set, .replace, .remove, .collapse, .insertGap: 2
    case .move: 1000
    }
  }

  /// Changes both; says what differs in what the call returned.
  func apply(to map: ExtentMap, _ model: inout NaiveMap) throws(FileSystemError) -> String? {
    var returned: [ExtentRun]?
    var expected: [Int: Block] = [:]
    var after = model
    switch self {
    case .set(let range, let address, let state):
      try map.set(logical(range), address: BlockAddress(address), state: state)
      after.put(range, address: address, state: state)
    case .remove(let range):
      expected = model.mapped(in: range)
      returned = try map.remove(logical(range))
      after.remove(range)
    case .changeState(let range, let state):
      try map.changeState(of: logical(range), to: state)
      after.change(range, to: state)
    case .replace(let range, let address, let state):
      expected = model.mapped(in: range)
      returned = try map.replace(logical(range), address: BlockAddress(address), state: state)
      after.put(range, address: address, state: state)
    case .collapse(let range):
      expected = model.mapped(in: range)
      returned = try map.collapse(logical(range))
      after.collapse(range)
    case .insertGap(let position, let count):
      try map.insertGap(at: LogicalBlock(UInt64(position)), count: UInt64(count))
      after.insertGap(at: position, count: count)
    case .move(let range, let position):
      var piece = try map.extract(logical(range))
      let blocks = model.mapped(in: range)
      after.remove(range)
      let isHole = (0..<range.count).allSatisfy { after[position + $0] == nil }
      do {
        let target = isHole ? position : range.lowerBound
        try map.splice(&piece, at: LogicalBlock(UInt64(target)))
      } catch {
        // The piece is still in hand; put it back. Only one load fails.
        try map.splice(&piece, at: LogicalBlock(UInt64(range.lowerBound)))
        throw error
      }
      if isHole {
        after.extend(to: position + range.count)
        for (old, block) in blocks { after.blocks[old - range.lowerBound + position] = block }
      } else {
        after = model
      }
    }
    after.trim()
    model = after
    if let returned, blocks(of: returned) != expected { return "\(self) returned \(returned)" }
    return nil
  }
}

/// What differs between map and model, by every way to ask the map.
func difference(_ map: ExtentMap, _ model: NaiveMap, probe: Bool = true) throws -> String? {
  if let broken = map._checkInvariants() { return broken }
  let all = 0..<model.blocks.count + 2
  let runs = try map.runs()
  guard blocks(of: runs) == model.mapped(in: all) else { return "maps \(runs)" }
  guard try map.mappedEnd().rawValue == UInt64(model.end) else { return "mappedEnd" }
  let delayed = model.blocks.count { $0?.state == .delayed }
  guard map.delayedBlockCount == UInt64(delayed) else { return "delayedBlockCount" }
  guard probe else { return nil }
  for position in all {
    let block = LogicalBlock(UInt64(position))
    switch try map.run(at: block) {
    case .extent(let run):
      guard model[position] == Block(address: run.address(of: block).rawValue, state: run.state)
      else { return "run(at: \(position)) is \(run)" }
    case .hole(let range):
      var lower = position
      while lower > 0, model[lower - 1] == nil { lower -= 1 }
      var upper: Int? = position
      while let at = upper, model[at] == nil { upper = at < model.blocks.count ? at + 1 : nil }
      let bound = upper.map { LogicalBlock(UInt64($0)) } ?? ExtentMap.endless
      guard model[position] == nil, range == LogicalBlock(UInt64(lower))..<bound else {
        return "run(at: \(position)) is the hole \(range)"
      }
    }
  }
  return nil
}

/// What the disk holds after an encode against the model, delayed blocks left out.
func diskDifference(
  _ disk: FakeDisk, _ model: NaiveMap, _ capacities: ExtentCapacities
) -> String? {
  let (runs, broken) = disk.check(capacities)
  if let broken { return "on disk: " + broken }
  var stored = model.mapped(in: 0..<model.blocks.count)
  stored = stored.filter { $0.value.state != .delayed }
  return blocks(of: runs) == stored ? nil : "on disk: \(runs)"
}
