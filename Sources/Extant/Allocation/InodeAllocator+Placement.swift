import Ext4Format
import ExtantBase

/// Where a new inode should go.
///
/// The rule is Orlov's, as ext4's documentation describes it, with flexible groups as the unit:
/// directories of the root have little to do with each other and are spread; deeper ones stay
/// near their parent unless that place is crowded; files go with their directory.
extension InodeAllocator.State {
  /// Sums over one flexible group; a plain group where flex_bg is off.
  private struct Flex {
    var groups: Range<Int>
    var freeInodes: UInt64 = 0
    var freeBlocks: UInt64 = 0
    var usedDirectories: UInt64 = 0
    var debt = 0
  }

  private var groupsPerFlex: Int { min(1 << Int(superblock.logGroupsPerFlex), groups.count) }

  /// The group where a new child of `parent` should go.
  mutating func bestGroup(isDirectory: Bool, parent: InodeNumber) -> Int {
    let home = superblock.group(of: parent).map { Int($0.rawValue) } ?? 0
    guard isDirectory else { return home }
    return (parent == .root ? spread(groupsPerFlex) : near(home, groupsPerFlex)) ?? home
  }

  /// The groups with free inodes in the order they are tried: `first`, the rest of its flexible
  /// group and, unless `isNear`, all others behind it, round the end.
  func groupsInOrder(from first: Int, isNear: Bool) -> [Int] {
    let start = first - first % groupsPerFlex
    let flex = start..<min(start + groupsPerFlex, groups.count)
    return table.withDescriptors { descriptors in
      var order = ([first] + flex.filter { $0 != first }).filter { descriptors[$0].freeInodes > 0 }
      guard !isNear else { return order }
      for step in 0..<(groups.count - flex.count) {
        let group = (flex.upperBound + step) % groups.count
        if descriptors[group].freeInodes > 0 { order.append(group) }
      }
      return order
    }
  }

  private func flexGroup(_ index: Int, _ perFlex: Int, _ descriptors: [GroupDescriptor]) -> Flex {
    let start = index * perFlex
    var flex = Flex(groups: start..<min(start + perFlex, groups.count))
    for group in flex.groups {
      flex.freeInodes += UInt64(descriptors[group].freeInodes)
      flex.freeBlocks += UInt64(descriptors[group].freeBlocks)
      flex.usedDirectories += UInt64(descriptors[group].usedDirectories)
      flex.debt += self.groups[group].debt
    }
    return flex
  }

  private func flexCount(_ perFlex: Int) -> Int { (groups.count + perFlex - 1) / perFlex }

  /// The flexible group with the fewest directories among those with at least the average of free
  /// inodes and free blocks.
  private mutating func spread(_ perFlex: Int) -> Int? {
    let count = flexCount(perFlex)
    rotor = (rotor + 1) % count
    let start = rotor
    let totals = table.totals
    return table.withDescriptors { descriptors in
      var best: Flex?
      for step in 0..<count {
        let flex = flexGroup((start + step) % count, perFlex, descriptors)
        guard flex.freeInodes > 0, flex.freeInodes >= totals.freeInodes / UInt64(count),
          flex.freeBlocks >= totals.freeBlocks / UInt64(count),
          flex.usedDirectories < best?.usedDirectories ?? .max
        else { continue }
        best = flex
      }
      return best.flatMap { firstFree($0, descriptors) }
    }
  }

  /// The parent's flexible group, or the next that is not crowded: not many more directories than
  /// the average, not much less free than it, and not only directories of late.
  private func near(_ home: Int, _ perFlex: Int) -> Int? {
    let count = flexCount(perFlex)
    let totals = table.totals
    let flexes = UInt64(count)
    let inodesPerFlex = UInt64(superblock.inodesPerGroup) * UInt64(perFlex)
    let blocksPerFlex = UInt64(superblock.blocksPerGroup) * UInt64(perFlex)
    let mostDirectories = totals.usedDirectories / flexes + inodesPerFlex / 16
    let averageInodes = totals.freeInodes / flexes
    let averageBlocks = totals.freeBlocks / flexes
    let fewestInodes = averageInodes - min(averageInodes, inodesPerFlex / 4)
    let fewestBlocks = averageBlocks - min(averageBlocks, blocksPerFlex / 4)
    let mostDebt = max(Int(inodesPerFlex / 16), 8)
    return table.withDescriptors { descriptors in
      for step in 0..<count {
        let flex = flexGroup((home / perFlex + step) % count, perFlex, descriptors)
        guard flex.freeInodes > 0, flex.usedDirectories <= mostDirectories,
          flex.freeInodes >= fewestInodes, flex.freeBlocks >= fewestBlocks, flex.debt <= mostDebt
        else { continue }
        if flex.groups.contains(home), descriptors[home].freeInodes > 0 { return home }
        return firstFree(flex, descriptors)
      }
      return nil
    }
  }

  private func firstFree(_ flex: Flex, _ descriptors: [GroupDescriptor]) -> Int? {
    flex.groups.first { descriptors[$0].freeInodes > 0 }
  }
}
