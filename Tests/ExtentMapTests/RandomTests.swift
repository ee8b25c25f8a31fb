import ExtantBase
import ExtentMap
import TestSupport
import Testing

/// Long random runs over larger files and deeper trees. EXTANT_SEED replays one.
@Suite struct RandomTests {
  static func change(blocks: Int, _ generator: inout SeededGenerator) -> Change {
    let lower = Int.random(in: 0...blocks, using: &generator)
    let long = Int.random(in: 0..<8, using: &generator) == 0
    let length = Int.random(in: 1...(long ? max(1, blocks / 2) : 6), using: &generator)
    let range = lower..<lower + length
    let state = ExtentState.allCases.randomElement(using: &generator) ?? .written
    var address = UInt64.random(in: 1...1_000_000, using: &generator)
    if Bool.random(using: &generator) { address = 2_000_000 + UInt64(lower) }
    if state == .delayed { address += BlockAddress.firstVirtual.rawValue }
    switch Int.random(in: 0..<12, using: &generator) {
    case 0...2: return .set(range, address: address, state)
    case 3...4: return .replace(range, address: address, state)
    case 5: return .changeState(range, state == .delayed ? .unwritten : state)
    case 6: return .remove(range)
    case 7: return .collapse(range)
    case 8...9: return .insertGap(lower, count: Int.random(in: 1...5, using: &generator))
    default: return .move(range, to: Int.random(in: 0...blocks + 5, using: &generator))
    }
  }

  /// Gives every delayed run a block, as write-back does.
  static func settle(_ map: ExtentMap, _ model: inout NaiveMap) throws {
    for run in try map.runs() where run.state == .delayed {
      let range = Int(run.logical.rawValue)..<Int(run.end.rawValue)
      let address = UInt64(5_000_000 + range.lowerBound)
      try map.replace(logical(range), address: BlockAddress(address), state: .written)
      model.put(range, address: address, state: .written)
    }
  }

  static let capacities = [
    ExtentCapacities(root: 2, leaf: 2, index: 2, depth: 20),
    ExtentCapacities(root: 4, leaf: 3, index: 2, depth: 20),
    ExtentCapacities(root: 2, leaf: 4, index: 3), ExtentCapacities(root: 4, leaf: 16, index: 8),
  ]

  @Test(arguments: capacities)
  func longRunsMatchTheModelThroughFailuresAndReloads(_ capacities: ExtentCapacities) throws {
    let seed = Seed.take()
    var generator = SeededGenerator(seed: seed)
    for round in 0..<(Environment.isLong ? 400 : 4) {
      let disk = FakeDisk()
      var map = try disk.open(capacities)
      var model = NaiveMap()
      // What was done since the map was last found right, for a failure's message.
      var history: [String] = []
      for step in 0..<400 {
        let target = 40 + 60 * (round % 4)
        var change = Self.change(blocks: max(model.end, 20), &generator)
        if model.end > target, case .insertGap(let position, _) = change {
          change = .collapse(position..<position + 3)
        }
        history.append("\(step) \(change)")
        let place = Comment(rawValue: "seed \(seed), round \(round), step \(step), \(change)")
        if !change.isAllowed(on: model) { continue }
        if Int.random(in: 0..<6, using: &generator) == 0 {
          disk.failingLoad = disk.loads + Int.random(in: 0..<6, using: &generator)
        }
        let homeless = map.nodesWithoutHome
        do {
          var attempt = model
          let inserted = disk.failingLoad == nil ? try change.insertedEntries(on: map) : nil
          let bound = inserted.map { map.worstCaseNewNodes(insertedEntries: $0) }
          let wrong = try change.apply(to: map, &attempt)
          #expect(wrong == nil, place)
          if let bound { #expect(map.nodesWithoutHome <= homeless + bound, place) }
          model = attempt
        } catch let error as FileSystemError {
          #expect(error == FakeDisk.failure, place)
          history.append("failed")
        }
        disk.failingLoad = nil
        if map._checkInvariants() == nil, Int.random(in: 0..<4, using: &generator) != 0 {
          // Mostly leave unloaded what is unloaded.
        } else if let wrong = try difference(map, model) {
          Issue.record("\(wrong) at \(place), after \(history)")
          return
        } else {
          history = []
        }
        switch Int.random(in: 0..<10, using: &generator) {
        case 0...2:
          if Int.random(in: 0..<4, using: &generator) == 0 {
            let fault: FakeDisk.Fault =
              Bool.random(using: &generator)
              ? .allocate : .write(Int.random(in: 0..<3, using: &generator))
            _ = try? disk.store(map, relocateShifted: true, fault: fault)
            history.append("store \(fault)")
          }
          var wrong = try disk.store(map, relocateShifted: Bool.random(using: &generator))
          wrong = wrong ?? diskDifference(disk, model, capacities)
          history.append("store")
          if let wrong {
            Issue.record("\(wrong) at \(place), after \(history)")
            return
          }
          if map.delayedBlockCount == 0, Bool.random(using: &generator) {
            if Bool.random(using: &generator) {
              map = try disk.open(capacities)
              history.append("open")
            } else {
              history.append("unload")
              map.unloadCleanNodes()
            }
          }
        case 3:
          try Self.settle(map, &model)
          history.append("settle")
        default: break
        }
      }
      if let wrong = try difference(map, model) { Issue.record("\(wrong), seed \(seed)") }
    }
  }
}
