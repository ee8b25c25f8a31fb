import ExtantBase
import SystemPackage

/// What a copy is told of a node before it is made again elsewhere.
struct NodeFacts {
  var kind: FileKind
  /// 07777.
  var mode: UInt16
  var uid: UInt32
  var gid: UInt32
  var size: UInt64
  var device: (major: UInt32, minor: UInt32)
  var accessTime: Timestamp
  var modificationTime: Timestamp
  var links: UInt32
  /// The same for two names of one node, and only then.
  var identity: UInt64
}

/// A tree that files are copied from and to: the host's, or that of an image.
///
/// Paths are the world's own. Every error is a `CommandFailure` that names the path.
protocol World: AnyObject {
  /// A path as messages name it.
  func name(_ path: String) -> String
  /// Whether pipes and devices can be read and written as files are.
  var hasStreams: Bool { get }
  /// Whether a directory that is met under a second name is a fault of the tree: not where mounts
  /// are bound to several places.
  var directoriesHaveOneName: Bool { get }

  /// Of the node itself, or, with `following`, of what a symbolic link leads to. Nil: not there.
  func facts(_ path: String, following: Bool) throws -> NodeFacts?
  /// The names in a directory, sorted, without "." and "..".
  func names(_ path: String) throws -> [String]
  func target(_ path: String) throws -> [UInt8]
  func attributes(_ path: String) throws -> [(name: [UInt8], value: [UInt8])]
  func reader(_ path: String) throws -> any WorldReader

  /// A writer on a regular file, made new or emptied.
  func writer(_ path: String, mode: UInt16) throws -> any WorldWriter
  func makeDirectory(_ path: String, mode: UInt16) throws
  func makeLink(_ path: String, target: [UInt8]) throws
  func makeNode(_ path: String, _ facts: NodeFacts) throws
  func makeHardLink(_ path: String, to existing: String) throws
  func remove(_ path: String) throws
  /// False where this user may not give the node to that owner. Drops set-user-ID, set-group-ID and
  /// security.capability.
  func setOwner(_ path: String, uid: UInt32, gid: UInt32) throws -> Bool
  /// Of anything but a symbolic link: 07777.
  func setMode(_ path: String, _ mode: UInt16) throws
  func setTimes(_ path: String, access: Timestamp, modification: Timestamp) throws
  /// The reason where it cannot be.
  func setAttribute(_ path: String, _ name: [UInt8], _ value: [UInt8]) throws -> Errno?
  /// One that is not there is no error.
  func removeAttribute(_ path: String, _ name: [UInt8]) throws
}

protocol WorldReader {
  /// The next data at or after `offset` as a range, nil behind the last. What lies between is zero.
  func data(from offset: UInt64) throws -> Range<UInt64>?
  /// Fewer bytes than asked only at the end of the file.
  func read(_ count: Int, at offset: UInt64) throws -> [UInt8]
}

protocol WorldWriter {
  func write(_ bytes: [UInt8], at offset: UInt64) throws
  /// Sets the size and ends the writing.
  func finish(size: UInt64) throws
}
