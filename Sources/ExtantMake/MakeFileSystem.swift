import BlockIO
import Ext4Format
import ExtantBase
import Threading

/// Makes an ext4 filesystem on `device`, as mke2fs 1.47 would lay it out, and forgets what was
/// there. The caller asks `detectExistingContent` before.
///
/// The superblock is wiped first and written last, so that a device on which this did not come to
/// its end holds no filesystem.
///
/// - Returns: the superblock written.
/// - Throws: `unsupported` for options that cannot be, with what is wrong with them; `io`.
@discardableResult
public func makeFileSystem(
  on device: any BlockDevice, _ options: MakeOptions = MakeOptions()
) throws(FileSystemError) -> Superblock {
  try NewFileSystem(options, deviceByteCount: device.byteCount).write(to: device)
}

/// Throws what `makeFileSystem` would throw for these options on a device of that size, in bytes.
public func checkMakeOptions(
  _ options: MakeOptions, deviceByteCount: UInt64
) throws(FileSystemError) {
  _ = try NewFileSystem(options, deviceByteCount: deviceByteCount)
}

/// A filesystem planned as a whole before its first byte is written.
struct NewFileSystem {
  private var superblock: Superblock
  private var descriptors: [GroupDescriptor]
  private let files: FirstFiles
  private let options: MakeOptions
  private let time: Timestamp

  init(_ options: MakeOptions, deviceByteCount: UInt64) throws(FileSystemError) {
    self.options = options
    let now = Clock.now()
    time = options.time ?? Timestamp(seconds: now.seconds, nanoseconds: now.nanoseconds)
    let uuid = options.uuid ?? Self.randomUUID()
    let hashSeed = options.hashSeed ?? Self.randomUUID()
    guard uuid.count == 16, hashSeed.count == 16 else {
      throw wrong("UUID of \(uuid.count) bytes", "a UUID and a hash seed have 16 bytes")
    }
    guard options.label.count <= 16, !options.label.contains(0) else {
      throw wrong("label of \(options.label.count) bytes", "it has up to 16 bytes, none of them 0")
    }
    let geometry = try Geometry(options, deviceByteCount: deviceByteCount)
    let placement = try TablePlacement(
      Superblock(geometry, label: options.label, uuid: uuid, hashSeed: hashSeed, time: time))
    files = try FirstFiles(placement, time: time, rootOwner: options.rootOwner)
    superblock = files.superblock
    descriptors = placement.descriptors
    setCounts(overhead: Self.overhead(placement, files))
  }

  /// Random bytes with the marks of a version 4 UUID.
  private static func randomUUID() -> [UInt8] {
    var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
    bytes[6] = bytes[6] & 0x0f | 0x40
    bytes[8] = bytes[8] & 0x3f | 0x80
    return bytes
  }

  /// Blocks that no file can ever have: the layout's and the journal's.
  private static func overhead(_ placement: TablePlacement, _ files: FirstFiles) -> UInt64 {
    let superblock = placement.superblock
    let tables = (0..<superblock.groupCount).reduce(UInt64(0)) {
      $0 + UInt64(placement.used.usedCount(in: GroupIndex($1)))
    }
    return UInt64(superblock.firstDataBlock) + tables + files.journalBlockCount
  }

  /// How many inodes of `group` are in use: those up to the last of the first files.
  private func usedInodes(in group: GroupIndex) -> UInt32 {
    let before = group.rawValue * superblock.inodesPerGroup
    let last = files.lastInode.rawValue
    return last <= before ? 0 : min(last - before, superblock.inodesPerGroup)
  }

