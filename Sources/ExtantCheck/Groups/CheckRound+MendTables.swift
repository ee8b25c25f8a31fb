import BlockIO
import Ext4Format
import ExtantBase

/// Where groups' bitmaps and inode tables lie: what the descriptors say, what their copies say, what
/// the tables look like.
extension CheckRound {
  private typealias Item = GroupMap.Item

  /// Settles every address in `groups`; those of parts that must be made anew become 0.
  func mendTables(_ damaged: [UInt32]) throws(FileSystemError) {
    var problems = placeProblems()
    for item in GroupMap.contested(superblock, groups, skipping: Set(problems.keys)) {
      problems[item] = item.part.overlaps
    }
    var confirmed: Set<Item> = []
    var copies = DescriptorCopies(image, superblock)
    var nextDamaged = 0
    for index in 0..<superblock.groupCount {
      let isDamaged = nextDamaged < damaged.count && damaged[nextDamaged] == index
      if isDamaged { nextDamaged += 1 }
      let own = GroupPart.allCases.filter { problems[Item(group: index, part: $0)] != nil }
      let candidates = try copies.descriptors(GroupIndex(index))
      try mendByCopies(
        GroupIndex(index), candidates, isDamaged: isDamaged, own, &problems, &confirmed)
    }
    guard !problems.isEmpty else { return }
    try resolve(problems, confirmed)
  }

  private func placeProblems() -> [Item: GroupIssue] {
    var problems: [Item: GroupIssue] = [:]
    for (index, descriptor) in groups.enumerated() {
      for part in GroupPart.allCases {
        let group = GroupIndex(UInt32(index))
        if let issue = superblock.placeProblem(part, of: group, at: descriptor[part]) {
          problems[Item(group: UInt32(index), part: part)] = issue
        }
      }
    }
    return problems
  }

  // MARK: By the copies

  /// Mends one group's descriptor where a copy of it knows better.
  private func mendByCopies(
    _ group: GroupIndex, _ candidates: [GroupDescriptor], isDamaged: Bool, _ own: [GroupPart],
    _ problems: inout [Item: GroupIssue], _ confirmed: inout Set<Item>
  ) throws(FileSystemError) {
    let index = Int(group.rawValue)
    let copy = candidates.first { copy in
      GroupPart.allCases.allSatisfy {
        superblock.placeProblem($0, of: group, at: copy[$0]) == nil
      }
    }
    if let copy {
      for part in own {
        let item = Item(group: group.rawValue, part: part)
        guard copy[part] != groups[index][part] else {
          confirmed.insert(item)
          continue
        }
        guard let issue = problems.removeValue(forKey: item) else { continue }
        try move(issue, item, to: copy[part])
        confirmed.insert(item)
      }
      if own.isEmpty, !copy.hasSameTables(as: groups[index]) {
        try choose(group, copy, isDamaged: isDamaged)
      }
    }
    if isDamaged { try mendChecksum(group) }
  }

  /// Two places that can both be: the copy's where the descriptor is damaged, or where only there are
  /// inodes of this group.
  private func choose(
    _ group: GroupIndex, _ copy: GroupDescriptor, isDamaged: Bool
  ) throws(FileSystemError) {
    let index = Int(group.rawValue)
    if isDamaged {
      if try found(.group(.tablesElsewhere), .group(group)) {
        for part in GroupPart.allCases { groups[index][part] = copy[part] }
      }
      return
    }
    let own = groups[index].inodeTable
    guard copy.inodeTable != own else { return }
    let looks = try tableLooks(group, at: own)
    guard try tableLooks(group, at: copy.inodeTable) > looks else { return }
    if try found(
      .group(.inodeTableElsewhere), .group(group), found: .number(own.rawValue),
      expected: .number(copy.inodeTable.rawValue))
    {
      groups[index].inodeTable = copy.inodeTable
    }
  }

