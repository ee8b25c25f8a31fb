import ArgumentParser
import Ext4Format
import Extant
import ExtantBase

/// `extant info`
struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Tells what a filesystem is: size, features, free space.")

  @Argument(help: "The image or block device.")
  var image: String

  @Flag(help: "One JSON object.")
  var json = false

  func run() throws {
    try ImageSession.with(image, writing: false) { fileSystem in
      let facts = facts(fileSystem)
      if json {
        try Output.line(JSON.object(facts.flatMap(\.members)).text())
      } else {
        let width = facts.map(\.label.count).max() ?? 0
        for fact in facts {
          let padding = String(repeating: " ", count: width - fact.label.count)
          try Output.line("\(fact.label):\(padding) \(fact.text)")
        }
      }
    }
  }

  /// The last error in words: what, when, where.
  private static func text(of error: Superblock.ErrorRecord) -> String {
    var words = error.code.map { "\($0)" } ?? "unknown"
    words += " at \(TimeText.local(error.time)), \(NameText.shown(error.function))"
    if error.line > 0 { words += ":\(error.line)" }
    if error.inode > 0 { words += ", inode \(error.inode)" }
    if error.block > 0 { words += ", block \(error.block)" }
    return words
  }

  private struct Fact {
    var label: String
    var members: [(String, JSON)]
    var text: String

    init(_ label: String, _ key: String, _ number: UInt64, _ text: String? = nil) {
      self.init(label, key, .unsigned(number), text ?? "\(number)")
    }

    init(_ label: String, _ key: String, _ value: JSON, _ text: String) {
      self.init(text, of: label, [(key, value)])
    }

    init(_ text: String, of label: String, _ members: [(String, JSON)]) {
      self.label = label
      self.members = members
      self.text = text
    }
  }

  private func facts(_ fileSystem: FileSystem) -> [Fact] {
    let superblock = fileSystem.superblock
    let statistics = fileSystem.statistics()
    let block = UInt64(superblock.blockSize)
    let label = NameText.shown(superblock.label)
    let names = superblock.features.names
    // This session is read-only by itself.
    let reason = fileSystem.imageReadOnlyReason
    func space(_ blocks: UInt64) -> String { "\(blocks) (\(ByteSize.text(blocks * block)))" }
    return [
      Fact(label.isEmpty ? "-" : label, of: "label", JSON.bytes("label", superblock.label)),
      Fact(
        "UUID", "uuid", .string(UUIDText.text(superblock.uuid)), UUIDText.text(superblock.uuid)),
      Fact(
        "features", "features", .array(names.map { .string($0) }), names.joined(separator: " ")),
      Fact("block size", "block_size", block),
      Fact("blocks", "blocks", superblock.blockCount, space(superblock.blockCount)),
      Fact("free blocks", "free_blocks", statistics.freeBlocks, space(statistics.freeBlocks)),
      Fact(
        "available blocks", "available_blocks", statistics.availableBlocks,
        space(statistics.availableBlocks)),
      Fact(
        "reserved blocks", "reserved_blocks", superblock.reservedBlockCount,
        space(superblock.reservedBlockCount)),
      Fact("inodes", "inodes", statistics.inodes),
      Fact("free inodes", "free_inodes", statistics.freeInodes),
      Fact("inode size", "inode_size", UInt64(superblock.inodeSize)),
      Fact("groups", "groups", UInt64(superblock.groupCount)),
      Fact("blocks per group", "blocks_per_group", UInt64(superblock.blocksPerGroup)),
      Fact(
        "state", "clean", .bool(superblock.state.contains(.clean)),
        (superblock.state.contains(.clean) ? "clean" : "not clean")
          + (superblock.state.contains(.errors) ? " with errors" : "")),
      Fact(
        "errors", "errors", UInt64(superblock.errorCount),
        superblock.lastError.map { "\(superblock.errorCount), the last \(Self.text(of: $0))" }),
      Fact("made", "made", .number(superblock.makeTime), TimeText.local(superblock.makeTime)),
      Fact(
        "written", "written", .number(superblock.writeTime), TimeText.local(superblock.writeTime)),
      Fact(
        "writable", "writable", .bool(reason == nil), reason.map { "no: \($0)" } ?? "yes"),
    ]
  }
}
