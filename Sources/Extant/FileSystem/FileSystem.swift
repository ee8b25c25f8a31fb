import BlockCache
import BlockIO
import Ext4Format
import ExtantBase
import ExtentMap
import Journal
import Synchronization
import Threading
import ImageIO

/// An open ext4 filesystem.
///
/// May be used from any number of threads. Lock order, outermost first:
/// 1. `renameLock`
/// 2. `Node.lock`: directories before what they hold, otherwise by inode number
/// 3. a journal handle (`perform`): a thread with a handle takes no lock of 1 and 2
/// 4. `Node.state`, of one node at a time
/// 5. the locks inside `orphans`, `blocks`, `inodes`, `nodes`, `journal` and `cache`
public final class FileSystem: @unchecked Sendable {
  /// How a filesystem is opened.
  public struct Options: Sendable {
    public enum Access: Sendable { case readOnly, readWrite }
    /// When reading a file notes the time.
    public enum AccessTimes: Sendable {
      /// Where the time noted is older than the last change, or a day.
      case relative
      case never
      case always
    }

    /// What is durable when the call that changed it returns, besides what the flags S and D of
    /// chattr(1) ask for: the options sync and dirsync of mount(8).
    public enum Synchrony: Sendable {
      case nothing
      /// Names: create, link, unlink, rename ...
      case names
      /// Names, and the contents and sizes of files.
      case everything
    }

    public var access = Access.readWrite
    public var synchrony = Synchrony.nothing
    /// Memory for blocks, in bytes: the cache's hard limit.
    public var cacheByteLimit = 64 << 20
    public var accessTimes = AccessTimes.relative
    /// Whether listing a directory notes the time, too: not with nodiratime.
    public var notesDirectoryAccess = true
    /// Seconds after which changed data and metadata go to the device by themselves; 0: never.
    public var writeBackInterval = 5
    /// What a fault leads to; nil: what the superblock says.
    public var errors: ErrorBehavior?
    /// Told of each fault, and of what follows from it, in whatever thread met it and with locks
    /// held: it must not call the filesystem. errors=panic means that it ends the program at once;
    /// where it returns, or there is none, panic is as remount-ro.
    public var faultHandler: (@Sendable (FileSystemError, FaultConsequence) -> Void)?
    /// data=; nil: what the superblock says. `unsupported` at opening where there is no journal.
    public var dataMode: DataMode?
    /// Whether flushes go to the device (barrier=); nil: what the superblock says.
    public var usesBarriers: Bool?
    /// norecovery: read as it lies, without replaying the journal; nothing can be written.
    public var skipsRecovery = false
    /// journal_path: the device or file that the journal is on, where it is not in the filesystem.
    public var journalPath: String?
    /// Opened in memory to apply the fast commits that the journal ends with.
    var appliesFastCommits = false

    /// So few nodes of an extent tree that a shift moved are rewritten in place: in the log and at
    /// home they are written twice, and fresh blocks for them cost two bitmaps and two blocks of
    /// descriptors, also twice, which evens out at eight. A test sets 0 to see all of them move.
    package var nodesShiftedInPlace = 8
    /// How many inodes that nobody refers to stay in memory.
    package var idleInodes = 32_768

    /// Blocks kept back for extent trees; nil: as the kernel does. A test sets few, to see what
    /// happens where they are gone.
    package var treeReserve: UInt64?

    public init() {}

    public static let readOnly: Options = {
      var options = Options()
      options.access = .readOnly
      return options
    }()
  }

  let device: any BlockDevice
  /// Where the journal is, if it is on a device of its own: released with the other.
  private let journalDevice: (any BlockDevice)?
  public let options: Options
  /// The superblock as it was at opening: the geometry, which does not change.
  public let superblock: Superblock
  /// Why nothing can be written, where that is so. Known when opening ends, and the same from then.
  public internal(set) var readOnlyReason: String?

  /// What `start` applies; empty unless the options say so.
  let fastCommits: [FastCommitRecord]

  /// What recovery met that somebody should know, one sentence each.
  public let recoveryNotes: [String]
  /// Transactions that opening found in the journal and replayed: onto the device, or in memory
  /// where the image is only read.
  public let replayedTransactions: Int

