import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

/// An image file read as bytes, structure by structure.
struct RawImage {
  let file: OpenFile
  let superblockBytes: [UInt8]
  let superblock: Superblock

  init(_ path: String) throws {
    file = try OpenFile(path)
    let bytes = try file.read(Superblock.byteCount, at: Int64(Superblock.byteOffset))
    superblockBytes = bytes
    superblock = try Superblock(bytes.rawBytes)
  }

  func block(_ address: BlockAddress) throws -> [UInt8] {
    let size = superblock.blockSize
    return try file.read(size, at: Int64(address.rawValue) * Int64(size))
  }

  var groups: [GroupIndex] { (0..<superblock.groupCount).map { GroupIndex($0) } }

  func descriptorBytes(_ group: GroupIndex) throws -> [UInt8] {
    let block = try block(superblock.descriptorBlock(for: group))
    let start = superblock.descriptorOffset(for: group)
    return Array(block[start..<start + superblock.descriptorSize])
  }

  func descriptor(_ group: GroupIndex) throws -> GroupDescriptor {
    let bytes = try descriptorBytes(group)
    return try GroupDescriptor(bytes.rawBytes, group: group, superblock: superblock)
  }

  func inodeBytes(_ number: InodeNumber) throws -> [UInt8] {
    let group = superblock.group(of: number) ?? GroupIndex(0)
    let place = try superblock.inodeLocation(number, descriptor: descriptor(group))
    let block = try block(place.block)
    return Array(block[place.offset..<place.offset + superblock.inodeSize])
  }

  func inode(_ number: InodeNumber) throws -> Inode {
    let bytes = try inodeBytes(number)
    return try Inode(bytes.rawBytes, number: number, superblock: superblock)
  }
}

/// The text of the rule that `body` finds broken; nil where it finds none.
func brokenRule(_ body: () throws -> Void) throws -> String? {
  do {
    try body()
    return nil
  } catch FileSystemError.corrupt(let corruption) {
    return corruption.rule
  }
}
