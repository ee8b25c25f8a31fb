import BlockIO
import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format
@testable import Journal

/// What decides how a journal's blocks look.
struct JournalKind: Sendable, CustomTestStringConvertible {
  var incompat: JournalSuperblock.IncompatFeatures = []
  var compat: JournalSuperblock.CompatFeatures = []

  var testDescription: String { "incompat \(incompat.rawValue), compat \(compat.rawValue)" }

  static let all = [
    JournalKind(), JournalKind(incompat: [.is64Bit]), JournalKind(compat: [.checksum]),
    JournalKind(incompat: [.checksumV2]), JournalKind(incompat: [.checksumV2, .is64Bit]),
    JournalKind(incompat: [.checksumV3]), JournalKind(incompat: [.checksumV3, .is64Bit]),
    JournalKind(incompat: [.is64Bit], compat: [.checksum]),
  ]

  /// Of a journal with this kind's features.
  func superblock(blockSize: Int, blockCount: UInt32 = 1024) -> JournalSuperblock {
    var superblock = JournalSuperblock(
      blockSize: UInt32(blockSize), blockCount: blockCount, uuid: Array(1...16))
    superblock.incompat = incompat
    superblock.compat = compat
    if superblock.hasChecksums { superblock.raw[JournalSuperblock.Field.checksumType] = 4 }
    return superblock
  }

  func format(_ blockSize: Int) -> JournalFormat { JournalFormat(superblock(blockSize: blockSize)) }

  var largestAddress: UInt64 { incompat.contains(.is64Bit) ? 1 << 48 : 1 << 32 - 1 }
}

/// `count` bytes of which nobody knows anything.
func randomBytes(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  bytes.withMutableBytes { span in
    for offset in stride(from: 0, to: count - count % 8, by: 8) {
      span.setLE64(random.next(), at: offset)
    }
  }
  return bytes
}

// The same for arrays: `#expect` cannot take spans apart.
extension JournalFormat {
  func makeTag(
    for address: BlockAddress, logged block: [UInt8], isEscaped: Bool, sequence: UInt32
  ) -> JournalTag {
    makeTag(for: address, logged: block.rawBytes, isEscaped: isEscaped, sequence: sequence)
  }
  func matches(_ tag: JournalTag, logged block: [UInt8], sequence: UInt32) -> Bool {
    matches(tag, logged: block.rawBytes, sequence: sequence)
  }
  func hasValidTail(_ bytes: [UInt8]) -> Bool { hasValidTail(bytes.rawBytes) }
  func decodeTags(_ bytes: [UInt8]) -> [JournalTag] { decodeTags(bytes.rawBytes) }
  func decodeRevoke(_ bytes: [UInt8]) throws(FileSystemError) -> [BlockAddress] {
    try decodeRevoke(bytes.rawBytes)
  }
  func decodeCommit(_ bytes: [UInt8]) -> JournalCommit? { decodeCommit(bytes.rawBytes) }
  func hasValidCommitChecksum(_ bytes: [UInt8]) -> Bool {
    hasValidCommitChecksum(bytes.rawBytes)
  }
  static func transactionChecksum(_ seed: UInt32, _ block: [UInt8]) -> UInt32 {
    transactionChecksum(seed, block.rawBytes)
  }
}

extension JournalBlockHeader {
  init?(_ bytes: [UInt8]) { self.init(bytes.rawBytes) }
}
