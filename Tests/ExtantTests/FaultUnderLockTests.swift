import BlockIO
@testable import Extant
import ExtantBase
import TestSupport
import Testing

@testable import Threading

/// A device that holds reads of one place until it is told to let them go.
private final class HoldingDevice: ForwardingDevice {
  private struct State {
    var held: Range<UInt64>?
    var waiting = 0
  }

  let base: any BlockDevice
  private let state = Guarded(State(), .unranked)

  init(_ path: String) throws { base = try FileDevice(path: path, access: .readWrite) }

  var waiting: Int { state.withLock { $0.waiting } }

  /// Nil lets go of all.
  func hold(_ range: Range<UInt64>?) { state.withLock { $0.held = range } }

  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    let range = offset..<offset + UInt64(bytes.byteCount)
    var isWaiting = false
    while state.withLock({ $0.held?.overlaps(range) ?? false }) {
      if !isWaiting { state.withLock { $0.waiting += 1 } }
      isWaiting = true
      Clock.sleep(nanoseconds: 500_000)
    }
    try base.read(into: &bytes, at: offset)
  }
}

/// A bad bitmap is found under an allocator's lock, and recorded without it: recording takes the
/// locks of superblock and journal, which others hold while they ask the allocator.
@Suite struct FaultUnderLockTests {
  /// What of a group is damaged, and the block that was.
  private enum Damage: CaseIterable { case blockBitmap, inodeBitmap }

  /// An image whose third group has blocks and inodes in use, and one bitmap with a bit changed.
  private static func damagedImage(
    _ damage: Damage
  ) throws -> (image: EngineImage, bitmap: Range<UInt64>, victim: InodeNumber) {
    let image = try EngineImage(
      size: "32M", blockSize: 1024, options: ["-O", "^flex_bg", "-N", "1024"])
    var block: UInt64 = 0
    var victim = InodeNumber(0)
    try image.use { fs in
      try fs.create("/filler").allocate(0..<20 << 20)
      // Directories of the root are spread over all groups.
      for index in 0..<8 {
        let directory = try fs.makeDirectory(FileName("d\(index)"), in: .root, mode: 0o755)
        let file = try fs.createFile(FileName("f"), in: directory.inode, mode: 0o644).inode
        if fs.superblock.group(of: file)?.rawValue == 2 { victim = file }
      }
      let descriptor = fs.groups.descriptor(2)
      block = (damage == .blockBitmap ? descriptor.blockBitmap : descriptor.inodeBitmap).rawValue
    }
    #expect(victim.rawValue > 0)
    try OpenFile(image.image.path, .write).writeAll([0x5A], at: Int64(block) * 1024 + 10)
    return (image, block * 1024..<(block + 1) * 1024, victim)
  }

  /// What was recorded, and the locks that the recording thread held then.
  private final class Witness: Sendable {
    let fs = Guarded<FileSystem?>(nil, .unranked)
    let seen = Guarded<[(error: FileSystemError, held: [String])]>([], .unranked)

    func note(_ error: FileSystemError) {
      guard let fs = fs.withLock({ $0 }) else { return }
      var held: [String] = []
      // None is recursive: who holds one cannot take it.
      for (name, lock) in [
        ("blocks", fs.blocks.state.lock), ("inodes", fs.inodes.state.lock),
        ("trim", fs.blocks.trimLock), ("superblock", fs.current.lock),
      ] {
        if lock.tryLock() { lock.unlock() } else { held.append(name) }
      }
      seen.withLock { $0.append((error, held)) }
    }
  }

  private static func open(_ image: EngineImage) throws -> (FileSystem, Witness) {
    let witness = Witness()
    let fs = try image.open { options in
      options.errors = .continue
      options.faultHandler = { error, _ in witness.note(error) }
    }
    witness.fs.withLock { $0 = fs }
    return (fs, witness)
  }

  private static func expectOneRecord(_ fs: FileSystem, _ witness: Witness) {
    let seen = witness.seen.withLock { $0 }
    #expect(seen.count == 1)
    for entry in seen { #expect(entry.held == [], "\(entry.error)") }
    #expect(fs.errorRecords.count == 1)
    #expect(fs.errorRecords.last?.code == .badChecksum)
    witness.fs.withLock { $0 = nil }
  }

  @Test func trimRecordsABadBitmapWithoutTheAllocatorsLock() throws {
    let (image, _, _) = try Self.damagedImage(.blockBitmap)
    let (fs, witness) = try Self.open(image)
    _ = try fs.trim(0..<32 << 20, minimum: 0)
    _ = try fs.trim(0..<32 << 20, minimum: 0)
    Self.expectOneRecord(fs, witness)
    try fs.close()
  }

  /// Allocation goes on in other groups, and tells nobody but the record.
  @Test func anAllocationThatPassesABadBitmapRecordsItWithoutTheAllocatorsLock() throws {
    let (image, _, _) = try Self.damagedImage(.blockBitmap)
    let (fs, witness) = try Self.open(image)
    let file = try fs.create("/d0/new")
    // More than there is without the bad group.
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try file.allocate(0..<fs.statistics().availableBlocks * 1024)
    }
    file.close()
    Self.expectOneRecord(fs, witness)
    try fs.close()
  }

  @Test func freeingAnInodeInABadBitmapRecordsItWithoutTheAllocatorsLock() throws {
    let (image, _, victim) = try Self.damagedImage(.inodeBitmap)
    let (fs, witness) = try Self.open(image)
    for _ in 0..<2 {
      #expect(throws: FileSystemError.self) { _ = try fs.inodes.isAllocated(victim) }
    }
    Self.expectOneRecord(fs, witness)
    try fs.close()
  }

  @Test func makingInodesPastABadBitmapRecordsItWithoutTheAllocatorsLock() throws {
    let (image, _, _) = try Self.damagedImage(.inodeBitmap)
    let (fs, witness) = try Self.open(image)
    let directory = try fs.makeDirectory(FileName("many"), in: .root, mode: 0o755).inode
    while fs.statistics().freeInodes > 300 {
      let name = try FileName("\(fs.statistics().freeInodes)")
      _ = try fs.createFile(name, in: directory, mode: 0o644)
    }
    Self.expectOneRecord(fs, witness)
    try fs.close()
  }

  /// The trim is inside the read of the bad bitmap while a commit writes the superblock, which holds
  /// the counts that the allocator keeps.
  @Test func aTrimThatMeetsABadBitmapBesideACommitHangsNobody() throws {
    let (image, bitmap, _) = try Self.damagedImage(.blockBitmap)
    let device = try HoldingDevice(image.image.path)
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    options.errors = .continue
    let fs = try FileSystem(device: device, options: options)
    device.hold(bitmap)
    let ended = allEnd(
      withinSeconds: 20,
      [
        { _ = try fs.trim(0..<32 << 20, minimum: 0) },
        {
          while device.waiting == 0 { Clock.sleep(nanoseconds: 500_000) }
          try fs.perform { (operation) throws(FileSystemError) in
            try fs.encodeSuperblock(operation)
          }
        },
        {
          while device.waiting == 0 { Clock.sleep(nanoseconds: 500_000) }
          // The other is at its point when it holds the superblock, or when it does not even need
          // that to wait for the allocator.
          for _ in 0..<100 {
            guard fs.current.lock.tryLock() else { break }
            fs.current.lock.unlock()
            Clock.sleep(nanoseconds: 2_000_000)
          }
          device.hold(nil)
        },
      ])
    #expect(ended)
    if ended { try fs.close() }
  }
}
