import BlockIO
import Ext4Format
import ExtantBase
import TestSupport

/// Whole images in memory: read at once, written at once.
public enum ImageBytes {
  /// A device in memory that holds `bytes`.
  public static func device(_ bytes: [UInt8]) throws(FileSystemError) -> MemoryDevice {
    let device = MemoryDevice(byteCount: UInt64(bytes.count))
    try device.write(bytes.rawBytes, at: 0)
    return device
  }

  static func contents(_ device: any BlockDevice) throws(FileSystemError) -> [UInt8] {
    let buffer = BlockBuffer(byteCount: Int(device.byteCount))
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: 0)
    return buffer.bytes.array()
  }
}
