import BlockIO
import Ext4Format
import ExtantBase

/// A file with what a repair overwrites, so that the repair can be taken back.
///
/// Format, little-endian. A header of 4,096 bytes; a table with 24 bytes for each saved block, filled
/// up with zeros to a multiple of 4,096; the blocks, in the order of the table. The header is written
/// last: a file without one was never finished, and the image then was not touched.
///
///     header   0  "EXTUNDO1"
///              8  u32 state (`State`)          12  u32 bytes in a block
///             16  u64 saved blocks             24  u64 bytes on the device
///             32  u8[16] UUID in the superblock before the repair
///             48  u8[16] and after it
///             64  u32 CRC-32C of the table     68  u32 CRC-32C of the header's bytes 12 to 67
///     table    0  u64 number of the block       8  u32 CRC-32C before the repair
///             12  u32 CRC-32C after it         16  u32 1 where what stands there after it is not known
///             20  u32 0
public enum UndoFile {
  static let magic: [UInt8] = Array("EXTUNDO1".utf8)
  static let headerByteCount = 4096
  static let entryByteCount = 24

  /// How far the repair, or its undoing, came.
  enum State: UInt32 {
    /// Some blocks may be written, wholly or in part.
    case repairing = 1
    case repaired = 2
    case undoing = 3
    case undone = 4
  }

  struct Header: Equatable {
    var state: State
    var unit: Int
    var count: Int
    var deviceByteCount: UInt64
    var uuidBefore: [UInt8]
    var uuidAfter: [UInt8]
    var tableChecksum: UInt32

    func encode() -> BlockBuffer {
      let buffer = BlockBuffer(byteCount: UndoFile.headerByteCount)
      var bytes = buffer.mutableBytes
      bytes.copy(UndoFile.magic, at: 0)
      bytes.setLE32(state.rawValue, at: 8)
      bytes.setLE32(UInt32(truncatingIfNeeded: unit), at: 12)
      bytes.setLE64(UInt64(count), at: 16)
      bytes.setLE64(deviceByteCount, at: 24)
      bytes.copy(uuidBefore, at: 32)
      bytes.copy(uuidAfter, at: 48)
      bytes.setLE32(tableChecksum, at: 64)
      bytes.setLE32(crc32c(~0, bytes.bytes.extracting(12..<68)), at: 68)
      return buffer
    }

    var tableByteCount: Int { UndoFile.tableByteCount(count) }
    var byteCount: UInt64 {
      UInt64(UndoFile.headerByteCount + tableByteCount) + UInt64(count) * UInt64(unit)
    }
    func offset(ofBlock index: Int) -> UInt64 {
      UInt64(UndoFile.headerByteCount + tableByteCount) + UInt64(index) * UInt64(unit)
    }
  }

  struct Entry: Equatable {
    var block: UInt64
    var before: UInt32
    var after: UInt32
    /// What stands there once all is repaired is not known: a block of the journal.
    var isOpen = false
  }

  static func tableByteCount(_ count: Int) -> Int {
    (count * entryByteCount + 4095) / 4096 * 4096
  }

  /// The UUID in the superblock, whatever else is wrong with that.
  static func uuid(of device: any BlockDevice) throws(FileSystemError) -> [UInt8] {
    let place = Superblock.byteOffset + UInt64(SuperblockField.uuid)
    guard device.byteCount >= place + 16 else { return [UInt8](repeating: 0, count: 16) }
    let buffer = BlockBuffer(byteCount: 16)
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: place)
    return buffer.bytes.array()
  }
}
