import BlockIO
import Ext4Format
import ExtantBase
import SystemPackage

/// The extended attributes of one inode, in the inode and in its attribute block.
///
/// A change comes in two steps: `plan...` decides, reads and verifies; the caller reserves
/// `newBlockCount` blocks; `apply` changes and does not fail. A block that other inodes share is
/// never changed: the inode gets its own.
struct ExtendedAttributes {
  let storage: NodeXattrs

  init(_ storage: NodeXattrs) { self.storage = storage }

  /// The most blocks that one change can need.
  static let worstCaseNewBlocks = 1

  private struct SharedBlock {
    var address: BlockAddress
    var buffer: BlockBuffer
    var contents: XattrBlock
  }

  private func block() throws(FileSystemError) -> SharedBlock? {
    guard let address = storage.xattrBlock else { return nil }
    let inode = storage.number
    let seed = storage.xattrChecksumSeed
    let buffer = try storage.read(address) { (bytes) throws(FileSystemError) in
      _ = try XattrBlock(bytes, at: address, inode: inode, checksumSeed: seed)
    }
    let contents = try storage.xattrBlockLock.withLock { () throws(FileSystemError) in
      try XattrBlock(buffer.bytes, at: address, inode: inode, checksumSeed: nil)
    }
    return SharedBlock(address: address, buffer: buffer, contents: contents)
  }

  private func layout(_ block: SharedBlock?) throws(FileSystemError) -> XattrLayout {
    let region = storage.xattrRegion ?? []
    return XattrLayout(
      inInode: try InodeXattrs.decode(region, inode: storage.number),
      inBlock: block?.contents.attributes ?? [],
      inodeCapacity: InodeXattrs.capacity(byteCount: region.count),
      blockCapacity: XattrBlock.capacity(blockSize: storage.blockSize))
  }
}

// MARK: - Reading

extension ExtendedAttributes {
  /// All of them, those in the inode first.
  func all() throws(FileSystemError) -> [Xattr] { try layout(try block()).all }

  /// nil when there is no such attribute. The block is read only when the inode lacks it.
  func value(of name: XattrName) throws(FileSystemError) -> [UInt8]? {
    let region = storage.xattrRegion ?? []
    let inInode = try InodeXattrs.decode(region, inode: storage.number)
    if let found = inInode.first(where: { $0.name == name }) { return found.value }
    return try block()?.contents.attributes.first { $0.name == name }?.value
  }
}

// MARK: - Changing

/// A change of an inode's attributes, decided and not yet made.
struct XattrChange {
  fileprivate enum BlockChange {
    case keep
    /// The inode's own block gets other contents.
    case rewrite(BlockAddress, BlockBuffer, XattrBlock)
    /// A new block; the old one, if any, loses the inode.
    case create(XattrBlock, replacing: Release?)
    case release(Release)
  }

  /// An inode lets go of a block: the last one frees it. Which one is the last shows when the
  /// change is made: another inode may let go of it meanwhile, none may join it.
  fileprivate struct Release {
    var address: BlockAddress
    var buffer: BlockBuffer
  }

  fileprivate var region: [UInt8]?
  fileprivate var blockChange: BlockChange

  /// Blocks to reserve before the change is made.
  var newBlockCount: Int {
    if case .create = blockChange { 1 } else { 0 }
  }

  /// Whether there is anything to do at all.
  var isEmpty: Bool {
    if case .keep = blockChange { region == nil } else { false }
  }
}

extension ExtendedAttributes {
  /// Throws EEXIST or ENODATA as the flags of setxattr(2) say, E2BIG for more than 64 KiB, ENOSPC
  /// where it fits neither in the inode nor in a block.
  func planSet(
    _ name: XattrName, _ value: [UInt8], _ flags: ExtendedAttributeFlags = []
  ) throws(FileSystemError) -> XattrChange {
    guard value.count <= XattrName.maximumValueLength else { throw .refused(.argListTooLong) }
    return try plan { (layout) throws(FileSystemError) in
      let old = layout.value(of: name)
      if old != nil, flags.contains(.create) { throw .refused(.fileExists) }
      if old == nil, flags.contains(.replace) { throw .refused(.noData) }
      if old != value { try layout.set(Xattr(name, value)) }
    }
  }

  /// Throws ENODATA where there is no such attribute.
  func planRemoval(of name: XattrName) throws(FileSystemError) -> XattrChange {
    try plan { (layout) throws(FileSystemError) in
      guard layout.remove(name) else { throw .refused(.noData) }
    }
  }

  /// Any number of changes at once: a new file's ACLs, for one.
  func plan(
    _ change: (inout XattrLayout) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> XattrChange {
    let block = try block()
    let old = try layout(block)
    var new = old
    try change(&new)
    var result = XattrChange(region: nil, blockChange: .keep)
    if new.inInode != old.inInode {
      result.region = InodeXattrs.encode(
        new.inInode, byteCount: storage.xattrRegion?.count ?? 0, inode: storage.number)
    }
    if new.inBlock != old.inBlock { result.blockChange = blockChange(block, new.inBlock) }
    return result
  }

  /// What an inode that is being deleted does with its block.
  func planRelease() throws(FileSystemError) -> XattrChange {
    guard let block = try block() else { return XattrChange(region: nil, blockChange: .keep) }
    return XattrChange(region: nil, blockChange: .release(release(block)))
  }

  private func blockChange(
    _ block: SharedBlock?, _ attributes: [Xattr]
  ) -> XattrChange.BlockChange {
    let contents = XattrBlock(attributes: attributes)
    guard let block else { return .create(contents, replacing: nil) }
    if attributes.isEmpty { return .release(release(block)) }
    guard block.contents.referenceCount == 1 else {
      return .create(contents, replacing: release(block))
    }
    return .rewrite(block.address, block.buffer, contents)
  }

  private func release(_ block: SharedBlock) -> XattrChange.Release {
    XattrChange.Release(address: block.address, buffer: block.buffer)
  }

  /// Makes the change. It must be the first since it was planned.
  func apply(_ change: XattrChange, _ operation: Operation) throws(FileSystemError) {
    switch change.blockChange {
    case .keep:
      break
    case .rewrite(let address, let buffer, let contents):
      operation.modify(address, buffer)
      encode(contents, into: buffer, at: address)
    case .create(let contents, let old):
      let address = try storage.allocateXattrBlock(operation)
      let buffer = operation.newBlock(address)
      encode(contents, into: buffer, at: address)
      if let old { try apply(old, operation) }
      storage.setXattrBlock(address, operation)
    case .release(let old):
      try apply(old, operation)
      storage.setXattrBlock(nil, operation)
    }
    if let region = change.region { try storage.setXattrRegion(region, operation) }
  }

  private func apply(
    _ release: XattrChange.Release, _ operation: Operation
  ) throws(FileSystemError) {
    operation.modify(release.address, release.buffer)
    let remaining = storage.xattrBlockLock.withLock {
      var bytes = release.buffer.mutableBytes
      return XattrBlock.removeReference(
        in: &bytes, at: release.address, checksumSeed: storage.xattrChecksumSeed)
    }
    if remaining == 0 { try storage.freeXattrBlock(release.address, operation) }
  }

  private func encode(_ contents: XattrBlock, into buffer: BlockBuffer, at address: BlockAddress) {
    storage.xattrBlockLock.withLock {
      var bytes = buffer.mutableBytes
      contents.encode(into: &bytes, at: address, checksumSeed: storage.xattrChecksumSeed)
    }
  }
}