  private func mendChecksum(_ group: GroupIndex) throws(FileSystemError) {
    let index = Int(group.rawValue)
    guard try found(.group(.badChecksum), .group(group)) else { return }
    if try isWhole(group, withTablesOf: groups[index]) { return }
    // What it says of parts that were never used could hide what is there.
    groups[index].flags.subtract([.inodeUninit, .blockUninit])
    groups[index].unusedInodes = 0
  }

  /// How much the start of a table at `address` looks like the group's inodes.
  func tableLooks(_ group: GroupIndex, at address: BlockAddress) throws(FileSystemError) -> Int {
    let blocks = min(superblock.inodeTableBlockCount, 4)
    guard superblock.contains(address, count: UInt64(blocks)) else { return -1 }
    let first = superblock.firstInode(in: group).rawValue
    let size = superblock.inodeSize
    let buffer = BlockBuffer(byteCount: Int(blocks) * superblock.blockSize)
    try image.read(address, into: buffer)
    var looks = 0
    for slot in 0..<min(buffer.byteCount / size, Int(superblock.inodesPerGroup)) {
      let bytes = buffer.bytes.extracting(slot * size..<(slot + 1) * size)
      guard !bytes.isZero(0..<size) else { continue }
      let raw = RawInode(bytes.array())
      let number = InodeNumber(first + UInt32(slot))
      if superblock.hasMetadataChecksums {
        looks += raw.hasValidChecksum(number, superblock) ? 4 : -4
      } else {
        looks += raw.kind != nil || raw.mode == 0 ? 1 : -4
      }
      if number == .root { looks += raw.kind == .directory && raw.linkCount > 0 ? 64 : -64 }
    }
    return looks
  }

  // MARK: What copies do not settle

  /// Gives each place to one of those that are still there, and makes the others anew.
  private func resolve(
    _ problems: [Item: GroupIssue], _ confirmed: Set<Item>
  ) throws(FileSystemError) {
    var problems = problems
    let outside = Set(problems.filter { $0.value != $0.key.part.overlaps }.keys)
    let contested = GroupMap.contested(superblock, groups, skipping: outside)
    for item in problems.keys where !outside.contains(item) && !contested.contains(item) {
      problems.removeValue(forKey: item)
    }
    // What a copy told may lie where another part is, too.
    for item in contested where problems[item] == nil { problems[item] = item.part.overlaps }
    guard !problems.isEmpty else { return }

    var taken = SparseBitSet(limit: superblock.blockCount)
    for (index, descriptor) in groups.enumerated() {
      let group = GroupIndex(UInt32(index))
      let area = UInt64(superblock.superblockAreaBlockCount(in: group))
      let first = superblock.groupFirstBlock(group).rawValue
      taken.insert(first..<first + area)
      for part in GroupPart.allCases
      where problems[Item(group: group.rawValue, part: part)] == nil {
        taken.insert(range(of: part, at: descriptor[part]))
      }
    }
    for item in try byTrust(Array(problems.keys), confirmed) {
      guard let issue = problems[item] else { continue }
      let range = range(of: item.part, at: groups[Int(item.group)][item.part])
      if contested.contains(item), !taken.intersects(range) {
        taken.insert(range)
      } else if let place = try tableByNeighbours(item, taken) {
        try move(issue, item, to: place)
        taken.insert(self.range(of: item.part, at: place))
      } else {
        try makeAnew(issue, item)
      }
    }
  }

  private func range(of part: GroupPart, at address: BlockAddress) -> Range<UInt64> {
    let (end, overflow) = address.rawValue.addingReportingOverflow(part.count(superblock))
    return address.rawValue..<(overflow ? address.rawValue : end)
  }

  /// Tables before bitmaps, for nobody can make them anew; those a copy confirms first, then those
  /// that look like it.
  private func byTrust(
    _ items: [Item], _ confirmed: Set<Item>
  ) throws(FileSystemError) -> [Item] {
    var ranked: [(item: Item, rank: Int)] = []
    for item in items {
      var rank = confirmed.contains(item) ? 1 << 20 : 0
      if item.part == .inodeTable {
        rank += 1 << 21
        rank += try tableLooks(
          GroupIndex(item.group), at: groups[Int(item.group)].inodeTable)
      }
      ranked.append((item, rank))
    }
    ranked.sort {
      if $0.rank != $1.rank { return $0.rank > $1.rank }
      if $0.item.group != $1.item.group { return $0.item.group < $1.item.group }
      return $0.item.part.rawValue < $1.item.part.rawValue
    }
    return ranked.map(\.item)
  }

