import Ext4Format
import ExtantBase
import TestSupport

/// Random damage to a sound image: what disks and careless programs do to it.
///
/// Half of it lies behind checksums that are right, as software leaves it: else a checksum would be
/// all that is ever found.
public struct Damage {
  /// The spoilt image.
  public private(set) var bytes: [UInt8]
  /// What was done, a line each.
  public private(set) var done: [String] = []
  private var random: SeededGenerator

  /// Spoils one place of `image`, or a few.
  public init(_ image: [UInt8], seed: UInt64) throws {
    bytes = image
    random = SeededGenerator(seed: seed)
    let count = random.chance(60) ? 1 : 2 + random.below(7)
    let planter = try Planter(image)
    let targets = try Self.targets(planter)
    // Descending: descriptors that are wrong would mislead the others.
    let kinds = (0..<count).map { _ in random.below(10) }.sorted(by: >)
    for kind in kinds {
      planter.bytes = bytes
      switch kind {
      case 0..<4: spoilAnywhere()
      case 4: try spoilDescriptor(planter)
      case 5..<8: try spoilInode(planter)
      default: try spoilBlock(planter, targets)
      }
    }
  }

  // MARK: Behind checksums

  /// Blocks of metadata, with their kinds.
  private static func targets(
    _ planter: Planter
  ) throws -> [(address: BlockAddress, kind: ChecksummedBlock)] {
    var result: [(address: BlockAddress, kind: ChecksummedBlock)] = []
    for path in ["/", "/dir", "/dir/sub", "/many", "/lost+found"] {
      let number = try planter.inodeNumber(path)
      let raw = try planter.readInode(number)
      for (index, address) in try planter.blocks(path).prefix(12).enumerated() {
        let isRoot = index == 0 && raw.flags.contains(.index)
        result.append((address, isRoot ? .hashTreeRoot(number) : .directory(number)))
      }
    }
    let sparse = try planter.inodeNumber("/sparse")
    let root = try planter.readInode(sparse)
    // The one index entry of its extent tree; with block pointers, the indirect block.
    let isTree = root.flags.contains(.extents)
    let leaf = isTree ? root.blockWord(4) : root.blockWord(12)
    if leaf != 0 { result.append((BlockAddress(UInt64(leaf)), .extentNode(sparse))) }
    let attributes = try planter.readInode(try planter.inodeNumber("/attributes"))
    if attributes.fileACLLow != 0 {
      result.append((BlockAddress(UInt64(attributes.fileACLLow)), .xattrs))
    }
    return result.filter { Int($0.address.rawValue) * planter.blockSize < planter.bytes.count }
  }

  private mutating func spoilInode(_ planter: Planter) throws {
    // The reserved ones, and the files of the base image.
    let number = InodeNumber(UInt32(1 + random.below(random.chance(70) ? 30 : 40)))
    let size = try planter.readInode(number).bytes.count
    let offset = random.below(min(size, 192))
    var random = random
    var what = ""
    try planter.inode(number) { raw in what = Self.change(&raw.bytes, offset, &random) }
    self.random = random
    bytes = planter.bytes
    done.append("inode \(number.rawValue): \(what)")
  }

  private mutating func spoilDescriptor(_ planter: Planter) throws {
    var random = random
    var what = ""
    if random.chance(50) {
      // Zero, one that is next to the right one, or anything.
      let wrong = random.pick([0, 1, UInt32(random.below(9000)), UInt32.max])
      planter.group(0) { group in
        let address = BlockAddress(UInt64(wrong))
        switch random.below(7) {
        case 0:
          group.blockBitmap = address
          what = "block bitmap"
        case 1:
          group.inodeBitmap = address
          what = "inode bitmap"
        case 2:
          group.inodeTable = address
          what = "inode table"
        case 3:
          group.freeBlocks = wrong
          what = "free blocks"
        case 4:
          group.freeInodes = wrong
          what = "free inodes"
        case 5:
          group.unusedInodes = wrong
          what = "unused inodes"
        default:
          group.flags = GroupDescriptor.Flags(
            rawValue: UInt16(truncatingIfNeeded: random.below(16)))
          what = "flags (not the value below)"
        }
      }
      what = "group 0: \(what): \(wrong)"
    } else {
      planter.superblock { part in
        let offset = random.below(part.count)
        what = "superblock: " + Self.change(&part, offset, &random)
      }
    }
    self.random = random
    bytes = planter.bytes
    done.append(what)
  }

  private mutating func spoilBlock(
    _ planter: Planter, _ targets: [(address: BlockAddress, kind: ChecksummedBlock)]
  ) throws {
    guard !targets.isEmpty else { return spoilAnywhere() }
    let target = random.pick(targets)
    var random = random
    var what = ""
    try planter.block(target.address, as: target.kind) { part in
      // What is at the start of a block is most of its structure.
      let offset = random.below(random.chance(60) ? 64 : part.count)
      what = Self.change(&part, offset, &random)
    }
    self.random = random
    bytes = planter.bytes
    done.append("block \(target.address.rawValue) (\(target.kind)): \(what)")
  }

  /// A bit, a byte, or a field with what is most often wrong in one.
  private static func change(
    _ part: inout [UInt8], _ offset: Int, _ random: inout SeededGenerator
  ) -> String {
    switch random.below(4) {
    case 0:
      let bit = random.below(8)
      part[offset] ^= 1 << UInt8(bit)
      return "bit \(bit) of byte \(offset)"
    case 1:
      part[offset] = UInt8(truncatingIfNeeded: random.next())
      return "byte \(offset) is \(part[offset])"
    default:
      let count = random.pick([2, 4])
      let start = offset & ~(count - 1)
      let value: UInt32 = random.pick([
        0, 1, 2, 11, 12, 0xffff, 0xffff_ffff, 0x8000_0000, UInt32(random.below(1 << 16)),
        UInt32(truncatingIfNeeded: random.next()),
      ])
      for index in 0..<count where start + index < part.count {
        part[start + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
      }
      return "\(count) bytes at \(start) are \(value)"
    }
  }

  // MARK: Anywhere

  private mutating func spoilAnywhere() {
    let place = place()
    switch random.below(10) {
    case 0..<5: done.append("image: " + Self.change(&bytes, place, &random))
    case 5: fill(place & ~511, 512, "sector")
    case 6, 7: fill(place & ~1023, 1024, "block")
    case 8: fill(place & ~4095, 4096, "page")
    default:
      // What should have gone somewhere else.
      let (from, to) = (self.place() & ~1023, place & ~1023)
      let count = min(1024, bytes.count - max(from, to))
      for index in 0..<max(count, 0) { bytes[to + index] = bytes[from + index] }
      done.append("block at \(to) is a copy of that at \(from)")
    }
  }

  /// Most bytes of an image are nothing to anybody: so the places are mostly where there is
  /// something.
  private mutating func place() -> Int {
    for _ in 0..<40 {
      let place = random.below(bytes.count)
      let start = place & ~63
      if bytes[start..<min(start + 64, bytes.count)].contains(where: { $0 != 0 }) { return place }
    }
    return random.below(bytes.count)
  }

  private mutating func fill(_ start: Int, _ count: Int, _ what: String) {
    let kind = random.below(3)
    for index in start..<min(start + count, bytes.count) {
      bytes[index] = kind == 0 ? 0 : kind == 1 ? 0xff : UInt8(truncatingIfNeeded: random.next())
    }
    done.append("\(what) at \(start) is \(["zeros", "ones", "noise"][kind])")
  }
}