  let cache: BlockCache
  let groups: GroupTable
  let blocks: BlockAllocator
  let inodes: InodeAllocator
  let nodes: NodeTable
  let renameLock = Lock(.rename)
  /// Around the contents of attribute blocks, which inodes may share.
  let attributeBlockLock = Lock(.attributeBlocks)
  /// The superblock with what changes: counts, state, label, times. Faults are recorded in it with
  /// other locks held: nothing is taken under it.
  let current: Guarded<Superblock>
  let orphans = Guarded(OrphanList(), .orphanList)
  /// How many inodes were deleted.
  let deletions = Atomic<UInt64>(0)
  /// data=journal for every file.
  let journalsAllData: Bool
  /// Errors are recorded that no superblock on the device tells of yet.
  let errorsToWrite = Guarded(false, .superblock)
  /// Set once, by `shutDown`. Looked at by every read, so no lock.
  let hasShutDown = Atomic(false)
  /// Around writes of the superblock past the journal.
  let recordLock = Lock(.faultRecord)
  let extentCapacities: ExtentCapacities
  /// How names are hashed in new directories.
  let directoryHash: DirectoryHash
  /// Set once, at the end of opening; the journal calls back into the filesystem.
  private(set) var journal: Journal
  var flusher: Flusher?
  private let closing = Guarded(false, .closing)
  let generations: Guarded<SystemRandomNumberGenerator>

  // Copies of what hot paths ask for.
  let blockSize: Int
  let blockSize64: UInt64
  let sectorsPerBlock: UInt64

  /// Opens the image or block device at `path`.
  ///
  /// Throws `.io` where it cannot be opened or another writer holds it, `.corrupt` where it is
  /// no sound ext4, `.unsupported` where it needs a feature that is not built.
  public static func open(
    _ path: String, _ options: Options = Options()
  ) throws(FileSystemError) -> FileSystem {
    let device = try DeviceOpener.open(
      path, access: options.access == .readOnly ? .readOnly : .readWrite)
    do throws(FileSystemError) {
      return try FileSystem(device: device, options: options)
    } catch {
      try? device.close()
      throw error
    }
  }

  /// Opens what is on `device`. The filesystem owns the device from then on, unless this throws.
  public init(device: any BlockDevice, options: Options = Options()) throws(FileSystemError) {
    let given = device
    let recovered = try Self.recover(given, options)
    let device = recovered.device
    let superblock = recovered.superblock
    self.device = device
    journalDevice = recovered.log.flatMap { $0.area.device === device ? nil : $0.area.device }
    recoveryNotes = recovered.notes
    fastCommits = options.appliesFastCommits ? recovered.fastCommits : []
    replayedTransactions = recovered.replayedTransactions
    self.options = options
    nodes = NodeTable(capacity: options.idleInodes)
    self.superblock = superblock
    journalsAllData = options.dataMode(for: superblock) == .journal
    blockSize = superblock.blockSize
    blockSize64 = UInt64(superblock.blockSize)
    sectorsPerBlock = UInt64(superblock.blockSize / 512)
    current = Guarded(superblock, .superblock)
    generations = Guarded(SystemRandomNumberGenerator(), .innermost)
    extentCapacities = ExtentCapacities(blockSize: superblock.blockSize)
    directoryHash = try Self.directoryHash(superblock)
    let cache = BlockCache(
      device: device, blockSize: superblock.blockSize, byteLimit: options.cacheByteLimit)
    self.cache = cache
    let reader = VerifiedReader(cache: cache, blockCount: superblock.blockCount)
    self.reader = reader
    groups = try GroupTable(superblock: superblock, reader: reader)
    let bitmapReader = VerifiedReader(
      cache: cache, blockCount: superblock.blockCount, leavesFaultsToCallers: true)
    blocks = BlockAllocator(
      superblock: superblock, groups: groups, reader: bitmapReader,
      treeReserve: options.treeReserve)
    inodes = InodeAllocator(superblock: superblock, groups: groups, reader: bitmapReader)
    var log = recovered.log
    readOnlyReason = Self.readOnlyReason(recovered, given, options)
    log?.superblock.upgrade(
      is64Bit: superblock.features.incompat.contains(.is64Bit),
      hasMetadataChecksums: superblock.hasMetadataChecksums)
    let relay = CommitRelay()
    self.relay = relay
    journal = try Journal(
      device: device, blockSize: superblock.blockSize, log: readOnlyReason == nil ? log : nil,
      memoryLimit: options.cacheByteLimit / superblock.blockSize / 4,
      usesBarriers: options.usesBarriers(for: superblock),
      kind: Self.classifier(device, groups), client: relay)
    relay.fileSystem = self
    for reader in [reader, bitmapReader] {
      reader.noteFault { [weak self] error in self?.recorded(error) ?? error }
    }
    do throws(FileSystemError) {
      try start()
    } catch {
      flusher = nil
      throw error
    }
  }

