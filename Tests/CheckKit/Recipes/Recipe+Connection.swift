import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  /// How directories hang together, lost+found, and link counts.
  static let connectionRecipes: [Recipe] = directoryTreeRecipes + lostAndFoundRecipes + linkRecipes

  private static let directoryTreeRecipes: [Recipe] = [
    Recipe(
      .connection(.rootMissing),
      with: [
        .connection(.unreachable), .connection(.lostFoundMissing), .connection(.nameless),
        .connection(.namelessEmpty), .connection(.directoryLinkCount), .connection(.linkCount),
      ], e2fsck: .refuses
    ) {
      try $0.inode(.root, keepingChecksum: true) { $0 = RawInode(byteCount: $0.bytes.count) }
    },
    Recipe(.connection(.unreachable)) { try $0.debugfs("unlink /dir/sub") },
    Recipe(.connection(.unreachable), "with-below", base: .ext2) { try $0.debugfs("unlink /dir") },
    Recipe(.connection(.unreachable), "inline", base: .inlineData) {
      try $0.debugfs("unlink /dir/sub")
    },
    Recipe(.connection(.unreachable), "bigalloc", base: .bigalloc) {
      try $0.debugfs("unlink /dir/sub")
    },
    Recipe(.connection(.unreachable), "indexed") { try $0.debugfs("unlink /many") },
    Recipe(.connection(.loop)) {
      try $0.debugfs("link /dir /dir/sub/loop", "unlink /dir")
    },
    Recipe(
      .connection(.loop), "closed", base: .ext2,
      e2fsck: .clean("it does not see directories that hang on nothing but each other")
    ) { planter in
      let sub = try planter.inodeNumber("/dir/sub")
      try planter.setParent("/dir", sub)
      try planter.debugfs("link /dir /dir/sub/loop", "unlink /dir")
      try planter.inode(.root) { $0.linkCount -= 1 }
      try planter.inode(sub) { $0.linkCount += 1 }
    },
    Recipe(.connection(.wrongParent)) { try $0.setParent("/dir/sub", .root) },
    Recipe(.connection(.wrongParent), "root") { planter in
      let number = try planter.inodeNumber("/dir")
      try planter.setParent("/", number)
    },
    Recipe(.connection(.wrongParent), "indexed", base: .ext2) { planter in
      let number = try planter.inodeNumber("/dir")
      try planter.setParent("/many", number)
    },
  ]

  private static let lostAndFoundRecipes: [Recipe] = [
    Recipe(.connection(.lostFoundMissing), with: [.connection(.nameless)]) {
      try $0.debugfs("rmdir /lost+found", "unlink /small")
    },
    Recipe(
      .connection(.lostFoundMissing), "ext2", base: .ext2, with: [.connection(.unreachable)]
    ) {
      try $0.debugfs("rmdir /lost+found", "unlink /dir")
    },
    Recipe(.connection(.lostFoundNoDirectory), with: [.connection(.nameless)]) {
      try $0.debugfs("rmdir /lost+found", "symlink /lost+found elsewhere", "unlink /small")
    },
    Recipe(
      .connection(.lostFoundEncrypted), base: .encrypt, with: [.connection(.nameless)]
    ) { planter in
      try planter.inode("/lost+found") { $0.encrypt() }
      try planter.debugfs("unlink /small")
    },
    Recipe(
      .connection(.lostFoundInline), base: .inlineData, with: [.connection(.nameless)]
    ) {
      try $0.debugfs("rmdir /lost+found", "mkdir /lost+found", "unlink /small")
    },
    Recipe(
      .connection(.lostFoundImpossible), base: BaseImage(["-t", "ext4", "-b", "1024", "-N", "32"]),
      with: [.connection(.lostFoundMissing), .connection(.nameless)]
    ) { planter in
      let pipes = (0...planter.superblock.freeInodeCount).map { "mknod pipe\($0) p\n" }
      try planter.debugfs("rmdir /lost+found\n" + pipes.joined() + "unlink /small")
    },
  ]

  private static let linkRecipes: [Recipe] = [
    Recipe(.connection(.nameless)) { try $0.debugfs("unlink /small") },
    Recipe(.connection(.nameless), "symlink") { try $0.debugfs("unlink /symlink") },
    // Two names, of which both are gone.
    Recipe(.connection(.nameless), "two-names", with: [.connection(.linkCount)]) {
      try $0.debugfs("unlink /file", "unlink /link")
    },
    // lost+found has to grow.
    Recipe(
      .connection(.nameless), "many",
      base: BaseImage(["-t", "ext4", "-b", "1024", "-O", "^dir_index"], isIndexed: false)
    ) { planter in
      let names = (0..<1200).map { "mknod pipe\($0) p\nunlink pipe\($0)\n" }
      try planter.debugfs(names.joined())
    },
    Recipe(.connection(.namelessEmpty)) { try $0.debugfs("unlink /empty") },
    Recipe(.connection(.linkCount)) { try $0.debugfs("set_inode_field /small links_count 5") },
    Recipe(.connection(.linkCount), "too-few") {
      try $0.debugfs("set_inode_field /file links_count 1")
    },
    Recipe(
      .connection(.overflownLinkCount), e2fsck: .clean("the kernel leaves it so")
    ) {
      try $0.debugfs("set_inode_field /many links_count 1")
    },
    Recipe(.connection(.directoryLinkCount)) {
      try $0.debugfs("set_inode_field /dir links_count 9")
    },
  ]
}

extension Planter {
  /// Makes a directory's ".." name `parent`.
  func setParent(_ path: String, _ parent: InodeNumber) throws {
    let number = try inodeNumber(path)
    let address = try blocks(path)[0]
    let isIndexed = try readInode(number).flags.contains(.index)
    try block(address, as: isIndexed ? .hashTreeRoot(number) : .directory(number)) {
      $0.setLE32(parent.rawValue, at: 12)
    }
  }
}

extension RawInode {
  /// Sets the flag, and the attribute that must go with it.
  mutating func encrypt() {
    flags.insert(.encrypted)
    let start = 128 + Int(extraSize)
    bytes.withMutableBytes { bytes in
      let end = bytes.byteCount
      bytes.fill(start..<end, with: 0)
      bytes.setLE32(0xEA02_0000, at: start)
      let entry = start + 4
      let value = end - 28
      bytes.setU8(1, at: entry)
      bytes.setU8(9, at: entry + 1)
      bytes.setLE16(UInt16(value - entry), at: entry + 2)
      bytes.setLE32(28, at: entry + 8)
      bytes.setU8(UInt8(ascii: "c"), at: entry + 16)
      // Version 1, AES-256-XTS for contents and AES-256-CTS for names.
      bytes.setU8(1, at: value)
      bytes.setU8(1, at: value + 1)
      bytes.setU8(4, at: value + 2)
      bytes.setU8(2, at: value + 3)
      for index in 4..<28 { bytes.setU8(UInt8(index), at: value + index) }
    }
  }
}
