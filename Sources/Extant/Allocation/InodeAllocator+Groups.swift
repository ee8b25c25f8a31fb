import BlockIO
import Ext4Format
import ExtantBase

/// How a group's inode bitmap comes into memory and goes.
extension InodeAllocator.State {
  /// Inodes from this index on were never used.
  func usedEnd(_ descriptor: GroupDescriptor) -> UInt32 {
    guard superblock.hasUninitializedGroups else { return superblock.inodesPerGroup }
    return isUninitialized(descriptor) ? 0 : superblock.inodesPerGroup - descriptor.unusedInodes
  }

  func isUninitialized(_ descriptor: GroupDescriptor) -> Bool {
    superblock.hasUninitializedGroups && descriptor.flags.contains(.inodeUninit)
  }

  /// Makes sure that the group's bits are in memory; throws its fault when it is out of use.
  mutating func load(_ group: Int) throws(FileSystemError) {
    clock &+= 1
    groups[group].lastUse = clock
    if let fault = groups[group].fault { throw fault }
    guard groups[group].used == nil else { return }
    do throws(FileSystemError) {
      let bits = try readBits(group)
      makeRoom()
      groups[group].used = bits
      loadedCount += 1
    } catch {
      throw retire(group, error)
    }
  }

  /// Puts a group out of use. Returns what to throw.
  private mutating func retire(_ group: Int, _ error: FileSystemError) -> FileSystemError {
    let fault = found.note(error)
    groups[group].fault = fault
    return fault
  }

  private func readBits(_ group: Int) throws(FileSystemError) -> GroupBits {
    let descriptor = table.descriptor(group)
    let count = Int(superblock.inodesPerGroup)
    let bits: GroupBits
    if isUninitialized(descriptor) {
      bits = GroupBits(count: count)
    } else {
      let buffer = try readBitmap(group, descriptor)
      bits = GroupBits(buffer.bytes, count: count)
      guard bits.firstSet(from: Int(usedEnd(descriptor))) == count else {
        throw broken(descriptor, group, "an inode is in use that the descriptor says never was")
      }
    }
    let free = count - bits.setCount
    guard free == Int(descriptor.freeInodes) else {
      throw broken(
        descriptor, group, "it shows \(free) free inodes, the descriptor \(descriptor.freeInodes)")
    }
    return bits
  }

  private func readBitmap(
    _ group: Int, _ descriptor: GroupDescriptor
  ) throws(FileSystemError) -> BlockBuffer {
    let superblock = superblock
    return try reader.readBitmap(
      "inode bitmap", at: descriptor.inodeBitmap, of: group, superblock
    ) { (bytes, group) throws(FileSystemError) in
      try Bitmap.verifyInodeBitmap(
        bytes, group: group, descriptor: descriptor, superblock: superblock)
    }
  }

  private func broken(
    _ descriptor: GroupDescriptor, _ group: Int, _ rule: String
  ) -> FileSystemError {
    .corrupt(Corruption("inode bitmap", block: descriptor.inodeBitmap, "group \(group): \(rule)"))
  }

  /// Gets a loaded group ready to be changed in this transaction. All that can fail fails here.
  mutating func prepare(_ group: Int, _ handle: any MetadataHandle) throws(FileSystemError) {
    guard groups[group].bitmap == nil else { return }
    let descriptor = table.descriptor(group)
    let buffer: BlockBuffer
    if isUninitialized(descriptor) {
      let fresh = handle.newBlock(descriptor.inodeBitmap)
      var bytes = fresh.mutableBytes
      // Bits behind the group's last inode are set, as a bitmap's end is marked.
      bytes.fill(0..<bytes.byteCount, with: 0xff)
      buffer = fresh
      let inodesPerGroup = superblock.inodesPerGroup
      table.update(group) { descriptor in
        descriptor.flags.remove(.inodeUninit)
        descriptor.unusedInodes = inodesPerGroup
      }
    } else {
      do throws(FileSystemError) {
        buffer = try readBitmap(group, descriptor)
      } catch {
        throw retire(group, error)
      }
    }
    groups[group].bitmap = buffer
    dirtyGroups.insert(group)
    handle.modify(descriptor.inodeBitmap, buffer)
    table.announce(group, handle)
  }

  /// Unloads groups that nothing needs, a quarter of the limit at once.
  private mutating func makeRoom() {
    guard loadedCount >= nextRoom else { return }
    let idle = groups.indices.filter { groups[$0].used != nil && groups[$0].bitmap == nil }
    for index in idle.sorted(by: { groups[$0].lastUse < groups[$1].lastUse })
      .prefix(loadedLimit / 4)
    {
      groups[index].used = nil
      loadedCount -= 1
    }
    nextRoom = max(loadedLimit, loadedCount + loadedLimit / 4)
  }
}
