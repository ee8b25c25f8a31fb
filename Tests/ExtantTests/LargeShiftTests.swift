import ExtantBase
import TestSupport
import Testing

@testable import Extant

/// Shifts of files whose tree is far larger than what a transaction may log.
@Suite struct LargeShiftTests {
  /// The smallest journal there is: 1,024 blocks, so that a transaction logs 255 at most.
  static func image(size: String, blockSize: Int, options: [String] = []) throws -> EngineImage {
    try EngineImage(
      size: size, blockSize: blockSize,
      options: ["-J", "size=\(blockSize / 1024)", "-N", "256"] + options)
  }

  @Test(arguments: [1024, 4096])
  func aShiftLogsAFewBlocksHoweverManyNodesMove(blockSize: Int) throws {
    let extents = blockSize == 1024 ? 30_000 : Environment.isLong ? 1_000_000 : 120_000
    let leaves = extents / (blockSize == 1024 ? 84 : 340)
    let size = UInt64(blockSize)
    let image = try Self.image(
      size: blockSize == 1024 ? "96M" : Environment.isLong ? "8G" : "1G", blockSize: blockSize)
    try image.use { fs in
      let file = try fs.makeFile("/a", extents: extents)
      // Marks that must be found again at their new places.
      let middle = UInt64(extents) * size
      try file.writeAll(pattern(blockSize, seed: 7), at: middle)
      try file.sync()
      var before = fs.journal.statistics
      try file.collapse(0..<2 * size)
      try file.sync()
      var after = fs.journal.statistics
      #expect(after.unloggedBlocks - before.unloggedBlocks >= leaves - 1)
      #expect(after.loggedBlocks - before.loggedBlocks < 40)
      #expect(try file.read(blockSize, at: middle - 2 * size) == pattern(blockSize, seed: 7))

      // Any number of shifts and other changes are encoded once.
      before = fs.journal.statistics
      for _ in 0..<20 {
        try file.insert(length: size, at: middle / 2)
        try file.collapse(8 * size..<9 * size)
        try file.punchHole(middle..<middle + 3 * size)
      }
      try file.sync()
      after = fs.journal.statistics
      #expect(after.commits - before.commits <= 2)
      #expect(after.unloggedBlocks - before.unloggedBlocks < leaves * 2)
      #expect(after.loggedBlocks - before.loggedBlocks < 80)
      #expect(after.largestTransaction < 256)
      #expect(fs.blocks.reservedBlocks == 0)
    }
    guard Environment.hasKernelMounts else { return }
    let mount = try image.image.mountInKernel(at: image.directory("mount"))
    do {
      let file = try OpenFile(mount.point + "/a")
      let there = try file.read(blockSize, at: Int64((UInt64(extents) - 2) * size))
      #expect(there == pattern(blockSize, seed: 7))
    }
    try mount.unmount()
  }

  @Test(arguments: [1024, 4096])
  func aFileOfManyExtentsIsEmptiedAndDeletedInTransactionsThatFit(blockSize: Int) throws {
    let extents = blockSize == 4096 ? Environment.isLong ? 1_000_000 : 100_000 : 30_000
    let image = try Self.image(
      size: blockSize == 4096 ? Environment.isLong ? "8G" : "1G" : "96M", blockSize: blockSize)
    try image.use { fs in
      let free = fs.statistics().freeBlocks
      let first = try fs.makeFile("/a", extents: extents)
      try first.truncate(to: UInt64(blockSize) * 3 + 5)
      #expect(try fs.extentCount(of: first) == 2)
      try first.truncate(to: 0)
      try fs.sync()
      #expect(fs.statistics().freeBlocks == free)
      let second = try fs.makeFile("/b", extents: extents)
      second.close()
      try fs.unlink(try FileName("b"), in: .root)
      try fs.sync()
      #expect(fs.statistics().freeBlocks == free)
      #expect(fs.journal.statistics.largestTransaction < 256)
    }
  }

