import TestSupport
import Testing

/// An image that mke2fs can make, in one of the ways that must work.
struct ExchangeRecipe: Sendable, CustomTestStringConvertible {
  var name: String
  var blockSize: Int
  var options: [String] = []
  /// What debugfs does to the fresh superblock.
  var commands: [String] = []
  /// Files with several thousand names in a directory, so that its index has two levels.
  var hasLongDirectories = false

  var testDescription: String { name }

  func make(at path: String) throws -> Image {
    let image = try Image.make(at: path, size: "48M", blockSize: blockSize, options: options)
    for command in commands {
      try Program.succeed(["debugfs", "-w", "-R", command, path])
    }
    return image
  }

  static let all = [
    ExchangeRecipe(name: "1 KiB blocks", blockSize: 1024, hasLongDirectories: true),
    ExchangeRecipe(name: "2 KiB blocks", blockSize: 2048),
    ExchangeRecipe(name: "4 KiB blocks", blockSize: 4096),
    ExchangeRecipe(name: "no 64bit", blockSize: 1024, options: ["-O", "^64bit"]),
    ExchangeRecipe(name: "no metadata_csum", blockSize: 1024, options: ["-O", "^metadata_csum"]),
    ExchangeRecipe(
      name: "uninit_bg", blockSize: 1024,
      options: ["-O", "^64bit,^metadata_csum,uninit_bg"]),
    ExchangeRecipe(
      name: "uninit_bg and 64bit", blockSize: 4096, options: ["-O", "^metadata_csum,uninit_bg"]),
    ExchangeRecipe(
      name: "metadata_csum_seed", blockSize: 1024, options: ["-O", "metadata_csum_seed"]),
    ExchangeRecipe(name: "orphan_file", blockSize: 4096, options: ["-O", "orphan_file"]),
    ExchangeRecipe(name: "no flex_bg", blockSize: 1024, options: ["-O", "^flex_bg"]),
    ExchangeRecipe(name: "no journal", blockSize: 4096, options: ["-O", "^has_journal"]),
    ExchangeRecipe(name: "128-byte inodes", blockSize: 1024, options: ["-I", "128"]),
    ExchangeRecipe(name: "1024-byte inodes", blockSize: 4096, options: ["-I", "1024"]),
    ExchangeRecipe(name: "no dir_index", blockSize: 1024, options: ["-O", "^dir_index"]),
    ExchangeRecipe(
      name: "everything off", blockSize: 1024,
      options: ["-I", "128", "-O", "^64bit,^metadata_csum,^flex_bg,^has_journal,^resize_inode"]),
    ExchangeRecipe(
      name: "old features off", blockSize: 1024,
      options: ["-O", "^large_file,^huge_file,^dir_nlink,^extra_isize,^sparse_super,^resize_inode"]),
    ExchangeRecipe(name: "no filetype", blockSize: 1024, options: ["-O", "^filetype"]),
    ExchangeRecipe(
      name: "sparse_super2, small groups", blockSize: 1024,
      options: ["-O", "sparse_super2,^resize_inode", "-g", "2048", "-G", "4"]),
    ExchangeRecipe(name: "legacy hash", blockSize: 1024, commands: ["ssv def_hash_version legacy"]),
    ExchangeRecipe(
      name: "tea hash", blockSize: 1024, commands: ["ssv def_hash_version tea"],
      hasLongDirectories: true),
    ExchangeRecipe(name: "unsigned half-md4 hash", blockSize: 1024, commands: ["ssv flags 2"]),
    ExchangeRecipe(
      name: "unsigned tea hash", blockSize: 1024,
      commands: ["ssv def_hash_version tea", "ssv flags 2"]),
  ]
}
