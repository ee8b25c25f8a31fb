import DeviceFaults
import BlockIO
import Ext4Format
import Extant
import ExtantBase
import SystemPackage
import TestSupport
import Testing
import Threading

/// errors=: what a fault is recorded as, and what follows from it.
@Suite struct ErrorBehaviorTests {
  typealias Consequences = Guarded<[FileSystem.FaultConsequence]>

  /// An image in which the directory /bad has a broken block, and /good/file has contents.
  private func damagedImage(_ options: [String] = []) throws -> EngineImage {
    let image = try EngineImage(size: "16M", blockSize: 1024, options: options)
    try image.use { fs in
      _ = try fs.makeDirectory(FileName("bad"), in: .root, mode: 0o755)
      _ = try fs.makeDirectory(FileName("good"), in: .root, mode: 0o755)
      try fs.create("/good/file").writeAll(pattern(5000), at: 0)
      try fs.create("/bad/lost").close()
    }
    let block = try #require(
      UInt64(
        try image.image.debugfs("blocks /bad").split(whereSeparator: \.isWhitespace).last ?? ""))
    try OpenFile(image.image.path, .write).writeAll(
      [UInt8](repeating: 0xA5, count: 1024), at: Int64(block) * 1024)
    return image
  }

  private func meet(_ fs: FileSystem) throws {
    #expect(throws: FileSystemError.self) { try fs.resolve("/bad/lost") }
  }

  @Test func continueRecordsTheFaultAndGoesOn() throws {
    let image = try damagedImage()
    let seen = Consequences([], .unranked)
    let fs = try image.open { options in
      options.errors = .continue
      options.faultHandler = { _, consequence in seen.withLock { $0.append(consequence) } }
    }
    try meet(fs)
    #expect(!fs.isReadOnly)
    try fs.create("/good/new").writeAll(pattern(3000), at: 0)
    try meet(fs)
    #expect(fs.errorRecords.count == 2)
    try fs.close()
    #expect(seen.withLock { $0 } == [.goesOn, .goesOn])

    let told = try Program.succeed(["dumpe2fs", "-h", image.image.path])
    #expect(told.contains("Filesystem state:         clean with errors"))
    #expect(told.contains("FS Error count:           2"))
    #expect(told.contains("First error err:          EFSCORRUPTED"))
    #expect(told.contains("First error function:     Directory"))
    #expect(try image.image.debugfs("stat /good/new").contains("Size: 3000"))
  }

  @Test func remountReadOnlyStopsWritersAndLetsReadersGoOn() throws {
    let image = try damagedImage(["-e", "remount-ro"])
    let seen = Consequences([], .unranked)
    let fs = try image.open { options in
      options.faultHandler = { _, consequence in seen.withLock { $0.append(consequence) } }
    }
    let file = try fs.open("/good/file", .readWrite)
    try file.writeAll(pattern(2000, seed: 2), at: 0)
    try file.sync()
    try file.writeAll(pattern(2000, seed: 3), at: 0)
    try meet(fs)
    #expect(fs.isReadOnly)
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) {
      try fs.create("/good/new")
    }
    #expect { try file.sync() } throws: { ($0 as? FileSystemError)?.isFault == true }
    #expect(try file.read(3000, at: 2000) == Array(pattern(5000)[2000...]))
    file.close()
    #expect(throws: FileSystemError.self) { try fs.close() }
    #expect(seen.withLock { $0 } == [.readOnly])

    let told = try Program.succeed(["dumpe2fs", "-h", image.image.path])
    #expect(told.contains("FS Error count:           1"))
    #expect(told.contains("with errors"))
    // What was durable before the fault still is.
    let other = try image.open()
    #expect(other.readOnlyReason != nil)
    #expect(try other.open("/good/file", .read).read(2000, at: 0) == pattern(2000, seed: 2))
    try other.close()
  }

  @Test func panicAsksTheProgramToEndAfterTheRecordIsWritten() throws {
    let image = try damagedImage()
    let path = image.image.path
    let seen = Guarded<[(FileSystem.FaultConsequence, Bool)]>([], .unranked)
    let fs = try image.open { options in
      options.errors = .panic
      options.faultHandler = { _, consequence in
        let told = (try? Program.succeed(["dumpe2fs", "-h", path])) ?? ""
        seen.withLock { $0.append((consequence, told.contains("FS Error count:           1"))) }
      }
    }
    try meet(fs)
    #expect(seen.withLock { $0.map(\.0) } == [.panic])
    #expect(seen.withLock { $0.map(\.1) } == [true])
    // The handler came back: as remount-ro.
    #expect(fs.isReadOnly)
    try? fs.close()
  }

  /// The kernel tells of the record and takes it; e2fsck clears it.
  @Test(.enabled(if: Environment.hasKernelMounts))
  func theKernelAcceptsTheRecordAndE2fsckClearsIt() throws {
    let image = try damagedImage(["-e", "remount-ro"])
    let fs = try image.open()
    try meet(fs)
    try? fs.close()

    // It replays the log, whose copy of the superblock is older than the record.
    let mount = try image.image.mountInKernel(at: image.directory("kernel"))
    #expect(try System.contents(mount.point + "/good/file") == pattern(5000))
    try mount.unmount()
    #expect(
      try Program.succeed(["dumpe2fs", "-h", image.image.path])
        .contains("FS Error count:           1"))

    #expect(try Program.run(["e2fsck", "-fy", image.image.path]).status <= 1)
    #expect(try image.image.complaint() == nil)
    let told = try Program.succeed(["dumpe2fs", "-h", image.image.path])
    #expect(!told.contains("FS Error count") && told.contains("Filesystem state:         clean\n"))
    // And then it is written again.
    try image.use { fs in
      #expect(fs.readOnlyReason == nil)
      try fs.create("/good/new").close()
    }
  }

  @Test func aReadOnlySessionRecordsNothing() throws {
    let image = try damagedImage()
    let before = try System.contents(image.image.path)
    let fs = try image.open { $0.access = .readOnly }
    try meet(fs)
    try fs.close()
    #expect(try System.contents(image.image.path) == before)
  }

  /// Opens the image on a device that follows `rules`; no commit comes by itself.
  private func open(
    _ image: EngineImage, _ rules: String, errors: FileSystem.ErrorBehavior
  ) throws -> FileSystem {
    let device = FaultyDevice(
      base: try FileDevice(path: image.image.path, access: .readWrite),
      rules: try FaultRules(parsing: rules, file: "rules"))
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    options.errors = errors
    return try FileSystem(device: device, options: options)
  }

  private static let secondCommitFails = """
    [set-state]
    event = "journal_commit_write"
    state = "1"
    new_state = "2"

    [inject-error]
    event = "journal_commit_write"
    state = "2"
    iotype = "write"
    errno = "EIO"
    """

  /// Whatever errors= says: who waited for the commit gets EIO, writers after that EROFS.
  @Test(arguments: [FileSystem.ErrorBehavior.continue, .remountReadOnly])
  func aJournalThatCannotBeWrittenStopsAllWriting(_ errors: FileSystem.ErrorBehavior) throws {
    let image = try EngineImage(size: "16M")
    let fs = try open(image, Self.secondCommitFails, errors: errors)
    let durable = try fs.create("/durable")
    try durable.writeAll(pattern(9000), at: 0)
    try durable.sync()
    let lost = try fs.create("/lost")
    try lost.writeAll(pattern(9000, seed: 2), at: 0)
    #expect { try lost.sync() } throws: { ($0 as? FileSystemError)?.errno == .ioError }
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) { try fs.create("/more") }
    #expect { try lost.sync() } throws: { ($0 as? FileSystemError)?.errno == .ioError }
    #expect(try durable.contents() == pattern(9000))
    #expect(throws: FileSystemError.self) { try fs.close() }

    let told = try Program.succeed(["dumpe2fs", "-h", image.image.path])
    #expect(told.contains("FS Error count:           1"))
    #expect(told.contains("First error err:          EIO"))
    #expect(told.contains("First error function:     device write"))
    #expect(told.contains("Journal errno:            -5"))
    let again = try image.open { $0.access = .readOnly }
    #expect(try again.open("/durable", .read).contents() == pattern(9000))
    #expect(throws: FileSystemError.refused(.noSuchFileOrDirectory)) { try again.resolve("/lost") }
    try again.close()
    #expect(try Program.run(["e2fsck", "-fy", image.image.path]).status <= 1)
    #expect(try image.image.complaint() == nil)
    try image.use { fs in
      #expect(fs.readOnlyReason == nil && fs.errorRecords.count == 0)
      let found = try fs.open("/durable", .read).contents()
      #expect(found == pattern(9000))
    }
  }

  /// The record cannot be written either: nobody hangs, and what was durable is there afterwards.
  @Test func aDeviceThatTakesNothingAnyMoreIsToldAndHarmsNothing() throws {
    let image = try EngineImage(size: "16M")
    let rules = """
      [set-state]
      event = "journal_commit_write"
      state = "1"
      new_state = "2"

      [set-state]
      event = "journal_commit_write"
      state = "2"
      new_state = "3"

      [inject-error]
      state = "3"
      iotype = "write"
      errno = "EIO"
      """
    let fs = try open(image, rules, errors: .remountReadOnly)
    let durable = try fs.create("/durable")
    try durable.writeAll(pattern(9000), at: 0)
    try durable.sync()
    try fs.create("/lost").writeAll(pattern(9000, seed: 2), at: 0)
    #expect(throws: FileSystemError.self) { try fs.sync() }
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) { try fs.create("/more") }
    #expect(fs.errorRecords.count == 1)
    #expect(try durable.contents() == pattern(9000))
    #expect(throws: FileSystemError.self) { try fs.close() }
    try image.use { fs in
      #expect(fs.readOnlyReason == nil)
      let found = try fs.open("/durable", .read).contents()
      #expect(found == pattern(9000))
    }
  }

  /// Found by a deletion that nobody waits for, and by the flusher.
  @Test func faultsThatNobodyWaitsForAreRecordedToo() throws {
    let image = try EngineImage(size: "16M", blockSize: 1024)
    try image.use { fs in
      let file = try fs.create("/file")
      // More extents than the inode holds: a leaf of its own.
      for index in 0..<12 { try file.writeAll(pattern(1024), at: UInt64(index) * 4096) }
    }
    let tree = try image.image.debugfs("dump_extents /file")
    let line = try #require(tree.split(separator: "\n").first { $0.contains(" 0/ 1 ") })
    let words = line.split(whereSeparator: \.isWhitespace)
    let leaf = try #require(
      words.compactMap { UInt64($0) }.first { $0 > 1000 }, "\(line)")
    try OpenFile(image.image.path, .write).writeAll(
      [UInt8](repeating: 0x5A, count: 1024), at: Int64(leaf) * 1024)

    let seen = Consequences([], .unranked)
    let fs = try image.open { options in
      options.errors = .continue
      options.faultHandler = { _, consequence in seen.withLock { $0.append(consequence) } }
    }
    try fs.unlink(FileName("file"), in: .root)
    #expect(fs.errorRecords.count == 1)
    #expect(fs.errorRecords.last?.block == leaf)
    #expect(seen.withLock { $0 } == [.goesOn])
    try fs.create("/other").close()
    try fs.close()
    #expect(try image.image.debugfs("stat /other").contains("Type: regular"))
  }

  @Test func shuttingDownIsNoError() throws {
    let image = try EngineImage(size: "8M")
    let fs = try image.open()
    try fs.create("/file").writeAll(pattern(100), at: 0)
    try fs.shutDown(.noFlush)
    #expect(throws: FileSystemError.self) { try fs.create("/other") }
    #expect(throws: FileSystemError.self) { try fs.close() }
    let told = try Program.succeed(["dumpe2fs", "-h", image.image.path])
    #expect(!told.contains("FS Error count"))
  }

  /// The last reference may go while the flusher works for it: nobody waits for himself.
  @Test func aFileSystemDroppedWithoutCloseEndsItsFlusher() throws {
    for round in 0..<6 {
      let image = try EngineImage(size: "8M")
      var fs: FileSystem? = try image.open { $0.writeBackInterval = 1 }
      try fs?.create("/file\(round)").writeAll(pattern(100_000), at: 0)
      // The flusher wakes once a second; around that moment the reference goes.
      Clock.sleep(nanoseconds: 999_000_000 + UInt64(round) * 400_000)
      fs = nil
      // The device is free again at once, or as soon as the flusher is through.
      var reopened: FileSystem?
      for _ in 0..<100 where reopened == nil {
        reopened = try? image.open()
        if reopened == nil { Clock.sleep(nanoseconds: 20_000_000) }
      }
      try #require(reopened).close()
    }
  }
}
