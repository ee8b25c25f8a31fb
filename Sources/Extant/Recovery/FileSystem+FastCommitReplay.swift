import BlockIO
import Ext4Format
import ExtantBase
import Journal
import ImageIO

/// How fast commits become part of an image: they are applied to a copy in memory, and the blocks
/// that differ then go to the log as one more transaction, with the number that they add to. Until
/// that is durable the fast commits count, from then on the transaction.
extension FileSystem {
  /// Replays the journal of the image on `device` with its fast commits, for whoever checks an image.
  /// `device` is changed and closed; a copy of it can still be read.
  ///
  /// - Throws: `unsupported` and `corrupt` where that cannot be done; what was changed is worth
  ///   nothing then.
  public static func applyFastCommits(on device: OverlayDevice) throws(FileSystemError) {
    var options = Options()
    options.appliesFastCommits = true
    options.writeBackInterval = 0
    let fileSystem = try FileSystem(device: device, options: options)
    if let reason = fileSystem.readOnlyReason {
      try fileSystem.close()
      throw .unsupported(Unsupported("fast commits", "they cannot be applied: \(reason)"))
    }
    try fileSystem.close()
  }

  /// The image with its log replayed and its fast commits applied, in memory; nil where these hold
  /// what is not built, which is noted.
  static func withFastCommits(
    _ base: any BlockDevice, _ recovered: inout Recovered
  ) throws(FileSystemError) -> OverlayDevice? {
    // The first would close the base.
    let overlay = OverlayDevice(base: base, pieceByteCount: recovered.superblock.blockSize).copy()
    var options = Options()
    options.appliesFastCommits = true
    options.writeBackInterval = 0
    do throws(FileSystemError) {
      let fileSystem = try FileSystem(device: overlay, options: options)
      if let reason = fileSystem.readOnlyReason {
        try fileSystem.close()
        recovered.notes.append("the fast commits cannot be applied: \(reason)")
        return nil
      }
      try fileSystem.close()
      return overlay.copy(closingBase: true)
    } catch .io(let failure) {
      throw .io(failure)
    } catch {
      recovered.notes.append("the fast commits cannot be applied: \(error)")
      return nil
    }
  }

  /// The blocks of `complete` that differ from `replayed`, which has the log's transactions in place,
  /// without those of the journal.
  static func changedBlocks(
    _ complete: OverlayDevice, _ replayed: OverlayDevice, _ journal: JournalArea,
    _ superblock: Superblock
  ) throws(FileSystemError) -> [(home: BlockAddress, image: BlockBuffer)] {
    let size = superblock.blockSize
    var changed: [(home: BlockAddress, image: BlockBuffer)] = []
    for piece in complete.writtenPieces {
      let offset = piece * UInt64(size)
      if journal.holds(offset) { continue }
      let new = BlockBuffer(byteCount: size)
      let old = BlockBuffer(byteCount: size)
      var newBytes = new.mutableBytes
      try complete.read(into: &newBytes, at: offset)
      var oldBytes = old.mutableBytes
      try replayed.read(into: &oldBytes, at: offset)
      let place = Superblock.byteOffset
      if offset <= place, place < offset + UInt64(size) {
        // It is not recovered before all blocks are home.
        let start = Int(place - offset)
        var current = try complete.readSuperblock()
        current.features.incompat.insert(.needsRecovery)
        var slot = newBytes._mutatingExtracting(start..<start + Superblock.byteCount)
        current.encode(into: &slot)
      }
      if new.bytes.array() != old.bytes.array() {
        changed.append((BlockAddress(piece), new))
      }
    }
    return changed
  }
}
