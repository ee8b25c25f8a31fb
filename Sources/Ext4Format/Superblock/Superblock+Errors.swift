import ExtantBase

extension Superblock {
  /// What kind of error was met: the s_*_error_errcode bytes, numbered as dumpe2fs names them.
  public enum ErrorCode: UInt8, Sendable {
    case unknown = 1
    case io
    case noMemory
    case badChecksum
    case corrupted
    case noSpace
    case noKey
    case readOnly
    case fileTooLarge
    case exists
    case range
    case overflow
    case busy
    case notDirectory
    case notEmpty
    case shutDown
    case fault
  }

  /// One error that a mount met, as the superblock remembers the first and the last of them.
  public struct ErrorRecord: Sendable, Equatable {
    /// Seconds since 1970; 0 where there was no error. 40 bits of them are stored.
    public var time: Int64
    /// 0 where it was no inode's.
    public var inode: UInt32
    /// 0 where it was no block's.
    public var block: UInt64
    /// The place in the program that noticed; 32 bytes of it are stored.
    public var function: [UInt8]
    public var line: UInt32
    /// Nil for none, or one that this project does not know.
    public var code: ErrorCode?

    public init(
      time: Int64, inode: UInt32, block: UInt64, function: [UInt8], line: UInt32,
      code: ErrorCode? = nil
    ) {
      self.time = time
      self.inode = inode
      self.block = block
      self.function = function
      self.line = line
      self.code = code
    }
  }

  /// Errors since the last check.
  public var errorCount: UInt32 { get32(SuperblockField.errorCount) }

  /// Nil where none was recorded.
  public var firstError: ErrorRecord? {
    let start = SuperblockField.firstErrorTime
    guard errorCount > 0 else { return nil }
    return ErrorRecord(
      time: getTime(start, SuperblockField.firstErrorTimeHigh), inode: get32(start + 4),
      block: raw.rawBytes.le64(start + 8), function: getText(start + 16..<start + 48),
      line: get32(start + 48), code: ErrorCode(rawValue: get8(SuperblockField.firstErrorCode)))
  }

  /// Nil where none was recorded. Its words have another order than those of the first.
  public var lastError: ErrorRecord? {
    let start = SuperblockField.lastErrorTime
    guard errorCount > 0 else { return nil }
    return ErrorRecord(
      time: getTime(start, SuperblockField.lastErrorTimeHigh), inode: get32(start + 4),
      block: raw.rawBytes.le64(start + 12), function: getText(start + 20..<start + 52),
      line: get32(start + 8), code: ErrorCode(rawValue: get8(SuperblockField.lastErrorCode)))
  }

  /// Counts an error, keeps it as the last (and as the first if there was none), and marks the
  /// filesystem as one with errors.
  public mutating func record(_ error: ErrorRecord) {
    if errorCount == 0 {
      let start = SuperblockField.firstErrorTime
      setTime(start, SuperblockField.firstErrorTimeHigh, error.time)
      set32(start + 4, error.inode)
      raw.withMutableBytes { $0.setLE64(error.block, at: start + 8) }
      setText(start + 16..<start + 48, error.function)
      set32(start + 48, error.line)
      set8(SuperblockField.firstErrorCode, error.code?.rawValue ?? 0)
    }
    let start = SuperblockField.lastErrorTime
    setTime(start, SuperblockField.lastErrorTimeHigh, error.time)
    set32(start + 4, error.inode)
    set32(start + 8, error.line)
    raw.withMutableBytes { $0.setLE64(error.block, at: start + 12) }
    setText(start + 20..<start + 52, error.function)
    set8(SuperblockField.lastErrorCode, error.code?.rawValue ?? 0)
    let count = errorCount
    set32(SuperblockField.errorCount, count == .max ? count : count + 1)
    state.insert(.errors)
  }

  /// Takes over what `other` records of errors, and its mark, where that is more than here: a
  /// record may have gone past the journal, whose copy of the superblock is then older in this.
  public mutating func keepErrors(of other: Superblock) {
    if other.state.contains(.errors) { state.insert(.errors) }
    guard other.errorCount > errorCount else { return }
    let record = SuperblockField.errorCount..<SuperblockField.mountOptions
    raw.replaceSubrange(record, with: other.raw[record])
    let rest = SuperblockField.firstErrorTimeHigh..<SuperblockField.lastErrorCode + 1
    raw.replaceSubrange(rest, with: other.raw[rest])
  }

  /// Removes every record of errors, and the mark.
  public mutating func forgetErrors() {
    state.remove(.errors)
    let record = SuperblockField.errorCount..<SuperblockField.mountOptions
    raw.withMutableBytes { bytes in
      bytes.fill(record, with: 0)
      bytes.fill(SuperblockField.firstErrorTimeHigh..<SuperblockField.lastErrorCode + 1, with: 0)
    }
  }
}
