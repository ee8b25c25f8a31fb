import BlockIO
import Ext4Format
import ExtantBase
import Threading
import ImageIO

/// What happens after a fault: the one place where each is recorded, and where is decided whether
/// the filesystem goes on, as ext4 does with errors=.
///
/// A fault is corrupt metadata, metadata that cannot be read, or a journal that cannot be written.
/// File contents that cannot be read or written are their reader's and writer's to hear of. The
/// superblock counts faults and keeps the first and the last (s_error_count, s_first_error_*,
/// s_last_error_*), and its state says that there are errors until a check.
///
/// A fault in the middle of a change, or in the journal, always stops all writing: memory and device
/// disagree from then on. Any other leaves that to `ErrorBehavior`.
extension FileSystem {
  /// What a fault leads to: `continue`, `remountReadOnly` or `panic`.
  public typealias ErrorBehavior = Superblock.ErrorBehavior

  /// What followed from a fault, for `Options.faultHandler`.
  public enum FaultConsequence: Sendable {
    /// The operation failed, others go on.
    case goesOn
    /// Nothing is written any more; reading goes on.
    case readOnly
    /// As `readOnly`; errors=panic asks the program to end now, without closing anything.
    case panic
  }

  /// What the options say, else the superblock; a number there that means nothing counts as
  /// `remountReadOnly`, as in the kernel.
  public var errorBehavior: ErrorBehavior {
    options.errors ?? superblock.statedErrorBehavior ?? .remountReadOnly
  }

  /// How many errors the superblock counts since the last check, the first and the last of them.
  public var errorRecords:
    (count: UInt32, first: Superblock.ErrorRecord?, last: Superblock.ErrorRecord?)
  {
    current.withLock { ($0.errorCount, $0.firstError, $0.lastError) }
  }

  /// Runs `body`; corruption that it meets is recorded, once however far it is passed on.
  ///
  /// Reads of metadata that fail are recorded where they are made.
  @inline(__always)
  func watch<R>(
    _ body: () throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    do throws(FileSystemError) { return try body() } catch {
      if case .corrupt = error { throw recorded(error) }
      throw error
    }
  }

  /// Records a fault, does what errors= says, and returns the error to throw on.
  ///
  /// May be called with locks and handles held.
  /// - Parameter mustStop: the fault came in the middle of a change.
  func recorded(_ error: FileSystemError, mustStop: Bool = false) -> FileSystemError {
    var marked = error
    marked.isRecorded = true
    guard readOnlyReason == nil else {
      // The image is not touched.
      if error.isFault, !error.isRecorded { tell(marked, hasStopped: false) }
      return marked
    }
    let isNew = !error.isRecorded && (error.isFault || mustStop) && !isShutDown
    if isNew { note(error) }
    if mustStop || isNew && errorBehavior != .continue {
      let isFirst = journal.abortReason == nil
      journal.abort(marked)
      // `didAbort` does this for the first.
      if isNew, !isFirst {
        writeRecord()
        tell(marked, hasStopped: true)
      }
    } else if isNew {
      if journal.abortReason != nil { writeRecord() }
      tell(marked, hasStopped: journal.abortReason != nil)
    }
    return marked
  }

  /// The journal has stopped, and with it all writing. Called once.
  func didAbort(_ error: FileSystemError) {
    guard !isShutDown else { return }
    if !error.isRecorded { note(error) }
    writeRecord()
    tell(error, hasStopped: true)
  }

  private func tell(_ error: FileSystemError, hasStopped: Bool) {
    let consequence: FaultConsequence =
      errorBehavior == .panic ? .panic : hasStopped ? .readOnly : .goesOn
    options.faultHandler?(error, consequence)
  }

  /// shutDown was asked for: what fails after that is no news.
  var isShutDown: Bool { hasShutDown.load(ordering: .relaxed) }

  private func note(_ error: FileSystemError) {
    let record = errorRecord(of: error)
    current.withLock { $0.record(record) }
    errorsToWrite.withLock { $0 = true }
  }

  private func errorRecord(of error: FileSystemError) -> Superblock.ErrorRecord {
    var record = Superblock.ErrorRecord(
      time: Clock.now().seconds, inode: 0, block: 0, function: [], line: 0)
    switch error {
    case .corrupt(let corruption):
      record.inode = corruption.inode?.rawValue ?? 0
      record.block = corruption.block?.rawValue ?? 0
      // "Ext4Format/ExtentNode.swift": the file's name alone.
      let path = "\(corruption.file)".utf8
      record.function = Array(path.split(separator: UInt8(ascii: "/")).last ?? path[...])
      record.line = corruption.line
      record.code = corruption.kind == .checksum ? .badChecksum : .corrupted
    case .io(let failure):
      record.block = (failure.offset ?? 0) / blockSize64
      record.function = Array("device \(failure.operation.rawValue)".utf8)
      record.code = .io
    case .refused(.noSpace):
      record.function = Array("operation".utf8)
      record.code = .noSpace
    case .refused, .unsupported:
      record.function = Array("operation".utf8)
      record.code = .unknown
    }
    return record
  }

  /// Writes the record past the journal, which is dead: best effort, into the superblock as the
  /// device has it, since what else has changed in memory must not get there.
  private func writeRecord() {
    guard !device.isReadOnly else { return }
    let recorded = current.withLock { $0 }
    do throws(FileSystemError) {
      try recordLock.withLock { () throws(FileSystemError) in
        var superblock = try device.readSuperblock()
        superblock.keepErrors(of: recorded)
        try device.store(superblock)
      }
      errorsToWrite.withLock { $0 = false }
    } catch {
      // The device that fails here is most often the one whose failure was to be recorded. Closing
      // tries once more.
    }
  }

  /// Lets the next commit carry what was recorded since the last one.
  func announceRecord() {
    guard errorsToWrite.withLock({ $0 }), readOnlyReason == nil, journal.abortReason == nil else {
      return
    }
    try? perform { (operation) throws(FileSystemError) in operation.handle.noteChange() }
  }

  /// The last try, of a filesystem that closes after it stopped.
  func writeRecordAtClose() {
    if !isShutDown, errorsToWrite.withLock({ $0 }) { writeRecord() }
  }
}
