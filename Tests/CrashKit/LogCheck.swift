import DeviceFaults
import Ext4Format

/// Looks at what is written into the journal's log: a block there that begins with the journal's
/// magic number is a whole control block with its checksum, since whoever recovers takes it for one.
/// Blocks that are logged and begin so must have been escaped.
///
/// Source: the kernel's Documentation/filesystems/ext4/journal.rst.
struct LogCheck {
  let base: CrashBaseImage

  private static let magic: UInt32 = 0xC03B_3998
  private enum Kind: UInt32 {
    case descriptor = 1
    case commit = 2
    case revocation = 5
  }

  /// Nil where all is well.
  func complaint(about requests: [RecordedRequest]) -> String? {
    for case .write(let write) in requests {
      let first = Int(write.offset) / CrashImage.sectorSize
      guard base.isLog(first), Int(write.offset) % CrashModel.blockSize == 0 else { continue }
      for start in stride(from: 0, to: write.bytes.count, by: CrashModel.blockSize) {
        let block = Array(write.bytes[start..<min(start + CrashModel.blockSize, write.bytes.count)])
        if let complaint = complaint(about: block) {
          return
            "block \(Int(write.offset) / CrashModel.blockSize + start / CrashModel.blockSize) of the "
            + "journal \(complaint)"
        }
      }
    }
    return nil
  }

  private func complaint(about block: [UInt8]) -> String? {
    guard block.rawBytes.be32(0) == Self.magic else { return nil }
    guard let kind = Kind(rawValue: block.rawBytes.be32(4)) else {
      return "begins as a block of the journal's own and is of none of its kinds"
    }
    // The commit's checksum is in its head, that of the others at the end.
    let place = kind == .commit ? 16 : CrashModel.blockSize - 4
    let stored = block.rawBytes.be32(place)
    var blank = block
    for index in place..<place + 4 { blank[index] = 0 }
    let seed = crc32c(~0, base.journalUUID)
    guard crc32c(seed, blank) == stored else { return "is a \(kind) with a wrong checksum" }
    return nil
  }
}
