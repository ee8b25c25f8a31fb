import CheckKit
import Ext4Format
import ExtantBase
import TestSupport
import Testing

/// What docs/FSCK.md says of memory and time: held by the program itself, under a limit of the kernel's.
@Suite(
  .enabled(if: Environment.hasTools && System.exists(Environment.products + "/extant")), .serialized
)
struct MemoryTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// The memory that is stated, in KiB.
  private func stated(
    blocks: Int, inodes: Int, directories: Int, sharedRuns: Int = 0, isChanged: Bool = false
  ) -> Int {
    let changed = isChanged ? 256 << 20 : 0
    return ((64 << 20) + blocks + 8 * inodes + 128 * directories + 128 * sharedRuns + changed) >> 10
  }

  private func fsck(_ mode: String, _ image: String, kib: Int) throws -> ProgramResult {
    try Program.run([
      "sh", "-c", #"ulimit -d "$1" && shift && exec "$@""#, "sh", String(kib),
      Environment.products + "/extant", "fsck", mode, image,
    ])
  }

  @Test("64 GiB are checked and repaired within the stated memory")
  func large() throws {
    let path = directory("large.img")
    try Program.succeed([
      "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-E", "lazy_itable_init=1,nodiscard", path,
      "64G",
    ])
    let (blocks, inodes) = (16 << 20, 4 << 20)
    let sound = try fsck(
      "-fn", path, kib: stated(blocks: blocks, inodes: inodes, directories: 2))
    #expect(sound.status == 0, "\(sound.output)")
    let script = """
      mkdir a
      mkdir a/b
      mkdir a/b/c
      clri a/b
      ssv free_blocks_count 5

      """
    try System.write(Array(script.utf8), to: directory("script"))
    try Program.succeed(["debugfs", "-w", "-f", directory("script"), path])
    let kib = stated(blocks: blocks, inodes: inodes, directories: 5, isChanged: true)
    let found = try fsck("-fn", path, kib: kib)
    #expect(found.status == 4, "\(found.output)")
    let repaired = try fsck("-fy", path, kib: kib)
    #expect(repaired.status == 1, "\(repaired.output)")
    #expect(try Image(path: path).complaint() == nil)
    #expect(try fsck("-fn", path, kib: kib).status == 0)
  }

  /// What the inodes of a hostile image claim.
  enum Hostility: String, CaseIterable {
    /// All the same extent.
    case extent
    /// Extents that begin one block after another.
    case stagger
    /// The same leaf of 340 extents.
    case tree
    /// Blocks of pointers that lead to themselves.
    case circle
    /// As `stagger`, by directories.
    case directories
  }

  @Test("inodes that all map everything take no more, nor much time", arguments: Hostility.allCases)
  func hostile(_ kind: Hostility) throws {
    let count = 10_000
    let image = try Image.make(
      at: directory("hostile.img"), size: "64M",
      options: [
        "-O", "^has_journal,^resize_inode,^metadata_csum", "-N", String(count + 1000), "-I", "256",
      ])
    let planter = try Planter(try System.contents(image.path))
    for number in 12..<UInt32(12 + count) {
      try planter.inode(InodeNumber(number)) { Self.plant(kind, number, &$0) }
    }
    for group in 0..<planter.superblock.groupCount {
      planter.group(group) {
        $0.unusedInodes = 0
        $0.flags = []
      }
    }
    let node = BlockAddress(Self.node)
    planter.block(node) { block in
      if kind == .circle {
        for offset in stride(from: 0, to: block.count, by: 4) {
          block.setLE32(UInt32(Self.node), at: offset)
        }
      } else if kind == .tree {
        Self.setHeader(&block, 340, capacity: 340, depth: 0)
        for index in 0..<340 {
          Self.setExtent(&block, index, UInt32(index), 1, UInt32(Self.node) + 2 + 2 * UInt32(index))
        }
      }
    }
    try System.write(planter.bytes, to: image.path)
    let blocks = 16 << 10
    let kib = stated(
      blocks: blocks, inodes: count, directories: count,
      sharedRuns: 4 * count + 262_144 + blocks / 16, isChanged: true)
    let start = ContinuousClock.now
    let found = try fsck("-fn", image.path, kib: kib)
    #expect(found.status == 4, "\(found.output.suffix(1000))")
    let repaired = try fsck("-fy", image.path, kib: kib)
    #expect(repaired.status == 1, "\(repaired.output.suffix(1000))")
    // Minutes where each pays for what the others claim; seconds as it is.
    #expect(ContinuousClock.now - start < .seconds(120))
    #expect(try image.complaint() == nil)
    #expect(try fsck("-fn", image.path, kib: kib).status == 0)
  }

  private static let node: UInt64 = 6000

  private static func plant(_ kind: Hostility, _ number: UInt32, _ raw: inout RawInode) {
    raw.mode = kind == .directories ? 0o040755 : 0o100644
    raw.linkCount = kind == .directories ? 2 : 1
    raw.extraSize = 32
    raw.flags = kind == .circle ? [] : .extents
    var area = [UInt8](repeating: 0, count: 60)
    switch kind {
    case .extent:
      setHeader(&area, 1, capacity: 4, depth: 0)
      setExtent(&area, 0, 0, 10_000, 4000)
    case .stagger, .directories:
      setHeader(&area, 4, capacity: 4, depth: 0)
      for index in 0..<4 {
        let part = UInt32(index)
        setExtent(&area, index, 2000 * part, 2000, 4000 + 100 * part + number % 5000)
      }
    case .tree:
      setHeader(&area, 1, capacity: 4, depth: 1)
      area.setLE32(UInt32(node), at: 16)
    case .circle:
      for word in 12..<15 { area.setLE32(UInt32(node), at: 4 * word) }
    }
    raw.blockArea = area
  }

  private static func setHeader(
    _ node: inout [UInt8], _ count: UInt16, capacity: UInt16, depth: UInt16
  ) {
    node.setLE16(0xf30a, at: 0)
    node.setLE16(count, at: 2)
    node.setLE16(capacity, at: 4)
    node.setLE16(depth, at: 6)
  }

  private static func setExtent(
    _ node: inout [UInt8], _ index: Int, _ logical: UInt32, _ length: UInt16, _ address: UInt32
  ) {
    node.setLE32(logical, at: 12 + 12 * index)
    node.setLE16(length, at: 16 + 12 * index)
    node.setLE16(0, at: 18 + 12 * index)
    node.setLE32(address, at: 20 + 12 * index)
  }
}
