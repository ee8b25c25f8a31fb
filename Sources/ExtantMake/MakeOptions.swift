import Ext4Format
import ExtantBase

/// What to make. Nil leaves the choice to the rules of mke2fs.conf, by the filesystem's size.
public struct MakeOptions: Sendable {
  /// In bytes: 1,024, 2,048 or 4,096.
  public var blockSize: Int?
  /// How much of the device's start to take, in bytes; nil takes all of it, in multiples of 4 KiB.
  public var byteCount: UInt64?
  /// In bytes: 128 to the block size, a power of two.
  public var inodeSize: Int?
  /// How many inodes; rounded up so that each group has as many, in whole blocks.
  public var inodeCount: UInt64?
  /// In bytes of the device: one inode for each so many. `inodeCount` goes before it.
  public var bytesPerInode: UInt64?
  /// Changes to the default features, as for `mke2fs -O`: names with commas between, `^` in front
  /// of what is unwanted, `none` for nothing so far.
  public var features = ""
  /// Up to 16 bytes.
  public var label: [UInt8] = []
  /// 16 bytes; nil draws one.
  public var uuid: [UInt8]?
  /// Of the blocks, what only the superuser may take: 0 to 50 percent.
  public var reservedPercentage = 5.0
  /// The start of directory hashes, 16 bytes; nil draws one.
  public var hashSeed: [UInt8]?
  /// The time of everything made; nil takes the clock's.
  public var time: Timestamp?
  /// Whose the root directory is; nil leaves it to the superuser.
  public var rootOwner: (uid: UInt32, gid: UInt32)?
  public var inodeTables = InodeTables.zeroedWhereCheap

  /// What becomes of the parts of the inode tables that hold no inode yet.
  public enum InodeTables: Sendable {
    /// All are zero. Reads them and writes where they are not.
    case zeroed
    /// They stay as they are and are marked so; the kernel zeroes them after the first mount.
    case lazy
    /// Zeroed up to 1 GiB of tables, lazy past that.
    case zeroedWhereCheap
  }

  public init() {}
}

/// What mke2fs.conf calls a usage type, and chooses by size.
struct UsageType {
  /// In bytes.
  let blockSize: Int
  /// In bytes for each inode.
  let inodeRatio: UInt64

  init(byteCount: UInt64) {
    switch byteCount {
    case ..<(3 << 20): self.init(blockSize: 1024, inodeRatio: 8192)  // floppy
    case ..<(512 << 20): self.init(blockSize: 1024, inodeRatio: 4096)  // small
    case ..<(4 << 40): self.init(blockSize: 4096, inodeRatio: 16384)  // the default
    case ..<(16 << 40): self.init(blockSize: 4096, inodeRatio: 32768)  // big
    default: self.init(blockSize: 4096, inodeRatio: 65536)  // huge
    }
  }

  private init(blockSize: Int, inodeRatio: UInt64) {
    self.blockSize = blockSize
    self.inodeRatio = inodeRatio
  }
}

/// The error for an option that cannot be: what it is, and why not.
func wrong(_ option: String, _ reason: String) -> FileSystemError {
  .unsupported(Unsupported(option, reason))
}
