import Ext4Format
@testable import Extant
import ExtantBase
import Journal
import TestSupport
import Testing

/// What the table of inodes in memory keeps, and what that costs.
@Suite struct NodeTableTests {
  private static func node(_ number: UInt32, _ fs: FileSystem) -> Node {
    Node(
      number: InodeNumber(number), kind: .fifo,
      inode: Inode(
        mode: FileKind.fifo.rawValue, uid: 0, gid: 0, time: Timestamp(seconds: 0),
        superblock: fs.superblock),
      contents: .none)
  }

  /// The kernel refers to every inode that it knows: none of them can be dropped, and none is to be
  /// looked at for that.
  @Test func inodesThatAreReferredToCostNothingHoweverManyTheyAre() throws {
    let image = try EngineImage(size: "8M")
    try image.use { fs in
      let table = NodeTable(capacity: 100)
      for number in 100..<UInt32(20_100) { table.insert(Self.node(number, fs)) }
      for number in 100..<UInt32(20_100) {
        let node = try table.acquire(InodeNumber(number)) { () throws(FileSystemError) -> Node in
          throw .refused(.ioError)
        }
        #expect(!table.release(node))
      }
      #expect(table.statistics.idleLooks == 0)
      #expect(table.statistics.idle == 0)
      #expect(table.statistics.nodes == 20_000)
    }
  }

  @Test func theIdleOnesUsedLastStayAndEachIsLookedAtOnce() throws {
    let image = try EngineImage(size: "8M")
    try image.use { fs in
      let table = NodeTable(capacity: 100)
      for number in 1000..<UInt32(3000) {
        let node = Self.node(number, fs)
        table.insert(node)
        _ = table.release(node)
        // Used again and again.
        if let hot = table.retained(InodeNumber(1000)) { _ = table.release(hot) }
      }
      #expect(table.statistics.idle == 100)
      #expect(table.statistics.nodes == 100)
      #expect(table.statistics.idleLooks == 1900)
      #expect(table.existing(InodeNumber(1000)) != nil)
      #expect((2901..<UInt32(3000)).allSatisfy { table.existing(InodeNumber($0)) != nil })
    }
  }

  /// Dirty ones stay past the limit, are not looked at over and over, and the surplus goes later.
  @Test func aSurplusOfDirtyNodesGoesOnceTheyAreClean() throws {
    let image = try EngineImage(size: "8M")
    try image.use { fs in
      let table = NodeTable(capacity: 100)
      for number in 1000..<UInt32(2000) {
        let node = Self.node(number, fs)
        table.insert(node)
        table.noteDirty(node, transaction: TransactionID(1))
        _ = table.release(node)
      }
      #expect(table.statistics.idle == 1000)
      #expect(table.statistics.idleLooks <= 2 * 1000)
      for node in table.takeDirty() { table.didEncode(node) }
      for number in 2000..<UInt32(3000) {
        let node = Self.node(number, fs)
        table.insert(node)
        _ = table.release(node)
      }
      #expect(table.statistics.idle == 100)
    }
  }

  /// Only an eviction of the same inode makes a load stale.
  @Test func aLoadIsNotRepeatedBecauseAnotherInodeWasEvicted() throws {
    let image = try EngineImage(size: "8M")
    try image.use { fs in
      let table = NodeTable(capacity: 1)
      var loads = 0
      _ = try table.acquire(InodeNumber(5000)) { () throws(FileSystemError) -> Node in
        loads += 1
        for number in 2000..<UInt32(2010) {
          let node = Self.node(number, fs)
          table.insert(node)
          _ = table.release(node)
        }
        return Self.node(5000, fs)
      }
      #expect(loads == 1)
      // Of the same inode: what was loaded may be older than what the evicted one had written.
      loads = 0
      _ = try table.acquire(InodeNumber(6000)) { () throws(FileSystemError) -> Node in
        loads += 1
        if loads == 1 {
          for number in [6000, 2001, 2002] as [UInt32] {
            let node = Self.node(number, fs)
            table.insert(node)
            _ = table.release(node)
          }
        }
        return Self.node(6000, fs)
      }
      #expect(loads == 2)
    }
  }
}
