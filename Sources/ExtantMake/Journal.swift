/// How large a journal is, by the rules of mke2fs.
enum Journal {
  /// In blocks: a smaller filesystem gets no journal.
  static let minimumFilesystemBlockCount: UInt64 = 2048

  /// In blocks, for a filesystem of `blockCount`.
  static func blockCount(for blockCount: UInt64) -> UInt64 {
    switch blockCount {
    case ..<32_768: 1024
    case ..<(256 << 10): 4096
    case ..<(512 << 10): 8192
    case ..<(4096 << 10): 16_384
    case ..<(8192 << 10): 32_768
    case ..<(16_384 << 10): 65_536
    case ..<(32_768 << 10): 131_072
    default: 262_144
    }
  }
}
