import ExtentMap

/// What an inode's block area (`i_block`) leads to: settled when the inode is loaded or made.
enum NodeContents {
  /// Devices, FIFOs and sockets have none.
  case none
  /// The target of a fast symbolic link, in the area itself.
  case target
  /// Blocks.
  case mapped(any BlockMapping)

  /// The map of the blocks, where there is one.
  var map: ExtentMap? {
    if case .mapped(let mapping) = self { mapping.map } else { nil }
  }
}
