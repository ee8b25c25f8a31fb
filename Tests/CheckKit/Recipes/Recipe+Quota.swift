import Ext4Format
import ExtantBase
import ExtantCheck

extension Recipe {
  /// Quota files. Inode 3 has the users', 4 the groups'; block 0 is the head, 1 the tree's root, and
  /// where everything is root's, 5 are the entries.
  static let quotaRecipes: [Recipe] = [
    Recipe(.quota(.usage), base: .quota) { planter in
      try planter.quotaBlock(.user, 5) { $0.setLE32(77, at: 16 + 24) }
    },
    Recipe(.quota(.usage), "space", base: .quota) { planter in
      try planter.quotaBlock(.project, 5) { $0.setLE32($0.le32(16 + 48) + 1024, at: 16 + 48) }
    },
    // The limits of who has used nothing survive.
    Recipe(.quota(.usage), "many-owners", base: owners, with: [.quota(.missingEntry)]) { planter in
      try planter.debugfs("set_inode_field /small uid 4711", "set_inode_field /empty uid 70000")
    },
    Recipe(.quota(.missingEntry), base: .quota) { planter in
      try planter.quotaBlock(.group, 1) { $0.setLE32(0, at: 0) }
    },
    Recipe(.quota(.reference), base: .quota) { planter in
      try planter.quotaBlock(.user, 2) { $0.setLE32(200, at: 40) }
    },
    Recipe(
      .quota(.magic), base: .quota, e2fsck: .clean("it does not look; the kernel refuses the file")
    ) { planter in
      try planter.quotaBlock(.user, 0) { $0.setLE32(0xd9c0_1f12, at: 0) }
    },
    Recipe(.quota(.version), base: .quota) { planter in
      try planter.quotaBlock(.user, 0) { $0.setLE32(9, at: 4) }
    },
    Recipe(.quota(.size), base: .quota) { planter in
      try planter.quotaBlock(.user, 0) { $0.setLE32(100, at: 20) }
    },
    Recipe(.quota(.freeBlock), base: .quota) { planter in
      try planter.quotaBlock(.user, 0) { $0.setLE32(6, at: 24) }
    },
    Recipe(.quota(.freeEntry), base: .quota) { planter in
      try planter.quotaBlock(.user, 0) { $0.setLE32(60, at: 28) }
    },
    Recipe(.quota(.inodeNumber), base: .quota) { planter in
      planter.superblock { $0.setLE32(99999, at: 0x240) }
    },
    Recipe(.quota(.inodeNumber), "project", base: .quota, with: [.connection(.nameless)]) {
      planter in
      planter.superblock { $0.setLE32(2, at: 0x26C) }
    },
    Recipe(.quota(.inodeForgotten), base: .quota) { planter in
      planter.superblock { $0.setLE32(0, at: 0x244) }
    },
    Recipe(.quota(.inodeUnasked), base: .quota) { planter in
      for number in [InodeNumber(3), InodeNumber(4)] {
        try planter.debugfs("clri <\(number.rawValue)>")
      }
      planter.superblock { bytes in
        bytes.setLE32(0, at: 0x240)
        bytes.setLE32(0, at: 0x244)
        bytes.setLE32(bytes.le32(0x64) & ~0x2100, at: 0x64)
      }
    },
    Recipe(.quota(.size), "too-large", base: .quota) { planter in
      try planter.inode(InodeNumber(4)) { $0.wholeSize += 1 << 40 }
    },
    Recipe(.quota(.numberUnasked)) { planter in
      let number = try planter.inodeNumber("/file")
      planter.superblock { $0.setLE32(number.rawValue, at: 0x244) }
    },
    Recipe(.quota(.numberUnasked), "root") { planter in
      planter.superblock { $0.setLE32(2, at: 0x240) }
    },
    Recipe(.quota(.numberUnasked), "projects") { planter in
      let number = try planter.inodeNumber("/file")
      planter.superblock { $0.setLE32(number.rawValue, at: 0x26C) }
    },
    Recipe(.quota(.numberUnasked), "projects-root") { planter in
      planter.superblock { $0.setLE32(2, at: 0x26C) }
    },
    Recipe(.quota(.numberLeft), base: .ext2) { planter in
      planter.superblock { $0.setLE32(33, at: 0x26C) }
    },
    Recipe(.quota(.notAFile), base: .quota) { planter in
      let number = InodeNumber(planter.superblockWord(0x26C))
      try planter.debugfs("clri <\(number.rawValue)>")
    },
    Recipe(.quota(.notAFile), "reserved", base: .quota) { planter in
      for number: UInt32 in 3...4 { try planter.zero(InodeNumber(number)) }
    },
  ]

  private static let owners = BaseImage(
    ["-t", "ext4", "-b", "1024", "-O", "quota,project"],
    commands: (0..<40).flatMap { number in
      [
        "mknod pipe\(number) p",
        "set_inode_field /pipe\(number) uid \(number * 2_654_435)",
        "set_inode_field /pipe\(number) links_count 1",
      ]
    })
}

extension Planter {
  /// Changes the block of 1 KiB of a quota file, in an image with blocks of as much.
  func quotaBlock(
    _ kind: QuotaKind, _ index: Int, _ change: (inout [UInt8]) throws -> Void
  ) throws {
    guard let number = superblock.quotaInode(kind) else { return }
    try block(try blocks(Self.path(number))[index], change)
  }

  func superblockWord(_ offset: Int) -> UInt32 { bytes.le32(1024 + offset) }
}