  /// Blocks in so many groups that their bitmaps alone are more than one transaction.
  @Test func whatLiesInMoreGroupsThanATransactionHoldsIsFreedInSteps() throws {
    // 192 groups and 12 blocks of descriptors.
    let image = try Self.image(size: "192M", blockSize: 1024, options: ["-g", "1024"])
    try image.use { fs in
      let free = fs.statistics().freeBlocks
      for round in 0..<4 {
        let file = try fs.makeFile("/a", extents: 100_000)
        switch round {
        case 0: try file.truncate(to: 0)
        case 1: try file.punchHole(1024..<190_000 * 1024)
        case 2: try file.collapse(1024..<190_000 * 1024)
        default: break
        }
        try fs.sync()
        #expect(try fs.extentCount(of: file) < 100_001)
        file.close()
        try fs.unlink(try FileName("a"), in: .root)
        try fs.sync()
        #expect(fs.statistics().freeBlocks == free)
      }
      #expect(fs.journal.statistics.largestTransaction < 256)
      #expect(fs.orphans.withLock { $0.nodes.isEmpty })
    }
  }

  @Test func aFewNodesAreRewrittenInPlace() throws {
    for limit in [8, 0] {
      let image = try Self.image(size: "64M", blockSize: 1024)
      try image.use({ $0.nodesShiftedInPlace = limit }) { fs in
        let file = try fs.makeFile("/a", extents: 400)
        let before = fs.journal.statistics
        try file.collapse(0..<2048)
        try file.sync()
        let after = fs.journal.statistics
        let unlogged = after.unloggedBlocks - before.unloggedBlocks
        #expect(limit == 0 ? unlogged >= 4 : unlogged == 0)
      }
    }
  }

  /// No blocks for the nodes that move: they are rewritten in place, through the log, where they fit
  /// a transaction, and otherwise nothing is changed at all.
  @Test(arguments: [8_000, 30_000])
  func aShiftOnAFullDiskGoesThroughTheLogOrIsRefused(extents: Int) throws {
    let image = try Self.image(size: "64M", blockSize: 1024)
    // The reserve for extent trees would do for them until the commit gives back as many.
    try image.use({ $0.treeReserve = 0 }) { fs in
      let file = try fs.makeFile("/a", extents: extents)
      let place = UInt64(extents) << 10
      try file.writeAll(pattern(1024, seed: 3), at: place)
      try fs.sync()
      let filler = try fs.openFile(fs.create("/b").inode, [.readWrite, .usesReserve])
      var step: UInt64 = 8 << 20
      var end: UInt64 = 0
      while step >= 1024 {
        do throws(FileSystemError) {
          try filler.allocate(end..<end + step)
          end += step
        } catch {
          #expect(error == .refused(.noSpace))
          end = filler.attributes().size
          step /= 2
        }
      }
      // Enough for a leaf that splits, and too little for all that move.
      try filler.truncate(to: end - (20 << 10))
      try fs.sync()
      let size = file.attributes().size
      let before = fs.journal.statistics
      let isDone: Bool
      do throws(FileSystemError) {
        try file.collapse(1024..<2048)
        isDone = true
      } catch {
        #expect(error == .refused(.noSpace))
        isDone = false
      }
      #expect(isDone == (extents == 8_000))
      try file.sync()
      let logged = fs.journal.statistics.loggedBlocks - before.loggedBlocks
      if isDone { #expect(logged > 80) }
      #expect(file.attributes().size == (isDone ? size - 1024 : size))
      #expect(
        try file.read(1024, at: isDone ? place - 1024 : place) == pattern(1024, seed: 3))
      // A full disk can be emptied.
      try file.truncate(to: 0)
      filler.close()
      try fs.unlink(try FileName("b"), in: .root)
      try fs.sync()
      #expect(fs.journal.statistics.largestTransaction < 256)
    }
  }

  @Test func aRangeOfManyExtentsIsZeroedInTransactionsThatFit() throws {
    let image = try Self.image(size: "96M", blockSize: 1024)
    try image.use { fs in
      let file = try fs.makeFile("/a", extents: 20_000, state: .written)
      try file.zeroRange(0..<20_000 << 11)
      try fs.sync()
      #expect(try file.read(4096, at: 1 << 20) == [UInt8](repeating: 0, count: 4096))
      try file.writeAll(pattern(1 << 20), at: 1 << 20)
      try fs.sync()
      #expect(try file.read(1 << 20, at: 1 << 20) == pattern(1 << 20))
      #expect(fs.journal.statistics.largestTransaction < 256)
    }
  }
}
