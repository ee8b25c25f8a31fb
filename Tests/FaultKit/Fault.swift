import DeviceFaults

/// What goes wrong, and what is promised then.
public enum Fault: String, Sendable, CaseIterable {
  case readError = "read EIO"
  case writeError = "write EIO"
  case noSpace = "write ENOSPC"
  case flushError = "flush EIO"
  case discardError = "discard EIO"
  /// A block that is written over in place, or was preallocated, takes no writes, or not the first one.
  case badBlock = "block not written, EIO"
  case tornAndTold = "write torn, EIO"
  case torn = "write torn"
  case lost = "write lost"
  case misdirectedWrite = "write misdirected"
  case misdirectedRead = "read misdirected"
  case stale = "read stale"
  case lyingFlush = "flush lying, power cut"
  case delayedRead = "read delayed"
  case delayedWrite = "write delayed"
  case delayedFlush = "flush delayed"

  public var kind: FaultRequestKind {
    switch self {
    case .readError, .misdirectedRead, .stale, .delayedRead: .read
    case .writeError, .noSpace, .badBlock, .tornAndTold, .torn, .lost, .misdirectedWrite,
      .delayedWrite:
      .write
    case .flushError, .lyingFlush, .delayedFlush: .flush
    case .discardError: .discard
    }
  }

  var action: FaultAction {
    switch self {
    case .readError, .writeError, .flushError, .discardError, .badBlock: .error(.ioError)
    case .noSpace: .error(.noSpace)
    case .tornAndTold: .torn(sectors: nil, errno: .ioError)
    case .torn: .torn(sectors: nil, errno: nil)
    case .lost: .lost
    // So far that it lands on another block of either size.
    case .misdirectedWrite, .misdirectedRead: .misdirected(sectors: 24)
    case .stale: .stale
    case .lyingFlush: .lyingFlush
    case .delayedRead, .delayedWrite, .delayedFlush: .delay(milliseconds: 1)
    }
  }

  /// What must hold after the device has gone wrong once, or for good, and is sound again.
  public enum Promise: String, Sendable {
    /// Nobody notices.
    case harmless
    /// Metadata is consistent after recovery, what a sync confirmed is there. Needs a journal:
    /// without one the filesystem says at least that it must be checked.
    case consistent
    /// The device lied, and no filesystem can know of every lie. Nothing traps or hangs, files
    /// that the lie did not touch read as they were or say that they cannot be read, also after
    /// more work on the damaged image.
    case survived
  }

  public func promise(isPermanent: Bool) -> Promise {
    switch self {
    case .delayedRead, .delayedWrite, .delayedFlush: .harmless
    case .readError, .writeError, .noSpace, .flushError, .discardError, .badBlock, .tornAndTold:
      .consistent
    // From then on nothing reaches the medium: a power cut that nobody has noticed yet.
    case .lost, .lyingFlush: isPermanent ? .consistent : .survived
    case .torn, .misdirectedWrite, .misdirectedRead, .stale: .survived
    }
  }

  /// Whether somebody must hear of it: all but what is tried again, or read ahead.
  func mustBeTold(isPermanent: Bool) -> Bool {
    switch self {
    case .flushError: true
    case .writeError, .noSpace, .badBlock, .tornAndTold: isPermanent
    default: false
    }
  }

  /// Whether metadata stays consistent only where there is a journal. A bad block of a file's contents
  /// harms no metadata.
  var needsJournal: Bool { self != .badBlock }

  /// Whether what was written and not yet synced must be there after close, unless the filesystem has
  /// stopped writing. Without a journal, a write that failed may have been that of its inode.
  func keepsUnsynced(hasJournal: Bool) -> Bool {
    switch self {
    case .badBlock, .discardError, .delayedRead, .delayedWrite, .delayedFlush: true
    case .writeError, .noSpace, .flushError, .tornAndTold: hasJournal
    // Allocating may have needed what could not be read.
    case .readError: false
    case .torn, .lost, .misdirectedWrite, .misdirectedRead, .stale, .lyingFlush: false
    }
  }

  /// Whether the filesystem may stop writing: not for contents.
  var mayStopWriting: Bool { self != .badBlock }

  /// Whether a sync that succeeded may have been a lie of the device.
  var breaksSync: Bool {
    switch self {
    case .lost, .lyingFlush, .torn, .misdirectedWrite, .misdirectedRead, .stale: true
    default: false
    }
  }
}

/// One run: a workload, a fault, and the request from which on it happens.
public struct FaultCase: Sendable, CustomStringConvertible {
  public var workload: Workload
  public var fault: Fault
  /// Among requests of the fault's kind, from 1; of `badBlock`, among the image's
  /// `oldBlocksSectors`.
  public var index: Int
  public var isPermanent: Bool

  public var description: String {
    "\(workload.name): \(fault.rawValue) at \(index)\(isPermanent ? "+" : "")"
  }

  func rules(on image: FaultImage) -> FaultRules {
    if fault == .badBlock {
      var injection = FaultRule.Injection()
      injection.action = fault.action
      injection.kind = fault.kind
      injection.sector = image.oldBlocksSectors[index - 1]
      injection.once = !isPermanent
      return FaultRules([FaultRule(.inject(injection), place: fault.rawValue)])
    }
    let rule = FaultRule(fault.action, fault.kind, index: isPermanent ? .from(index) : .only(index))
    guard fault == .lyingFlush else { return FaultRules([rule]) }
    // For good: nothing that a write through confirms is there either. Once: the power goes before
    // an honest flush could make up for the lie.
    let other =
      isPermanent
      ? FaultRule(.lyingFlush, .write)
      : FaultRule(.error(.noSuchAddressOrDevice), .flush, index: .from(index + 1))
    return FaultRules([rule, other])
  }
}
