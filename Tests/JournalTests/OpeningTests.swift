import BlockIO
import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format
@testable import Extant
@testable import Journal
import ImageIO

/// What opening a filesystem does with a journal that the kernel left: on a small image, whole in
/// memory.
@Suite(.enabled(if: Environment.hasKernelMounts && Environment.hasTools), .serialized)
struct OpeningTests {
  /// The bytes of an image that the kernel was shut down on: files, attributes, and directories that
  /// were removed again, so that their blocks are revoked.
  private func left(
    _ options: [String] = [], prepare: (Image) throws -> Void = { _ in }
  ) throws -> MemoryDevice {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "12M", blockSize: 1024, options: ["-J", "size=1"] + options)
    try prepare(image)
    let mount = try image.mountInKernel(at: directory("mount"))
    func sync() throws { try OpenFile(mount.point, .directory).syncFileSystem() }
    for round in 0..<6 {
      let top = mount.point + "/d\(round)"
      try System.makeDirectory(top)
      for index in 0..<30 {
        let name = "\(top)/\(index)-" + String(repeating: "n", count: 100)
        try System.write(Array(repeating: UInt8(index), count: 700 * index), to: name)
        try System.setAttribute(
          name, "user.long", Array(repeating: UInt8(index), count: 300))
      }
      try sync()
      guard round % 2 == 1 else { continue }
      for name in try System.names(in: top) {
        try System.unlink(top + "/" + String(decoding: name, as: UTF8.self))
      }
      try System.removeDirectory(top)
      try sync()
    }
    try OpenFile(mount.point, .directory).shutDown(2)
    try mount.unmount()
    let bytes = try System.contents(image.path)
    let device = MemoryDevice(byteCount: UInt64(bytes.count))
    try device.write(bytes.rawBytes, at: 0)
    return device
  }

  private func recover(_ device: any BlockDevice) throws -> FileSystem.Recovered {
    try FileSystem.recover(device, FileSystem.Options())
  }

  private func journalRevokes(_ device: MemoryDevice) throws -> Bool {
    let superblock = try device.readSuperblock()
    let number = try #require(superblock.journalInode)
    let area = try JournalInode(device: device, superblock: superblock, number: number).area()
    let buffer = BlockBuffer(byteCount: 1024)
    return try (1..<area.blockCount).contains { block in
      try area.read(block, into: buffer)
      return JournalBlockHeader(buffer.bytes)?.type == .revoke
    }
  }

  @Test func interruptedAnywhereAndRepeatedItGivesTheSame() throws {
    let base = try left()
    #expect(try journalRevokes(base))
    let whole = OverlayDevice(base: base)
    let recovered = try recover(whole)
    #expect(recovered.notes == [] && !recovered.superblock.needsRecovery)
    #expect(recovered.log?.superblock.isClean == true)
    let expected = try whole.contents()
    var interruptions = 0
    for limit in 0... {
      let overlay = OverlayDevice(base: base)
      do {
        _ = try recover(DyingDevice(overlay, writes: limit))
      } catch FileSystemError.io {
        interruptions += 1
        _ = try recover(overlay)
        #expect(try overlay.contents() == expected, "after \(limit) writes")
        continue
      }
      #expect(try overlay.contents() == expected)
      break
    }
    print("interrupted \(interruptions) times")
    #expect(interruptions > 10)
  }

  /// An image that ends with fast commits of twelve new files.
  private func leftWithFastCommits(_ directory: TemporaryDirectory) throws -> MemoryDevice {
    let image = try Image.make(
      at: directory("image"), size: "12M", blockSize: 1024,
      options: ["-J", "size=2", "-O", "fast_commit"])
    let mount = try image.mountInKernel(at: directory("mount"))
    try System.makeDirectory(mount.point + "/d")
    try OpenFile(mount.point, .directory).syncFileSystem()
    for index in 0..<12 {
      let name = "\(mount.point)/d/\(index)"
      try System.write(Array(repeating: UInt8(index + 1), count: 3000), to: name)
      try OpenFile(name, .write).sync()
    }
    try OpenFile(mount.point, .directory).shutDown(2)
    try mount.unmount()
    let bytes = try System.contents(image.path)
    let base = MemoryDevice(byteCount: UInt64(bytes.count))
    try base.write(bytes.rawBytes, at: 0)

    return base
  }

  /// The fast commits count until the transaction that takes their place is durable.
  @Test func fastCommitsSurviveAnInterruptionAnywhere() throws {
    let directory = try TemporaryDirectory()
    let base = try leftWithFastCommits(directory)
    let superblock = try base.readSuperblock()
    let number = try #require(superblock.journalInode)
    let area = try JournalInode(device: base, superblock: superblock, number: number).area()
    let buffer = BlockBuffer(byteCount: 1024)
    try area.read(0, into: buffer)
    let recovery = try Recovery(
      area: area, superblock: JournalSuperblock(buffer.bytes, superblock: superblock),
      blockLimit: superblock.blockCount)
    let records = try recovery.fastCommits(after: recovery.plan(), inodeSize: 256)
    #expect(records.count > 12, "the kernel wrote fast commits")

    func check(_ overlay: OverlayDevice, _ limit: Int) throws {
      let recovered = try recover(overlay)
      #expect(recovered.notes == [] && recovered.fastCommits.isEmpty, "after \(limit) writes")
      let fileSystem = try FileSystem(device: overlay.copy(), options: .readOnly)
      #expect(try fileSystem.readDirectoryNames("/d").count == 12, "after \(limit) writes")
      let file = try fileSystem.open("/d/11", .read)
      #expect(try file.read(5000, at: 0) == Array(repeating: 12, count: 3000))
      file.close()
      try fileSystem.close()
      guard limit % 8 == 0 else { return }
      try System.write(try overlay.contents(), to: directory("recovered"))
      let complaint = try Image(path: directory("recovered")).complaint()
      #expect(complaint == nil, "after \(limit) writes")
    }
    var interruptions = 0
    for limit in 0... {
      let overlay = OverlayDevice(base: base).copy()
      do {
        _ = try recover(DyingDevice(overlay, writes: limit))
      } catch FileSystemError.io {
        interruptions += 1
        try check(overlay, limit)
        continue
      }
      try check(overlay, 0)
      break
    }
    print("interrupted \(interruptions) times")
    #expect(interruptions > 10)
  }

  @Test func fastCommitsMaySayAnything() throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = try TemporaryDirectory()
    let base = try leftWithFastCommits(directory)
    let superblock = try base.readSuperblock()
    let number = try #require(superblock.journalInode)
    let area = try JournalInode(device: base, superblock: superblock, number: number).area()
    let buffer = BlockBuffer(byteCount: 1024)
    var opened = 0
    for _ in 0..<150 {
      let overlay = OverlayDevice(base: base).copy()
      let changed = try area.on(overlay)
      // The first block of the area, with a checksum that is right again.
      let first = changed.blockCount - 16 + 1
      try changed.read(first, into: buffer)
      var bytes = buffer.bytes.array()
      var tail = 0
      while tail + 4 < bytes.count, bytes.rawBytes.le16(tail) != 8 {
        tail += 4 + Int(bytes.rawBytes.le16(tail + 2))
      }
      try #require(tail > 12 && tail + 12 <= bytes.count)
      for _ in 0..<random.below(3) + 1 {
        bytes[12 + random.below(tail - 12)] = random.pick([0, 1, 0xff, UInt8(random.below(256))])
      }
      let crc = crc32c(0, Array(bytes[..<(tail + 8)]))
      bytes.withMutableBytes { $0.setLE32(crc, at: tail + 8) }
      var target = buffer.mutableBytes
      target.copy(bytes, at: 0)
      try changed.write([buffer], at: first)
      do throws(FileSystemError) {
        let fileSystem = try FileSystem(device: overlay)
        _ = try? fileSystem.readDirectoryNames("/d")
        try fileSystem.close()
        opened += 1
      } catch {}
    }
    #expect(opened > 0)
  }

  @Test func tornSuperblockComesBackFromTheLog() throws {
    let base = try left()
    let whole = OverlayDevice(base: base)
    _ = try recover(whole)
    // The second sector is of another time: the checksum in it, too.
    try base.write([UInt8](repeating: 0x5a, count: 8).rawBytes, at: 1024 + 1016)
    #expect(throws: FileSystemError.self) { try base.readSuperblock() }
    let torn = OverlayDevice(base: base)
    _ = try recover(torn)
    #expect(try torn.contents() == whole.contents())
    // Where nothing needs recovery, nothing may be wrong with it.
    try whole.write([UInt8](repeating: 0x5a, count: 8).rawBytes, at: 1024 + 1016)
    #expect(throws: FileSystemError.self) { try recover(whole) }
  }

  @Test func errorInTheJournalMarksTheFilesystem() throws {
    let base = try left()
    let superblock = try base.readSuperblock()
    let number = try #require(superblock.journalInode)
    let area = try JournalInode(device: base, superblock: superblock, number: number).area()
    let buffer = BlockBuffer(byteCount: 1024)
    try area.read(0, into: buffer)
    var journal = try JournalSuperblock(buffer.bytes, superblock: superblock)
    journal.errno = -5
    var bytes = buffer.mutableBytes
    journal.encode(into: &bytes)
    try area.write([buffer], at: 0)

    let recovered = try recover(base)
    #expect(recovered.superblock.state.contains(.errors) && recovered.notes.count == 1)
    #expect(recovered.log?.superblock.errno == 0)
    let again = try recover(base)
    #expect(again.superblock.state.contains(.errors) && again.notes == [])
    #expect(again.log?.superblock.errno == 0)
  }

  @Test func journalMappedByPointersIsFound() throws {
    let base = try left(["-O", "^extent,^64bit"]) { image in
      try Program.succeed(["tune2fs", "-O", "extents", image.path])
      _ = try Program.run(["e2fsck", "-fy", "-E", "no_optimize_extents", image.path])
      #expect(try image.debugfs("stat <8>").contains("(IND)"))
    }
    let recovered = try recover(base)
    #expect(recovered.log?.area.blockCount == 1024 && recovered.notes == [])
    let directory = try TemporaryDirectory()
    try System.write(try base.contents(), to: directory("image"))
    let complaint = try Image(path: directory("image")).complaint()
    #expect(complaint == nil)
  }

  /// Its pointers could lead in a circle, and each step would add to what is found.
  @Test func aJournalLargerThanTheFilesystemIsRefusedBeforeItsPointersAreFollowed() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "12M", blockSize: 1024,
      options: ["-J", "size=1", "-O", "^extent,^64bit"])
    try Program.succeed(["tune2fs", "-O", "extents", image.path])
    try Program.succeed(["debugfs", "-w", "-R", "sif <8> size 0x3fffffffc00", image.path])
    let error = #expect(throws: FileSystemError.self) { try FileSystem.open(image.path) }
    #expect("\(try #require(error))".contains("its size is"))
  }

  @Test func anEmptyJournalIsCorruptAndNoFailureOfTheDisk() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "12M", blockSize: 1024, options: ["-O", "^metadata_csum"])
    try Program.succeed(["debugfs", "-w", "-R", "sif <8> size 0", image.path])
    let error = #expect(throws: FileSystemError.self) { try FileSystem.open(image.path) }
    #expect("\(try #require(error))".contains("no block of it is mapped"))
  }

  @Test func readingWritesNothing() throws {
    let base = try left()
    let before = try base.contents()
    let fileSystem = try FileSystem(device: base, options: .readOnly)
    #expect(try fileSystem.readDirectoryNames("/d4").count == 30)
    #expect(try fileSystem.readDirectoryNames("").count == 4)
    #expect(try base.contents() == before)
    try fileSystem.close()
  }
}

extension FileSystem {
  fileprivate func readDirectoryNames(_ path: String) throws(FileSystemError) -> [[UInt8]] {
    let inode = path.isEmpty ? InodeNumber.root : try resolve(path, followLast: true)
    var names: [[UInt8]] = []
    try readDirectory(inode, from: 0) { entry in
      if entry.name != [0x2e], entry.name != [0x2e, 0x2e] { names.append(entry.name) }
      return true
    }
    return names
  }
}
