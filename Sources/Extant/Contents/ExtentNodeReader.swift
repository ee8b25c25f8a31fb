import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap

/// The bridge between the extent tree's bytes and the map: one inode's nodes, read and verified.
final class ExtentNodeReader: ExtentNodeSource {
  private let reader: any MetadataReader
  private let context: ExtentTreeContext
  private let zones: SystemZones

  init(reader: any MetadataReader, context: ExtentTreeContext, zones: SystemZones) {
    self.reader = reader
    self.context = context
    self.zones = zones
  }

  /// A file that owned some of the filesystem's own blocks could write inodes and bitmaps.
  ///
  /// Throws `corrupt`.
  static func check(
    _ node: ExtentNode, _ zones: SystemZones, _ inode: InodeNumber
  ) throws(FileSystemError) {
    guard case .leaf(let records) = node.entries else { return }
    for record in records {
      let start = record.address.rawValue
      guard !zones.overlaps(start..<start + UInt64(record.length)) else {
        throw .corrupt(
          Corruption(
            "extent", inode: inode, block: record.address,
            "it holds some of the filesystem's own structures"))
      }
    }
  }

  func loadNode(
    at address: BlockAddress, depth: Int, key: LogicalBlock
  ) throws(FileSystemError) -> ExtentNodeContents {
    guard let depth = UInt16(exactly: depth), let key = UInt32(exactly: key.rawValue) else {
      throw .corrupt(
        Corruption("extent node", inode: context.inode, block: address, "key out of range"))
    }
    let context = self.context
    // Verified with what its parent says of it each time: the block may sit in the cache as a
    // part of something else.
    let buffer = try reader.read(address) { _ in }
    let node = try ExtentNode(
      block: buffer.bytes, at: address, depth: depth, key: key, end: nil, context)
    try Self.check(node, zones, context.inode)
    return ExtentNodeContents(node)
  }
}

extension ExtentNodeContents {
  init(_ node: ExtentNode) {
    switch node.entries {
    case .leaf(let records):
      self = .leaf(
        records.map { record in
          ExtentRun(
            logical: LogicalBlock(UInt64(record.logical)), count: UInt64(record.length),
            address: record.address, state: record.isUnwritten ? .unwritten : .written)
        })
    case .index(let records):
      self = .index(
        records.map { record in
          ExtentIndex(key: LogicalBlock(UInt64(record.logical)), address: record.child)
        })
    }
  }
}

extension ExtentNode {
  /// The node as the disk has it. What the map encodes is within the format's bounds; a number
  /// that is not would be a fault of the map, and is refused rather than cut.
  init(_ contents: ExtentNodeContents, depth: Int) throws(FileSystemError) {
    func narrow(_ value: UInt64) throws(FileSystemError) -> UInt32 {
      guard let narrow = UInt32(exactly: value) else {
        throw .corrupt(Corruption("extent map", "\(value) does not fit an extent"))
      }
      return narrow
    }
    guard let depth = UInt16(exactly: depth) else {
      throw .corrupt(Corruption("extent map", "depth \(depth) does not fit a node"))
    }
    switch contents {
    case .leaf(let runs):
      var records: [ExtentRecord] = []
      records.reserveCapacity(runs.count)
      for run in runs {
        records.append(
          ExtentRecord(
            logical: try narrow(run.logical.rawValue), length: try narrow(run.count),
            address: run.address, isUnwritten: run.state == .unwritten))
      }
      self.init(depth: depth, entries: .leaf(records))
    case .index(let entries):
      var records: [ExtentIndexRecord] = []
      records.reserveCapacity(entries.count)
      for entry in entries {
        records.append(
          ExtentIndexRecord(logical: try narrow(entry.key.rawValue), child: entry.address))
      }
      self.init(depth: depth, entries: .index(records))
    }
  }
}
