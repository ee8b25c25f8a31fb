import BlockIO
import Ext4Format
import ExtantBase

/// What is in an image of 1 KiB blocks, read without the engine, with everything that is wrong with
/// it: as e2fsck would find, and a little stricter.
///
/// For images made by this kit: extents, no inline data, no attribute inodes.
public struct ImageContents {
  enum Block: CustomStringConvertible {
    case hole
    case unwritten
    /// The block's address.
    case written(Int)

    var description: String {
      switch self {
      case .hole: "a hole"
      case .unwritten: "unwritten"
      case .written(let address): "written (block \(address))"
      }
    }
  }

  struct Node {
    var number: UInt32
    var mode: UInt16
    var size: UInt64
    var links: Int
    var blocks: [Block] = []
    /// Of a directory, without "." and "..".
    var entries: [String: UInt32] = [:]
    var attributes: [[UInt8]: [UInt8]] = [:]
    var target: [UInt8] = []
    /// What a device stands for.
    var device = DeviceNumber(major: 0, minor: 0)

    var kind: FileKind? { FileKind(mode: mode) }
  }

  /// Broken rules; empty for a sound image.
  var problems: [String] = []
  /// By number: what is in use and no reserved inode.
  var nodes: [UInt32: Node] = [:]
  /// Blocks of the journal, its superblock first.
  var journalBlocks: [Int] = []
  /// Per block, whether the bitmap says that it is in use.
  private(set) var usedBlocks: [Bool] = []

  let device: BlockBuffer
  private var owners: [UInt32] = []
  private var superblock: Superblock?
  static let metadataOwner = UInt32.max

  /// - Parameter isClosed: whether it must look as after a proper close.
  public init(_ device: BlockBuffer, isClosed: Bool = true) {
    self.device = device
    do throws(FileSystemError) {
      try read(isClosed: isClosed)
    } catch {
      problems.append("\(error)")
    }
  }

  /// Where the block at `address` lies, in bytes.
  static func range(_ address: Int) -> Range<Int> {
    address * CrashModel.blockSize..<(address + 1) * CrashModel.blockSize
  }

  func bytes(of address: Int, _ range: Range<Int>) -> [UInt8] {
    let start = address * CrashModel.blockSize
    return device.bytes.array(start + range.lowerBound..<start + range.upperBound)
  }

  // MARK: The whole

  private mutating func read(isClosed: Bool) throws(FileSystemError) {
    let device = device
    let start = Int(Superblock.byteOffset)
    let superblock = try Superblock(
      device.bytes.extracting(start..<start + Superblock.byteCount))
    self.superblock = superblock
    guard superblock.blockSize == CrashModel.blockSize, superblock.groupCount == 1,
      Int(superblock.blockCount) * CrashModel.blockSize <= device.byteCount
    else { throw .unsupported(Unsupported("geometry", "one group of 1 KiB blocks")) }
    owners = [UInt32](repeating: 0, count: Int(superblock.blockCount))
    if isClosed { checkClosed(superblock) }
    let table = superblock.descriptorBlock(for: GroupIndex(0))
    let descriptor = try GroupDescriptor(
      device.bytes.extracting(Self.range(Int(table.rawValue))), group: GroupIndex(0),
      superblock: superblock)
    claimLayout(superblock, descriptor)
    let used = try readInodes(superblock, descriptor)
    try walk(superblock)
    checkBlocks(superblock, descriptor)
    checkInodes(superblock, descriptor, used)
    if isClosed { checkJournal(superblock) }
  }

  mutating func complain(_ text: String) { problems.append(text) }

  private mutating func checkClosed(_ superblock: Superblock) {
    // Without a journal nobody but a check may say so after a crash.
    if superblock.features.compat.contains(.hasJournal), !superblock.state.contains(.clean) {
      complain("superblock: not marked clean")
    }
    if superblock.state.contains(.errors) { complain("superblock: marked as having errors") }
    if superblock.features.incompat.contains(.needsRecovery) {
      complain("superblock: the journal needs recovery")
    }
    if let orphan = superblock.lastOrphan { complain("superblock: orphan \(orphan) is left") }
  }

  private mutating func checkJournal(_ superblock: Superblock) {
    let device = device
    guard let first = journalBlocks.first else { return }
    do throws(FileSystemError) {
      let journal = try JournalSuperblock(
        device.bytes.extracting(Self.range(first)), superblock: superblock)
      if !journal.isClean { complain("journal superblock: not empty") }
      if journal.errno != 0 { complain("journal superblock: errno \(journal.errno)") }
    } catch {
      complain("\(error)")
    }
  }

  // MARK: Blocks

  mutating func claim(_ address: UInt64, count: UInt64 = 1, _ owner: UInt32) {
    for place in address..<address &+ count {
      guard place < UInt64(owners.count) else { return complain("block \(place) is outside") }
      let before = owners[Int(place)]
      if before != 0 { complain("block \(place) belongs to inodes \(before) and \(owner)") }
      owners[Int(place)] = owner
    }
  }

  private mutating func claimLayout(_ superblock: Superblock, _ descriptor: GroupDescriptor) {
    let area = superblock.superblockAreaBlockCount(in: GroupIndex(0))
    claim(UInt64(superblock.firstDataBlock), count: UInt64(area), Self.metadataOwner)
    claim(descriptor.blockBitmap.rawValue, Self.metadataOwner)
    claim(descriptor.inodeBitmap.rawValue, Self.metadataOwner)
    claim(
      descriptor.inodeTable.rawValue, count: UInt64(superblock.inodeTableBlockCount),
      Self.metadataOwner)
  }

  private mutating func checkBlocks(_ superblock: Superblock, _ descriptor: GroupDescriptor) {
    let device = device
    let bitmap = device.bytes.extracting(Self.range(Int(descriptor.blockBitmap.rawValue)))
    do throws(FileSystemError) {
      try Bitmap.verifyBlockBitmap(
        bitmap, group: GroupIndex(0), descriptor: descriptor, superblock: superblock)
    } catch { complain("\(error)") }
    usedBlocks = [Bool](repeating: true, count: owners.count)
    var free: UInt64 = 0
    for address in Int(superblock.firstDataBlock)..<owners.count {
      let isUsed = bitmap.bit(address - Int(superblock.firstDataBlock))
      usedBlocks[address] = isUsed
      if !isUsed { free += 1 }
      if isUsed != (owners[address] != 0) {
        complain(
          isUsed
            ? "block \(address) is in use by nobody"
            : "block \(address) of inode \(owners[address]) is free")
      }
    }
    if UInt64(descriptor.freeBlocks) != free {
      complain("group: \(descriptor.freeBlocks) free blocks, \(free) there")
    }
    if superblock.freeBlockCount != free {
      complain("superblock: \(superblock.freeBlockCount) free blocks, \(free) there")
    }
  }
}
