import BlockIO
import Ext4Format
import Extant
import ExtantBase
import ExtantMake
import TestSupport

/// A small filesystem with known contents: what every sequence begins with.
public final class CrashBaseImage: @unchecked Sendable {
  /// The whole image, closed cleanly.
  let bytes: [UInt8]
  /// Which bytes are the journal's log, behind its superblock: sectors.
  let logSectors: [Range<Int>]
  private let logBlocks: Set<Int>
  let journalUUID: [UInt8]
  /// Never changed once it is here.
  private let settled: CrashModel

  /// What it holds; a copy of its own for each caller.
  func model() -> CrashModel { settled.copy() }

  /// In bytes. The smallest that has a journal, of 1,024 blocks, and room beside it.
  static let byteCount = 2_560 << 10

  /// A plain file, one of a dozen extents, one with blocks set aside inside and behind its end, one
  /// with attributes in a block, one with a second name, links short and long, directories.
  static let recipe: [CrashOperation] = [
    .create("/a"), .write("/a", 0, 6300),
    .create("/b"), .write("/b", 0, 26 << 10),
    .create("/c"), .write("/c", 0, 3000), .keepSize("/c", 0, 12 << 10),
    .mkdir("/d"), .create("/d/e"), .write("/d/e", 0, 700), .link("/d/e", "/l"),
    .symlink("/s", 20), .symlink("/t", 200), .mkdir("/z"),
    .create("/x"), .write("/x", 0, 5000), .setxattr("/x", 300), .sync,
    // Every second block of what was written goes: a dozen extents, in a leaf block of their own.
    .punch("/b", 1 << 10, 1 << 10), .punch("/b", 3 << 10, 1 << 10),
    .punch("/b", 5 << 10, 1 << 10), .punch("/b", 7 << 10, 1 << 10),
    .punch("/b", 9 << 10, 1 << 10), .punch("/b", 11 << 10, 1 << 10),
    .punch("/b", 13 << 10, 1 << 10), .punch("/b", 15 << 10, 1 << 10),
    .punch("/b", 17 << 10, 1 << 10), .punch("/b", 19 << 10, 1 << 10),
    .punch("/b", 21 << 10, 1 << 10),
    // Set aside within the file.
    .allocate("/a", 6300, 1), .allocate("/x", 3 << 10, 8 << 10), .sync,
  ]

  init(hasJournal: Bool) throws {
    let device = CrashImage(copying: [UInt8](repeating: 0, count: Self.byteCount))
    var options = MakeOptions()
    options.blockSize = 1024
    options.inodeSize = 256
    options.inodeCount = 64
    options.features = "^resize_inode" + (hasJournal ? "" : ",^has_journal")
    options.uuid = [UInt8](1...16)
    options.hashSeed = [UInt8](17...32)
    options.time = Timestamp(seconds: Self.time)
    options.reservedPercentage = 0
    options.inodeTables = .zeroed
    try makeFileSystem(on: device, options)
    var driver = Driver(try FileSystem(device: device, options: Self.openOptions))
    var model = CrashModel()
    for (index, operation) in Self.recipe.enumerated() {
      try driver.perform(operation, tag: index)
      try model.apply(operation, index: index, tag: index, isConfirmed: true)
    }
    try driver.close()
    model.settle()

    let contents = ImageContents(device.contents)
    if let problem = contents.problems.first { throw BrokenImage(problem: problem) }
    // Unused blocks show that they are, wherever they are seen.
    let image = device.contents
    var bytes = image.bytes.array()
    for (address, isUsed) in contents.usedBlocks.enumerated() where !isUsed {
      let start = address * CrashModel.blockSize
      for place in start..<start + CrashModel.blockSize { bytes[place] = CrashBytes.poison }
    }
    self.bytes = bytes
    settled = model
    let sectors = CrashModel.blockSize / CrashImage.sectorSize
    logSectors = contents.journalBlocks.dropFirst().map { $0 * sectors..<($0 + 1) * sectors }
    logBlocks = Set(contents.journalBlocks.dropFirst())
    // s_uuid of the journal's superblock.
    let journal = (contents.journalBlocks.first ?? 0) * CrashModel.blockSize
    journalUUID = Array(bytes[journal + 0x30..<journal + 0x40])
  }

  /// Whether a sector is in the journal's log.
  func isLog(_ sector: Int) -> Bool {
    logBlocks.contains(sector * CrashImage.sectorSize / CrashModel.blockSize)
  }

  struct BrokenImage: Error { var problem: String }

  /// The moment at which everything happens: equal states are equal to the byte.
  static let time: Int64 = 1_700_000_000

  static let openOptions: FileSystem.Options = {
    var options = FileSystem.Options()
    // EXTANT_DATA=journal explores what goes through the log with its contents.
    options.dataMode = Environment.value("EXTANT_DATA").flatMap { .init(rawValue: $0) }
    options.cacheByteLimit = 2 << 20
    options.writeBackInterval = 0
    options.accessTimes = .never
    // Trees are small here: a shift is to move their nodes all the same.
    options.nodesShiftedInPlace = 0
    return options
  }()
}
