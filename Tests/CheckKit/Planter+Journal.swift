import Ext4Format
import ExtantBase
import TestSupport

/// What recipes plant in a journal.
extension Planter {
  /// A transaction to be written to the log.
  struct LoggedTransaction {
    var blocks: [(home: BlockAddress, bytes: [UInt8])]
    /// Which of its own blocks is damaged after it was written: 0 the descriptor, then those it logs,
    /// the last the commit block.
    var damaged: Int?
  }

  /// The journal's blocks, in order.
  func journalBlocks() throws -> [BlockAddress] {
    // Those of the map itself are named too.
    let all = try blocks("<8>")
    let answer = try ask("bmap <8> 0")
    guard let first = answer.split(separator: "\n").compactMap({ UInt64($0) }).first,
      let index = all.firstIndex(of: BlockAddress(first))
    else { throw SystemFailure(2, "debugfs finds no journal: \(answer)") }
    return Array(all[index...])
  }

  /// Changes the journal's superblock, and sets its checksum where it has one.
  func journalSuperblock(
    keepingChecksum: Bool = false, _ change: (inout [UInt8]) throws -> Void
  ) throws {
    let address = try journalBlocks()[0]
    try block(address) { part in
      try change(&part)
      let features = part.rawBytes.be32(0x28)
      guard !keepingChecksum, features & 0x18 != 0 else { return }
      part.setBE32(0, at: 0xfc)
      part.setBE32(crc32c(~0, Array(part[..<1024])), at: 0xfc)
    }
  }

  /// Gives the journal the checksums that the kernel gives it.
  func useJournalChecksums() throws {
    try journalSuperblock { part in
      part.setBE32(0x13, at: 0x28)
      part[0x50] = 4
    }
  }

  /// Writes transactions to the log, as a crash leaves them.
  func log(_ transactions: [LoggedTransaction], asksForRecovery: Bool = true) throws {
    let places = try journalBlocks()
    let journal = try JournalSuperblock(readBlock(places[0]).rawBytes, superblock: superblock)
    let format = JournalFormat(journal)
    var place = Int(journal.firstLogBlock)
    var sequence = journal.sequence
    func put(_ bytes: [UInt8]) {
      block(places[place]) { $0 = bytes }
      place += 1
    }
    for transaction in transactions {
      let start = place
      let tags = transaction.blocks.map { home, bytes in
        format.makeTag(for: home, logged: bytes.rawBytes, isEscaped: false, sequence: sequence)
      }
      var bytes = [UInt8](repeating: 0, count: blockSize)
      bytes.withMutableBytes { format.encodeDescriptor(tags, sequence: sequence, into: &$0) }
      put(bytes)
      for (_, bytes) in transaction.blocks { put(bytes) }
      bytes = [UInt8](repeating: 0, count: blockSize)
      bytes.withMutableBytes {
        format.encodeCommit(
          sequence: sequence, time: Timestamp(seconds: 1_000_000, nanoseconds: 0), into: &$0)
      }
      put(bytes)
      if let damaged = transaction.damaged {
        // Behind what the header and the tags say.
        block(places[start + damaged]) { $0[blockSize - 100] ^= 0x55 }
      }
      sequence &+= 1
    }
    try journalSuperblock { part in
      part.setBE32(journal.firstLogBlock, at: 0x1c)
    }
    if asksForRecovery { setIncompat(.needsRecovery, to: true) }
  }

  /// Writes a fast commit that adds to the one transaction in the log.
  func fastCommit(_ records: [(tag: UInt16, value: [UInt8])]) throws {
    let places = try journalBlocks()
    let journal = try JournalSuperblock(readBlock(places[0]).rawBytes, superblock: superblock)
    func word(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    func record(_ tag: UInt16, _ value: [UInt8]) -> [UInt8] {
      [UInt8(tag), 0, UInt8(truncatingIfNeeded: value.count), UInt8(value.count >> 8)] + value
    }
    let sequence = word(journal.sequence &+ 1)
    var bytes = record(9, word(0) + sequence)
    for (tag, value) in records { bytes += record(tag, value) }
    bytes += record(8, sequence + word(0)).dropLast(4)
    bytes += word(crc32c(0, bytes))
    block(places[Int(journal.lastLogBlock) + 1]) { part in
      part = bytes + [UInt8](repeating: 0, count: part.count - bytes.count)
    }
  }

  // MARK: Superblock

  func setCompat(_ feature: CompatFeatures, to value: Bool) {
    setFeature(SuperblockField.featureCompat, feature.rawValue, value)
  }
  func setIncompat(_ feature: IncompatFeatures, to value: Bool) {
    setFeature(SuperblockField.featureIncompat, feature.rawValue, value)
  }
  func setReadOnlyCompat(_ feature: ReadOnlyCompatFeatures, to value: Bool) {
    setFeature(SuperblockField.featureReadOnlyCompat, feature.rawValue, value)
  }
  private func setFeature(_ offset: Int, _ bit: UInt32, _ value: Bool) {
    superblock { part in
      let old = part.le32(offset)
      part.setLE32(value ? old | bit : old & ~bit, at: offset)
    }
  }

  /// The block in which an inode's slot lies.
  func inodeBlock(_ path: String) throws -> BlockAddress {
    let number = try inodeNumber(path)
    guard let group = superblock.group(of: number) else { throw SystemFailure(2, path) }
    return try superblock.inodeLocation(number, descriptor: descriptor(group.rawValue)).block
  }
}
