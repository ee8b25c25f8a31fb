import BlockIO
import Ext4Format
import ExtantBase

/// Writes one directory anew: all its entries without gaps, by hash and with an index where the
/// filesystem has them and it takes more than a block.
///
/// Blocks that are left over are given back; lost+found keeps its own, which are there for when no
/// other is free.
struct DirectoryRebuild {
  let round: CheckRound
  let number: InodeNumber
  private var raw: RawInode
  private let format: DirectoryBlockFormat
  private let isCasefolded: Bool
  private var contents: DirectoryContents
  /// As they are mapped, in order.
  private var runs: [MapRun] = []
  /// The first block of every cluster that the directory has, in order.
  private var clusters: [BlockAddress] = []

  /// Nil for what is no directory with blocks.
  init?(
    _ round: CheckRound, _ number: InodeNumber, displaced: [DirectoryEntryImage] = []
  ) throws(FileSystemError) {
    guard round.inodes[number].isInUse, round.inodes[number].kind == .directory else { return nil }
    self.round = round
    self.number = number
    raw = try round.readInode(number)
    guard !raw.flags.contains(.inlineData) else { return nil }
    let checked = CheckedDirectory(number, 0, raw, round.superblock)
    format = checked.format
    isCasefolded = checked.isCasefolded
    contents = DirectoryContents(carriesHashes: checked.carriesHashes)
    try readContents()
    for image in displaced { contents.add(image) }
  }

  private mutating func readContents() throws(FileSystemError) {
    var runs: [MapRun] = []
    try round.forEachRun(number, raw) { (run) throws(FileSystemError) in
      runs.append(run)
      return true
    }
    self.runs = runs
    let shift = round.claims.clusterShift
    let buffer = BlockBuffer(byteCount: format.blockSize)
    for run in runs {
      for index in 0..<run.count {
        let address = BlockAddress(run.address.rawValue &+ index)
        let cluster = BlockAddress((address.rawValue >> shift) << shift)
        if clusters.last != cluster { clusters.append(cluster) }
        try round.image.read(address, into: buffer)
        contents.take(from: buffer, format)
      }
    }
  }

  // MARK: Writing

  /// Returns where its contents are then; nil, with nothing changed, where there is no room for it.
  mutating func run() throws(FileSystemError) -> [MapRun]? {
    try resolveDuplicates()
    let linear = DirectoryLayout.linear(contents, format)
    if linear.blockCount > 1, !isLostAndFound, round.superblock.features.compat.contains(.dirIndex),
      let version = hashVersion
    {
      let order = contents.entries
      if contents.hashNames(hash(version), isCasefolded: isCasefolded) {
        contents.sortByHash()
        let levels = round.superblock.features.incompat.contains(.largedir) ? 2 : 1
        for filling in [80, 100] {
          if let layout = DirectoryLayout.indexed(
            contents, format, filling: filling, maximumLevels: levels),
            let runs = try write(layout, version)
          {
            return runs
          }
        }
        contents.entries = order
      }
    }
    return try write(linear, 0)
  }

  private var hashVersion: UInt8? {
    if contents.carriesHashes { return DirectoryPass.sipHashVersion }
    let version = round.superblock.defaultHashVersion
    return version <= 2 ? version : DirectoryHash.Version.halfMD4.rawValue
  }

  private func hash(_ version: UInt8) -> DirectoryHash {
    DirectoryHash(
      version: DirectoryHash.Version(rawValue: version) ?? .halfMD4,
      isUnsigned: round.superblock.hashIsUnsigned, seed: round.superblock.hashSeed)
  }

  private var isLostAndFound: Bool { round.lostAndFoundNumber == number }

  private mutating func write(
    _ layout: DirectoryLayout, _ version: UInt8
  ) throws(FileSystemError) -> [MapRun]? {
    let mapped = runs.reduce(0) { $0 + Int(clamping: $1.count) }
    let count = isLostAndFound ? max(layout.blockCount, mapped) : layout.blockCount
    guard let (addresses, taken) = allocate(count) else { return nil }
    let newRuns = Self.runs(addresses)
    if newRuns != runs {
      guard try round.writeMap(number, &raw, newRuns) else {
        for cluster in taken { round.claims.release(cluster) }
        return nil
      }
      let ratio = 1 << Int(round.claims.clusterShift)
      for cluster in clusters.dropFirst((count + ratio - 1) / ratio) {
        round.claims.release(cluster)
      }
      runs = newRuns
    }
    let place = round.directories.index(of: number)
    let parent = place.flatMap { round.directories[$0].dotDot } ?? .root
    let writer = DirectoryWriter(
      contents: contents, layout: layout, format: format, parent: parent, hashVersion: version)
    let new = BlockBuffer(byteCount: format.blockSize)
    let old = BlockBuffer(byteCount: format.blockSize)
    for (logical, address) in addresses.enumerated() {
      writer.make(logical, new)
      try round.image.read(address, into: old)
      if !Self.equal(new, old) { try round.image.write(new, at: address) }
    }
    try storeInode(layout, UInt64(count) * UInt64(format.blockSize))
    return newRuns
  }