  /// Enters into the descriptors and the superblock what is used and what is free.
  private mutating func setCounts(overhead: UInt64) {
    let isLazy = superblock.hasUninitializedGroups
    var freeBlocks: UInt64 = 0
    var freeInodes: UInt32 = 0
    for index in descriptors.indices {
      let group = GroupIndex(UInt32(index))
      let usedInodes = usedInodes(in: group)
      descriptors[index].freeBlocks =
        superblock.blocks(in: group) - files.used.usedCount(in: group)
      descriptors[index].freeInodes = superblock.inodesPerGroup - usedInodes
      var flags: GroupDescriptor.Flags = zeroesTables ? .inodeZeroed : []
      if isLazy {
        descriptors[index].unusedInodes = superblock.inodesPerGroup - usedInodes
        if usedInodes == 0 { flags.insert(.inodeUninit) }
        // The last group may be short, which its bitmap has to say.
        if !files.isTouched[index], usedInodes == 0, index != descriptors.count - 1 {
          flags.insert(.blockUninit)
        }
      }
      descriptors[index].flags = flags
      freeBlocks += UInt64(descriptors[index].freeBlocks)
      freeInodes += descriptors[index].freeInodes
    }
    for directory in [InodeNumber.root, FirstFiles.lostAndFoundNumber] {
      if let group = superblock.group(of: directory) {
        descriptors[Int(group.rawValue)].usedDirectories += 1
      }
    }
    superblock.freeBlockCount = freeBlocks
    superblock.freeInodeCount = freeInodes
    superblock.overheadBlockCount = UInt32(min(overhead, UInt64(UInt32.max)))
  }

  private var zeroesTables: Bool {
    guard superblock.hasUninitializedGroups else { return true }
    switch options.inodeTables {
    case .zeroed: return true
    case .lazy: return false
    case .zeroedWhereCheap:
      return UInt64(superblock.inodeCount) * UInt64(superblock.inodeSize) <= 1 << 30
    }
  }

  // MARK: - Writing

  func write(to device: any BlockDevice) throws(FileSystemError) -> Superblock {
    var plan = self
    var writer = ImageWriter(device, blockSize: superblock.blockSize)
    try plan.wipe(&writer)
    try plan.writeTables(&writer)
    for run in files.zeroed { try writer.zero(blocks: run) }
    for (address, bytes) in files.blocks { try writer.write(bytes, block: address) }
    try plan.writeBitmaps(&writer)
    try plan.writeInodes(&writer)
    try plan.writeDescriptors(&writer)
    try device.flush()
    try plan.writeSuperblocks(&writer)
    try device.flush()
    return plan.superblock
  }

  /// Takes away what another filesystem, or a RAID, would be recognised by.
  private func wipe(_ writer: inout ImageWriter) throws(FileSystemError) {
    let end = superblock.blockCount * UInt64(superblock.blockSize)
    do throws(FileSystemError) {
      try writer.device.discard(0..<end)
    } catch {
      // A hint that the device does not take.
    }
    // The hint leaves the contents open: whatever is still there goes now.
    try writer.zero(0..<min(UInt64(128 << 10), end))
    let device = writer.device.byteCount
    try writer.zero((device - min(64 << 10, device))..<device)
  }

  /// Zeroes the inode tables: all of them, or what holds the first inodes.
  private func writeTables(_ writer: inout ImageWriter) throws(FileSystemError) {
    for (index, descriptor) in descriptors.enumerated() {
      let used = usedInodes(in: GroupIndex(UInt32(index)))
      let blocks =
        zeroesTables
        ? superblock.inodeTableBlockCount
        : (used + superblock.inodesPerBlock - 1) / superblock.inodesPerBlock
      let start = descriptor.inodeTable.rawValue
      if blocks > 0 { try writer.zero(blocks: start..<start + UInt64(blocks)) }
    }
  }

