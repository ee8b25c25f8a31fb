import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Random work against a plain array of flags; dumpe2fs and e2fsck judge what reaches the image.
@Suite(.enabled(if: Environment.hasTools))
struct BlockAllocatorModelTests {
  /// What should be so, one flag a block.
  struct Model {
    var isFree: [Bool]
    var isPending: [Bool]
    var owned: [Range<UInt64>] = []

    init(_ isFree: [Bool]) {
      self.isFree = isFree
      isPending = Array(repeating: false, count: isFree.count)
    }

    func isAvailable(_ block: UInt64) -> Bool { isFree[Int(block)] && !isPending[Int(block)] }

    var freeCount: Int { isFree.count { $0 } }
    var pendingCount: Int { isPending.count { $0 } }

    /// Whether a run of `length` blocks is available, windows counted as available.
    func hasRun(of length: UInt64) -> Bool {
      var run: UInt64 = 0
      for block in isFree.indices {
        run = isFree[block] && !isPending[block] ? run + 1 : 0
        if run >= length { return true }
      }
      return false
    }

    mutating func take(_ range: Range<UInt64>) {
      for block in range { isFree[Int(block)] = false }
      owned.append(range)
    }

    mutating func free(_ range: Range<UInt64>) {
      for block in range {
        isFree[Int(block)] = true
        isPending[Int(block)] = true
      }
    }

    mutating func commit() {
      for block in isPending.indices { isPending[block] = false }
    }
  }

  @Test(arguments: AllocationRecipe.all)
  func bitmapsOnTheImageAreWhatAnArrayOfFlagsSays(_ recipe: AllocationRecipe) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = try TemporaryDirectory()
    let bench = try Workbench(recipe.make(in: directory), loadedGroupLimit: 16)
    var model = Model(try bench.freeMap())
    #expect(bench.blocks.freeBlocks == UInt64(model.freeCount))

    for round in 0..<400 {
      switch random.below(100) {
      case 0..<55: try allocate(bench, &model, &random)
      case 55..<60 where model.hasRun(of: 1):
        let goal = BlockAddress(UInt64(random.below(model.isFree.count)))
        let block = try bench.blocks.allocateMetadataBlock(goal: goal, handle: bench.store)
        #expect(model.isAvailable(block.rawValue))
        model.take(block.rawValue..<block.rawValue + 1)
      case 55..<93: try free(bench, &model, &random)
      case 93..<96: bench.blocks.dropPreallocation(InodeNumber(UInt32(12 + random.below(4))))
      default:
        try bench.commit()
        model.commit()
      }
      try #require(bench.blocks.freeBlocks == UInt64(model.freeCount), "round \(round)")
      try #require(bench.blocks.pendingBlocks == UInt64(model.pendingCount), "round \(round)")
    }
    try bench.commit()
    model.commit()
    let listed = try bench.listedFree().blocks
    let expected = Set(model.isFree.indices.filter { model.isFree[$0] }.map(UInt64.init))
    #expect(listed == expected)
    #expect(try bench.seriousComplaints() == [])

    for range in model.owned {
      try bench.blocks.free(
        BlockAddress(range.lowerBound), count: UInt64(range.count),
        transaction: bench.transaction, handle: bench.store)
    }
    try bench.commit()
    #expect(try bench.image.complaint() == nil)
    #expect(bench.blocks.faults.isEmpty)
  }

  private func allocate(
    _ bench: Workbench, _ model: inout Model, _ random: inout SeededGenerator
  ) throws {
    let wanted = UInt64(1 + random.below(random.chance(80) ? 40 : 3000))
    let goal = BlockAddress(UInt64(random.below(model.isFree.count)))
    let stream = random.chance(50) ? InodeNumber(UInt32(12 + random.below(4))) : nil
    let window = stream != nil && random.chance(50) ? wanted * 4 : 0
    do throws(FileSystemError) {
      let run = try bench.blocks.allocate(
        goal: goal, wanted: wanted, window: window, stream: stream, handle: bench.store)
      let range = run.start.rawValue..<run.start.rawValue + run.count
      #expect(run.count >= 1 && run.count <= wanted)
      #expect(range.allSatisfy(model.isAvailable))
      if run.count < wanted { #expect(!model.hasRun(of: wanted)) }
      model.take(range)
    } catch {
      #expect(error == .refused(.noSpace))
      #expect(!model.hasRun(of: 1))
    }
  }

  private func free(
    _ bench: Workbench, _ model: inout Model, _ random: inout SeededGenerator
  ) throws {
    guard !model.owned.isEmpty else { return }
    let range = model.owned.remove(at: random.below(model.owned.count))
    let start = UInt64.random(in: range, using: &random)
    let end = UInt64.random(in: start...range.upperBound - 1, using: &random) + 1
    try bench.blocks.free(
      BlockAddress(start), count: end - start, transaction: bench.transaction, handle: bench.store)
    model.free(start..<end)
    if range.lowerBound < start { model.owned.append(range.lowerBound..<start) }
    if end < range.upperBound { model.owned.append(end..<range.upperBound) }
  }

  @Test(arguments: AllocationRecipe.all)
  func everyLastBlockCanBeAllocatedAndNotOneMore(_ recipe: AllocationRecipe) throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(recipe.make(in: directory))
    let free = bench.blocks.freeBlocks
    var runs: [(start: BlockAddress, count: UInt64)] = []
    var taken: UInt64 = 0
    while taken < free {
      let run = try bench.blocks.allocate(
        goal: BlockAddress(taken), wanted: 32768, handle: bench.store)
      runs.append(run)
      taken += run.count
    }
    #expect(taken == free)
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.blocks.allocate(goal: BlockAddress(0), wanted: 1, handle: bench.store)
    }
    try bench.commit()
    #expect(try bench.listedFree().blocks.isEmpty)
    #expect(try bench.seriousComplaints() == [])
    for run in runs {
      try bench.blocks.free(
        run.start, count: run.count, transaction: bench.transaction, handle: bench.store)
    }
    try bench.commit()
    #expect(bench.blocks.freeBlocks == free)
    #expect(try bench.image.complaint() == nil)
  }
}
