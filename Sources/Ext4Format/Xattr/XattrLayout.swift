import ExtantBase
import SystemPackage

/// An inode's attributes and where each of them is: in the inode or in its block.
///
/// Which place an attribute gets follows the kernel, so that the same calls succeed and fail: in
/// the inode when it fits there beside what is there, else in the block, else ENOSPC. Attributes
/// that are not changed stay where they are.
public struct XattrLayout: Hashable, Sendable {
  public private(set) var inInode: [Xattr]
  public private(set) var inBlock: [Xattr]
  let inodeCapacity: Int
  let blockCapacity: Int

  /// - Parameters:
  ///   - inodeCapacity: bytes for entries and values in the inode, 0 where it has no room at all.
  ///   - blockCapacity: the same in a block.
  public init(inInode: [Xattr], inBlock: [Xattr], inodeCapacity: Int, blockCapacity: Int) {
    self.inInode = inInode
    self.inBlock = inBlock
    self.inodeCapacity = inodeCapacity
    self.blockCapacity = blockCapacity
  }

  public var all: [Xattr] { inInode + inBlock }

  public func value(of name: XattrName) -> [UInt8]? {
    (inInode.first { $0.name == name } ?? inBlock.first { $0.name == name })?.value
  }

  /// Adds the attribute or replaces its value. Throws ENOSPC, and changes nothing then.
  public mutating func set(_ attribute: Xattr) throws(FileSystemError) {
    let others = (
      inode: inInode.filter { $0.name != attribute.name },
      block: inBlock.filter { $0.name != attribute.name }
    )
    if Self.length(others.inode) + attribute.length <= inodeCapacity {
      inInode = others.inode + [attribute]
      inBlock = others.block
    } else if Self.length(others.block) + attribute.length <= blockCapacity {
      inInode = others.inode
      inBlock = others.block + [attribute]
    } else {
      throw .refused(.noSpace)
    }
  }

  /// False when there is no such attribute.
  public mutating func remove(_ name: XattrName) -> Bool {
    let count = inInode.count + inBlock.count
    inInode.removeAll { $0.name == name }
    inBlock.removeAll { $0.name == name }
    return inInode.count + inBlock.count < count
  }

  private static func length(_ attributes: [Xattr]) -> Int {
    attributes.reduce(0) { $0 + $1.length }
  }
}
