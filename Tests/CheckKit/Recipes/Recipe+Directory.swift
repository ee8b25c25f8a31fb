import Ext4Format
import ExtantBase
import ExtantCheck
import TestSupport

extension Recipe {
  static let directoryRecipes: [Recipe] =
    directoryBlockRecipes + directoryRecordRecipes + directoryDotRecipes + directoryTargetRecipes
    + directoryNameRecipes + directoryIndexRecipes + directoryInlineRecipes

  private static func directory(
    _ issue: DirectoryIssue, _ variant: String? = nil, base: BaseImage = .ext4,
    with others: [IssueKind] = [], e2fsck: Judgement = .broken,
    _ plant: @escaping @Sendable (Planter) throws -> Void
  ) -> Recipe {
    Recipe(.directory(issue), variant, base: base, with: others, e2fsck: e2fsck, plant: plant)
  }

  // MARK: Blocks

  private static let directoryBlockRecipes: [Recipe] = [
    // A hole between extents is closed in pass 1.
    directory(.hole, base: .ext2) {
      try $0.debugfs("expand_dir /dir", "expand_dir /dir", "punch /dir 1 1")
    },
    directory(.firstBlockMissing, base: .ext2) {
      try $0.debugfs("mkdir /new", "expand_dir /new", "punch /new 0 0")
    },
    directory(.blockChecksum) {
      try $0.entries("/dir", keepingChecksum: true) { $0[1023] ^= 1 }
    },
    directory(.blockChecksum, "leaf") {
      try $0.entries("/many", 1, keepingChecksum: true) { $0[1022] ^= 1 }
    },
    directory(.tailMissing) { planter in
      let file = try planter.inodeNumber("/dir/a")
      try planter.inode(file) { $0.linkCount = 2 }
      try planter.entries("/dir", keepingChecksum: true) { bytes in
        guard let last = Planter.offset(of: Array("sub".utf8), in: bytes) else { return }
        let start = 1024 - 8 - 252
        bytes.setLE16(UInt16(start - last), at: last + 4)
        bytes.setLE32(file.rawValue, at: start)
        bytes.setLE16(260, at: start + 4)
        bytes[start + 6] = 250
        bytes[start + 7] = 1
        bytes.replaceSubrange(start + 8..<start + 258, with: repeatElement(0x78, count: 250))
      }
    },
    directory(.tailDamaged) {
      try $0.entries("/dir", keepingChecksum: true) { $0[1024 - 5] = 0 }
    },
    directory(.tailDamaged, "covered") { planter in
      try planter.entries("/dir", keepingChecksum: true) { bytes in
        guard let last = Planter.offset(of: Array("sub".utf8), in: bytes) else { return }
        bytes.setLE16(UInt16(1024 - last), at: last + 4)
        for index in 1012..<1024 { bytes[index] = 0 }
      }
    },
  ]

  // MARK: Records

  private static let directoryRecordRecipes: [Recipe] = [
    directory(.recordTooShort) {
      try $0.entry("/dir", "a") { $0.setLE16(8, at: $1 + 4) }
    },
    directory(
      .recordTooShort, "zeroed", with: [.directory(.dotMissing), .directory(.dotDotMissing)]
    ) {
      try $0.debugfs("mkdir /new")
      try $0.entries("/new") { bytes in for index in 0..<1012 { bytes[index] = 0 } }
    },
    directory(.recordUnaligned) {
      try $0.entry("/dir", "a") { $0.setLE16(13, at: $1 + 4) }
    },
    directory(.recordPastEnd) {
      try $0.entry("/dir", "sub") { $0.setLE16(1200, at: $1 + 4) }
    },
    directory(.recordPastEnd, "noChecksums", base: .noChecksums) {
      try $0.entry("/dir", "b") { $0.setLE16(2000, at: $1 + 4) }
    },
    directory(.recordLeavesGap) {
      try $0.entry("/dir", "sub") { $0.setLE16($0.le16($1 + 4) - 8, at: $1 + 4) }
    },
    directory(.nameTooLong, with: [.connection(.nameless)]) {
      try $0.entry("/dir", "a") { $0[$1 + 6] = 100 }
    },
  ]

