@testable import Extant
import ExtantBase
import TestSupport
import Testing

/// One bad sector is its file's misfortune: whoever writes, syncs or unmounts beside it goes on, and
/// only that file's fsync is told, once.
@Suite struct BadSectorTests {
  /// Files that are there, each of one block, and now sit on sectors that take no writes.
  private static func makeBadFiles(
    _ count: Int, in fs: FileSystem, on device: BadSectorDevice, failures: Int = .max
  ) throws -> [File] {
    let files = try (0..<count).map { try fs.create("/bad\($0)") }
    for file in files { try file.writeAll(pattern(4096), at: 0) }
    try fs.sync()
    for file in files {
      let place = try #require(try file.extents(limit: 1).first?.physical)
      device.spoil(place..<place + 4096, failures: failures)
      // Over what is there: no commit waits for that.
      try file.writeAll(pattern(4096, seed: 2), at: 0)
    }
    return files
  }

  private static func open(
    _ image: EngineImage, _ change: (inout FileSystem.Options) -> Void = { _ in }
  ) throws -> (BadSectorDevice, FileSystem) {
    let device = try BadSectorDevice(image.image.path)
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    change(&options)
    return (device, try FileSystem(device: device, options: options))
  }

  private static func expectIntact(_ path: String, _ bytes: [UInt8], on image: EngineImage) throws {
    try image.use { fs in
      #expect(fs.replayedTransactions == 0 && fs.uncleanWarning == nil)
      let file = try fs.open(path, .read)
      defer { file.close() }
      #expect(try file.contents() == bytes)
    }
  }

  @Test(arguments: [[], ["-O", "^has_journal"]])
  func closingKeepsWhatOthersWroteAndLeavesACleanFileSystem(options: [String]) throws {
    let image = try EngineImage(size: "32M", options: options)
    let (device, fs) = try Self.open(image)
    // Nobody says whose turn comes first.
    let bad = try Self.makeBadFiles(8, in: fs, on: device)
    let good = try fs.create("/good")
    try good.writeAll(pattern(300_000), at: 0)
    for file in bad + [good] { file.close() }
    #expect(throws: FileSystemError.self) { try fs.close() }
    try Self.expectIntact("/good", pattern(300_000), on: image)
  }

