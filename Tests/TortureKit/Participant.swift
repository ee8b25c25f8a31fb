import TestSupport

/// One who does what the others do: a mount of the kernel's ext4, our mount, our engine in process.
public protocol Participant: AnyObject {
  var name: String { get }

  /// Does the operation; every errno is an outcome.
  func perform(_ operation: Operation) -> Outcome

  /// Everything there is now.
  func tree() throws -> Tree

  /// Unmounts, and mounts again after `e2fsck -fn`. Slots are closed.
  /// - Returns: e2fsck's complaint, nil where the image is clean.
  func remount() throws -> String?

  /// Unmounts for good.
  /// - Returns: e2fsck's complaint, nil where the image is clean.
  func finish() throws -> String?
}

/// The number of open descriptors that operations refer to.
public let slotCount = 4
