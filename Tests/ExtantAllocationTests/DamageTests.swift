import BlockIO
import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Images that lie. Without checksums nothing says so but the rules themselves.
@Suite(.enabled(if: Environment.hasTools))
struct DamageTests {
  private static let recipe = AllocationRecipe(
    name: "no checksums", size: "20M", blockSize: 1024,
    options: ["-O", "^metadata_csum,^uninit_bg,^64bit"])
  private static let guarded = AllocationRecipe(
    name: "defaults", size: "20M", blockSize: 1024)

  @Test func twoStructuresInOneBlockAreCorruptAtOpen() throws {
    let directory = try TemporaryDirectory()
    let image = try Self.recipe.make(in: directory)
    let bench = try Workbench(image)
    // The second group's block bitmap moves onto the first group's inode table.
    let table = UInt32(bench.groups.descriptor(0).inodeTable.rawValue)
    var field: [UInt8] = [0, 0, 0, 0]
    field.withMutableBytes { $0.setLE32(table + 2, at: 0) }
    try bench.device.write(field.rawBytes, at: 2 * 1024 + 32)
    try bench.device.close()
    do {
      _ = try Workbench(image)
      Issue.record("it opened")
    } catch let error as FileSystemError {
      guard case .corrupt(let corruption) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(corruption.structure == "group descriptor")
    }
  }

  @Test(arguments: [recipe, guarded])
  func randomDamageIsAnErrorOrHarmlessAndNeverATrap(_ recipe: AllocationRecipe) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = try TemporaryDirectory()
    let image = try recipe.make(in: directory)
    var places: [UInt64] = [2 * 1024]
    var sound: [(UInt64, [UInt8])] = []
    do {
      let bench = try Workbench(image)
      for group in 0..<bench.groups.count {
        let descriptor = bench.groups.descriptor(group)
        places += [descriptor.blockBitmap, descriptor.inodeBitmap].map { $0.rawValue * 1024 }
      }
      for place in places {
        var bytes = [UInt8](repeating: 0, count: 1024)
        try bytes.withMutableBytes { try bench.device.read(into: &$0, at: place) }
        sound.append((place, bytes))
      }
      try bench.device.close()
    }
    for _ in 0..<150 {
      let device = try FileDevice(path: image.path, access: .readWrite)
      for (place, bytes) in sound { try device.write(bytes.rawBytes, at: place) }
      for _ in 0..<1 + random.below(4) {
        let place = random.pick(places) + UInt64(random.below(random.chance(50) ? 100 : 1024))
        try device.write([UInt8(random.below(256))].rawBytes, at: place)
      }
      try device.close()
      work(image, &random)
    }
  }

  /// What any filesystem does. Errors are fine.
  private func work(_ image: Image, _ random: inout SeededGenerator) {
    guard let bench = try? Workbench(image) else { return }
    var runs: [(start: BlockAddress, count: UInt64)] = []
    for _ in 0..<30 {
      let goal = BlockAddress(UInt64(random.below(25000)))
      let run = try? bench.blocks.allocate(
        goal: goal, wanted: UInt64(1 + random.below(3000)), window: 4000,
        stream: InodeNumber(UInt32(12 + random.below(3))), handle: bench.store)
      if let run { runs.append(run) }
      _ = try? bench.blocks.allocateMetadataBlock(goal: goal, handle: bench.store)
      try? bench.blocks.free(
        goal, count: UInt64(random.below(50)), transaction: 1, handle: bench.store)
      let inode = try? bench.inodes.allocate(
        kind: random.chance(50) ? .directory : .regular, parent: .root, handle: bench.store)
      try? bench.inodes.free(
        InodeNumber(UInt32(random.below(6000))), wasDirectory: random.chance(50), transaction: 1,
        handle: bench.store)
      if let inode { _ = try? bench.inodes.location(of: inode) }
    }
    for run in runs {
      try? bench.blocks.free(run.start, count: run.count, transaction: 1, handle: bench.store)
    }
    bench.blocks.encode(handle: bench.store)
    bench.inodes.encode(handle: bench.store)
    bench.groups.encode(handle: bench.store)
    bench.blocks.didCommit(1)
    bench.inodes.didCommit(1)
    _ = try? bench.blocks.trim(BlockAddress(0)..<BlockAddress(.max), minimum: 1) { _, _ in }
    try? bench.device.close()
  }
}
