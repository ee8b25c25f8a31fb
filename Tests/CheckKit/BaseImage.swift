import Synchronization
import TestSupport

/// A sound image to plant defects in: how mke2fs makes it, and what debugfs adds.
///
/// What is in every one of them:
///
///     /file        10,240 bytes, with a second name /link
///     /small       6 bytes
///     /empty       nothing
///     /sparse      20 single blocks with holes between: an extent tree with a leaf block
///     /dir         a, b, and sub with c in it
///     /many        120 (`names`) long names for one file: several blocks, an index where there is dir_index
///     /symlink     a fast one, to file
///     /slowlink    one of 100 bytes
///     /fifo        a named pipe
///     /attributes  a file with user.small in the inode and user.large, 400 bytes, in a block
public struct BaseImage: Sendable, Hashable {
  /// mke2fs's arguments but for the size.
  public var options: [String]
  /// In KiB.
  public var size: Int
  /// debugfs commands for when the files are there.
  public var commands: [String]
  /// How many names /many has beside the first.
  public var names = 120
  /// Whether e2fsck makes an index for /many.
  public var isIndexed: Bool

  public init(
    _ options: [String] = [], size: Int = 8192, commands: [String] = [], isIndexed: Bool = true
  ) {
    self.options = options
    self.size = size
    self.commands = commands
    self.isIndexed = isIndexed
  }

