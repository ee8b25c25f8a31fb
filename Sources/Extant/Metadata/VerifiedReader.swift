import BlockCache
import BlockIO
import ExtantBase

/// Metadata reads through the cache, with the address checked first.
final class VerifiedReader: MetadataReader {
  private let cache: BlockCache
  private let blockCount: UInt64

  init(cache: BlockCache, blockCount: UInt64) {
    self.cache = cache
    self.blockCount = blockCount
  }

  func read(
    _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer {
    guard address.rawValue < blockCount else {
      throw .corrupt(Corruption("block address", block: address, "lies outside the filesystem"))
    }
    return try cache.block(at: address, verify: verify)
  }
}
