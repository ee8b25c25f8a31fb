import ExtantBase
import ExtentMap
import TestSupport
import Testing

/// Every layout of a small file, every change on every range, against the naive model: in memory,
/// on disk, and from disk again.
@Suite struct ExhaustiveTests {
  static let tiny = ExtentCapacities(root: 2, leaf: 2, index: 2, depth: 20)
  static let small = ExtentCapacities(root: 2, leaf: 3, index: 3)

  /// How the blocks of a layout lie on the device.
  enum Placement { case consecutive, scattered }

  /// The layout with a number: in base `states.count + 1`, one digit a block, 0 for a hole.
  static func layout(
    _ number: Int, blocks: Int, states: [ExtentState], _ placement: Placement
  ) -> NaiveMap {
    var model = NaiveMap()
    var rest = number
    for position in 0..<blocks {
      let digit = rest % (states.count + 1)
      rest /= states.count + 1
      guard digit > 0 else { continue }
      var address = UInt64(100 + (placement == .consecutive ? position : position * 2))
      if states[digit - 1] == .delayed { address += BlockAddress.firstVirtual.rawValue }
      model.put(position..<position + 1, address: address, state: states[digit - 1])
    }
    return model
  }

  /// A map with the blocks of `model`, most of them on disk and not loaded.
  static func makeMap(_ model: NaiveMap, _ capacities: ExtentCapacities, backwards: Bool) throws
    -> (ExtentMap, FakeDisk)
  {
    let disk = FakeDisk()
    let map = try disk.open(capacities)
    let positions = backwards ? Array(model.blocks.indices.reversed()) : Array(model.blocks.indices)
    for position in positions {
      guard let block = model[position], block.state != .delayed else { continue }
      try map.set(
        logical(position..<position + 1), address: BlockAddress(block.address), state: block.state)
    }
    let broken = try disk.store(map, relocateShifted: false)
    #expect(broken == nil)
    return (map, disk)
  }

  static func changes(blocks: Int, states: [ExtentState]) -> [Change] {
    var changes: [Change] = []
    for lower in 0...blocks {
      for upper in lower...blocks where lower < upper {
        let range = lower..<upper
        changes += [.remove(range), .collapse(range)]
        changes += [.move(range, to: blocks + 1), .move(range, to: max(0, lower - 1))]
        for state in states {
          // One address continues a consecutive placement, the other nothing.
          let virtual = state == .delayed ? BlockAddress.firstVirtual.rawValue : 0
          changes += [.replace(range, address: virtual + UInt64(100 + lower), state)]
          changes += [.replace(range, address: virtual + 900, state)]
          changes += [.set(range, address: virtual + UInt64(100 + lower), state)]
          if state != .delayed { changes += [.changeState(range, state)] }
        }
      }
      changes += [.insertGap(lower, count: 1), .insertGap(lower, count: 3)]
    }
    return changes
  }

  static func run(
    blocks: Int, states: [ExtentState], _ placement: Placement, _ capacities: ExtentCapacities,
    backwards: Bool
  ) throws {
    var layouts = 1
    for _ in 0..<blocks { layouts *= states.count + 1 }
    let changes = changes(blocks: blocks, states: states)
    for number in 0..<layouts {
      let layout = layout(number, blocks: blocks, states: states, placement)
      let (_, pristine) = try makeMap(layout, capacities, backwards: backwards)
      for (index, change) in changes.enumerated() where change.isAllowed(on: layout) {
        let disk = pristine.copy()
        let map = try disk.open(capacities)
        var model = NaiveMap()
        for (position, block) in layout.blocks.enumerated() {
          guard let block else { continue }
          model.put(position..<position + 1, address: block.address, state: block.state)
          if block.state == .delayed {
            try map.set(
              logical(position..<position + 1), address: BlockAddress(block.address),
              state: .delayed)
          }
        }
        var wrong = try step(change, map, &model, disk, capacities, relocate: index % 2 == 0)
        if wrong == nil, model.blocks.contains(where: { $0?.state == .delayed }) {
          // Delayed runs become written: what was left out must now be stored.
          for run in try map.runs() where run.state == .delayed {
            let range = Int(run.logical.rawValue)..<Int(run.end.rawValue)
            let address = UInt64(5000 + range.lowerBound)
            try map.replace(logical(range), address: BlockAddress(address), state: .written)
            model.put(range, address: address, state: .written)
          }
          let broken = try disk.store(map, relocateShifted: index % 2 == 1)
          wrong = broken ?? diskDifference(disk, model, capacities)
        }
        if wrong == nil, !model.blocks.contains(where: { $0?.state == .delayed }) {
          wrong = try difference(disk.open(capacities), model, probe: false)
        }
        if let wrong {
          Issue.record("\(capacities), layout \(number) \(layout.blocks), \(change): \(wrong)")
          return
        }
      }
    }
  }

  /// One change, one encode; the first thing that is wrong.
  static func step(
    _ change: Change, _ map: ExtentMap, _ model: inout NaiveMap, _ disk: FakeDisk,
    _ capacities: ExtentCapacities, relocate: Bool
  ) throws -> String? {
    if let wrong = try change.apply(to: map, &model) { return wrong }
    if let wrong = try difference(map, model) { return wrong }
    if let wrong = try disk.store(map, relocateShifted: relocate) { return wrong }
    if let wrong = diskDifference(disk, model, capacities) { return "after encode " + wrong }
    return map._checkInvariants()
  }

  @Test func everyChangeOfEveryDeepTreeMatchesTheModel() throws {
    let blocks = Environment.isLong ? 10 : 7
    try Self.run(blocks: blocks, states: [.written], .scattered, Self.tiny, backwards: false)
    let fewer = Environment.isLong ? 10 : 6
    try Self.run(blocks: fewer, states: [.written], .scattered, Self.tiny, backwards: true)
    try Self.run(blocks: fewer, states: [.written], .scattered, Self.small, backwards: false)
    try Self.run(blocks: fewer, states: [.written], .consecutive, Self.tiny, backwards: true)
  }

  @Test func everyChangeOfEveryMixOfStatesMatchesTheModel() throws {
    let blocks = Environment.isLong ? 6 : 4
    let states = ExtentState.allCases
    try Self.run(blocks: blocks, states: states, .consecutive, Self.tiny, backwards: false)
    try Self.run(blocks: blocks, states: states, .scattered, Self.small, backwards: true)
    if Environment.isLong {
      try Self.run(blocks: blocks, states: states, .scattered, Self.tiny, backwards: false)
      try Self.run(blocks: blocks, states: states, .consecutive, Self.small, backwards: true)
    }
  }
}
