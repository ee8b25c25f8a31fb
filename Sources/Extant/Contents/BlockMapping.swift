import ExtantBase
import ExtentMap

/// How the map of an inode's blocks lies on the device.
///
/// In memory every map is the same counted tree, whatever it came from and goes to; what differs is how
/// it is loaded (the map's own `ExtentNodeSource`), what a change may cost, and how it is encoded.
protocol BlockMapping: AnyObject {
  var map: ExtentMap { get }

  /// Blocks for nodes that the next encoding may need beyond those that are there, if so many entries
  /// come into the map before it.
  func nodesNeeded(forEntries count: UInt64) -> UInt64

  /// The blocks of metadata that the next encoding adds to the transaction at most: those rewritten in
  /// place, and as `groupBlocks` tells the bitmaps and descriptors of so many that get a block or lose
  /// it.
  func encodingCost(pending: PendingShift?, groupBlocks: (Int) -> Int) -> Int

  /// Encodes what changed in the map into the blocks of its nodes, and the inode's block area. Called
  /// under the node's `state`, in a commit or where the inode is deleted.
  ///
  /// - Parameter pending: what shifts since the last encoding made ready for it.
  func encode(
    _ contents: FileContents, pending: PendingShift?, _ operation: Operation
  ) throws(FileSystemError)
}
