import ExtantBase
import Threading

/// Faults met under an allocator's lock, to be recorded once it is released: recording takes the
/// locks of the superblock and of the journal, and whoever holds one of these may be asking the
/// allocator. Those that an allocation steps over, going on in another group, are recorded as well.
struct FoundFaults {
  private(set) var faults: [FileSystemError] = []

  /// What to throw instead of `error`: a fault that counts as recorded, since it soon is.
  mutating func note(_ error: FileSystemError) -> FileSystemError {
    guard error.isFault, !error.isRecorded else { return error }
    faults.append(error)
    var marked = error
    marked.isRecorded = true
    return marked
  }

  mutating func take() -> [FileSystemError] {
    defer { faults = [] }
    return faults
  }
}

/// The state of an allocator, which reads bitmaps under its lock.
protocol FaultFinding {
  var found: FoundFaults { get set }
}

extension Guarded where Value: FaultFinding {
  /// Runs `body` under the lock, and appends what faults it met to `faults`, for the caller to record
  /// when it holds no lock.
  func withLock<R>(
    findingFaults faults: inout [FileSystemError],
    _ body: (inout Value) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    try withLock { (state) throws(FileSystemError) -> R in
      defer { if !state.found.faults.isEmpty { faults += state.found.take() } }
      return try body(&state)
    }
  }

  /// Runs `body` under the lock, and has the faults that it met recorded without.
  func withLock<R>(
    recordingBy reader: any MetadataReader,
    _ body: (inout Value) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    var faults: [FileSystemError] = []
    defer { for fault in faults { reader.record(fault) } }
    return try withLock(findingFaults: &faults, body)
  }
}