  @Test func syncMakesWhatOthersWroteDurableAndTellsWhatItCouldNot() throws {
    let image = try EngineImage(size: "32M")
    let (device, fs) = try Self.open(image)
    let bad = try Self.makeBadFiles(8, in: fs, on: device)
    let good = try fs.create("/good")
    try good.writeAll(pattern(300_000), at: 0)
    #expect(throws: FileSystemError.self) { try fs.sync() }
    #expect(fs.journal.abortReason == nil)
    #expect(good.extentsAreAllWritten)
    // Nothing of it is left for a later commit.
    let commits = fs.journal.statistics.commits
    try good.sync()
    #expect(fs.journal.statistics.commits == commits)
    for file in bad { #expect(throws: FileSystemError.self) { try file.sync() } }
    for file in bad + [good] { file.close() }
    try? fs.close()
    try Self.expectIntact("/good", pattern(300_000), on: image)
  }

  @Test func shuttingDownWithAFlushBringsTheOthersHome() throws {
    let image = try EngineImage(size: "32M")
    let (device, fs) = try Self.open(image)
    let bad = try Self.makeBadFiles(8, in: fs, on: device)
    let good = try fs.create("/good")
    try good.writeAll(pattern(300_000), at: 0)
    #expect(throws: FileSystemError.self) { try fs.shutDown(.flush) }
    #expect(throws: FileSystemError.refused(.ioError)) { _ = try good.write([1], at: 0) }
    for file in bad + [good] { file.close() }
    try? fs.close()
    try image.use { fs in
      let file = try fs.open("/good", .read)
      defer { file.close() }
      #expect(try file.contents() == pattern(300_000))
    }
  }

  /// The tries that fail are the background's: the file's fsync is told of them, and it alone.
  @Test func whatFailedInTheBackgroundIsToldToTheFilesOwnSyncOnce() throws {
    let image = try EngineImage(size: "32M")
    let (device, fs) = try Self.open(image)
    let bad = try Self.makeBadFiles(1, in: fs, on: device, failures: 1)[0]
    let good = try fs.create("/good")
    try good.writeAll(pattern(5000), at: 0)
    fs.flushPeriodically()
    #expect(good.extentsAreAllWritten)
    try good.sync()
    #expect(throws: FileSystemError.self) { try bad.sync() }
    try bad.sync()
    // Whoever syncs everything is another listener, told once as well.
    #expect(throws: FileSystemError.self) { try fs.sync() }
    try fs.sync()
    bad.close()
    good.close()
    try fs.close()
    try Self.expectIntact("/bad0", pattern(4096, seed: 2), on: image)
  }

  @Test func periodicWriteBackGoesOnToTheOthers() throws {
    let image = try EngineImage(size: "32M")
    let (device, fs) = try Self.open(image)
    let bad = try Self.makeBadFiles(8, in: fs, on: device)
    let good = try fs.create("/good")
    try good.writeAll(pattern(5000), at: 0)
    fs.flushPeriodically()
    #expect(good.extentsAreAllWritten)
    let commits = fs.journal.statistics.commits
    try good.sync()
    #expect(fs.journal.statistics.commits == commits)
    for file in bad + [good] { file.close() }
    try? fs.close()
  }

  @Test func aWriterUnderPressureIsNotToldOfAnothersBadSector() throws {
    let image = try EngineImage(size: "64M")
    let (device, fs) = try Self.open(image) { $0.cacheByteLimit = 1 << 20 }
    // So many stay dirty that each write finds the cache past its limit.
    let bad = try Self.makeBadFiles(130, in: fs, on: device)
    #expect(fs.cache.dirtyByteCount > fs.cache.dirtyLimit)
    let good = try fs.create("/good")
    let bytes = pattern(100_000)
    for step in 0..<100 { try good.writeAll(bytes, at: UInt64(step * bytes.count)) }
    // Zeroing and punching take other ways to the same room.
    try good.zeroRange(0..<5_000_000)
    for step in 0..<100 { try good.writeAll(bytes, at: UInt64(step * bytes.count)) }
    try good.sync()
    for file in bad { #expect(throws: FileSystemError.self) { try file.sync() } }
    for file in bad + [good] { file.close() }
    try? fs.close()
    let complaint = try image.image.complaint()
    #expect(complaint == nil)
  }

  @Test func aFullDiskGivesWhatACommitFreesInSpiteOfAnothersBadSector() throws {
    let image = try EngineImage(size: "32M")
    let (device, fs) = try Self.open(image)
    let bad = try Self.makeBadFiles(8, in: fs, on: device)
    let filler = try fs.create("/filler")
    let size = fs.statistics().availableBlocks * 4096
    try filler.allocate(0..<(size - (1 << 20)))
    try fs.journal.commit()
    filler.close()
    try fs.unlink(try FileName("filler"), in: .root)
    let good = try fs.create("/good")
    try good.writeAll(pattern(4 << 20), at: 0)
    for file in bad + [good] { file.close() }
    #expect(throws: FileSystemError.self) { try fs.close() }
    try Self.expectIntact("/good", pattern(4 << 20), on: image)
  }

  @Test func aNewFileDoesNotInheritADeadFilesWriteErrors() throws {
    let image = try EngineImage(size: "32M")
    let (device, fs) = try Self.open(image)
    let bad = try Self.makeBadFiles(1, in: fs, on: device)[0]
    let number = bad.inode
    fs.flushPeriodically()
    bad.close()
    try fs.unlink(try FileName("bad0"), in: .root)
    try fs.journal.commit()
    var files: [File] = []
    defer { for file in files { file.close() } }
    for index in 0..<100 where files.last?.inode != number {
      files.append(try fs.create("/new\(index)"))
    }
    let heir = try #require(files.last)
    #expect(heir.inode == number)
    try heir.sync()
    #expect(fs.cache.ownersWithFailures == 0)
  }

  /// Without a journal nothing else brings them to the device before a sync.
  @Test func withoutAJournalPeriodicWriteBackReachesFilesWhoseInodesLeftMemory() throws {
    let image = try EngineImage(size: "32M", options: ["-O", "^has_journal"])
    let fs = try image.open { $0.idleInodes = 8 }
    let file = try fs.create("/file")
    try file.writeAll(pattern(4096), at: 0)
    try fs.sync()
    try file.writeAll(pattern(4096, seed: 2), at: 0)
    let number = file.inode
    file.close()
    // Without a commit the inode stays, since its times changed.
    try fs.journal.commit()
    for index in 0..<40 { try fs.create("/other\(index)").close() }
    try fs.journal.commit()
    for index in 0..<40 { _ = try fs.resolve("/other\(index)") }
    #expect(fs.nodes.existing(number) == nil)
    #expect(fs.cache.dirtyOwners.contains(number))
    fs.flushPeriodically()
    #expect(!fs.cache.dirtyOwners.contains(number))
    try fs.close()
  }
}

extension File {
  fileprivate var extentsAreAllWritten: Bool {
    (try? extents(limit: 1000).allSatisfy { !$0.isDelayed }) ?? false
  }
}
