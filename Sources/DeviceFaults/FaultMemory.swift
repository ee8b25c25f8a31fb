import BlockIO
import ExtantBase
import Threading

/// What faulty devices remember of the sectors that were written: for stale reads what each held
/// before its last write, for lying flushes what would be there after a power cut.
///
/// Each of the two takes at most `sectorLimit` sectors of 512 bytes and their bookkeeping. Past
/// that, the oldest are forgotten for stale reads, which then give what is there, and the model of
/// the volatile cache writes itself out, as a full cache does.
final class FaultMemory: @unchecked Sendable {
  private let base: any BlockDevice
  private let keepsHistory: Bool
  private let keepsUnflushed: Bool
  private let sectorLimit: Int
  /// Around every write with what is remembered of it.
  private let lock = Lock(.upperDevice)
  private var history: [UInt64: BlockBuffer] = [:]
  /// The sectors of `history` in the order in which they came, some perhaps gone again.
  private var ages: [UInt64] = []
  private var oldest = 0
  /// What is durable of sectors that were written since the last flush.
  private var unflushed: [UInt64: BlockBuffer] = [:]

  init(
    _ base: any BlockDevice, keepsHistory: Bool, keepsUnflushed: Bool,
    sectorLimit: Int
  ) {
    self.base = base
    self.keepsHistory = keepsHistory
    self.keepsUnflushed = keepsUnflushed
    self.sectorLimit = sectorLimit
  }

  /// Writes by `body`, and remembers what it replaces in `range` (bytes).
  func write(
    _ range: Range<UInt64>, _ body: () throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    try lock.withLock { () throws(FileSystemError) in
      try remember(range)
      try body()
    }
  }

  /// As `write`, with a body that makes the range durable.
  func writeThrough(
    _ range: Range<UInt64>, _ body: () throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    try lock.withLock { () throws(FileSystemError) in
      try remember(range)
      try body()
      for sector in sectors(range) { unflushed[sector] = nil }
    }
  }

  func flush() throws(FileSystemError) {
    try lock.withLock { () throws(FileSystemError) in
      try base.flush()
      unflushed = [:]
    }
  }

  /// Puts back what is durable.
  func dropUnflushed() throws(FileSystemError) {
    try lock.withLock { () throws(FileSystemError) in
      for (sector, old) in unflushed.sorted(by: { $0.key < $1.key }) {
        try base.write(old.bytes, at: sector * 512)
      }
      unflushed = [:]
      try base.flush()
    }
  }

  /// Replaces what was read at `offset` by what the sectors held before.
  @_lifetime(bytes: copy bytes)
  func makeStale(_ bytes: inout MutableRawSpan, at offset: UInt64) {
    lock.lock()
    defer { lock.unlock() }
    let range = offset..<offset + UInt64(bytes.byteCount)
    for sector in sectors(range) {
      guard let old = history[sector] else { continue }
      let start = sector * 512
      let from = max(start, range.lowerBound)
      let to = min(start + UInt64(old.byteCount), range.upperBound)
      let part = old.bytes.extracting(Int(from - start)..<Int(to - start))
      bytes.overwrite(at: Int(from - offset), with: part)
    }
  }

  private func sectors(_ range: Range<UInt64>) -> Range<UInt64> {
    range.lowerBound / 512..<(range.upperBound + 511) / 512
  }

  private func remember(_ range: Range<UInt64>) throws(FileSystemError) {
    guard keepsHistory || keepsUnflushed, !range.isEmpty else { return }
    let sectors = sectors(range)
    if keepsUnflushed, unflushed.count + sectors.count > sectorLimit {
      try base.flush()
      unflushed = [:]
    }
    let start = sectors.lowerBound * 512
    let end = min(sectors.upperBound * 512, base.byteCount)
    let buffer = BlockBuffer(byteCount: Int(end - start))
    var target = buffer.mutableBytes
    try base.read(into: &target, at: start)
    let bytes = buffer.bytes
    for sector in sectors {
      let first = Int(sector * 512 - start)
      let count = min(512, bytes.byteCount - first)
      let old = BlockBuffer(byteCount: count)
      var copy = old.mutableBytes
      copy.overwrite(at: 0, with: bytes.extracting(first..<first + count))
      if keepsUnflushed, unflushed[sector] == nil { unflushed[sector] = old }
      if keepsHistory, history.updateValue(old, forKey: sector) == nil { ages.append(sector) }
    }
    forgetOldest()
  }

  private func forgetOldest() {
    while history.count > sectorLimit, oldest < ages.count {
      history[ages[oldest]] = nil
      oldest += 1
    }
    if oldest > sectorLimit {
      ages.removeFirst(oldest)
      oldest = 0
    }
  }
}
