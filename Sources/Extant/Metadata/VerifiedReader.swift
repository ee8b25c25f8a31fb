import BlockCache
import BlockIO
import ExtantBase
import Threading

/// Metadata reads through the cache, with the address checked first.
///
/// Faults are recorded where they are met, but for a reader whose callers hold locks that recording
/// must not be done under: they do it themselves, later.
final class VerifiedReader: MetadataReader {
  private let cache: BlockCache
  private let blockCount: UInt64
  private let leavesFaultsToCallers: Bool
  private let recordFault = Guarded<(@Sendable (FileSystemError) -> FileSystemError)?>(
    nil, .innermost)

  init(cache: BlockCache, blockCount: UInt64, leavesFaultsToCallers: Bool = false) {
    self.leavesFaultsToCallers = leavesFaultsToCallers
    self.cache = cache
    self.blockCount = blockCount
  }

  /// From now on faults go through `record`, which returns what to throw.
  func noteFault(_ record: @escaping @Sendable (FileSystemError) -> FileSystemError) {
    recordFault.withLock { $0 = record }
  }

  func read(
    _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer {
    do throws(FileSystemError) { return try check(address, verify: verify) } catch {
      guard error.isFault, !leavesFaultsToCallers, let record = recordFault.withLock({ $0 }) else {
        throw error
      }
      throw record(error)
    }
  }

  func record(_ fault: FileSystemError) { _ = recordFault.withLock { $0 }?(fault) }

  private func check(
    _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer {
    guard address.rawValue < blockCount else {
      throw .corrupt(Corruption("block address", block: address, "lies outside the filesystem"))
    }
    return try cache.block(at: address, verify: verify)
  }
}
