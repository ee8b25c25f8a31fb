import TestSupport
import Testing

/// An image that mke2fs can make, in one of the ways that must work.
struct Recipe: Sendable, CustomTestStringConvertible {
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
    Recipe(name: "1 KiB blocks", blockSize: 1024, hasLongDirectories: true),
    Recipe(name: "2 KiB blocks", blockSize: 2048),
    Recipe(name: "4 KiB blocks", blockSize: 4096),
    Recipe(name: "no 64bit", blockSize: 1024, options: ["-O", "^64bit"]),
    Recipe(name: "no metadata_csum", blockSize: 1024, options: ["-O", "^metadata_csum"]),
    Recipe(
      name: "uninit_bg", blockSize: 1024,
      options: ["-O", "^64bit,^metadata_csum,uninit_bg"]),
    Recipe(
      name: "uninit_bg and 64bit", blockSize: 4096, options: ["-O", "^metadata_csum,uninit_bg"]),
    Recipe(name: "metadata_csum_seed", blockSize: 1024, options: ["-O", "metadata_csum_seed"]),
    Recipe(name: "orphan_file", blockSize: 4096, options: ["-O", "orphan_file"]),
    Recipe(name: "no flex_bg", blockSize: 1024, options: ["-O", "^flex_bg"]),
    Recipe(name: "no journal", blockSize: 4096, options: ["-O", "^has_journal"]),
    Recipe(name: "128-byte inodes", blockSize: 1024, options: ["-I", "128"]),
    Recipe(name: "1024-byte inodes", blockSize: 4096, options: ["-I", "1024"]),
    Recipe(name: "no dir_index", blockSize: 1024, options: ["-O", "^dir_index"]),
    Recipe(
      name: "everything off", blockSize: 1024,
      options: ["-I", "128", "-O", "^64bit,^metadata_csum,^flex_bg,^has_journal,^resize_inode"]),
    Recipe(
      name: "old features off", blockSize: 1024,
      options: ["-O", "^large_file,^huge_file,^dir_nlink,^extra_isize,^sparse_super,^resize_inode"]),
    Recipe(name: "no filetype", blockSize: 1024, options: ["-O", "^filetype"]),
    Recipe(
      name: "sparse_super2, small groups", blockSize: 1024,
      options: ["-O", "sparse_super2,^resize_inode", "-g", "2048", "-G", "4"]),
    Recipe(name: "legacy hash", blockSize: 1024, commands: ["ssv def_hash_version legacy"]),
    Recipe(
      name: "tea hash", blockSize: 1024, commands: ["ssv def_hash_version tea"],
      hasLongDirectories: true),
    Recipe(name: "unsigned half-md4 hash", blockSize: 1024, commands: ["ssv flags 2"]),
    Recipe(
      name: "unsigned tea hash", blockSize: 1024,
      commands: ["ssv def_hash_version tea", "ssv flags 2"]),
  ]
}