  // MARK: "." and ".."

  private static let directoryDotRecipes: [Recipe] = [
    directory(.dotMissing) { try $0.entries("/dir/sub") { $0.setLE32(0, at: 0) } },
    directory(.firstNotDot) { try $0.entries("/dir/sub") { $0[8] = 0x78 } },
    directory(.firstNotDot, "other") { planter in
      // The name of another file: it is kept.
      let file = try planter.inodeNumber("/small")
      try planter.inode(file) { $0.linkCount = 2 }
      try planter.entries("/dir/sub") {
        $0.setLE32(file.rawValue, at: 0)
        $0[7] = 1
        $0[8] = 0x78
      }
    },
    directory(.dotInode) { planter in
      let file = try planter.inodeNumber("/file")
      try planter.entries("/dir/sub") { $0.setLE32(file.rawValue, at: 0) }
    },
    directory(.dotNotTerminated) { try $0.entries("/dir/sub") { $0[9] = 0x78 } },
    directory(.dotTooLong, e2fsck: .clean("it asks, and lets it be")) {
      try $0.debugfs("mkdir /new")
      try $0.entries("/new") {
        $0.setLE16(40, at: 4)
        let dotDot = Array($0[12..<24])
        $0.replaceSubrange(40..<52, with: dotDot)
        $0.setLE16(1012 - 40, at: 44)
      }
    },
    directory(.dotDotMissing) { try $0.entries("/dir/sub") { $0.setLE32(0, at: 12) } },
    directory(.secondNotDotDot) { try $0.entries("/dir/sub") { $0[20] = 0x78 } },
    directory(.dotDotNotTerminated) { try $0.entries("/dir/sub") { $0[22] = 0x78 } },
    directory(.dotDotInode) { try $0.entries("/dir/sub") { $0.setLE32(5_000_000, at: 12) } },
    directory(.dotDotInode, "reserved") { try $0.entries("/dir/sub") { $0.setLE32(7, at: 12) } },
    directory(.dotDotUnused) { try $0.entries("/dir/sub") { $0.setLE32(200, at: 12) } },
    directory(.duplicateDot) { try $0.addEntry("/dir", ".", try $0.inodeNumber("/dir/a")) },
    directory(.duplicateDotDot) { try $0.addEntry("/dir", "..", try $0.inodeNumber("/dir/a")) },
  ]

  // MARK: What entries name

  private static let directoryTargetRecipes: [Recipe] = [
    directory(.inodeOutOfRange) { try $0.addEntry("/dir", "far", InodeNumber(999_999)) },
    directory(.inodeReserved) { try $0.addEntry("/dir", "nine", InodeNumber(9)) },
    Recipe(.directory(.inodeReserved), "orphan-file", base: .orphanFile) { planter in
      guard let file = planter.superblock.orphanFileInode else {
        throw SystemFailure(2, "the base image has no orphan file")
      }
      try planter.addEntry("/dir", "orphans", file)
    },
    Recipe(.directory(.inodeReserved), "quota-file", base: .quota) { planter in
      guard let file = planter.superblock.quotaInode(.project) else {
        throw SystemFailure(2, "the base image has no quota file for projects")
      }
      try planter.addEntry("/dir", "quota", file)
    },
    directory(.inodeUnused) { try $0.addEntry("/dir", "gone", InodeNumber(200)) },
    directory(.linkToSelf) {
      try $0.addEntry("/dir", "self", try $0.inodeNumber("/dir"), fileType: 2)
    },
    directory(.linkToRoot) { try $0.addEntry("/dir", "root", .root, fileType: 2) },
    directory(.linkedTwice) {
      try $0.addEntry("/dir", "again", try $0.inodeNumber("/dir/sub"), fileType: 2)
    },
  ]

  // MARK: Names and kinds

