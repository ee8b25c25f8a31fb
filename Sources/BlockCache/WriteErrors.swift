import ExtantBase

/// Writes that failed: each is told once to whoever flushes next, although the block stays dirty
/// and may be written well later.
struct WriteErrors {
  struct Count {
    var total: UInt64 = 0
    var reported: UInt64 = 0
    var last: FileSystemError?

    mutating func record(_ error: FileSystemError) {
      total += 1
      last = error
    }

    /// What was not reported yet; from now on it is.
    mutating func report() -> FileSystemError? {
      guard reported < total else { return nil }
      reported = total
      return last
    }
  }

  var byOwner: [InodeNumber: Count] = [:]
  var all = Count()

  mutating func record(_ error: FileSystemError, of owner: InodeNumber) {
    byOwner[owner, default: Count()].record(error)
    all.record(error)
  }
}
