import BlockIO
import Ext4Format
import ExtantBase
import TestSupport
import Threading

import struct SystemPackage.Errno

/// A small device in memory that goes back to an earlier state in the time it takes to copy what
/// changed since, and whose whole contents have a hash at any time.
///
/// The hash is the exclusive or of one number for each sector, out of its number and its bytes
/// (Zobrist), so that a write changes it by what it wrote alone.
public final class CrashImage: BlockDevice {
  public static let sectorSize = 512

  private struct State {
    /// Of each sector as it is, and as it is in the base.
    var keys: [UInt64]
    var baseKeys: [UInt64]
    var isDirty: [Bool]
    var dirty: [Int] = []
    var hash: UInt64
    /// As `hash`, without the sectors that `leavingOut` named.
    var maskedHash: UInt64
    var isMasked: [Bool]
  }

  public let name = "crash image"
  public let byteCount: UInt64
  public let isReadOnly = false
  /// What is on the device; for whoever looks at it while nobody writes.
  public let contents: BlockBuffer
  private let base: BlockBuffer
  private let state: Guarded<State>

  /// A copy of `original`, a whole number of sectors.
  public init(copying original: [UInt8]) {
    precondition(original.count % Self.sectorSize == 0)
    let count = original.count / Self.sectorSize
    byteCount = UInt64(original.count)
    let contents = BlockBuffer(byteCount: original.count)
    let base = BlockBuffer(byteCount: original.count)
    var bytes = contents.mutableBytes
    bytes.overwrite(at: 0, with: original.rawBytes)
    var baseBytes = base.mutableBytes
    baseBytes.overwrite(at: 0, with: original.rawBytes)
    self.contents = contents
    self.base = base
    state = Guarded(
      State(
        keys: [], baseKeys: [], isDirty: [Bool](repeating: false, count: count), hash: 0,
        maskedHash: 0, isMasked: [Bool](repeating: false, count: count)), .unranked)
    let keys = (0..<count).map { Self.key(contents, $0) }
    state.withLock { state in
      state.keys = keys
      state.baseKeys = keys
    }
  }

  private static func key(_ buffer: BlockBuffer, _ sector: Int) -> UInt64 {
    let start = sector * sectorSize
    return ContentKey.of(buffer.bytes.extracting(start..<start + sectorSize), UInt64(sector))
  }

  /// Of the contents, as told from those of the original; two images with one original can be
  /// compared by it.
  public var hash: UInt64 { state.withLock { $0.hash } }
  /// The same, blind for the sectors of `leavingOut`.
  public var maskedHash: UInt64 { state.withLock { $0.maskedHash } }

  /// Sectors that `maskedHash` does not see. To be called while nothing is changed.
  public func leaveOut(_ sectors: Range<Int>) {
    state.withLock { state in for sector in sectors { state.isMasked[sector] = true } }
  }

  /// Makes this image the same as `other`, which has the same original.
  public func become(_ other: CrashImage) {
    let theirs = other.state.withLock { $0 }
    state.withLock { state in
      state = theirs
      state.baseKeys = theirs.keys
      for sector in theirs.dirty { state.isDirty[sector] = false }
      state.dirty = []
      Self.copy(other.contents, 0..<contents.byteCount, to: contents)
      Self.copy(other.contents, 0..<contents.byteCount, to: base)
    }
  }

  /// Back to the base.
  public func reset() {
    state.withLock { state in
      for sector in state.dirty {
        let start = sector * Self.sectorSize
        Self.copy(base, start..<start + Self.sectorSize, to: contents)
        Self.set(&state, sector, state.baseKeys[sector])
        state.isDirty[sector] = false
      }
      state.dirty.removeAll(keepingCapacity: true)
    }
  }

  /// What is there becomes what `reset` goes back to.
  public func makeBase() {
    state.withLock { state in
      for sector in state.dirty {
        let start = sector * Self.sectorSize
        Self.copy(contents, start..<start + Self.sectorSize, to: base)
        state.baseKeys[sector] = state.keys[sector]
        state.isDirty[sector] = false
      }
      state.dirty.removeAll(keepingCapacity: true)
    }
  }

  /// Writes one sector whose key is known.
  func put(_ bytes: RawSpan, sector: Int, key: UInt64) {
    let contents = contents
    state.withLock { state in
      var target = contents.mutableBytes
      target.overwrite(at: sector * Self.sectorSize, with: bytes)
      Self.touch(&state, sector)
      Self.set(&state, sector, key)
    }
  }

  /// Copies `range`, in bytes, to the same place.
  private static func copy(_ from: BlockBuffer, _ range: Range<Int>, to: BlockBuffer) {
    var target = to.mutableBytes
    target.overwrite(at: range.lowerBound, with: from.bytes.extracting(range))
  }

  private static func touch(_ state: inout State, _ sector: Int) {
    if !state.isDirty[sector] {
      state.isDirty[sector] = true
      state.dirty.append(sector)
    }
  }

  private static func set(_ state: inout State, _ sector: Int, _ key: UInt64) {
    let change = state.keys[sector] ^ key
    state.keys[sector] = key
    state.hash ^= change
    if !state.isMasked[sector] { state.maskedHash ^= change }
  }

  // MARK: BlockDevice

  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    let range = try range(.read, offset, bytes.byteCount)
    let contents = contents
    state.withLock { _ in bytes.overwrite(at: 0, with: contents.bytes.extracting(range)) }
  }

  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    let range = try range(.write, offset, bytes.byteCount)
    guard !range.isEmpty else { return }
    let contents = contents
    state.withLock { state in
      var target = contents.mutableBytes
      target.overwrite(at: range.lowerBound, with: bytes)
      for sector in range.lowerBound / Self.sectorSize...(range.upperBound - 1) / Self.sectorSize {
        Self.touch(&state, sector)
        Self.set(&state, sector, Self.key(contents, sector))
      }
    }
  }

  public func flush() throws(FileSystemError) {}
  public func discard(_ range: Range<UInt64>) throws(FileSystemError) {}
  /// Nothing: the next engine gets the same image.
  public func close() throws(FileSystemError) {}

  private func range(
    _ operation: DeviceFailure.Operation, _ offset: UInt64, _ count: Int
  ) throws(FileSystemError) -> Range<Int> {
    guard offset <= byteCount, UInt64(count) <= byteCount - offset else {
      throw .io(
        DeviceFailure(operation, .invalidArgument, offset: offset, device: name))
    }
    return Int(offset)..<Int(offset) + count
  }
}
