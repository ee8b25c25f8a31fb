@testable import Extant
import ExtantBase
import TestSupport
import Testing

/// A crash left a list of many orphans: opening deletes them one by one, and what each costs does not
/// depend on how many there are.
@Suite struct ManyOrphansTests {
  /// An image whose orphan list has `count` inodes; what a power cut leaves of it.
  private static func image(_ count: Int) throws -> EngineImage {
    let image = try EngineImage(
      size: "64M", blockSize: 1024, options: ["-N", "\(count + 1000)"])
    let fs = try image.open()
    var open: [File] = []
    let directory = try fs.makeDirectory(FileName("d"), in: .root, mode: 0o755).inode
    for index in 0..<count {
      open.append(try fs.create("/d/\(index)"))
      try fs.unlink(FileName("\(index)"), in: directory)
    }
    try fs.sync()
    // The power goes.
    try fs.shutDown(.noFlush)
    for file in open { file.close() }
    try? fs.close()
    return image
  }

  /// EXTANT_LONG=1 makes them 100,000.
  @Test func allOfThemAreDeletedAndTheImageIsSound() throws {
    let image = try Self.image(Environment.isLong ? 100_000 : 8000)
    try image.use { fs in
      #expect(fs.orphans.withLock { $0.count } == 0)
    }
  }

  /// The list's head goes each time: no other inode's link has to be written.
  @Test func deletingFromTheHeadChangesNoOtherLink() throws {
    var list = OrphanList()
    for number in 20..<UInt32(100_020) {
      let next = number + 1 < 100_020 ? InodeNumber(number + 1) : nil
      list.adopt(InodeNumber(number), link: next)
    }
    #expect(list.count == 100_000)
    #expect(list.takeChain() == nil)
    for number in 20..<UInt32(100_020) {
      list.remove(InodeNumber(number))
      let chain = list.takeChain()
      #expect(chain?.links.isEmpty == true)
      #expect(chain?.first == (number + 1 < 100_020 ? InodeNumber(number + 1) : nil))
    }
  }
}