  private static func classifier(
    _ device: any BlockDevice, _ groups: GroupTable
  ) -> (@Sendable (BlockAddress, BlockBuffer) -> DeviceEvent)? {
    guard device.listensToEvents else { return nil }
    let classifier = MetadataClassifier(groups)
    return { classifier.event(ofBlockAt: $0, $1.bytes) }
  }

  private static func directoryHash(
    _ superblock: Superblock
  ) throws(FileSystemError) -> DirectoryHash {
    guard let version = DirectoryHash.Version(rawValue: superblock.defaultHashVersion) else {
      throw .corrupt(
        Corruption(
          "superblock", "default hash version \(superblock.defaultHashVersion) is not known"))
    }
    return DirectoryHash(
      version: version, isUnsigned: superblock.hashIsUnsigned, seed: superblock.hashSeed)
  }

  let reader: VerifiedReader
  private let relay: CommitRelay

  public var isReadOnly: Bool { readOnlyReason != nil || journal.abortReason != nil }

  /// The last block address plus one of a file, in bytes: `2^32 - 1` blocks, and without
  /// `huge_file` no more than `2^32 - 1` sectors hold, since the inode counts these.
  public var maximumFileSize: UInt64 {
    let blocks = LogicalBlock.limit.rawValue
    guard !superblock.features.readOnlyCompat.contains(.hugeFile) else {
      return blocks * blockSize64
    }
    return min(blocks, UInt64(UInt32.max) / sectorsPerBlock) * blockSize64
  }

  /// What whoever opens the filesystem should know, a sentence each: what the journal held, what is
  /// wrong with it, and, of one that is changed without having been closed before, that it needs a
  /// check.
  public var openingNotes: [String] {
    var notes = recoveryNotes
    if replayedTransactions > 0 {
      notes.append(
        "the journal was replayed\(readOnlyReason == nil ? "" : " in memory"): "
          + "\(replayedTransactions) transaction\(replayedTransactions == 1 ? "" : "s")")
    }
    if readOnlyReason == nil, let uncleanWarning { notes.append(uncleanWarning) }
    return notes
  }

  /// What to tell whoever changes a filesystem that was not closed properly before; nil where it was.
  public var uncleanWarning: String? {
    guard !superblock.state.contains(.clean) else { return nil }
    return "was not cleanly unmounted; unmount it and run e2fsck -f"
  }

  /// EIO after `shutDown`, as the kernel gives it for whatever needs more than names and attributes.
  func requireRunning() throws(FileSystemError) {
    if isShutDown { throw .refused(.ioError) }
  }

  func requireWritable() throws(FileSystemError) {
    try requireRunning()
    if readOnlyReason != nil { throw .refused(.readOnlyFileSystem) }
    if journal.abortReason != nil { throw .refused(.readOnlyFileSystem) }
  }

  func read(
    _ address: BlockAddress, verify: (RawSpan) throws(FileSystemError) -> Void
  ) throws(FileSystemError) -> BlockBuffer {
    try reader.read(address, verify: verify)
  }

  /// The seed of the checksums of an inode's own blocks; nil without metadata checksums.
  func checksumSeed(inode: InodeNumber, generation: UInt32) -> UInt32? {
    guard superblock.hasMetadataChecksums else { return nil }
    return Inode.checksumSeed(number: inode, generation: generation, superblock: superblock)
  }

  /// Makes everything durable, marks the filesystem clean and releases the device.
  ///
  /// Throws the first error met, and closes all the same. A second call does nothing.
  public func close() throws(FileSystemError) {
    let first = closing.withLock { closed in
      defer { closed = true }
      return !closed
    }
    guard first else { return }
    flusher?.stop()
    flusher = nil
    var failure = readOnlyReason == nil ? finishWriting() : nil
    for device in [device, journalDevice].compactMap({ $0 }) {
      do throws(FileSystemError) { try device.close() } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  /// Brings home what is left, and marks the filesystem clean. The first failure; unless it stopped
  /// all writing, the rest is done all the same: contents of one file that cannot be written are
  /// lost, and leave nothing for recovery or a check to mend.
  private func finishWriting() -> FileSystemError? {
    if let reason = journal.abortReason {
      writeRecordAtClose()
      return isShutDown ? .refused(.ioError) : reason
    }
    // References that are left now will never be given back.
    for node in orphans.withLock({ $0.nodes }) { deleteUnreferenced(node) }
    var failure: FileSystemError?
    do throws(FileSystemError) { try writeEverything() } catch { failure = error }
    guard journal.abortReason == nil else { return failure }
    do throws(FileSystemError) { try markClean() } catch { failure = failure ?? error }
    return failure
  }

  deinit {
    flusher?.stop()
    try? device.close()
    try? journalDevice?.close()
  }
}
