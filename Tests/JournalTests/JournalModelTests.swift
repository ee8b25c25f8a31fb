import BlockIO
import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format
@testable import Journal
import ImageIO

/// The running journal against a naive model: random transactions that change, free and reuse
/// blocks, on a log so small that it goes round many times, with a power cut at any request.
@Suite struct JournalModelTests {
  static let blockSize = 1024
  static let homes: UInt64 = 40

  /// What a block holds; none: it is free, and may hold anything.
  private enum Content: Equatable {
    case metadata(UInt32)
    case data(UInt32)
  }

  private typealias State = [UInt64: Content]

  /// Counts claims on blocks as the cache does, and writes nothing itself.
  private final class Client: TransactionClient, @unchecked Sendable {
    var claims: [BlockAddress: Int] = [:]
    func encode(_ handle: Handle) throws(FileSystemError) {}
    func writeData(of inodes: [InodeNumber]) {}
    func settleData(_ data: OrderedData, _ handle: Handle) throws(FileSystemError) {}
    func didCommit(_ transaction: TransactionID) {}
    func didAbort(_ error: FileSystemError) { Issue.record(error) }
    func release(_ blocks: [BlockAddress]) {
      // As in the cache: what was discarded has no claims left, and takes none.
      for block in blocks { if let count = claims[block] { claims[block] = count - 1 } }
    }
  }

  @Test(arguments: [
    JournalKind(), JournalKind(incompat: [.is64Bit]), JournalKind(incompat: [.checksumV2]),
    JournalKind(incompat: [.checksumV3, .is64Bit]),
  ])
  func whatWasCommittedIsThereAfterAnyCut(_ kind: JournalKind) throws {
    var random = SeededGenerator(seed: Seed.take())
    for _ in 0..<6 { try Self.run(kind, &random) }
  }