  private mutating func storeInode(
    _ layout: DirectoryLayout, _ size: UInt64
  ) throws(FileSystemError) {
    if layout.isIndexed { raw.flags.insert(.index) } else { raw.flags.remove(.index) }
    if round.superblock.features.incompat.contains(.largedir) {
      raw.wholeSize = size
    } else {
      raw.sizeLow = UInt32(clamping: size)
    }
    if try round.readInode(number) != raw { try round.writeInode(number, raw) }
  }

  /// The blocks for so many: those that are there, and further ones, whose clusters are returned too.
  private func allocate(_ count: Int) -> (addresses: [BlockAddress], taken: [BlockAddress])? {
    let ratio = 1 << Int(round.claims.clusterShift)
    var clusters = self.clusters
    var taken: [BlockAddress] = []
    while clusters.count * ratio < count {
      guard let cluster = round.claims.allocate(near: clusters.last) else {
        for cluster in taken { round.claims.release(cluster) }
        return nil
      }
      clusters.append(cluster)
      taken.append(cluster)
    }
    let addresses = (0..<count).map { logical in
      BlockAddress(clusters[logical / ratio].rawValue + UInt64(logical % ratio))
    }
    return (addresses, taken)
  }

  private static func runs(_ addresses: [BlockAddress]) -> [MapRun] {
    var runs: [MapRun] = []
    for (logical, address) in addresses.enumerated() {
      if let last = runs.last, last.address.rawValue + last.count == address.rawValue {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(MapRun(logical: UInt64(logical), address: address, count: 1))
      }
    }
    return runs
  }

  private static func equal(_ a: BlockBuffer, _ b: BlockBuffer) -> Bool {
    let (first, second) = (a.bytes, b.bytes)
    var offset = 0
    while offset + 8 <= first.byteCount {
      if first.le64(offset) != second.le64(offset) { return false }
      offset += 8
    }
    return true
  }

  // MARK: Names that are there twice

  private mutating func resolveDuplicates() throws(FileSystemError) {
    let contents = contents
    let keys =
      isCasefolded ? contents.entries.map { NameEncoding.comparable(contents.name($0)) } : []
    func precedes(_ a: Int, _ b: Int) -> Bool {
      isCasefolded
        ? keys[a].lexicographicallyPrecedes(keys[b])
        : contents.precedes(contents.entries[a], contents.entries[b])
    }
    let order = contents.entries.indices.sorted { a, b in
      if precedes(a, b) { return true }
      return !precedes(b, a) && a < b
    }
    var repeated: [(entry: Int, first: Int)] = []
    var first = order.first ?? 0
    for index in order.dropFirst() {
      if precedes(first, index) { first = index } else { repeated.append((index, first)) }
    }
    guard !repeated.isEmpty else { return }
    try resolve(repeated)
  }

  private mutating func resolve(
    _ repeated: [(entry: Int, first: Int)]
  ) throws(FileSystemError) {
    var names = Set(contents.entries.map { key(contents.name($0)) })
    var removed = Set<Int>()
    // By what stays of the name: numbers are not tried again.
    var numbers: [[UInt8]: Int] = [:]
    for (index, first) in repeated {
      let entry = contents.entries[index]
      let name = contents.name(entry)
      let place = Place(inode: number, name: name)
      if entry.inode == contents.entries[first].inode {
        guard try round.found(.directory(.duplicateEntry), place) else { continue }
        removed.insert(index)
        let inode = InodeNumber(entry.inode)
        round.inodes[inode].namesCounted = max(1, round.inodes[inode].namesCounted) - 1
        continue
      }
      let isEncrypted = raw.flags.contains(.encrypted)
      let stem = Array(name.prefix(isEncrypted ? max(0, name.count - 8) : 240))
      var candidate: [UInt8]?
      repeat {
        let number = numbers[stem, default: 0] + 1
        numbers[stem] = number
        candidate = DirectoryNames.replacement(number, for: name, growing: !isEncrypted)
      } while candidate.map { names.contains(key($0)) } ?? false
      guard let other = candidate, !contents.carriesHashes,
        try round.found(
          .directory(
            name == contents.name(contents.entries[first]) ? .duplicateName : .duplicateFoldedName),
          place, found: .number(UInt64(entry.inode)),
          expected: .name(other))
      else { continue }
      names.insert(key(other))
      contents.rename(index, other)
    }
    if !removed.isEmpty {
      contents.entries = contents.entries.enumerated().filter { !removed.contains($0.offset) }
        .map(\.element)
    }
  }

  private func key(_ name: [UInt8]) -> [UInt8] {
    isCasefolded ? NameEncoding.comparable(name) : name
  }
}
