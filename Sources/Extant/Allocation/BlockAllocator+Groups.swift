import BlockIO
import Ext4Format
import ExtantBase

/// Which group a block is in, and how a group's bits come into memory and go.
extension BlockAllocator.State {
  var firstBlock: UInt64 { UInt64(superblock.firstDataBlock) }

  func start(of group: Int) -> UInt64 {
    firstBlock + UInt64(group) * UInt64(superblock.blocksPerGroup)
  }

  /// - Parameter block: in the filesystem.
  func place(of block: UInt64) -> (group: Int, bit: Int) {
    let distance = block - firstBlock
    let perGroup = UInt64(superblock.blocksPerGroup)
    return (Int(distance / perGroup), Int(distance % perGroup))
  }

  /// The groups that a run touches, each with its bits in there.
  func pieces(of run: BlockAllocator.Run) -> [(group: Int, bits: Range<Int>)] {
    var pieces: [(group: Int, bits: Range<Int>)] = []
    var block = run.start
    while block < run.range.upperBound {
      let (group, bit) = place(of: block)
      let count = min(UInt64(groups[group].count - bit), run.range.upperBound - block)
      pieces.append((group, bit..<bit + Int(count)))
      block += count
    }
    return pieces
  }

  /// Makes sure that the group's bits are in memory; throws its fault when it is out of use.
  mutating func load(_ group: Int) throws(FileSystemError) {
    clock &+= 1
    groups[group].lastUse = clock
    if let fault = groups[group].fault { throw fault }
    guard !groups[group].isLoaded else { return }
    do throws(FileSystemError) {
      let bits = try readBits(group)
      makeRoom()
      groups[group].load(bits)
      loadedCount += 1
    } catch {
      throw retire(group, error)
    }
  }

  /// Puts a group out of use. Returns what to throw.
  mutating func retire(_ group: Int, _ error: FileSystemError) -> FileSystemError {
    if let fault = groups[group].fault { return fault }
    let fault = found.note(error)
    groups[group].fault = fault
    lostCount += UInt64(table.descriptor(group).freeBlocks)
    return fault
  }

  private func readBits(_ group: Int) throws(FileSystemError) -> GroupBits {
    let descriptor = table.descriptor(group)
    let own = start(of: group)..<start(of: group) + UInt64(groups[group].count)
    var zoneBits = GroupBits(count: groups[group].count)
    for part in table.zones.parts(in: own) {
      zoneBits.insert(Int(part.lowerBound - own.lowerBound)..<Int(part.upperBound - own.lowerBound))
    }
    let bits: GroupBits
    if isUninitialized(descriptor) {
      // Never written: nothing but the filesystem's own structures is in use.
      bits = zoneBits
    } else {
      let buffer = try readBitmap(group, descriptor)
      bits = GroupBits(buffer.bytes, count: groups[group].count)
      zoneBits.subtract(bits)
      guard zoneBits.setCount == 0 else {
        throw broken(descriptor, group, "it shows some of the filesystem's own blocks as free")
      }
    }
    let free = bits.count - bits.setCount
    guard free == Int(descriptor.freeBlocks) else {
      throw broken(
        descriptor, group, "it shows \(free) free blocks, the descriptor \(descriptor.freeBlocks)")
    }
    return bits
  }

  private func readBitmap(
    _ group: Int, _ descriptor: GroupDescriptor
  ) throws(FileSystemError) -> BlockBuffer {
    let superblock = superblock
    return try reader.readBitmap(
      "block bitmap", at: descriptor.blockBitmap, of: group, superblock
    ) { (bytes, group) throws(FileSystemError) in
      try Bitmap.verifyBlockBitmap(
        bytes, group: group, descriptor: descriptor, superblock: superblock)
    }
  }

  private func broken(
    _ descriptor: GroupDescriptor, _ group: Int, _ rule: String
  ) -> FileSystemError {
    .corrupt(Corruption("block bitmap", block: descriptor.blockBitmap, "group \(group): \(rule)"))
  }

  func isUninitialized(_ descriptor: GroupDescriptor) -> Bool {
    superblock.hasUninitializedGroups && descriptor.flags.contains(.blockUninit)
  }

  /// Gets a loaded group ready to be changed in this transaction: its bitmap's buffer is at hand
  /// and announced. All that can fail about a change fails here.
  mutating func prepare(_ group: Int, _ handle: any MetadataHandle) throws(FileSystemError) {
    guard groups[group].buffer == nil else { return }
    let descriptor = table.descriptor(group)
    if isUninitialized(descriptor) {
      let buffer = handle.newBlock(descriptor.blockBitmap)
      var bytes = buffer.mutableBytes
      // Bits behind the group's last block are set, as a bitmap's end is marked.
      bytes.fill(0..<bytes.byteCount, with: 0xff)
      groups[group].buffer = buffer
      table.update(group) { $0.flags.remove(.blockUninit) }
    } else {
      do throws(FileSystemError) {
        groups[group].buffer = try readBitmap(group, descriptor)
      } catch {
        throw retire(group, error)
      }
    }
    dirtyGroups.insert(group)
    if let buffer = groups[group].buffer { handle.modify(descriptor.blockBitmap, buffer) }
    table.announce(group, handle)
  }

  /// Unloads groups that nothing needs, a quarter of the limit at once.
  private mutating func makeRoom() {
    guard loadedCount >= nextRoom else { return }
    let idle = groups.indices.filter { index in
      // Anything pending or in a window makes the counts differ.
      groups[index].isLoaded && groups[index].buffer == nil
        && groups[index].lastUse <= operationStart
        && groups[index].availableCount == Int(table.descriptor(index).freeBlocks)
    }
    for index in idle.sorted(by: { groups[$0].lastUse < groups[$1].lastUse })
      .prefix(max(loadedLimit / 4, 1))
    {
      groups[index].unload()
      loadedCount -= 1
    }
    nextRoom = max(loadedLimit, loadedCount + loadedLimit / 4)
  }
}
