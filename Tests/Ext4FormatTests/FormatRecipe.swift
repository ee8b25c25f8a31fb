import TestSupport
import Testing

/// What mke2fs can make, and we must read.
struct FormatRecipe: CustomTestStringConvertible, Sendable {
  var blockSize: Int
  var options: [String]

  init(_ blockSize: Int, _ features: String = "", _ others: [String] = []) {
    self.blockSize = blockSize
    options = others + (features.isEmpty ? [] : ["-O", features])
  }

  var testDescription: String { "\(blockSize) " + options.joined(separator: " ") }

  static let all = [
    FormatRecipe(1024), FormatRecipe(2048), FormatRecipe(4096), FormatRecipe(4096, "^64bit"),
    FormatRecipe(1024, "^metadata_csum"),
    FormatRecipe(1024, "^metadata_csum,uninit_bg"),
    FormatRecipe(4096, "^64bit,^metadata_csum,uninit_bg"),
    FormatRecipe(4096, "metadata_csum_seed"), FormatRecipe(1024, "orphan_file"),
    FormatRecipe(4096, "^64bit,orphan_file"),
    FormatRecipe(1024, "", ["-I", "128"]), FormatRecipe(4096, "", ["-I", "1024"]),
    FormatRecipe(1024, "^flex_bg"),
    FormatRecipe(1024, "^resize_inode,sparse_super2,^sparse_super"),
    FormatRecipe(1024, "^sparse_super,^resize_inode"),
    FormatRecipe(
      4096, "", ["-L", "a label", "-m", "1", "-e", "panic", "-E", "stride=4,stripe_width=16"]),
  ]

  func make(in directory: TemporaryDirectory, size: String = "70M") throws -> Image {
    try Image.make(
      at: directory("image"), size: size, blockSize: blockSize,
      options: options.filter { !$0.contains("stride") && $0 != "-E" },
      extended: options.first { $0.contains("stride") } ?? "")
  }
}