  private static func image(_ stamp: UInt32, isMagic: Bool) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: blockSize)
    var bytes = buffer.mutableBytes
    // Some blocks look like the journal's own.
    bytes.setBE32(isMagic ? JournalSuperblock.magic : stamp, at: 0)
    bytes.setBE32(stamp, at: 4)
    bytes.setBE32(stamp, at: blockSize - 4)
    return buffer
  }

  private static func run(_ kind: JournalKind, _ random: inout SeededGenerator) throws {
    let logBlocks: UInt32 = 70
    let device = VolatileDevice(
      byteCount: (homes + UInt64(logBlocks)) * UInt64(blockSize), blockSize: blockSize)
    let area = try JournalArea(
      device: device, blockSize: blockSize,
      runs: [.init(first: 0, offset: homes * UInt64(blockSize), count: logBlocks)])
    var superblock = kind.superblock(blockSize: blockSize, blockCount: logBlocks)
    superblock.upgrade(
      is64Bit: kind.incompat.contains(.is64Bit), hasMetadataChecksums: superblock.hasChecksums)
    let first = BlockBuffer(byteCount: blockSize)
    var bytes = first.mutableBytes
    superblock.encode(into: &bytes)
    try area.writeThrough(first, at: 0)

    let client = Client()
    let journal = try Journal(
      device: device, blockSize: blockSize, log: (area, superblock), memoryLimit: 1000,
      client: client)
    var model: State = [:]
    /// States that a cut may leave: the last one durable, and the one being committed.
    var allowed: [State] = [model]
    var stamp: UInt32 = 1
    /// Freed in this transaction, and what may be used again.
    var pending: Set<UInt64> = []
    var free = Set(0..<homes)
    var buffers: [UInt64: BlockBuffer] = [:]
    var cuts = 0
    // A cut shows data that was written over in place at once: the newest of a block counts.
    var latestData: [UInt64: UInt32] = [:]
    var cutRandom = SeededGenerator(seed: random.next())
    device.didRequest = {
      guard cutRandom.chance(20) else { return }
      cuts += 1
      check(device.cut(&cutRandom), allowed, latestData)
    }

    for _ in 0..<60 {
      for _ in 0..<1 + random.below(5) {
        // This commits by itself when the transaction is full.
        let before = journal.runningTransaction
        allowed = [allowed[0], model]
        let handle = try journal.begin(credits: 4)
        if handle.transaction != before {
          allowed = [model]
          free.formUnion(pending)
          pending = []
        }
        allowed = [allowed[0]]
        for _ in 0..<1 + random.below(3) {
          stamp += 1
          let metadata = model.filter { if case .metadata = $0.value { true } else { false } }.keys
            .sorted()
          switch random.below(10) {
          case 0..<5:
            guard
              let block = metadata.isEmpty || random.chance(40)
                ? free.sorted().randomElement(using: &random)
                : metadata.randomElement(using: &random)
            else { continue }
            free.remove(block)
            let isNew = model[block] == nil
            let old = buffers[block]
            let buffer = isNew ? BlockBuffer(byteCount: blockSize) : old ?? image(0, isMagic: false)
            buffers[block] = buffer
            let contents = image(stamp, isMagic: random.chance(30))
            let address = BlockAddress(block)
            let added =
              isNew && random.chance(30)
              ? handle.addUnlogged(address, buffer) : handle.modify(address, buffer)
            if added { client.claims[address, default: 0] += 1 }
            var target = buffer.mutableBytes
            target.copy(from: contents.bytes, at: 0)
            model[block] = .metadata(stamp)
          case 5..<7:
            guard let block = metadata.randomElement(using: &random) else { continue }
            handle.forget(BlockAddress(block), count: 1)
            client.claims[BlockAddress(block)] = nil
            buffers[block] = nil
            model[block] = nil
            pending.insert(block)
          case 7..<9:
            guard let block = free.sorted().randomElement(using: &random) else { continue }
            free.remove(block)
            // Data goes straight home, before the transaction that maps it.
            latestData[block] = stamp
            model[block] = .data(stamp)
            try device.write(
              image(stamp, isMagic: random.chance(30)).bytes, at: block * UInt64(blockSize))
            handle.noteChange()
          default:
            let data = model.filter { if case .data = $0.value { true } else { false } }.keys
            guard let block = data.sorted().randomElement(using: &random) else { continue }
            handle.forget(BlockAddress(block), count: 1)
            latestData[block] = nil
            model[block] = nil
            pending.insert(block)
          }
        }
        handle.end()
      }
      guard random.chance(60) else { continue }
      allowed = [allowed[0], model]
      try journal.commit()
      allowed = [model]
      free.formUnion(pending)
      pending = []
      if random.chance(10) { try journal.checkpoint() }
    }
    allowed = [allowed[0], model]
    try journal.commit()
    allowed = [model]
    try journal.close()
    #expect(client.claims.values.allSatisfy { $0 == 0 }, "every claim is given back once")
    #expect(cuts > 5)
    // Closed: the homes alone are right, without the log.
    check(device.cut(&cutRandom), allowed, latestData, recovering: false)
  }

  private static func check(
    _ device: MemoryDevice, _ allowed: [State], _ data: [UInt64: UInt32], recovering: Bool = true
  ) {
    do {
      let area = try JournalArea(
        device: device, blockSize: blockSize,
        runs: [.init(first: 0, offset: homes * UInt64(blockSize), count: 70)])
      let block = BlockBuffer(byteCount: blockSize)
      try area.read(0, into: block)
      let superblock = try JournalSuperblock(block.bytes, blockSize: blockSize, inode: nil)
      if recovering {
        let recovery = try Recovery(area: area, superblock: superblock, blockLimit: homes)
        let plan = try recovery.plan()
        #expect(plan.notes.isEmpty, "\(plan.notes)")
        try recovery.replay(plan, onto: device)
      } else {
        #expect(superblock.isClean)
      }
      var found: [UInt64: UInt32] = [:]
      for number in 0..<homes {
        var bytes = block.mutableBytes
        try device.read(into: &bytes, at: number * UInt64(blockSize))
        let (head, stamp, tail) = (bytes.be32(0), bytes.be32(4), bytes.be32(blockSize - 4))
        let isWhole = tail == stamp && (head == stamp || head == JournalSuperblock.magic)
        found[number] = isWhole ? stamp : nil
      }
      let differences = allowed.map { state in
        state.filter { number, content in
          switch content {
          case .metadata(let stamp): found[number] != stamp
          // Data of a block that was freed since and got new data may show either.
          case .data(let stamp): found[number] != stamp && found[number] != data[number]
          }
        }
      }
      #expect(
        differences.contains { $0.isEmpty },
        "a cut changed \(differences.map { $0.map { "\($0): \($1) is \(found[$0] ?? 0)" } })")
    } catch { Issue.record(error) }
  }
}
