import Ext4Format
import ExtantBase
import Threading

/// The times of an inode, and what makes them change.
extension FileSystem {
  /// Now, as far as inodes of this size can hold it: what is told now is told after opening again.
  func timestamp() -> Timestamp {
    let now = Clock.now()
    let extraSize = UInt16(clamping: max(0, superblock.inodeSize - 128))
    return Inode.storable(
      Timestamp(seconds: now.seconds, nanoseconds: now.nanoseconds), extraSize: extraSize)
  }

  /// Contents changed: modification and change time. Called under `node.state`.
  func touchContents(_ node: Node) {
    let now = timestamp()
    node.inode.modificationTime = now
    node.inode.changeTime = now
    node.inode.version &+= 1
  }

  /// Attributes changed. Called under `node.state`.
  func touchAttributes(_ node: Node) {
    node.inode.changeTime = timestamp()
    node.inode.version &+= 1
  }

  /// A read: notes the time where the options ask for it.
  func noteAccess(_ node: Node) {
    guard options.accessTimes != .never, readOnlyReason == nil,
      options.notesDirectoryAccess || node.kind != .directory
    else { return }
    let now = timestamp()
    let isDue = node.state.withLock {
      let inode = node.inode
      guard !inode.flags.contains(.noAccessTime) else { return false }
      if options.accessTimes == .always { return inode.accessTime != now }
      return inode.accessTime <= inode.modificationTime || inode.accessTime <= inode.changeTime
        || now.seconds - inode.accessTime.seconds >= 24 * 3600
    }
    guard isDue else { return }
    // A time that cannot be noted is no reason to fail the read.
    try? perform { (operation) throws(FileSystemError) in
      node.state.withLock { node.inode.accessTime = now }
      operation.changed(node, onlyTimes: true)
    }
  }
}
