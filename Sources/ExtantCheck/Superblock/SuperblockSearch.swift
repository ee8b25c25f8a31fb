import BlockIO
import Ext4Format
import ExtantBase

/// Finds a superblock to go by: the first one, else a copy, else the first one mended.
struct SuperblockSearch {
  let device: any BlockDevice
  let options: CheckOptions

  /// How far copies are looked for where none lies at a usual place: in bytes.
  private static let scanLimit: UInt64 = 512 << 20

  init(_ device: any BlockDevice, _ options: CheckOptions) {
    self.device = device
    self.options = options
  }

  /// - Throws: `corrupt` where there is none; `unsupported` for a revision that is not known.
  func run() throws(FileSystemError) -> SuperblockChoice {
    if let block = options.superblock { return try chosen(block) }
    guard let primary = try read(at: Superblock.byteOffset) else {
      throw .corrupt(Corruption("superblock", "the device ends before it"))
    }
    guard let fault = Superblock.fault(primary.rawBytes) else {
      // One that claims more than there is may be wrong in just that.
      if !fits(primary) {
        if let copy = try copy(of: primary) { return copy }
      } else {
        if let copy = try copyElsewhere(primary) { return copy }
        if let copy = try copyForDescriptors(primary) { return copy }
      }
      return SuperblockChoice(bytes: primary, origin: .primary)
    }
    let mend = SuperblockMend(primary, device)
    if let flipped = mend.flippedBit() { return flipped }
    // Features and revisions to come are not damage.
    if fault.rule == .revision || fault.rule == .checksumType {
      _ = try Superblock(primary.rawBytes)
    }
    if let copy = try copy(of: primary) {
      // A wrong checksum alone, over what the copy says, too: the first one knows more.
      if fault.rule == .checksum, mend.agrees(with: copy.bytes) { return mend.withNewChecksum() }
      return copy
    }
    if let mended = try mend.run(fault) { return mended }
    throw .corrupt(
      Corruption("superblock", "\(fault.text), and no copy of it was found"))
  }

  // MARK: Asked for

  private func chosen(_ block: BlockAddress) throws(FileSystemError) -> SuperblockChoice {
    let sizes = options.blockSize.map { [$0] } ?? Self.blockSizes
    for size in sizes where size > 0 {
      let (offset, overflow) = block.rawValue.multipliedReportingOverflow(by: UInt64(size))
      if overflow { continue }
      // The first one, named by its block where that is larger than 1 KiB.
      let place = offset == 0 ? Superblock.byteOffset : offset
      guard let bytes = try read(at: place), Superblock.fault(bytes.rawBytes) == nil else {
        continue
      }
      let choice = SuperblockChoice(
        bytes: bytes,
        origin: place == Superblock.byteOffset ? .primary : .chosenCopy(block: block.rawValue))
      if choice.blockSize == size { return asPrimary(choice) }
    }
    throw .corrupt(Corruption("superblock", block: block, "there is none that can be used"))
  }

  // MARK: Copies

  private static let blockSizes = (0...6).map { 1024 << $0 }
  private static let usualGroups: [UInt64] = [1, 3, 5, 7, 9, 25, 27, 49]

  /// The first copy that can be used: where the first superblock's own numbers say, where mke2fs
  /// puts them by itself, then anywhere near the start.
  func copy(of primary: [UInt8]) throws(FileSystemError) -> SuperblockChoice? {
    var tried: Set<UInt64> = []
    for offset in usualPlaces(primary) where tried.insert(offset).inserted {
      if let found = try copy(at: offset) { return found }
    }
    return try scan()
  }