  private static let strictCasefold = BaseImage(["-t", "ext4", "-b", "1024", "-O", "casefold"])
  private static let noFileType = BaseImage(["-t", "ext2", "-b", "1024", "-O", "^filetype"])

  private static let directoryNameRecipes: [Recipe] = [
    directory(.emptyName) { try $0.addEntry("/dir", "", try $0.inodeNumber("/dir/a")) },
    directory(.nameHasNul) { try $0.entry("/dir", "sub") { $0[$1 + 9] = 0 } },
    directory(.nameHasSlash) { try $0.entry("/dir", "sub") { $0[$1 + 9] = 0x2f } },
    directory(.nameHasSlash, "alone") { try $0.entry("/dir", "a") { $0[$1 + 8] = 0x2f } },
    directory(.nameBadEncoding, base: strictCasefold) {
      $0.superblock { $0[0x27e] |= 1 }
      try $0.inode("/dir") { $0.flags.insert(.casefold) }
      try $0.entry("/dir", "sub") { $0[$1 + 9] = 0xff }
    },
    directory(.duplicateName) { try $0.entry("/dir", "b") { $0[$1 + 8] = 0x61 } },
    directory(.duplicateName, "indexed") { planter in
      // Two names of one block and one length: the second becomes the first.
      let file = try planter.inodeNumber("/small")
      try planter.entries("/many", 1) { bytes in
        var first: [Int: Int] = [:]
        var offset = 0
        while offset < 1012 {
          let length = Int(bytes[offset + 6])
          if let first = first[length] {
            bytes.replaceSubrange(
              offset + 8..<offset + 8 + length, with: bytes[first + 8..<first + 8 + length])
            bytes.setLE32(file.rawValue, at: offset)
            return
          }
          first[length] = offset
          offset += Int(bytes.le16(offset + 4))
        }
      }
      try planter.inode("/small") { $0.linkCount += 1 }
      try planter.inode("/many/first") { $0.linkCount -= 1 }
    },
    directory(.duplicateFoldedName, base: .casefold, e2fsck: .clean("it compares bytes")) {
      try $0.inode("/dir") { $0.flags.insert(.casefold) }
      try $0.entry("/dir", "b") { $0[$1 + 8] = 0x41 }
    },
    directory(.duplicateEntry) { try $0.addEntry("/dir", "a", try $0.inodeNumber("/dir/a")) },
    directory(.fileTypeMissing, e2fsck: .clean("none is as good")) {
      try $0.entry("/dir", "a") { $0[$1 + 7] = 0 }
    },
    directory(.fileTypeWrong) { try $0.entry("/dir", "a") { $0[$1 + 7] = 2 } },
    directory(.fileTypeWrong, "dot") { try $0.entries("/dir/sub") { $0[7] = 1 } },
    directory(.fileTypeNotAllowed, base: noFileType) {
      try $0.entry("/dir", "a") { $0[$1 + 7] = 1 }
    },
    directory(.encryptedNameTooShort, base: .encrypt, with: [.connection(.nameless)]) {
      try $0.encrypt("/dir/sub", key: 1)
      try $0.encrypt("/dir/sub/c", key: 1)
    },
    directory(.unencryptedEntry, base: .encrypt, with: [.connection(.nameless)]) {
      try $0.encrypt("/dir/sub", key: 1)
      try $0.entry("/dir/sub", "c") { bytes, offset in
        bytes[offset + 6] = 16
        bytes.replaceSubrange(offset + 8..<offset + 24, with: repeatElement(0x63, count: 16))
      }
    },
    directory(.otherPolicy, base: .encrypt, with: [.connection(.nameless)]) {
      try $0.encrypt("/dir/sub", key: 1)
      try $0.encrypt("/dir/sub/c", key: 2)
      try $0.entry("/dir/sub", "c") { bytes, offset in
        bytes[offset + 6] = 16
        bytes.replaceSubrange(offset + 8..<offset + 24, with: repeatElement(0x63, count: 16))
      }
    },
  ]
}
