import Ext4Format
import ExtantBase
import TestSupport

/// Changes an image as a recipe says: fields, bytes, or what debugfs can do, with the checksums right
/// again unless the recipe wants them wrong. Of the image it knows only what the sound one said.
public final class Planter {
  /// The image.
  public var bytes: [UInt8]
  /// As it was before anything was planted.
  public let superblock: Superblock
  private let folder: TemporaryDirectory

  public init(_ bytes: [UInt8]) throws {
    self.bytes = bytes
    folder = try TemporaryDirectory()
    let start = Int(Superblock.byteOffset)
    let copy = Array(bytes[start..<start + Superblock.byteCount])
    superblock = try Superblock(copy.rawBytes)
  }

  public var blockSize: Int { superblock.blockSize }

  // MARK: debugfs

  /// Runs commands of debugfs that write.
  public func debugfs(_ commands: String...) throws {
    try System.write(bytes, to: folder("image"))
    try System.write(Array(commands.map { $0 + "\n" }.joined().utf8), to: folder("script"))
    try Program.succeed(
      ["debugfs", "-w", "-f", folder("script"), folder("image")],
      environment: BaseImage.toolTime)
    bytes = try System.contents(folder("image"))
  }

  /// What debugfs answers.
  public func ask(_ command: String) throws -> String {
    try System.write(bytes, to: folder("image"))
    return try Program.succeed(["debugfs", "-R", command, folder("image")])
  }

  // MARK: Finding

  /// The inode that a path leads to.
  public func inodeNumber(_ path: String) throws -> InodeNumber {
    let answer = try ask("stat \(path)")
    guard
      let number = answer.split(whereSeparator: { $0 == " " || $0 == "\n" }).drop(while: {
        $0 != "Inode:"
      })
      .dropFirst().first.flatMap({ UInt32($0) })
    else { throw SystemFailure(2, "debugfs finds no \(path): \(answer)") }
    return InodeNumber(number)
  }

  /// The addresses of all blocks of an inode's data, in order.
  public func blocks(_ path: String) throws -> [BlockAddress] {
    try ask("blocks \(path)").split(whereSeparator: { $0 == " " || $0 == "\n" })
      .compactMap { UInt64($0) }.map { BlockAddress($0) }
  }

  /// The root directory's path for debugfs, and the like of inode numbers: `<12>`.
  public static func path(_ number: InodeNumber) -> String { "<\(number.rawValue)>" }

  // MARK: Superblock and descriptors

  /// Changes the superblock's 1,024 bytes.
  public func superblock(
    keepingChecksum: Bool = false, copyIn group: UInt32 = 0,
    _ change: (inout [UInt8]) throws -> Void
  ) rethrows {
    let start =
      group == 0
      ? Int(Superblock.byteOffset)
      : Int(superblock.superblockBlock(in: GroupIndex(group)).rawValue) * blockSize
    var part = Array(bytes[start..<start + Superblock.byteCount])
    try change(&part)
    if !keepingChecksum, superblock.hasMetadataChecksums {
      let checksum = crc32c(~0, Array(part[..<SuperblockField.checksum]))
      part.setLE32(checksum, at: SuperblockField.checksum)
    }
    bytes.replaceSubrange(start..<start + Superblock.byteCount, with: part)
  }

  private func descriptorStart(_ group: UInt32) -> Int {
    let index = GroupIndex(group)
    return Int(superblock.descriptorBlock(for: index).rawValue) * blockSize
      + superblock.descriptorOffset(for: index)
  }

  public func descriptor(_ group: UInt32) -> GroupDescriptor {
    let start = descriptorStart(group)
    let part = Array(bytes[start..<start + superblock.descriptorSize])
    return GroupDescriptor(unchecked: part.rawBytes, superblock: superblock)
  }

  public func group(
    _ group: UInt32, keepingChecksum: Bool = false,
    _ change: (inout GroupDescriptor) throws -> Void
  ) rethrows {
    let start = descriptorStart(group)
    var part = Array(bytes[start..<start + superblock.descriptorSize])
    let checksum = Array(part[0x1e..<0x20])
    var descriptor = GroupDescriptor(unchecked: part.rawBytes, superblock: superblock)
    try change(&descriptor)
    part.withMutableBytes {
      descriptor.encode(into: &$0, group: GroupIndex(group), superblock: superblock)
    }
    if keepingChecksum { part.replaceSubrange(0x1e..<0x20, with: checksum) }
    bytes.replaceSubrange(start..<start + superblock.descriptorSize, with: part)
  }