  private func usualPlaces(_ primary: [UInt8]) -> [UInt64] {
    var places: [UInt64] = []
    func add(_ blockSize: UInt64, _ blocksPerGroup: UInt64) {
      for group in Self.usualGroups {
        // With clusters, the first group starts with block 0 whatever the size.
        for first in blockSize == 1024 ? [1, 0] as [UInt64] : [0] {
          places.append((first + group * blocksPerGroup) * blockSize)
        }
      }
    }
    let log = primary.rawBytes.le32(SuperblockField.logBlockSize)
    let perGroup = UInt64(primary.rawBytes.le32(SuperblockField.blocksPerGroup))
    let hasMagic = primary.rawBytes.le16(SuperblockField.magic) == Superblock.magic
    if hasMagic, log <= 6 {
      add(1024 << UInt64(log), perGroup)
      if primary.rawBytes.le32(SuperblockField.featureCompat) & 0x200 != 0 {
        for offset in [0, 4] {
          let group = UInt64(primary.rawBytes.le32(SuperblockField.backupGroups + offset))
          let block = (log == 0 ? 1 : 0) + (group &* perGroup)
          let (place, overflow) = block.multipliedReportingOverflow(by: 1024 << UInt64(log))
          if !overflow { places.append(place) }
        }
      }
    }
    for size in Self.blockSizes { add(UInt64(size), UInt64(size) * 8) }
    return places
  }

  private func scan() throws(FileSystemError) -> SuperblockChoice? {
    let end = min(device.byteCount, Self.scanLimit)
    let buffer = BlockBuffer(byteCount: 1 << 20)
    var start: UInt64 = 0
    while start < end {
      let count = Int(min(UInt64(buffer.byteCount), end - start))
      var bytes = buffer.mutableBytes
      var part = bytes._mutatingExtracting(0..<count)
      try device.read(into: &part, at: start)
      var offset = 0
      while offset + Superblock.byteCount <= count {
        if buffer.bytes.le16(offset + SuperblockField.magic) == Superblock.magic,
          let found = try copy(at: start + UInt64(offset))
        {
          return found
        }
        offset += 1024
      }
      start += UInt64(buffer.byteCount)
    }
    return nil
  }

  /// The copy at `offset`, where it lies at the place that its own numbers give it: not one in a
  /// file, in the journal, or of a filesystem that was there before.
  private func copy(at offset: UInt64) throws(FileSystemError) -> SuperblockChoice? {
    guard offset > Superblock.byteOffset, let bytes = try read(at: offset),
      Superblock.fault(bytes.rawBytes) == nil, fits(bytes),
      let superblock = try? Superblock(bytes.rawBytes)
    else { return nil }
    let block = offset / UInt64(superblock.blockSize)
    guard offset % UInt64(superblock.blockSize) == 0,
      let group = superblock.group(of: BlockAddress(block)), group.rawValue > 0,
      superblock.superblockBlock(in: group) == BlockAddress(block),
      // Revision 0 has no such field: some programs leave 0 there.
      superblock.revision == 0
        || superblock.blockGroupNumber == UInt16(truncatingIfNeeded: group.rawValue)
    else { return nil }
    let origin = SuperblockChoice.Origin.copy(group: group.rawValue, block: block)
    return asPrimary(SuperblockChoice(bytes: bytes, origin: origin))
  }

  /// A copy as it is where the first one lies. What a copy says of the state means nothing; that of
  /// the whole filesystem is seen in the check that follows.
  private func asPrimary(_ choice: SuperblockChoice) -> SuperblockChoice {
    guard choice.origin != .primary else { return choice }
    var choice = choice
    choice.bytes.withMutableBytes {
      $0.setLE16(0, at: SuperblockField.blockGroupNumber)
      $0.setLE16(Superblock.State.clean.rawValue, at: SuperblockField.state)
    }
    SuperblockMend.seal(&choice.bytes)
    return choice
  }

  /// Whether the device holds all its blocks.
  private func fits(_ bytes: [UInt8]) -> Bool {
    guard let superblock = try? Superblock(bytes.rawBytes, verifyChecksum: false) else {
      return false
    }
    return device.byteCount / UInt64(superblock.blockSize) >= superblock.blockCount
  }

  /// Nil past the device's end.
  func read(at offset: UInt64) throws(FileSystemError) -> [UInt8]? {
    let (end, overflow) = offset.addingReportingOverflow(UInt64(Superblock.byteCount))
    guard !overflow, end <= device.byteCount else { return nil }
    let buffer = BlockBuffer(byteCount: Superblock.byteCount)
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: offset)
    return buffer.bytes.array()
  }
}
