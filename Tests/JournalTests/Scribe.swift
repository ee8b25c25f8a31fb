import BlockIO
import ExtantBase
import TestSupport

@testable import Ext4Format
@testable import Journal
import ImageIO

/// A journal in memory, written block by block as a test wants it, beside a filesystem of
/// `homeCount` blocks: the journal lies in three pieces behind it.
final class Scribe {
  static let homeCount: UInt64 = 500

  let device: MemoryDevice
  let area: JournalArea
  let format: JournalFormat
  let blockSize: Int
  private(set) var superblock: JournalSuperblock
  /// Where the next block of the log goes.
  private(set) var place: UInt32
  var seconds: Int64 = 1_000_000

  init(
    _ kind: JournalKind, blockSize: Int = 1024, blockCount: UInt32 = 64, start: UInt32 = 1,
    sequence: UInt32 = 5
  ) throws {
    superblock = kind.superblock(blockSize: blockSize, blockCount: blockCount)
    superblock.start = start
    superblock.sequence = sequence
    self.blockSize = blockSize
    format = JournalFormat(superblock)
    place = start
    let size = UInt64(blockSize)
    device = MemoryDevice(byteCount: (Self.homeCount + UInt64(blockCount) + 20) * size)
    let third = blockCount / 3
    let piece = { (first: UInt32, count: UInt32, gap: UInt64) in
      JournalArea.Run(
        first: first, offset: (Self.homeCount + UInt64(first) + gap) * size, count: count)
    }
    area = try JournalArea(
      device: device, blockSize: blockSize,
      runs: [
        piece(0, third, 0), piece(third, third, 5), piece(2 * third, blockCount - 2 * third, 10),
      ])
  }

  /// One block of the log; `bytes` may be anything.
  @discardableResult
  func put(_ bytes: [UInt8]) throws -> UInt32 {
    let used = place
    try put(bytes, at: used)
    place = place + 1 == superblock.lastLogBlock ? superblock.firstLogBlock : place + 1
    return used
  }

  func put(_ bytes: [UInt8], at block: UInt32) throws {
    let buffer = BlockBuffer(byteCount: blockSize)
    var target = buffer.mutableBytes
    target.copy(bytes, at: 0)
    try area.write([buffer], at: block)
  }

  func blockOf(_ block: UInt32) throws -> [UInt8] {
    let buffer = BlockBuffer(byteCount: blockSize)
    try area.read(block, into: buffer)
    return buffer.bytes.array()
  }

  /// Changes one bit of a block of the journal.
  func damage(_ block: UInt32, byte: Int) throws {
    var bytes = try blockOf(block)
    bytes[byte] ^= 1
    try put(bytes, at: block)
  }

  func make(_ body: (inout MutableRawSpan) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xee, count: blockSize)
    bytes.withMutableBytes(body)
    return bytes
  }

  /// Where the parts of a transaction went.
  struct Places {
    var descriptor: UInt32 = 0
    var blocks: [UInt32] = []
    var revocation: UInt32?
    var commit: UInt32 = 0
  }

  /// A whole transaction, in the order in which the kernel writes it.
  @discardableResult
  func transaction(
    _ sequence: UInt32, _ blocks: [(UInt64, [UInt8])], revoking: [UInt64] = [],
    commits: Bool = true
  ) throws -> Places {
    var places = Places()
    if !revoking.isEmpty {
      places.revocation = try put(
        make {
          format.encodeRevoke(revoking.map { BlockAddress($0) }, sequence: sequence, into: &$0)
        })
    }
    var crc = JournalFormat.transactionChecksumStart
    var logged: [[UInt8]] = []
    var tags: [JournalTag] = []
    for (address, bytes) in blocks {
      var bytes = bytes
      let isEscaped = JournalFormat.needsEscape(bytes.rawBytes)
      if isEscaped { bytes.withMutableBytes { JournalFormat.escape(&$0) } }
      tags.append(
        format.makeTag(
          for: BlockAddress(address), logged: bytes, isEscaped: isEscaped, sequence: sequence))
      logged.append(bytes)
    }
    let descriptor = make { format.encodeDescriptor(tags, sequence: sequence, into: &$0) }
    crc = JournalFormat.transactionChecksum(crc, descriptor)
    places.descriptor = try put(descriptor)
    for bytes in logged {
      crc = JournalFormat.transactionChecksum(crc, bytes)
      places.blocks.append(try put(bytes))
    }
    guard commits else { return places }
    seconds += 5
    places.commit = try put(
      make {
        format.encodeCommit(
          sequence: sequence, time: Timestamp(seconds: seconds, nanoseconds: 0), into: &$0)
        guard format.hasTransactionChecksums else { return }
        $0.setU8(1, at: 0xC)
        $0.setU8(4, at: 0xD)
        $0.setBE32(crc, at: 0x10)
      })
    return places
  }

  func recovery() throws -> Recovery {
    try Recovery(area: area, superblock: superblock, blockLimit: Self.homeCount)
  }

  /// The first byte of what is at home in `address`: tests fill blocks with one byte.
  func home(_ address: UInt64) throws -> UInt8 {
    var bytes = [UInt8](repeating: 0, count: blockSize)
    try bytes.withMutableBytes { (span) throws(FileSystemError) in
      try device.read(into: &span, at: address * UInt64(blockSize))
    }
    return Set(bytes).count == 1 ? bytes[0] : 0xff
  }

  func fill(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: blockSize) }
}
