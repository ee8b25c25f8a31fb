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
    /// The first one, with what is wrong in it put right.
    case mended(how: String)
  }

  /// 1,024 of them: a superblock that can be used.
  var bytes: [UInt8]
  var origin: Origin
  /// Of a copy that goes in the place of a first one that can be used: what is wrong with that.
  var doubt = SuperblockIssue.largerThanDevice

  /// In bytes; what the superblock says.
  var blockSize: Int { 1024 << Int(min(bytes.rawBytes.le32(SuperblockField.logBlockSize), 6)) }

  /// Where it is from, for people.
  var text: String {
    switch origin {
    case .primary: "as it is"
    case .chosenCopy(let block): "the copy in block \(block)"
    case .copy(let group, let block): "the copy of group \(group) in block \(block)"
    case .mended(let how): how
    }
  }
}
