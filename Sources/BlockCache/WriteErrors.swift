import ExtantBase

/// Writes that failed: each is told once to whoever flushes next, although the block stays dirty
/// and may be written well later.
struct WriteErrors {
  /// Owners whose failures are remembered. Past that one is forgotten, which costs no more than the
  /// news that a try failed: the block is still dirty, and the owner's next flush tries again.
  static let ownerLimit = 4096

  /// What each owner has not been told yet: the last failure.
  private(set) var byOwner: [InodeNumber: FileSystemError] = [:]
  /// The same for whoever flushes everything.
  private var ofAnybody: FileSystemError?

  mutating func record(_ error: FileSystemError, of owner: InodeNumber) {
    if byOwner[owner] == nil, byOwner.count >= Self.ownerLimit {
      byOwner.remove(at: byOwner.startIndex)
    }
    byOwner[owner] = error
    ofAnybody = error
  }

  /// What the owner was not told yet; from now on it is.
  mutating func report(to owner: InodeNumber) -> FileSystemError? {
    byOwner.removeValue(forKey: owner)
  }

  mutating func reportAll() -> FileSystemError? {
    defer { ofAnybody = nil }
    return ofAnybody
  }
}
