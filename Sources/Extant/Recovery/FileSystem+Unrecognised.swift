import BlockIO
import Ext4Format
import ExtantBase
import ImageIO

/// What is said of a device that holds no usable superblock.
extension FileSystem {
  /// Does `body`, which reads the superblock, and has its error say what the device holds instead, and
  /// whether `extant fsck` can help.
  static func namingContents<R>(
    of device: any BlockDevice, _ body: () throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    let needed = Superblock.byteOffset + UInt64(Superblock.byteCount)
    if device.byteCount < needed, let refusal = try ForeignContents.refusal(of: device) {
      throw refusal
    }
    do throws(FileSystemError) { return try body() } catch .corrupt(var corruption) {
      let copy = firstCopy(on: device)
      if let refusal = try ForeignContents.refusal(of: device) {
        guard let copy, case .unsupported(var contents) = refusal else { throw refusal }
        contents.detail +=
          ". A copy of an ext4 superblock is left at block \(copy): extant fsck -n "
        contents.detail += "tells what of that filesystem can be brought back"
        throw .unsupported(contents)
      }
      if let copy {
        corruption.rule += "; a sound copy of it is at block \(copy): extant fsck repairs this"
      }
      throw .corrupt(corruption)
    }
  }

  /// The copy of the superblock in group 1, where a group has as many blocks as its bitmap has bits.
  private static func firstCopy(on device: any BlockDevice) -> UInt64? {
    for blockSize in [1024, 2048, 4096] {
      let block = UInt64(blockSize * 8 + (blockSize == 1024 ? 1 : 0))
      let offset = block * UInt64(blockSize)
      do throws(FileSystemError) {
        guard let buffer = try device.superblockBytes(at: offset) else { continue }
        let copy = try Superblock(buffer.bytes)
        if copy.blockSize == blockSize { return block }
      } catch {
        // None, or none that can be read.
      }
    }
    return nil
  }
}
