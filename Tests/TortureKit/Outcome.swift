import TestSupport

/// What an operation gave: an errno, and what came back.
public struct Outcome: Equatable, Sendable {
  public var errno: Int32
  public var answer: Answer

  public init(_ answer: Answer = .nothing) {
    errno = 0
    self.answer = answer
  }

  public init(errno: Int32) {
    self.errno = errno
    answer = .nothing
  }
}

public enum Answer: Equatable, Sendable {
  case nothing
  case number(Int64)
  case bytes([UInt8])
  case names([String])
  case status(NodeStatus)
  case map(FileMap)
}

/// What participants must agree on of an inode.
public struct NodeStatus: Equatable, Sendable {
  public var mode: UInt32
  public var links: UInt32
  public var uid: UInt32
  public var gid: UInt32
  /// 0 for directories: their size is the filesystem's own business.
  public var size: UInt64
  public var device: [UInt32]
  /// Only where the operation set them.
  public var times: [Status.Time]

  public init(_ status: Status, times: Bool = false) {
    mode = status.mode
    links = status.links
    uid = status.uid
    gid = status.gid
    size = status.isDirectory ? 0 : status.size
    device = status.isDevice ? [status.deviceMajor, status.deviceMinor] : []
    self.times = times ? [status.accessTime, status.modificationTime] : []
  }

  public init(
    mode: UInt32, links: UInt32, uid: UInt32, gid: UInt32, size: UInt64, device: [UInt32],
    times: [Status.Time]
  ) {
    self.mode = mode
    self.links = links
    self.uid = uid
    self.gid = gid
    self.size = size
    self.device = device
    self.times = times
  }
}

/// Where a file has blocks, after everything went to the device.
public struct FileMap: Equatable, Sendable {
  public struct Run: Equatable, Sendable {
    /// In bytes.
    public var range: Range<UInt64>
    public var isUnwritten: Bool

    public init(range: Range<UInt64>, isUnwritten: Bool) {
      self.range = range
      self.isUnwritten = isUnwritten
    }
  }

  /// What is mapped, neighbours of one state made one: how it is cut into extents is up to the
  /// allocator.
  public var runs: [Run] = []
  /// What SEEK_DATA and SEEK_HOLE say.
  public var data: [Range<Int64>] = []
  public var size: UInt64
  /// st_blocks without the blocks that `runs` accounts for: extent nodes and the xattr block. In
  /// bytes. Compared where both extent trees fit into the inode.
  public var overhead: Int64
  /// Extents as they are on the device.
  public var extentCount: Int

  public init(
    extents: [Run], data: [Range<Int64>], size: UInt64, blocks: UInt64
  ) {
    for extent in extents {
      if let last = runs.last, last.range.upperBound == extent.range.lowerBound,
        last.isUnwritten == extent.isUnwritten
      {
        runs[runs.count - 1].range = last.range.lowerBound..<extent.range.upperBound
      } else {
        runs.append(extent)
      }
    }
    self.data = data
    self.size = size
    extentCount = extents.count
    let mapped = extents.reduce(UInt64(0)) { $0 + UInt64($1.range.count) }
    overhead = Int64(blocks * 512) - Int64(mapped)
  }
}

extension Outcome {
  /// EINVAL of a kernel that has made the file longer all the same: ext4 sets the new size of an
  /// insert before it finds that the last extent has no room to move. Ours leaves the file as it
  /// was, so that nothing is to be compared from there on.
  static let failedWithTraces: Int32 = 1022

  /// Whether another participant's outcome is as good as this one, the kernel's.
  public func agrees(with other: Outcome) -> Bool {
    if other.errno == Self.failedWithTraces { return errno == 22 || errno == other.errno }
    guard errno == other.errno else { return false }
    guard case .map(let ours) = answer, case .map(let theirs) = other.answer else {
      return answer == other.answer
    }
    guard ours.size == theirs.size, ours.data == theirs.data, ours.runs == theirs.runs else {
      return false
    }
    // Four extents fit into the inode; how many nodes more of them need depends on the history.
    // The kernel keeps a node that is no longer needed.
    let comparable = ours.extentCount <= 4 && theirs.extentCount <= 4
    return !comparable || ours.overhead <= theirs.overhead
  }
}
