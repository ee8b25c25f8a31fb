import BlockIO
import ExtantBase

/// What is known of one cached block. About 80 bytes; the shard keeps them in an array and links
/// them by index.
struct Slot {
  struct Flags: OptionSet {
    let rawValue: UInt16
    /// Holds bytes that the device does not have yet.
    static let dirty = Flags(rawValue: 1)
    /// A write of (perhaps older) bytes is in flight, from the buffer or the one before it.
    static let writing = Flags(rawValue: 2)
    /// Being read or verified: nobody but who set this may use the bytes. Others wait.
    static let busy = Flags(rawValue: 4)
    /// `block(at:verify:)` has found the bytes good.
    static let verified = Flags(rawValue: 8)
    /// The buffer was handed out as an object: evict only when nobody holds it, and never use
    /// its memory for something else while anybody might.
    static let shared = Flags(rawValue: 16)
    /// The bytes were put here by copyIn or zero, not by a read: they are valid even if the
    /// extent map does not know yet.
    static let put = Flags(rawValue: 32)
    /// Somebody used it since it came in. The first use is not a re-use.
    static let accessed = Flags(rawValue: 64)
    /// Came back from the ghost queue: goes to the main queue.
    static let returned = Flags(rawValue: 128)

    /// With one of these a block stays out of the eviction queues.
    static let held: Flags = [.dirty, .writing, .busy]
  }

  enum Queue: UInt8 { case none, small, main }

  var address: BlockAddress
  var buffer: BlockBuffer?
  var flags: Flags
  var queue = Queue.none
  /// False: the slot is in the list of free ones.
  var isInUse = true
  /// Re-uses counted, at most 3.
  var frequency: UInt8 = 0
  var pins: Int32 = 0
  /// Whom the dirty bytes belong to.
  var owner = InodeNumber(0)
  /// The shard's count of insertions when a re-use was last counted.
  var touched: UInt32 = 0

  // Links, -1 for none: of the eviction queue or the list of free slots; of the owner's dirty list.
  var previous: Int32 = -1
  var next: Int32 = -1
  var dirtyList: Int32 = -1
  var dirtyPrevious: Int32 = -1
  var dirtyNext: Int32 = -1

  var isHeld: Bool { pins > 0 || !flags.isDisjoint(with: .held) }
}
