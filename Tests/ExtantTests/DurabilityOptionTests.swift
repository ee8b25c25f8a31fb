import BlockIO
import Ext4Format
import Extant
import ExtantBase
import TestSupport
import Testing

/// data= and barrier=, asked for by options or by the image.
@Suite struct DurabilityOptionTests {
  @Test func theImageSaysWhatTheOptionsDoNot() throws {
    for (option, mode) in [
      ("journal_data", "journal"), ("journal_data_ordered", "ordered"),
      ("journal_data_writeback", "writeback"), ("^acl", "ordered"),
    ] {
      let image = try EngineImage(size: "16M")
      try Program.succeed(["tune2fs", "-o", option, image.image.path])
      try image.use { fs in #expect(fs.dataMode.rawValue == mode, "\(option)") }
      try image.use({ $0.dataMode = .ordered }) { fs in #expect(fs.dataMode == .ordered) }
    }
    let image = try EngineImage(size: "16M")
    try image.use { fs in #expect(fs.usesBarriers) }
    try Program.succeed(["tune2fs", "-o", "nobarrier", image.image.path])
    try image.use { fs in #expect(!fs.usesBarriers) }
    try image.use({ $0.usesBarriers = true }) { fs in #expect(fs.usesBarriers) }
    for (option, behavior) in [
      ("continue", FileSystem.ErrorBehavior.continue), ("remount-ro", .remountReadOnly),
      ("panic", .panic),
    ] {
      try Program.succeed(["tune2fs", "-e", option, image.image.path])
      try image.use { fs in #expect(fs.errorBehavior == behavior) }
    }
  }

  @Test func aDataModeIsRefusedWhereThereIsNoJournal() throws {
    let image = try EngineImage(size: "16M", options: ["-O", "^has_journal"])
    for mode in FileSystem.Options.DataMode.allCases {
      let error = #expect(throws: FileSystemError.self) { try image.open { $0.dataMode = mode } }
      #expect("\(try #require(error))".contains("data=\(mode.rawValue)"))
    }
    try image.use { fs in try fs.create("/file").close() }
  }

  @Test func withoutRecoveryTheImageIsReadAsItLies() throws {
    let directory = try TemporaryDirectory()
    let image = try EngineImage(size: "16M")
    let fs = try image.open()
    try fs.create("/file").writeAll(pattern(5000), at: 0)
    try fs.sync()
    let copy = Image(path: directory("copy"))
    let bytes = try System.contents(image.image.path)
    try System.write(bytes, to: copy.path)
    try fs.close()

    var options = FileSystem.Options()
    options.skipsRecovery = true
    let raw = try FileSystem.open(copy.path, options)
    #expect(raw.readOnlyReason?.contains("without recovery") == true)
    #expect(throws: FileSystemError.refused(.noSuchFileOrDirectory)) { try raw.resolve("/file") }
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) { try raw.create("/other") }
    try raw.close()
    #expect(try System.contents(copy.path) == bytes)
    let recovered = try FileSystem.open(copy.path, .readOnly)
    #expect(try recovered.open("/file", .read).contents() == pattern(5000))
    try recovered.close()
  }

  /// Everything written comes back, through commits, checkpoints, cuts and frees.
  @Test(arguments: [1024, 4096], [nil, "size=1"] as [String?])
  func contentsThatGoThroughTheJournalComeBack(_ blockSize: Int, _ journal: String?) throws {
    var options: [String] = []
    if let journal, blockSize == 1024 { options = ["-J", journal] }
    let image = try EngineImage(size: "64M", blockSize: blockSize, options: options)
    var expected: [String: [UInt8]] = [:]
    try image.use({
      $0.dataMode = .journal
      $0.cacheByteLimit = 4 << 20
    }) { fs in
      for round in 0..<4 {
        for index in 0..<6 {
          let path = "/f\(index)"
          let file = try fs.create(path)
          var model = expected[path] ?? []
          let offset = (index * 7919 + round * 30_011) % 200_000
          let bytes = pattern(150_000 + index * 1000, seed: UInt64(round * 10 + index))
          try file.writeAll(bytes, at: UInt64(offset))
          if model.count < offset + bytes.count {
            model += [UInt8](repeating: 0, count: offset + bytes.count - model.count)
          }
          model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
          let block = UInt64(blockSize)
          if index % 3 == 0 {
            try file.collapse(block..<block * 4)
            model.removeSubrange(blockSize..<blockSize * 4)
          }
          if index % 3 == 1 {
            try file.punchHole(1000..<50_000)
            for place in 1000..<min(50_000, model.count) { model[place] = 0 }
          }
          if round == 2 {
            try file.truncate(to: 30_001)
            model.removeLast(model.count - 30_001)
          }
          if index % 2 == 0 { try file.sync() }
          expected[path] = model
          file.close()
        }
        if round % 2 == 1 { try fs.sync() }
        for (path, model) in expected {
          let file = try fs.open(path, .read)
          #expect(try file.contents() == model, "\(path) in round \(round)")
          file.close()
        }
        try fs.unlink(FileName("f5"), in: .root)
        expected["/f5"] = nil
      }
    }
    try image.use({ $0.access = .readOnly }) { fs in
      for (path, model) in expected {
        let found = try fs.open(path, .read).contents()
        #expect(found == model, "\(path) afterwards")
      }
    }
  }

  /// Zeroing makes the cache forget blocks whose contents are in the log alone.
  @Test func contentsWrittenAfterAZeroRangeStayInMemoryUntilTheyAreHome() throws {
    let image = try EngineImage(size: "32M")
    try image.use { fs in
      try fs.create("/large").writeAll([UInt8](repeating: 1, count: 8 << 20), at: 0)
    }
    try image.use({
      $0.dataMode = .journal
      $0.cacheByteLimit = 2 << 20
    }) { fs in
      let file = try fs.create("/file")
      try file.writeAll([UInt8](repeating: 0x11, count: 16384), at: 0)
      try fs.sync()
      try file.zeroRange(0..<16384)
      try file.writeAll([UInt8](repeating: 0x22, count: 16384), at: 0)
      try fs.sync()
      // Drives out of the cache whatever may leave it.
      for _ in 0..<2 { _ = try fs.open("/large", .read).contents() }
      #expect(try file.contents() == [UInt8](repeating: 0x22, count: 16384))
      file.close()
    }
  }

  /// The log holds the contents: what lies at home is older until a checkpoint.
  @Test func aSyncedOverwriteIsInTheLogAndNotAtHome() throws {
    let directory = try TemporaryDirectory()
    for flagged in [false, true] {
      let image = try EngineImage(size: "32M")
      let fs = try image.open { if !flagged { $0.dataMode = .journal } }
      let file = try fs.create("/file")
      if flagged {
        let flags = try fs.attributes(of: file.inode).flags
        try fs.setInodeFlags(flags.union(.journalData), of: file.inode)
      }
      try file.writeAll(pattern(40_000), at: 0)
      try fs.sync()
      let home = try #require(file.extents().first?.physical)
      try file.writeAll(pattern(8192, seed: 9), at: 4096)
      try file.syncData()
      // As a power cut would leave it.
      let copy = Image(path: directory("copy\(flagged)"))
      try System.write(try System.contents(image.image.path), to: copy.path)
      file.close()
      try fs.close()

      let raw = try OpenFile(copy.path).read(8192, at: Int64(home) + 4096)
      #expect(raw != pattern(8192, seed: 9), "\(flagged)")
      let recovered = try FileSystem.open(copy.path)
      #expect(try recovered.open("/file", .read).read(8192, at: 4096) == pattern(8192, seed: 9))
      try recovered.close()
      #expect(try copy.complaint() == nil)
      #expect(try image.image.complaint() == nil)
      let closed = try FileSystem.open(image.image.path, .readOnly)
      #expect(try closed.open("/file", .read).read(8192, at: 4096) == pattern(8192, seed: 9))
      try closed.close()
    }
  }

  /// A block joins a transaction as it is then: zeros that come later must join, too, before a commit
  /// says that they are there.
  @Test func zerosAreInTheLogWithTheChangeThatNeedsThem() throws {
    let directory = try TemporaryDirectory()
    let image = try EngineImage(size: "16M", blockSize: 1024)
    let fs = try image.open { $0.dataMode = .journal }
    let file = try fs.create("/file")
    let other = try fs.create("/other")
    try file.writeAll(pattern(2200), at: 0)
    try fs.sync()
    try file.zeroRange(1124..<4124)
    // The commit is another file's.
    try other.writeAll([1], at: 0)
    try other.sync()
    let copy = Image(path: directory("copy"))
    try System.write(try System.contents(image.image.path), to: copy.path)
    file.close()
    other.close()
    try fs.close()
    let recovered = try FileSystem.open(copy.path)
    #expect(
      try recovered.open("/file", .read).contents()
        == Array(pattern(2200)[..<1124]) + [UInt8](repeating: 0, count: 3000))
    try recovered.close()
    #expect(try copy.complaint() == nil)
  }

  /// The flag goes and comes while contents are in memory and in the log.
  @Test func theJournalFlagOfAFileMayChangeAtAnyTime() throws {
    let image = try EngineImage(size: "32M", blockSize: 1024)
    var model = [UInt8](repeating: 0, count: 60_000)
    try image.use { fs in
      let file = try fs.create("/file")
      try file.writeAll(model, at: 0)
      for round in 0..<12 {
        let flags = try fs.attributes(of: file.inode).flags
        try fs.setInodeFlags(
          round % 2 == 0 ? flags.union(.journalData) : flags.subtracting(.journalData),
          of: file.inode)
        let bytes = pattern(9000, seed: UInt64(round))
        let offset = round * 3700
        try file.writeAll(bytes, at: UInt64(offset))
        model.replaceSubrange(offset..<offset + 9000, with: bytes)
        if round % 3 == 0 { try file.sync() }
      }
      #expect(try file.contents() == model)
      file.close()
    }
    try image.use({ $0.access = .readOnly }) { fs in
      let found = try fs.open("/file", .read).contents()
      #expect(found == model)
    }
  }
}
