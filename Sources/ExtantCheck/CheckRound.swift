import BlockIO
import Ext4Format
import ExtantBase

/// What one round of checking builds up. The passes are extensions of it, one folder each, in the
/// order in which `Checker` calls them; each uses what the ones before have settled. Used by one thread.
final class CheckRound {
  /// 1 for the first.
  let number: Int
  let image: WorkingImage
  let options: CheckOptions
  let reporter: Reporter

  /// Its geometry is settled. Its counts, flags and times may be changed by any pass;
  /// `finishSuperblock` writes it.
  var superblock: Superblock
  /// Settled by `checkGroups`: every address lies in the filesystem. Counts, flags and checksums may
  /// be changed by later passes; `checkSummaries` writes them.
  var groups: [GroupDescriptor] = []
  /// What is owned: by the filesystem itself after `checkGroups`, by everything after `checkInodes`.
  var claims: BlockClaims
  /// Settled by `checkInodes`.
  var inodes: InodeLedger
  /// Taken by repairs: nobody wonders that the bitmaps say they are free.
  var createdInodes: [InodeNumber] = []
  /// Where inodes without names are put: lost+found, or what had to take its place.
  var lostAndFound: DirectoryEditor?
  var lostAndFoundStage = LostAndFoundStage.unopened
  /// Directories that were called lost+found and must be named anew.
  var displacedDirectories: [InodeNumber] = []
  /// How many inodes hold values of an inode's attributes, where any does: quota charges them.
  var valueInodes: [InodeNumber: UInt64] = [:]
  /// Files that were quota files before another inode took their place.
  var formerQuotaFiles: [QuotaKind: InodeNumber] = [:]
  /// Calls of `writeInode`: tells pass 1 that the table it has read may be old.
  var inodeWrites: UInt64 = 0
  /// The first regular file of 2 GiB or more.
  var largeFile: InodeNumber?
  /// Encryption policies, by inode.
  var encryption = EncryptionPolicies()
  /// Groups whose descriptor hid inodes from pass 1: all passes must start anew.
  var restartGroups: Set<GroupIndex> = []
  /// Settled by `checkInodes`: all directories and their blocks.
  var directories = DirectoryList()
  /// Attribute blocks and inodes that hold attributes' values, and who names them: settled by
  /// `checkInodes`.
  var xattrs: XattrLedger
  var maps: MapLedger
  /// The directory that the root calls lost+found: settled by `checkDirectories`.
  var lostAndFoundNumber: InodeNumber?
  /// Work that needs free blocks, put off until all claims are known; done by `finishInodes`, in order.
  var putOff: [(CheckRound) throws(FileSystemError) -> Void] = []
  /// A journal of so many blocks is to be made, in place of one that was given up.
  var newJournalBlockCount: UInt32?

  init(
    _ number: Int, _ image: WorkingImage, _ superblock: Superblock, _ options: CheckOptions,
    _ reporter: Reporter
  ) {
    self.number = number
    self.image = image
    self.superblock = superblock
    self.options = options
    self.reporter = reporter
    claims = BlockClaims(superblock)
    inodes = InodeLedger(superblock)
    xattrs = XattrLedger(superblock)
    maps = MapLedger(superblock)
  }

  /// Reports an issue. True where it shall be repaired now.
  func found(
    _ kind: IssueKind, _ place: Place, found: IssueValue? = nil, expected: IssueValue? = nil
  ) throws(FileSystemError) -> Bool {
    try reporter.found(Issue(kind, place, found: found, expected: expected))
  }
}
