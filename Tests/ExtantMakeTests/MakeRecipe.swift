import BlockIO
import Ext4Format
import ExtantBase
import ExtantMake
import TestSupport

/// One filesystem to make, for us and for mke2fs.
struct MakeRecipe: CustomStringConvertible, Sendable {
  /// In bytes, of the image.
  var byteCount: UInt64
  var blockSize: Int?
  var inodeSize: Int?
  var inodeCount: UInt64?
  var bytesPerInode: UInt64?
  var features = ""
  var label = "made"
  var reserved: Double?

  /// As mke2fs's arguments.
  var description: String { "\(byteCount) bytes: " + arguments.joined(separator: " ") }

  var arguments: [String] {
    var list = ["-L", label]
    if let blockSize { list += ["-b", "\(blockSize)"] }
    if let inodeSize { list += ["-I", "\(inodeSize)"] }
    if let inodeCount { list += ["-N", "\(inodeCount)"] }
    if let bytesPerInode { list += ["-i", "\(bytesPerInode)"] }
    if let reserved { list += ["-m", "\(reserved)"] }
    if !features.isEmpty { list += ["-O", features] }
    return list
  }

  static let uuid: [UInt8] = [
    0xe4, 0x7a, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0xe4, 0xe4,
  ]
  static let hashSeed = Array(UInt8(0x30)..<0x40)
  static let time = Timestamp(seconds: 1_700_000_000)

  var options: MakeOptions {
    var options = MakeOptions()
    options.blockSize = blockSize
    options.inodeSize = inodeSize
    options.inodeCount = inodeCount
    options.bytesPerInode = bytesPerInode
    options.features = features
    options.label = Array(label.utf8)
    options.reservedPercentage = reserved ?? 5
    options.uuid = Self.uuid
    options.hashSeed = Self.hashSeed
    options.time = Self.time
    options.inodeTables = .zeroed
    return options
  }

  /// Makes it with us.
  func make(at path: String) throws {
    let device = try FileDevice(path: path, access: .readWrite, create: byteCount)
    try makeFileSystem(on: device, options)
    try device.close()
  }

  /// Makes it with mke2fs, with the same UUID, hash seed and time; false where mke2fs refuses.
  func makeByMke2fs(at path: String) throws -> Bool {
    let device = try FileDevice(path: path, access: .readWrite, create: byteCount)
    try device.close()
    let seed = "lazy_journal_init=1,hash_seed=30313233-3435-3637-3839-3a3b3c3d3e3f"
    let result = try Program.run(
      ["mke2fs", "-q", "-F", "-t", "ext4", "-U", "e47a0000-0000-4000-8000-00000000e4e4"]
        + ["-E", seed] + arguments + [path],
      environment: "E2FSPROGS_FAKE_TIME=1700000000")
    return result.status == 0
  }

  /// The first bytes in which our image differs from mke2fs's, nil where they are equal but for
  /// superblocks' counts of kilobytes written, which tell how, not what, of reserved blocks, and
  /// their checksums.
  static func firstDifference(_ ours: String, _ theirs: String) throws -> String? {
    let result = try Program.run(["cmp", "-l", ours, theirs])
    guard result.status != 0 else { return nil }
    let raw = try OpenFile(ours).read(Superblock.byteCount, at: 1024)
    let superblock = try Superblock(raw.rawBytes)
    let first = superblock.groupFirstBlock(GroupIndex(0)).rawValue * UInt64(superblock.blockSize)
    let groupSize = UInt64(superblock.blocksPerGroup) * UInt64(superblock.blockSize)
    let lines = result.output.split(separator: "\n").filter { line in
      let words = line.split(separator: " ")
      guard let position = words.first.flatMap({ UInt64($0) }) else { return true }
      let byte = position - 1
      guard byte >= first else { return true }
      let place = byte < 2048 ? byte - 1024 : (byte - first) % groupSize
      return ![0x8..<0xc, 0x178..<0x180, 0x3fc..<0x400].contains { $0.contains(place) }
    }
    return lines.isEmpty ? nil : lines.prefix(12).joined(separator: "\n")
  }

  /// What dumpe2fs says, without what may differ. mke2fs reserves too little where it had to make
  /// groups smaller for their inodes; another test holds ours to the percentage.
  static func dump(_ path: String) throws -> [String] {
    try Program.succeed(["dumpe2fs", path]).split(separator: "\n").map(String.init).filter {
      line in
      !["Lifetime writes", "Reserved block count", "Checksum:", "dumpe2fs"].contains {
        line.hasPrefix($0)
      }
    }
  }
}