  private mutating func writeBitmaps(_ writer: inout ImageWriter) throws(FileSystemError) {
    let bitCount = superblock.blockSize * 8
    for index in descriptors.indices {
      let group = GroupIndex(UInt32(index))
      if !descriptors[index].flags.contains(.blockUninit) {
        var bitmap = [UInt8](repeating: 0, count: superblock.blockSize)
        bitmap.withMutableBytes { bytes in
          for run in files.used.usedRuns(in: group) {
            bytes.setBits(Int(run.lowerBound)..<Int(run.upperBound), to: true)
          }
          // What stands for no block is never free.
          bytes.setBits(Int(superblock.blocks(in: group))..<bitCount, to: true)
        }
        descriptors[index].blockBitmapChecksum = Bitmap.blockChecksum(
          bitmap.rawBytes, superblock: superblock)
        try writer.write(bitmap, block: descriptors[index].blockBitmap.rawValue)
      }
      if !descriptors[index].flags.contains(.inodeUninit) {
        var bitmap = [UInt8](repeating: 0, count: superblock.blockSize)
        bitmap.withMutableBytes { bytes in
          bytes.setBits(0..<Int(usedInodes(in: group)), to: true)
          bytes.setBits(Int(superblock.inodesPerGroup)..<bitCount, to: true)
        }
        descriptors[index].inodeBitmapChecksum = Bitmap.inodeChecksum(
          bitmap.rawBytes, superblock: superblock)
        try writer.write(bitmap, block: descriptors[index].inodeBitmap.rawValue)
      }
    }
  }

  private func writeInodes(_ writer: inout ImageWriter) throws(FileSystemError) {
    let known = Dictionary(uniqueKeysWithValues: files.inodes.map { ($0.number, $0.inode) })
    for number in 1...files.lastInode.rawValue {
      let number = InodeNumber(number)
      guard let group = superblock.group(of: number) else { continue }
      var bytes = [UInt8](repeating: 0, count: superblock.inodeSize)
      bytes.withMutableBytes { bytes in
        if let inode = known[number] {
          inode.encode(into: &bytes, number: number, superblock: superblock)
        } else if number == .badBlocks {
          // A file without a kind that would hold bad blocks; it has times, but no extra fields.
          var inode = Inode(mode: 0, uid: 0, gid: 0, time: time, superblock: superblock)
          inode.linkCount = 0
          inode.extraSize = 0
          inode.encode(into: &bytes, number: number, superblock: superblock)
        } else {
          // Reserved and empty, but in use: it has a checksum.
          Inode.updateChecksum(&bytes, number: number, superblock: superblock)
        }
      }
      let place = try superblock.inodeLocation(
        number, descriptor: descriptors[Int(group.rawValue)])
      try writer.write(
        bytes,
        at: place.block.rawValue * UInt64(superblock.blockSize) + UInt64(place.offset))
    }
  }

  private var superblockHolders: [GroupIndex] {
    (0..<superblock.groupCount).map { GroupIndex($0) }.filter { superblock.groupHasSuperblock($0) }
  }

  private func writeDescriptors(_ writer: inout ImageWriter) throws(FileSystemError) {
    let size = superblock.descriptorSize
    var table = [UInt8](
      repeating: 0, count: Int(superblock.descriptorTableBlockCount) * superblock.blockSize)
    var one = [UInt8](repeating: 0, count: size)
    for (index, descriptor) in descriptors.enumerated() {
      let group = GroupIndex(UInt32(index))
      one.withMutableBytes { bytes in
        bytes.fill(0..<size, with: 0)
        descriptor.encode(into: &bytes, group: group, superblock: superblock)
      }
      table.replaceSubrange(index * size..<(index + 1) * size, with: one)
    }
    for holder in superblockHolders {
      guard let start = superblock.descriptorBlock(for: GroupIndex(0), backupIn: holder) else {
        continue
      }
      try writer.write(table, block: start.rawValue)
    }
  }

  /// Writes the copies, then, when all else is durable, the one that makes it a filesystem.
  private mutating func writeSuperblocks(_ writer: inout ImageWriter) throws(FileSystemError) {
    var bytes = [UInt8](repeating: 0, count: Superblock.byteCount)
    let holders = superblockHolders
    superblock.kilobytesWritten =
      (writer.writtenByteCount + UInt64(bytes.count * holders.count)) / 1024
    for holder in holders.dropFirst() {
      bytes.withMutableBytes { superblock.encodeBackup(in: holder, into: &$0) }
      try writer.write(bytes, block: superblock.superblockBlock(in: holder).rawValue)
    }
    try writer.device.flush()
    bytes.withMutableBytes { superblock.encode(into: &$0) }
    try writer.write(bytes, at: Superblock.byteOffset)
  }
}
