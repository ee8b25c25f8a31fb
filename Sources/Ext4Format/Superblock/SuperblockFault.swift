/// The rule that makes a superblock one that nothing can be computed with.
public struct SuperblockFault: Error, Sendable, Equatable {
  public enum Rule: Sendable, Hashable, CaseIterable {
    case magic, revision, checksumType, checksum
    case blockSize, clusterSize, blocksPerGroup, clustersPerGroup, firstDataBlock, blockCount
    case reservedBlocks, inodeSize, inodesPerGroup, inodeCount, firstInode
    case descriptorSize, descriptorTable, reservedDescriptorBlocks
  }

  public var rule: Rule
  /// What is broken, as a sentence without its stop.
  public var text: String
  /// What is not known, for what is sound perhaps, but unknown.
  var name: String

  init(_ rule: Rule, _ text: String, name: String = "") {
    self.rule = rule
    self.text = text
    self.name = name
  }

  var isUnknown: Bool { rule == .revision || rule == .checksumType }
}
