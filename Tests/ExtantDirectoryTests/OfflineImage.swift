import BlockIO
import Ext4Format
import ExtantBase
import Threading

@testable import Extant

/// An image read (and its blocks written) without the engine: inodes by number, files through
/// their extent trees.
final class OfflineImage {
  let device: FileDevice
  let superblock: Superblock

  init(_ path: String) throws(FileSystemError) {
    device = try FileDevice(path: path, access: .readWrite)
    let bytes = BlockBuffer(byteCount: 1024)
    try device.read(into: [bytes], at: 1024)
    superblock = try Superblock(bytes.bytes)
  }

  func block(_ address: BlockAddress) throws(FileSystemError) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: superblock.blockSize)
    try device.read(into: [buffer], at: address.rawValue * UInt64(superblock.blockSize))
    return buffer
  }

  func write(_ buffer: BlockBuffer, at address: BlockAddress) throws(FileSystemError) {
    try device.write([buffer], at: address.rawValue * UInt64(superblock.blockSize))
  }

  func inode(
    _ number: InodeNumber
  ) throws(FileSystemError) -> (inode: Inode, region: [UInt8]?) {
    guard let group = superblock.group(of: number) else { throw .refused(.invalidArgument) }
    let table = try block(superblock.descriptorBlock(for: group))
    let offset = superblock.descriptorOffset(for: group)
    let descriptor = try GroupDescriptor(
      table.bytes.extracting(offset..<(offset + superblock.descriptorSize)), group: group,
      superblock: superblock)
    let place = try superblock.inodeLocation(number, descriptor: descriptor)
    let buffer = try block(place.block)
    let bytes = buffer.bytes.extracting(place.offset..<(place.offset + superblock.inodeSize))
    let inode = try Inode(bytes, number: number, superblock: superblock)
    let region = inode.xattrRange(inodeSize: superblock.inodeSize)
    return (inode, region.map { range in bytes.array(range) })
  }

  /// The addresses of a file's blocks, in order; it has no holes.
  func blocks(
    of number: InodeNumber, _ inode: Inode
  ) throws(FileSystemError) -> [BlockAddress] {
    let context = ExtentTreeContext(
      inode: number, firstDataBlock: BlockAddress(UInt64(superblock.firstDataBlock)),
      blockCount: superblock.blockCount,
      checksumSeed: superblock.hasMetadataChecksums
        ? inode.checksumSeed(number: number, superblock: superblock) : nil)
    let root = try ExtentNode(root: inode.blockArea, context)
    precondition(ExtentNode(depth: root.depth, entries: root.entries) == root)
    return try addresses(root, end: nil, context)
  }

  private func addresses(
    _ node: ExtentNode, end: UInt32?, _ context: ExtentTreeContext
  ) throws(FileSystemError) -> [BlockAddress] {
    switch node.entries {
    case .leaf(let records):
      return records.flatMap { record in
        (0..<UInt64(record.length)).map { record.address + $0 }
      }
    case .index(let records):
      var result: [BlockAddress] = []
      for (position, record) in records.enumerated() {
        let next = position + 1 < records.count ? records[position + 1].logical : end
        let buffer = try block(record.child)
        let child = try ExtentNode(
          block: buffer.bytes, at: record.child, depth: node.depth - 1, key: record.logical,
          end: next, context)
        let copy = BlockBuffer(byteCount: superblock.blockSize)
        var bytes = copy.mutableBytes
        child.encode(into: &bytes, checksumSeed: context.checksumSeed)
        let again = try ExtentNode(
          block: copy.bytes, at: record.child, depth: node.depth - 1, key: record.logical,
          end: next, context)
        precondition(again == child)
        result += try addresses(child, end: next, context)
      }
      return result
    }
  }
}

/// A directory of an image.
final class ImageDirectory: DirectoryStorage {
  let image: OfflineImage
  let format: DirectoryBlockFormat
  let hash: DirectoryHash
  let hasIndexFlag: Bool
  let addresses: [BlockAddress]

  init(_ image: OfflineImage, _ number: InodeNumber) throws(FileSystemError) {
    self.image = image
    let superblock = image.superblock
    let inode = try image.inode(number).inode
    format = DirectoryBlockFormat(
      inode: number, blockSize: superblock.blockSize,
      hasFileType: superblock.features.incompat.contains(.filetype),
      checksumSeed: superblock.hasMetadataChecksums
        ? inode.checksumSeed(number: number, superblock: superblock) : nil,
      inodeCount: superblock.inodeCount)
    guard let version = DirectoryHash.Version(rawValue: superblock.defaultHashVersion) else {
      throw .refused(.invalidArgument)
    }
    hash = DirectoryHash(
      version: version, isUnsigned: superblock.hashIsUnsigned, seed: superblock.hashSeed)
    hasIndexFlag = inode.flags.contains(.index)
    addresses = try image.blocks(of: number, inode)
  }

  var mayBeIndexed: Bool { image.superblock.features.compat.contains(.dirIndex) }
  var blockCount: UInt64 { UInt64(addresses.count) }

  func read(
    _ logical: LogicalBlock,
    verify: (RawSpan, BlockAddress) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> DirectoryBlock {
    let address = addresses[Int(logical.rawValue)]
    let buffer = try image.block(address)
    try verify(buffer.bytes, address)
    return DirectoryBlock(logical: logical, address: address, buffer: buffer)
  }

  func append(_ handle: RecordingHandle) throws(FileSystemError) -> DirectoryBlock {
    throw .refused(.readOnlyFileSystem)
  }
  func setIndexFlag(_ handle: RecordingHandle) {}
}
