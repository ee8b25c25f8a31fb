import Ext4Format
import ExtantBase

/// What stat(2) tells of an inode, and what ext4 adds.
public struct Attributes: Sendable, Equatable {
  public var inode: InodeNumber
  public var kind: FileKind
  /// Permission bits with set-user-ID, set-group-ID and sticky: 07777.
  public var mode: UInt16
  public var linkCount: UInt32
  public var uid: UInt32
  public var gid: UInt32
  /// In bytes.
  public var size: UInt64
  /// Allocated space in units of 512 bytes, delayed allocation included, as st_blocks.
  public var blocks512: UInt64
  public var accessTime: Timestamp
  public var modificationTime: Timestamp
  public var changeTime: Timestamp
  /// Nil where the inode has no room for it (128-byte inodes).
  public var creationTime: Timestamp?
  /// Of block and character devices; 0:0 for all else.
  public var device: DeviceNumber
  public var flags: InodeFlags
  public var generation: UInt32
  public var projectID: UInt32
}

/// A change of attributes; nil leaves a field as it is.
public struct AttributeChange: Sendable, Equatable {
  /// A time given, or the moment of the call (UTIME_NOW).
  public enum Time: Sendable, Equatable {
    case now
    case at(Timestamp)
  }

  /// 07777.
  public var mode: UInt16?
  public var uid: UInt32?
  public var gid: UInt32?
  /// In bytes; truncates or extends as truncate(2).
  public var size: UInt64?
  public var accessTime: Time?
  public var modificationTime: Time?
  /// What goes besides. Nothing of a directory ever does.
  public var loses: PrivilegeLoss = []

  public init() {}
}

/// What a change takes away of the privileges that a file lends to whoever executes it: the rule of
/// the kernel's file_remove_privs and chown(2).
public struct PrivilegeLoss: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Set-user-ID, and set-group-ID where the group may execute: a write by whoever lacks CAP_FSETID,
  /// and any chown(2).
  public static let setID = PrivilegeLoss(rawValue: 1)
  /// Set-group-ID where the group may not execute: besides `setID`, where who writes is not in the
  /// file's group.
  public static let setGroupIDWithoutExecution = PrivilegeLoss(rawValue: 2)
  /// `security.capability`: any change of contents or owner, root's too.
  public static let capability = PrivilegeLoss(rawValue: 4)

  /// What of `mode` stays.
  public func remaining(of mode: UInt16) -> UInt16 {
    var mode = mode
    if contains(.setID) { mode &= ~0o4000 }
    if contains(mode & 0o010 != 0 ? .setID : .setGroupIDWithoutExecution) { mode &= ~0o2000 }
    return mode
  }
}

/// Who asks: the owner of what is created, and the file mode creation mask.
public struct Caller: Sendable, Equatable {
  public var uid: UInt32
  public var gid: UInt32
  /// Applied to the mode unless the parent has a default ACL.
  public var umask: UInt16

  public init(uid: UInt32 = 0, gid: UInt32 = 0, umask: UInt16 = 0) {
    self.uid = uid
    self.gid = gid
    self.umask = umask
  }

  public static let superuser = Caller()
}

/// How a file is opened.
public struct FileAccess: OptionSet, Sendable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let read = FileAccess(rawValue: 1)
  public static let write = FileAccess(rawValue: 2)
  /// Every write goes to the end of the file.
  public static let append = FileAccess(rawValue: 4)
  /// New blocks may come out of those that the filesystem keeps for the superuser.
  public static let usesReserve = FileAccess(rawValue: 8)
  public static let readWrite: FileAccess = [.read, .write]

  var claim: BlockAllocator.Claim { contains(.usesReserve) ? .root : .ordinary }
}

/// The flags of renameat2(2).
public struct RenameFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// EEXIST instead of replacing the target.
  public static let noReplace = RenameFlags(rawValue: 1)
  /// Both names must exist, and change places.
  public static let exchange = RenameFlags(rawValue: 2)
  /// The old name becomes a whiteout, the character device 0:0 by which an overlay filesystem knows
  /// what is gone.
  public static let whiteout = RenameFlags(rawValue: 4)
}

/// The flags of setxattr(2).
public struct ExtendedAttributeFlags: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// EEXIST where the attribute is there.
  public static let create = ExtendedAttributeFlags(rawValue: 1)
  /// ENODATA where it is not.
  public static let replace = ExtendedAttributeFlags(rawValue: 2)
}

/// One entry of a directory, as readdir(3) gives it.
public struct DirectoryEntry: Sendable, Equatable {
  /// Any bytes but NUL and `/`.
  public var name: [UInt8]
  public var inode: InodeNumber
  /// Nil where the image does not store kinds in directories (no `filetype` feature).
  public var kind: FileKind?
  /// Where reading goes on after this entry.
  public var nextCookie: UInt64

  public var isDotOrDotDot: Bool { name == [0x2e] || name == [0x2e, 0x2e] }

  public init(name: [UInt8], inode: InodeNumber, kind: FileKind?, nextCookie: UInt64) {
    self.name = name
    self.inode = inode
    self.kind = kind
    self.nextCookie = nextCookie
  }
}

/// Sizes and free space, as statfs(2).
public struct Statistics: Sendable, Equatable {
  /// In bytes.
  public var blockSize: Int
  /// Blocks that files can have: the whole less the filesystem's own tables.
  public var blocks: UInt64
  public var freeBlocks: UInt64
  /// Free to an ordinary user: without the reserve.
  public var availableBlocks: UInt64
  public var inodes: UInt64
  public var freeInodes: UInt64
}

/// A piece of a file that lies in one piece on the device, or a piece without a home yet.
public struct FileExtent: Sendable, Equatable {
  /// All three in bytes.
  public var logical: UInt64
  /// Nil for delayed allocation.
  public var physical: UInt64?
  public var length: UInt64
  /// Allocated, reads as zeros.
  public var isUnwritten: Bool
  /// No extent follows in the file.
  public var isLast: Bool

  public var isDelayed: Bool { physical == nil }
}
