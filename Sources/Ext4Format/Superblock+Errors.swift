import ExtantBase

extension Superblock {
  /// One error that a mount met, as the superblock remembers the first and the last of them.
  public struct ErrorRecord: Sendable, Equatable {
    /// Seconds since 1970; 0 where there was no error. 32 bits of them are stored.
    public var time: UInt32
    public var inode: UInt32
    public var block: UInt64
    /// The function that noticed; 32 bytes of it are stored.
    public var function: [UInt8]
    public var line: UInt32

    public init(time: UInt32, inode: UInt32, block: UInt64, function: [UInt8], line: UInt32) {
      self.time = time
      self.inode = inode
      self.block = block
      self.function = function
      self.line = line
    }
  }

  public var errorCount: UInt32 { get32(SuperblockField.errorCount) }

  /// Nil where none was recorded.
  public var firstError: ErrorRecord? {
    let start = SuperblockField.firstErrorTime
    guard errorCount > 0 else { return nil }
    return ErrorRecord(
      time: get32(start), inode: get32(start + 4), block: raw.rawBytes.le64(start + 8),
      function: getText(start + 16..<start + 48), line: get32(start + 48))
  }

  /// Nil where none was recorded. Its words have another order than those of the first.
  public var lastError: ErrorRecord? {
    let start = SuperblockField.lastErrorTime
    guard errorCount > 0 else { return nil }
    return ErrorRecord(
      time: get32(start), inode: get32(start + 4), block: raw.rawBytes.le64(start + 12),
      function: getText(start + 20..<start + 52), line: get32(start + 8))
  }

  /// Counts an error, keeps it as the last (and as the first if there was none), and marks the
  /// filesystem as one with errors.
  public mutating func record(_ error: ErrorRecord) {
    if errorCount == 0 {
      let start = SuperblockField.firstErrorTime
      set32(start, error.time)
      set32(start + 4, error.inode)
      raw.withMutableBytes { $0.setLE64(error.block, at: start + 8) }
      setText(start + 16..<start + 48, error.function)
      set32(start + 48, error.line)
    }
    let start = SuperblockField.lastErrorTime
    set32(start, error.time)
    set32(start + 4, error.inode)
    set32(start + 8, error.line)
    raw.withMutableBytes { $0.setLE64(error.block, at: start + 12) }
    setText(start + 20..<start + 52, error.function)
    let count = errorCount
    set32(SuperblockField.errorCount, count == .max ? count : count + 1)
    state.insert(.errors)
  }
}
