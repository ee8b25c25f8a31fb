import ExtantBase
import TestSupport
import Testing

@testable import ExtantMake

@Suite("A new filesystem, beside mke2fs's", .enabled(if: Environment.hasTools))
struct SameAsMke2fsTests {
  static let recipes: [MakeRecipe] =
    [2, 3, 5, 8, 17, 40, 100, 135, 140, 260, 511].map { MakeRecipe(byteCount: $0 << 20) }
    + [600, 1000, 2500, 5000].map { MakeRecipe(byteCount: $0 << 20) }
    + [1 << 20, 1100 << 10, 2047 << 10, (2 << 20) + 1, (33 << 20) + 5000].map {
      MakeRecipe(byteCount: $0)
    }
    + [1024, 2048, 4096].flatMap { blockSize in
      [1, 4, 16, 64, 128, 300].map { MakeRecipe(byteCount: $0 << 20, blockSize: blockSize) }
    }
    + [
      "^64bit", "^metadata_csum", "^metadata_csum,uninit_bg", "^64bit,^metadata_csum,uninit_bg",
      "metadata_csum_seed", "orphan_file", "^has_journal", "^resize_inode", "^flex_bg",
      "^sparse_super,^resize_inode", "^dir_index", "^filetype", "^huge_file", "^large_file",
      "^64bit,^flex_bg,^metadata_csum", "^extra_isize,^dir_nlink", "orphan_file,metadata_csum_seed",
    ].flatMap { features in
      [20, 600].map { MakeRecipe(byteCount: $0 << 20, features: features) }
    }
    + [
      MakeRecipe(byteCount: 64 << 20, inodeSize: 128),
      MakeRecipe(byteCount: 64 << 20, inodeSize: 1024),
      MakeRecipe(byteCount: 64 << 20, inodeCount: 5000),
      MakeRecipe(byteCount: 64 << 20, reserved: 0),
      MakeRecipe(byteCount: 64 << 20, bytesPerInode: 1024),
      MakeRecipe(byteCount: 64 << 20, bytesPerInode: 65536, reserved: 12.5),
      MakeRecipe(byteCount: 140 << 20, blockSize: 1024, bytesPerInode: 1024),
      MakeRecipe(byteCount: 64 << 20, label: ""),
    ]

  @Test("is the same, byte for byte", arguments: recipes)
  func sameBytes(recipe: MakeRecipe) throws {
    try expectSame(recipe)
  }

  @Test("of random size and options is the same; EXTANT_SEED replays, EXTANT_MAKES sets how many")
  func randomRecipes() throws {
    let seed = Seed.take()
    var random = SeededGenerator(seed: seed)
    let count = Environment.value("EXTANT_MAKES").flatMap { Int($0) } ?? 25
    for _ in 0..<count {
      var recipe = MakeRecipe(byteCount: UInt64(random.below(600 << 20)) + 65536)
      if random.chance(30) { recipe.byteCount %= 12 << 20 }
      if random.chance(60) { recipe.blockSize = random.pick([1024, 2048, 4096]) }
      if random.chance(20) { recipe.inodeSize = random.pick([128, 256, 512, 1024]) }
      if random.chance(25) { recipe.bytesPerInode = UInt64(1024 << random.below(10)) }
      if random.chance(10) { recipe.inodeCount = UInt64(random.below(40_000) + 1) }
      if random.chance(20) { recipe.reserved = Double(random.below(100)) / 2 }
      recipe.features = random.pick([
        "", "", "orphan_file", "metadata_csum_seed", "^64bit", "^flex_bg", "^resize_inode",
        "^metadata_csum", "^metadata_csum,uninit_bg", "^has_journal", "^sparse_super,^resize_inode",
      ])
      try expectSame(recipe)
    }
  }

  @Test("of many gigabytes has the same layout", arguments: [70, 200])
  func largeLayout(gibibytes: UInt64) throws {
    let recipe = MakeRecipe(byteCount: gibibytes << 30)
    let directory = try TemporaryDirectory()
    #expect(try recipe.makeByMke2fs(at: directory("theirs")))
    try recipe.make(at: directory("ours"))
    #expect(try MakeRecipe.dump(directory("ours")) == MakeRecipe.dump(directory("theirs")))
    for inode in [2, 7, 8, 11] {
      // mke2fs leaves old extents behind the only one of a root, and counts them in the checksum.
      let stat = { (name: String) throws -> [Substring] in
        try Image(path: directory(name)).debugfs("stat <\(inode)>").split(separator: "\n").filter {
          !$0.hasPrefix("Inode checksum")
        }
      }
      #expect(try stat("ours") == stat("theirs"))
    }
    #expect(try Image(path: directory("ours")).complaint() == nil)
  }

  /// Makes both, compares them, and asks e2fsck about ours.
  private func expectSame(_ recipe: MakeRecipe) throws {
    let directory = try TemporaryDirectory()
    let ours = directory("ours")
    let theirs = directory("theirs")
    guard try recipe.makeByMke2fs(at: theirs) else {
      // What mke2fs refuses, or stumbles over, we refuse as well or make well.
      do {
        try recipe.make(at: ours)
        #expect(try Image(path: ours).complaint() == nil, "\(recipe)")
      } catch FileSystemError.unsupported {
      }
      return
    }
    try recipe.make(at: ours)
    #expect(try Image(path: ours).complaint() == nil, "\(recipe)")
    let ourDump = try MakeRecipe.dump(ours)
    let theirDump = try MakeRecipe.dump(theirs)
    let lines = ourDump.difference(from: theirDump)
    let text = lines.prefix(12).map { change in
      switch change {
      case .insert(_, let line, _): "ours   " + line
      case .remove(_, let line, _): "theirs " + line
      }
    }
    #expect(text == [], "\(recipe)")
    let bytes = try MakeRecipe.firstDifference(ours, theirs)
    #expect(bytes == nil, "\(recipe)")
  }
}