  /// mke2fs's ext4 with blocks of 1 KiB, in one group, with a journal.
  public static let ext4 = BaseImage(["-t", "ext4", "-b", "1024"])
  /// The same with blocks of 4 KiB.
  public static let ext4Blocks4K = BaseImage(["-t", "ext4", "-b", "4096"], size: 16384)
  /// Four groups and more.
  public static let manyGroups = BaseImage(["-t", "ext4", "-b", "1024", "-g", "1024"])
  public static let manyGroupsNoFlex = BaseImage(
    ["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^flex_bg"])
  /// Without any checksum.
  public static let noChecksums = BaseImage(
    ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^uninit_bg"])
  /// Descriptors with crc16 alone.
  public static let uninitGroups = BaseImage(
    ["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^metadata_csum,uninit_bg"])
  /// Block pointers, no journal.
  public static let ext2 = BaseImage(["-t", "ext2", "-b", "1024"])
  /// Block pointers and a journal.
  public static let ext3 = BaseImage(["-t", "ext3", "-b", "1024"])
  public static let noJournal = BaseImage(["-t", "ext4", "-b", "1024", "-O", "^has_journal"])
  public static let inlineData = BaseImage(["-t", "ext4", "-b", "1024", "-O", "inline_data"])
  public static let eaInode = BaseImage(["-t", "ext4", "-b", "1024", "-O", "ea_inode"])
  public static let bigalloc = BaseImage(
    ["-t", "ext4", "-b", "1024", "-O", "bigalloc", "-C", "8192"], size: 32768)
  public static let metaBg = BaseImage(
    ["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"], size: 24576)
  public static let quota = BaseImage(["-t", "ext4", "-b", "1024", "-O", "quota,project"])
  /// With /slowlink in its inode, which quota does not count.
  public static let inlineQuota = BaseImage(
    ["-t", "ext4", "-b", "1024", "-O", "quota,project,inline_data"])
  public static let orphanFile = BaseImage(["-t", "ext4", "-b", "1024", "-O", "orphan_file"])
  public static let mmp = BaseImage(["-t", "ext4", "-b", "1024", "-O", "mmp"])
  public static let largeDir = BaseImage(["-t", "ext4", "-b", "1024", "-O", "large_dir"])
  public static let encrypt = BaseImage(["-t", "ext4", "-b", "1024", "-O", "encrypt"])
  public static let casefold = BaseImage(["-t", "ext4", "-b", "1024", "-O", "casefold"])
  /// Made for the Hurd, with what no other inode has: the block of a translator.
  public static let hurd = BaseImage(
    ["-t", "ext2", "-o", "hurd", "-b", "1024"],
    commands: [
      "set_inode_field /file translator 7000", "set_inode_field /file author 7",
    ])
  /// Without features and dynamic fields.
  public static let revision0 = BaseImage(["-r", "0", "-b", "1024"])
  /// Inodes of 128 bytes.
  public static let smallInodes = BaseImage(["-t", "ext4", "-b", "1024", "-I", "128"])

  /// All of these, by name.
  public static let named: [(name: String, image: BaseImage)] = [
    ("ext4", ext4), ("ext4Blocks4K", ext4Blocks4K), ("manyGroups", manyGroups),
    ("manyGroupsNoFlex", manyGroupsNoFlex), ("noChecksums", noChecksums),
    ("uninitGroups", uninitGroups), ("ext2", ext2), ("ext3", ext3), ("noJournal", noJournal),
    ("inlineData", inlineData), ("eaInode", eaInode), ("bigalloc", bigalloc), ("metaBg", metaBg),
    ("quota", quota), ("orphanFile", orphanFile), ("mmp", mmp), ("largeDir", largeDir),
    ("encrypt", encrypt), ("casefold", casefold), ("smallInodes", smallInodes), ("hurd", hurd),
    ("inlineQuota", inlineQuota),
  ]

  /// The same with further debugfs commands.
  public func adding(_ commands: [String]) -> BaseImage {
    var copy = self
    copy.commands += commands
    return copy
  }

  /// The same in less than a megabyte: without a journal, with few inodes, in groups of 256 KiB where
  /// there are several.
  public var small: BaseImage {
    var copy = self
    copy.size = 1000
    copy.names = 40
    copy.options = options.flatMap { $0 == "-g" ? ["-N", "128", "-g"] : [$0] }
    if let place = copy.options.firstIndex(of: "-g"), place + 1 < copy.options.count {
      copy.options[place + 1] = "256"
    } else {
      copy.options += ["-N", "64"]
    }
    if let place = copy.options.firstIndex(of: "-O"), place + 1 < copy.options.count {
      copy.options[place + 1] += ",^has_journal"
    } else if copy.options.contains("ext4") || copy.options.contains("ext3") {
      copy.options += ["-O", "^has_journal"]
    }
    copy.commands = commands.filter { !$0.contains("translator") }
    return copy
  }

  // MARK: Making

  /// Seconds since 1970: when all of it was made, as far as the tools can be told.
  public static let time: Int64 = 1_750_000_000
  static let toolTime = "E2FSPROGS_FAKE_TIME=\(time)"

  private final class Cache: Sendable {
    let images = Mutex<[BaseImage: [UInt8]]>([:])
  }
  private static let cache = Cache()

  /// The image's bytes; made at the first call. Equal images are equal to the byte but for times.
  public func bytes() throws -> [UInt8] {
    if let known = Self.cache.images.withLock({ $0[self] }) { return known }
    let made = try make()
    Self.cache.images.withLock { $0[self] = made }
    return made
  }

  private func make() throws -> [UInt8] {
    let folder = try TemporaryDirectory()
    let tree = folder("tree")
    try Self.fill(tree, names: names)
    let image = folder("image")
    let fixed = "hash_seed=6a17c5e8-0000-4000-8000-0123456789ab,lazy_itable_init=0,root_owner=0:0"
    try Program.succeed(
      ["mke2fs", "-q", "-F", "-U", "e47a0000-0000-4000-8000-00000000e4e4", "-E", fixed, "-d", tree]
        + options + [image, "\(size)k"], environment: Self.toolTime)
    var script =
      ["ea_set /attributes user.small little", "ea_set /attributes user.large \(Self.largeValue)"]
      + commands
    script = script.map { $0 + "\n" }
    try System.write(Array(script.joined().utf8), to: folder("script"))
    try Program.succeed(
      ["debugfs", "-w", "-f", folder("script"), image], environment: Self.toolTime)
    // -D sorts directories and gives /many its index; 1: something was changed.
    let result = try Program.run(
      ["e2fsck", isIndexed ? "-fyD" : "-fy", image], environment: "E2FSCK_TIME=\(Self.time)")
    guard result.status <= 1 else { throw SystemFailure(5, "the base image: \(result.output)") }
    let judged = try Program.run(["e2fsck", "-fn", image])
    guard judged.status == 0 else { throw SystemFailure(5, "the base image: \(judged.output)") }
    return try System.contents(image)
  }

  private static let largeValue = String(repeating: "0123456789abcdef", count: 25)

  private static func fill(_ tree: String, names: Int) throws {
    func write(_ name: String, _ bytes: [UInt8]) throws {
      try System.write(bytes, to: "\(tree)/\(name)")
    }
    try System.makeDirectory(tree)
    try System.makeDirectory("\(tree)/lost+found", mode: 0o700)
    try write("file", (0..<10240).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) })
    try System.link("\(tree)/file", "\(tree)/link")
    try write("small", Array("small\n".utf8))
    try write("empty", [])
    try write("attributes", Array("attributes\n".utf8))
    try write("sparse", [])
    do {
      let sparse = try OpenFile("\(tree)/sparse", .write)
      for index in 0..<20 {
        try sparse.writeAll(
          [UInt8](repeating: UInt8(65 + index), count: 4096), at: Int64(index) * 16384)
      }
    }
    try System.makeDirectory("\(tree)/dir")
    try write("dir/a", Array("a\n".utf8))
    try write("dir/b", Array("b\n".utf8))
    try System.makeDirectory("\(tree)/dir/sub")
    try write("dir/sub/c", Array("c\n".utf8))
    try System.makeDirectory("\(tree)/many")
    try write("many/first", Array("many\n".utf8))
    let long = String(repeating: "n", count: 60)
    for index in 0..<names { try System.link("\(tree)/many/first", "\(tree)/many/\(long)\(index)") }
    try System.symbolicLink("file", at: "\(tree)/symlink")
    try System.symbolicLink(String(repeating: "long/", count: 20), at: "\(tree)/slowlink")
    try System.makeNode("\(tree)/fifo", mode: 0o010644)
  }
}
