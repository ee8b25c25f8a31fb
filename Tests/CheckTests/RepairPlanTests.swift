import DeviceFaults
import BlockIO
import CheckKit
import Ext4Format
import ExtantBase
import ExtantCheck
import TestSupport
import Testing

/// Writing what a check decided, and taking it back.
@Suite struct RepairPlanTests {
  /// Through the journal and in place; with a log that has to be replayed first.
  @Test(
    .enabled(if: Environment.hasTools),
    arguments: ["journal.needs-replay-mends", "orphan.unfinished-truncation-pointers"])
  func aRepairSurvivesAnInterruptionAnywhere(_ name: String) throws {
    let result = try RepairCrash().run(try planted(name))
    #expect(result.problem == nil)
    #expect(result.goesThroughJournal)
    #expect(result.states > 10)
  }

  @Test(.enabled(if: Environment.hasTools)) func aRepairInPlaceCanBeGoneOnWith() throws {
    let planter = try Planter(try BaseImage.noJournal.bytes())
    try planter.debugfs("set_inode_field /file links_count 9", "set_inode_field /small mode 0")
    let result = try RepairCrash().run(planter.bytes)
    #expect(result.problem == nil)
    #expect(!result.goesThroughJournal)
  }

  /// While blocks are written the image says that it is not clean, and what it said before in the end:
  /// also where the repair leaves the superblock as it was.
  @Test(.enabled(if: Environment.hasTools)) func theMarkOfARepairInPlaceGoes() throws {
    let planter = try Planter(try BaseImage.noJournal.bytes())
    try planter.inode("/file", keepingChecksum: true) { $0.linkCount = 9 }
    let device = try device(planter.bytes)
    var options = CheckOptions(.repair)
    options.isForced = true
    options.time = BaseImage.time
    let plan = try RepairPlan(try Checker.check(device, options), device: device)
    #expect(!plan.addresses.contains(BlockAddress(1)))
    try plan.write()
    let after = Array(try contents(device)[1024..<2048])
    let superblock = try Superblock(after.rawBytes)
    #expect(superblock.state.contains(.clean))
  }

  /// Nothing but the blocks that differ is written.
  @Test(.enabled(if: Environment.hasTools)) func aSoundImageIsNotWritten() throws {
    let bytes = try BaseImage.ext4.bytes()
    let device = RecordingDevice(base: try device(bytes))
    let plan = try RepairPlan(try check(device), device: device)
    #expect(plan.isEmpty)
    try plan.write()
    #expect(device.requests.isEmpty)
  }

  // MARK: Undo files

  @Test(
    .enabled(if: Environment.hasTools),
    arguments: ["journal.needs-replay-mends", "orphan.unfinished-deletion", "journal.bad-magic"])
  func anUndoFileBringsEverythingBack(_ name: String) throws {
    let bytes = try planted(name)
    let device = try device(bytes)
    let folder = try TemporaryDirectory()
    let undo = folder("undo")
    try RepairPlan(try check(device), device: device).write(undo: undo)
    #expect(try contents(device) != bytes)
    #expect(try UndoFile.apply(undo, to: device) > 0)
    #expect(try contents(device) == bytes)
    // Once.
    #expect(throws: FileSystemError.self) { try UndoFile.apply(undo, to: device) }
  }

  @Test(.enabled(if: Environment.hasTools)) func anUndoFileIsNotAppliedToWhatChangedSince() throws {
    let bytes = try planted("orphan.unfinished-deletion")
    let device = try device(bytes)
    let folder = try TemporaryDirectory()
    let undo = folder("undo")
    let plan = try RepairPlan(try check(device), device: device)
    try plan.write(undo: undo)
    let repaired = try contents(device)
    let block = try #require(plan.addresses.last { $0.rawValue > 1 }).rawValue
    try device.write([UInt8](repeating: 7, count: 512).rawBytes, at: block * 1024)
    #expect(throws: FileSystemError.self) { try UndoFile.apply(undo, to: device) }
    try device.write(repaired.rawBytes, at: 0)
    // Nor to another image, nor one of another size.
    let other = MemoryDevice(byteCount: device.byteCount)
    #expect(throws: FileSystemError.self) { try UndoFile.apply(undo, to: other) }
    let longer = MemoryDevice(byteCount: device.byteCount + 1024)
    #expect(throws: FileSystemError.self) { try UndoFile.apply(undo, to: longer) }
    try UndoFile.apply(undo, to: device)
    #expect(try contents(device) == bytes)
  }

  @Test(.enabled(if: Environment.hasTools)) func aDamagedUndoFileIsNotApplied() throws {
    let bytes = try planted("orphan.unfinished-deletion")
    let device = try device(bytes)
    let folder = try TemporaryDirectory()
    let undo = folder("undo")
    try RepairPlan(try check(device), device: device).write(undo: undo)
    let repaired = try contents(device)
    let whole = try System.contents(undo)
    for place in [0, 13, 65, 69, 4096, 4100, 8192, whole.count - 1] {
      var damaged = whole
      damaged[place] ^= 0x10
      try System.write(damaged, to: undo)
      #expect(throws: FileSystemError.self) { try UndoFile.apply(undo, to: device) }
      #expect(try contents(device) == repaired, "a byte at \(place)")
    }
    try System.write(Array(whole.dropLast(1)), to: undo)
    #expect(throws: FileSystemError.self) { try UndoFile.apply(undo, to: device) }
  }

  @Test(.enabled(if: Environment.hasTools)) func noFileIsTakenForAnUndoFile() throws {
    let device = try device(try planted("orphan.unfinished-deletion"))
    let folder = try TemporaryDirectory()
    let undo = folder("undo")
    try System.write(Array("mine".utf8), to: undo)
    let plan = try RepairPlan(try check(device), device: device)
    #expect(throws: FileSystemError.self) { try plan.write(undo: undo) }
    #expect(try System.contents(undo) == Array("mine".utf8))
  }

  // MARK: Helpers

  private func planted(_ name: String) throws -> [UInt8] {
    let recipe = try #require(Recipe.all.first { $0.name == name })
    let planter = try Planter(try recipe.base.bytes())
    try recipe.plant(planter)
    return planter.bytes
  }

  private func device(_ bytes: [UInt8]) throws -> MemoryDevice {
    let device = MemoryDevice(byteCount: UInt64(bytes.count))
    try device.write(bytes.rawBytes, at: 0)
    return device
  }

  private func contents(_ device: any BlockDevice) throws -> [UInt8] {
    let buffer = BlockBuffer(byteCount: Int(device.byteCount))
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: 0)
    return buffer.bytes.array()
  }

  private func check(_ device: any BlockDevice) throws -> CheckReport {
    var options = CheckOptions(.repair)
    options.isForced = true
    return try Checker.check(device, options)
  }
}