  /// Where an inode table should lie, going by those of its neighbours, if that looks like it.
  private func tableByNeighbours(
    _ item: Item, _ taken: SparseBitSet
  ) throws(FileSystemError) -> BlockAddress? {
    guard item.part == .inodeTable else { return nil }
    let count = item.part.count(superblock)
    let group = GroupIndex(item.group)
    var guesses: [UInt64] = []
    if superblock.features.incompat.contains(.flexBg) {
      if item.group > 0 { guesses.append(groups[Int(item.group) - 1].inodeTable.rawValue &+ count) }
      if Int(item.group) + 1 < groups.count {
        guesses.append(groups[Int(item.group) + 1].inodeTable.rawValue &- count)
      }
    }
    guesses.append(groups[Int(item.group)].inodeBitmap.rawValue &+ 1)
    let first = superblock.groupFirstBlock(group).rawValue
    guesses.append(first &+ UInt64(superblock.superblockAreaBlockCount(in: group)) &+ 2)
    for guess in guesses {
      let address = BlockAddress(guess)
      if try canBeTable(group, address, taken) { return address }
    }
    return try tableInGroup(group, taken)
  }

  private func canBeTable(
    _ group: GroupIndex, _ address: BlockAddress, _ taken: SparseBitSet
  ) throws(FileSystemError) -> Bool {
    guard superblock.placeProblem(.inodeTable, of: group, at: address) == nil,
      !taken.intersects(range(of: .inodeTable, at: address))
    else { return false }
    // The root is worth 64.
    return try tableLooks(group, at: address) > (group.rawValue == 0 ? 60 : 0)
  }

  /// The inode table somewhere in its group: where a block looks like its first. Only what a checksum
  /// tells, or the root, is sure enough.
  private func tableInGroup(
    _ group: GroupIndex, _ taken: SparseBitSet
  ) throws(FileSystemError) -> BlockAddress? {
    guard group.rawValue == 0 || superblock.hasMetadataChecksums else { return nil }
    let first = superblock.groupFirstBlock(group).rawValue
    for block in first..<first + UInt64(superblock.blocks(in: group)) {
      let address = BlockAddress(block)
      if try canBeTable(group, address, taken) { return address }
    }
    return nil
  }

  // MARK: Repairs

  /// Believes another address.
  private func move(
    _ issue: GroupIssue, _ item: Item, to address: BlockAddress
  ) throws(FileSystemError) {
    try insist(issue, item, expected: .number(address.rawValue))
    groups[Int(item.group)][item.part] = address
  }

  /// Leaves the part without a place until free blocks are known.
  private func makeAnew(_ issue: GroupIssue, _ item: Item) throws(FileSystemError) {
    try insist(issue, item, expected: nil)
    groups[Int(item.group)][item.part] = BlockAddress(0)
    // The first group's inodes are needed at once.
    if item.part == .inodeTable, item.group == 0 { return }
    let placing: (CheckRound) throws(FileSystemError) -> Void = {
      (round: CheckRound) throws(FileSystemError) in
      try round.place(item)
    }
    putOff.append(placing)
  }

  /// Reports what nothing can go on without.
  private func insist(
    _ issue: GroupIssue, _ item: Item, expected: IssueValue?
  ) throws(FileSystemError) {
    let group = GroupIndex(item.group)
    let address = groups[Int(item.group)][item.part]
    guard
      try found(
        .group(issue), .group(group), found: .number(address.rawValue), expected: expected)
    else {
      throw .corrupt(
        Corruption("group descriptor", "\(group) has no place for its tables, and keeps none"))
    }
  }
}
