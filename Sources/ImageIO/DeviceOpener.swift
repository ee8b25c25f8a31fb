import BlockIO
import ExtantBase

/// The one place that makes a device of a name that somebody gave.
package enum DeviceOpener {
  /// The image in a file, or the block device, at `path`: locked, so that nobody writes beside us.
  ///
  /// - Throws: what `FileDevice` throws.
  package static func open(
    _ path: String, access: DeviceAccess
  ) throws(FileSystemError) -> any BlockDevice {
    try FileDevice(path: path, access: access)
  }
}
