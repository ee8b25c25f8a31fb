import BlockIO
import Ext4Format
import ExtantBase
import Journal
import TestSupport
import Testing
import Threading

@testable import Extant

/// A device that lets a test do something at the moment of a write.
private final class WriteHookDevice: ForwardingDevice {
  let base: any BlockDevice
  private let hook = Guarded<(@Sendable (UInt8) -> Bool)?>(nil, .unranked)

  init(_ path: String) throws { base = try FileDevice(path: path, access: .readWrite) }

  /// Called with each write's first byte, until it returns true.
  func onWrite(_ hook: @escaping @Sendable (UInt8) -> Bool) { self.hook.withLock { $0 = hook } }

  private func call(_ first: UInt8) {
    let taken = hook.withLock { hook in
      defer { hook = nil }
      return hook
    }
    guard let taken else { return }
    if !taken(first) { hook.withLock { $0 = taken } }
  }

  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    call(bytes.u8(0))
    try base.write(bytes, at: offset)
  }
}

/// What a crash between two commits shows, and what a failing operation leaves.
@Suite struct CommitRaceTests {
  /// Ordered data: a block that a committed map shows holds the file's bytes, whatever was cut
  /// while the commit was under way.
  @Test func cuttingDuringACommitShowsNobodysOldBytes() throws {
    let image = try EngineImage(size: "16M")
    let device = try WriteHookDevice(image.image.path)
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    let fs = try FileSystem(device: device, options: options)
    let secret = try fs.create("/secret")
    try secret.writeAll([UInt8](repeating: 0x55, count: 8 << 20), at: 0)
    try secret.sync()
    secret.close()
    try fs.unlink(try FileName("secret"), in: .root)
    try fs.sync()

    let files = try ["a", "b"].map { try fs.create("/\($0)") }
    for file in files { try file.allocate(0..<65536) }
    try fs.sync()
    try files[0].writeAll([UInt8](repeating: 0xaa, count: 65536), at: 0)
    try files[1].writeAll([UInt8](repeating: 0xbb, count: 65536), at: 0)
    let cut = Guarded(false, .unranked)
    device.onWrite { first in
      guard first == 0xaa || first == 0xbb else { return false }
      let other = files[first == 0xaa ? 1 : 0]
      WorkerThread(name: "test") {
        try? other.punchHole(0..<32768)
        cut.withLock { $0 = true }
      }?.join()
      return true
    }
    try fs.journal.commit()
    #expect(cut.withLock { $0 })
    let crashed = image.directory("crashed")
    try Program.succeed(["cp", image.image.path, crashed])
    try Image(path: crashed).replayJournal()
    for file in files { file.close() }
    try fs.close()

    let after = try FileSystem.open(crashed, .readOnly)
    for name in ["/a", "/b"] {
      let file = try after.open(name, .read)
      let bytes = try file.contents()
      #expect(bytes.count == 65536)
      #expect(!bytes.contains(0x55), "\(name) shows what another file held")
      file.close()
    }
    try after.close()
  }

  /// Half an operation must never be committed.
  @Test func aCommitThatWaitsForAFailingOperationWritesNothing() throws {
    let image = try EngineImage(size: "8M")
    let fs = try image.open()
    let committed = Guarded<Bool?>(nil, .unranked)
    let fault = FileSystemError.corrupt(Corruption("test", "it fails half way"))
    var committer: WorkerThread?
    #expect(throws: fault) {
      try fs.perform { (operation) throws(FileSystemError) in
        operation.handle.noteChange()
        committer = WorkerThread(name: "test") {
          do {
            try fs.journal.commit()
            committed.withLock { $0 = true }
          } catch { committed.withLock { $0 = false } }
        }
        Clock.sleep(nanoseconds: 200_000_000)
        throw fault
      }
    }
    committer?.join()
    #expect(committed.withLock { $0 } == false)
    #expect(fs.isReadOnly)
    try? fs.close()
  }

  // MARK: The node table

  private func makeNodes(_ fs: FileSystem, _ count: Int, from first: UInt32 = 100) -> [Node] {
    (0..<UInt32(count)).map { index in
      Node(
        number: InodeNumber(first + index), kind: .fifo,
        inode: Inode(
          mode: FileKind.fifo.rawValue, uid: 0, gid: 0, time: Timestamp(seconds: 0),
          superblock: fs.superblock),
        contents: .none)
    }
  }

  /// Evicted then, it would be read again as it was before.
  @Test func aNodeStaysInMemoryUntilItIsEncoded() throws {
    let image = try EngineImage(size: "8M")
    try image.use { fs in
      let table = NodeTable()
      let nodes = makeNodes(fs, NodeTable.capacity + 2)
      for node in nodes.dropLast(2) {
        table.insert(node)
        table.noteDirty(node, transaction: TransactionID(7))
        _ = table.release(node)
      }
      let dirty = table.takeDirty()
      #expect(dirty.count == NodeTable.capacity)
      table.insert(nodes[NodeTable.capacity])
      _ = table.release(nodes[NodeTable.capacity])
      #expect(dirty.allSatisfy { table.existing($0.number) === $0 })

      for node in dirty { table.didEncode(node) }
      table.insert(nodes[NodeTable.capacity + 1])
      _ = table.release(nodes[NodeTable.capacity + 1])
      let gone = try #require(dirty.first { table.existing($0.number) == nil })
      // fsync of what was evicted and read again still waits for the commit that changed it.
      let again = try table.acquire(gone.number) { () throws(FileSystemError) -> Node in
        makeNodes(fs, 1, from: gone.number.rawValue)[0]
      }
      #expect(table.lastChange(of: again) == 7)
    }
  }

  /// The number of a deleted inode has a new owner: its change must not be lost to a late touch of
  /// the old one.
  @Test func aDeletedNodeDoesNotDisplaceTheNewOneOfItsNumber() throws {
    let image = try EngineImage(size: "8M")
    try image.use { fs in
      let table = NodeTable()
      let old = makeNodes(fs, 1)[0]
      let new = makeNodes(fs, 1)[0]
      table.insert(old)
      old.isDeleted = true
      table.insert(new)
      table.noteDirty(new, transaction: TransactionID(3))
      table.noteDirty(old, transaction: TransactionID(3))
      let dirty = table.takeDirty()
      #expect(dirty.count == 1)
      #expect(dirty.first === new)
    }
  }
}
