import BlockIO
import ExtantBase

/// Makes a frozen transaction durable by writing its blocks to their homes, between two flushes.
///
/// This is the place of the JBD2 log: descriptor, blocks and commit record will go before the
/// homes here. Without it the order data, flush, metadata, flush holds, but a crash between the
/// flushes can leave half of the metadata written.
struct MetadataWriter {
  let device: any BlockDevice
  let blockSize: Int

  /// Blocks in one gathered write.
  private static let longestWrite = 256

  func write(_ transaction: FrozenTransaction) throws(FileSystemError) {
    try device.flush()
    guard !transaction.addresses.isEmpty else { return }
    var start = 0
    while start < transaction.addresses.count {
      var end = start + 1
      while end < transaction.addresses.count, end - start < Self.longestWrite,
        transaction.addresses[end] == transaction.addresses[end - 1] + 1
      {
        end += 1
      }
      let offset = transaction.addresses[start].rawValue.multipliedReportingOverflow(
        by: UInt64(blockSize))
      guard !offset.overflow else {
        throw .corrupt(
          Corruption("transaction", block: transaction.addresses[start], "address out of range"))
      }
      try device.write(Array(transaction.images[start..<end]), at: offset.partialValue)
      start = end
    }
    try device.flush()
  }
}
