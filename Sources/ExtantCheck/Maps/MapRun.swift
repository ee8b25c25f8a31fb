import ExtantBase

/// Consecutive blocks of an inode's contents that lie consecutively on the device.
struct MapRun: Hashable, Sendable {
  /// Within the inode's contents, in blocks.
  var logical: UInt64
  var address: BlockAddress
  /// In blocks.
  var count: UInt64
  /// Allocated, but reads as zeros.
  var isUnwritten = false
}
