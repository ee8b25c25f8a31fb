import Ext4Format

/// The superblock that a check goes by, chosen before anything else is read.
struct SuperblockChoice: Sendable {
  enum Origin: Sendable, Equatable {
    /// The first one, as it stands.
    case primary
    /// A copy that somebody asked for.
    case chosenCopy(block: UInt64)
    /// A copy, for the first one is of no use.
    case copy(group: UInt32, block: UInt64)
    /// The same, for the group descriptors fit that and not the first one.
    case copyForDescriptors(group: UInt32, block: UInt64)
    /// The same, for by the first one's geometry no copy is where it should be.
    case copyElsewhere(group: UInt32, block: UInt64)
    /// The first one, with what is wrong in it put right.
    case mended(how: String)
  }

  /// 1,024 of them: a superblock that can be used.
  var bytes: [UInt8]
  var origin: Origin

  /// In bytes; what the superblock says.
  var blockSize: Int { 1024 << Int(min(bytes.rawBytes.le32(SuperblockField.logBlockSize), 6)) }

  /// Where it is from, for people.
  var text: String {
    switch origin {
    case .primary: "as it is"
    case .chosenCopy(let block): "the copy in block \(block)"
    case .copy(let group, let block), .copyForDescriptors(let group, let block),
      .copyElsewhere(let group, let block):
      "the copy of group \(group) in block \(block)"
    case .mended(let how): how
    }
  }
}
