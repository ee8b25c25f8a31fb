import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

/// A map as ext4's extent tree (flag EXTENTS).
final class ExtentTree: BlockMapping {
  let map: ExtentMap

  init(_ map: ExtentMap) { self.map = map }

  func nodesNeeded(forEntries count: UInt64) -> UInt64 {
    guard count > 0 else { return UInt64(map.nodesWithoutHome) }
    return UInt64(
      map.nodesWithoutHome + map.worstCaseNewNodes(insertedEntries: Int(clamping: count)))
  }

  func encodingCost(pending: PendingShift?, groupBlocks: (Int) -> Int) -> Int {
    guard map.hasChanges else { return 0 }
    var moving = map.changedNodesWithoutHome + (map.topGivesUpItsBlock ? 1 : 0)
    // Of those that change, some may turn out to hold delayed runs alone: they lose their block.
    if map.delayedBlockCount > 0 { moving += map.changedNodeBound }
    let shifted = pending.map { $0.relocates ? 0 : $0.nodeCount } ?? 0
    return map.changedNodeBound + shifted + groupBlocks(moving)
  }
}
