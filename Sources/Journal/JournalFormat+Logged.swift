import BlockIO
import Ext4Format
import ExtantBase

/// A transaction's blocks as the log holds them.
extension JournalFormat {
  /// The descriptor of some blocks, and what follows it: the blocks themselves, those that would
  /// pass for the journal's own as escaped copies.
  ///
  /// - Parameter blocks: at most `tagsPerDescriptor`.
  func logged(
    _ blocks: HomeBlocks, sequence: UInt32
  ) -> (descriptor: BlockBuffer, images: [BlockBuffer]) {
    var tags: [JournalTag] = []
    var images: [BlockBuffer] = []
    for (address, image) in zip(blocks.addresses, blocks.images) {
      let copy = Self.escapedCopy(of: image)
      let logged = copy ?? image
      images.append(logged)
      tags.append(
        makeTag(for: address, logged: logged.bytes, isEscaped: copy != nil, sequence: sequence))
    }
    let descriptor = BlockBuffer(byteCount: blockSize)
    var bytes = descriptor.mutableBytes
    encodeDescriptor(tags, sequence: sequence, into: &bytes)
    return (descriptor, images)
  }

  func commitRecord(sequence: UInt32, time: Timestamp) -> BlockBuffer {
    let record = BlockBuffer(byteCount: blockSize)
    var bytes = record.mutableBytes
    encodeCommit(sequence: sequence, time: time, into: &bytes)
    if isPlanted(.commitChecksumLeftOut) { bytes.setBE32(0, at: 16) }
    return record
  }

  private static func escapedCopy(of image: BlockBuffer) -> BlockBuffer? {
    guard needsEscape(image.bytes), !isPlanted(.escapeLeftOut) else { return nil }
    let copy = BlockBuffer(copying: image)
    var bytes = copy.mutableBytes
    escape(&bytes)
    return copy
  }
}