  /// Changes the descriptor's bytes; its checksum follows.
  public func descriptor(_ group: UInt32, _ change: (inout [UInt8]) throws -> Void) rethrows {
    let start = descriptorStart(group)
    let range = start..<start + superblock.descriptorSize
    var part = Array(bytes[range])
    try change(&part)
    bytes.replaceSubrange(range, with: part)
    self.group(group) { _ in }
  }

  // MARK: Bitmaps

  /// Changes the group's block bitmap; its checksum in the descriptor follows.
  public func blockBitmap(
    _ group: UInt32, keepingChecksum: Bool = false, _ change: (inout [UInt8]) throws -> Void
  ) rethrows {
    let address = descriptor(group).blockBitmap
    try block(address, change)
    guard !keepingChecksum else { return }
    let part = Array(bytes[range(address)])
    let checksum = Bitmap.blockChecksum(part.rawBytes, superblock: superblock)
    self.group(group) { $0.blockBitmapChecksum = checksum }
  }

  /// Changes the group's inode bitmap; its checksum in the descriptor follows.
  public func inodeBitmap(
    _ group: UInt32, keepingChecksum: Bool = false, _ change: (inout [UInt8]) throws -> Void
  ) rethrows {
    let address = descriptor(group).inodeBitmap
    try block(address, change)
    guard !keepingChecksum else { return }
    let part = Array(bytes[range(address)])
    let checksum = Bitmap.inodeChecksum(part.rawBytes, superblock: superblock)
    self.group(group) { $0.inodeBitmapChecksum = checksum }
  }

  // MARK: Inodes

  private func slot(_ number: InodeNumber) throws -> Range<Int> {
    guard let group = superblock.group(of: number) else {
      throw SystemFailure(2, "no inode \(number.rawValue)")
    }
    let place = try superblock.inodeLocation(number, descriptor: descriptor(group.rawValue))
    let start = Int(place.block.rawValue) * blockSize + place.offset
    return start..<start + superblock.inodeSize
  }

  public func readInode(_ number: InodeNumber) throws -> RawInode {
    RawInode(Array(bytes[try slot(number)]))
  }

  public func inode(
    _ number: InodeNumber, keepingChecksum: Bool = false,
    _ change: (inout RawInode) throws -> Void
  ) throws {
    let slot = try slot(number)
    var raw = RawInode(Array(bytes[slot]))
    try change(&raw)
    if !keepingChecksum { raw.updateChecksum(number, superblock) }
    bytes.replaceSubrange(slot, with: raw.bytes)
  }

  /// Makes the slot as if no inode had ever been in it.
  public func zero(_ number: InodeNumber) throws {
    try inode(number, keepingChecksum: true) { $0 = RawInode(byteCount: $0.bytes.count) }
  }

  public func inode(
    _ path: String, keepingChecksum: Bool = false, _ change: (inout RawInode) throws -> Void
  ) throws {
    try inode(try inodeNumber(path), keepingChecksum: keepingChecksum, change)
  }

  // MARK: Blocks

  private func range(_ address: BlockAddress) -> Range<Int> {
    let start = Int(address.rawValue) * blockSize
    return start..<start + blockSize
  }

  public func readBlock(_ address: BlockAddress) -> [UInt8] { Array(bytes[range(address)]) }

  public func block(_ address: BlockAddress, _ change: (inout [UInt8]) throws -> Void) rethrows {
    var part = Array(bytes[range(address)])
    try change(&part)
    bytes.replaceSubrange(range(address), with: part)
  }

  /// Changes a block and sets the checksum that its kind has, where the image has checksums.
  public func block(
    _ address: BlockAddress, as kind: ChecksummedBlock,
    _ change: (inout [UInt8]) throws -> Void
  ) throws {
    try block(address) { part in
      try change(&part)
      guard superblock.hasMetadataChecksums else { return }
      var seed = superblock.checksumSeed
      if let inode = kind.inode {
        seed = try readInode(inode).checksumSeed(inode, superblock) ?? seed
      }
      kind.seal(&part, at: address, seed: seed)
    }
  }
}

/// Fields in bytes, for recipes.
extension [UInt8] {
  public func le16(_ offset: Int) -> UInt16 { rawBytes.le16(offset) }
  public func le32(_ offset: Int) -> UInt32 { rawBytes.le32(offset) }
  public mutating func setLE16(_ value: UInt16, at offset: Int) {
    withMutableBytes { $0.setLE16(value, at: offset) }
  }
  public mutating func setLE32(_ value: UInt32, at offset: Int) {
    withMutableBytes { $0.setLE32(value, at: offset) }
  }
  public mutating func setBE32(_ value: UInt32, at offset: Int) {
    withMutableBytes { $0.setBE32(value, at: offset) }
  }
}
