import ExtantBase

/// One record of a fast commit: what changed since the last whole transaction, by its meaning
/// instead of by blocks. Little-endian, unlike the rest of the journal.
///
/// Source: the kernel's Documentation/filesystems/ext4/journal.rst, "Fast commits".
public enum FastCommitRecord: Sendable, Equatable {
  /// These blocks of the file are mapped so, whatever they were.
  case addRange(inode: InodeNumber, ExtentRecord)
  /// These blocks of the file are mapped no more.
  case deleteRange(inode: InodeNumber, logical: UInt32, count: UInt32)
  /// A new inode under its first name.
  case create(FastCommitName)
  case link(FastCommitName)
  case unlink(FastCommitName)
  /// The bytes of an inode; those of i_block count only where they are no map.
  case inode(InodeNumber, raw: [UInt8])
}

/// A name in a directory.
public struct FastCommitName: Sendable, Equatable {
  public var parent: InodeNumber
  public var inode: InodeNumber
  public var name: [UInt8]
}

/// Reads fast commits block by block, and keeps the records of those that are complete.
///
/// A fast commit ends with a record that has the number of the transaction it adds to, and a
/// checksum of all its records. The first that is not right ends all.
public struct FastCommitReader: Sendable {
  /// What complete fast commits say, in their order.
  public private(set) var records: [FastCommitRecord] = []
  /// Complete fast commits.
  public private(set) var commitCount = 0

  private let sequence: UInt32
  private let inodeSize: Int
  private var pending: [FastCommitRecord] = []
  private var checksum: UInt32 = 0
  private var hasHead = false

  /// - Parameter sequence: the transaction that fast commits must add to.
  public init(sequence: UInt32, inodeSize: Int) {
    self.sequence = sequence
    self.inodeSize = inodeSize
  }

  private enum Tag {
    static let addRange: UInt16 = 1
    static let deleteRange: UInt16 = 2
    static let create: UInt16 = 3
    static let link: UInt16 = 4
    static let unlink: UInt16 = 5
    static let inode: UInt16 = 6
    static let pad: UInt16 = 7
    static let tail: UInt16 = 8
    static let head: UInt16 = 9
  }

  private static let tagByteCount = 4

  /// Takes the next block of the area.
  ///
  /// - Returns: false where the fast commits end in it, or do not go on.
  /// - Throws: `unsupported` for features that a fast commit says it needs.
  public mutating func take(_ block: RawSpan) throws(FileSystemError) -> Bool {
    var place = 0
    while place + Self.tagByteCount <= block.byteCount {
      let tag = block.le16(place)
      let count = Int(block.le16(place + 2))
      let start = place + Self.tagByteCount
      guard count <= block.byteCount - start else { return false }
      let value = block.extracting(start..<start + count)
      guard hasHead || tag == Tag.head else { return false }
      if tag == Tag.tail {
        guard count >= 8, endCommit(value, block.extracting(place..<start + 4)) else {
          return false
        }
      } else {
        guard try take(tag, value) else { return false }
        checksum = crc32c(checksum, block.extracting(place..<start + count))
      }
      place = start + count
    }
    return true
  }

  /// False where the record has no meaning.
  private mutating func take(_ tag: UInt16, _ value: RawSpan) throws(FileSystemError) -> Bool {
    let count = value.byteCount
    switch tag {
    case Tag.head:
      guard count >= 8 else { return false }
      guard value.le32(0) == 0 else {
        throw .unsupported(
          Unsupported(
            "a fast commit with unknown features", "0x" + String(value.le32(0), radix: 16)))
      }
      guard value.le32(4) == sequence else { return false }
      hasHead = true
    case Tag.addRange:
      guard count == 16 else { return false }
      let stored = UInt32(value.le16(8))
      let isUnwritten = stored > ExtentRecord.maximumWrittenLength
      let address = UInt64(value.le16(10)) << 32 | UInt64(value.le32(12))
      let record = ExtentRecord(
        logical: value.le32(4),
        length: isUnwritten ? stored - ExtentRecord.maximumWrittenLength : stored,
        address: BlockAddress(address), isUnwritten: isUnwritten)
      guard record.length > 0 else { return false }
      pending.append(.addRange(inode: InodeNumber(value.le32(0)), record))
    case Tag.deleteRange:
      guard count == 12 else { return false }
      pending.append(
        .deleteRange(
          inode: InodeNumber(value.le32(0)), logical: value.le32(4), count: value.le32(8)))
    case Tag.create, Tag.link, Tag.unlink:
      guard count > 8, count <= 8 + FileName.maximumLength else { return false }
      let name = FastCommitName(
        parent: InodeNumber(value.le32(0)), inode: InodeNumber(value.le32(4)),
        name: value.array(8..<count))
      switch tag {
      case Tag.create: pending.append(.create(name))
      case Tag.link: pending.append(.link(name))
      default: pending.append(.unlink(name))
      }
    case Tag.inode:
      guard count >= 4 + Inode.baseSize, count <= 4 + inodeSize else { return false }
      pending.append(.inode(InodeNumber(value.le32(0)), raw: value.array(4..<count)))
    case Tag.pad: break
    default: return false
    }
    return true
  }

  /// `covered`: the record up to its checksum.
  private mutating func endCommit(_ value: RawSpan, _ covered: RawSpan) -> Bool {
    guard value.le32(0) == sequence, value.le32(4) == crc32c(checksum, covered) else {
      return false
    }
    records += pending
    commitCount += 1
    pending = []
    checksum = 0
    return true
  }
}
