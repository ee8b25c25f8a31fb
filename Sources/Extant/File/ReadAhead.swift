import Threading

/// Notices a sequential reader and tells how far to read ahead of it.
///
/// The window doubles with each sequential read up to 1 MiB, and falls to nothing on a jump.
final class ReadAhead: Sendable {
  private static let longest: UInt64 = 1 << 20

  private struct State {
    var expected: UInt64 = 0
    var window: UInt64 = 0
  }

  private let state = Guarded(State(), .innermost)

  /// The blocks to read ahead with a read of `byteCount` bytes at `offset`.
  func window(offset: UInt64, byteCount: Int, blockSize: UInt64) -> UInt64 {
    state.withLock { state in
      let (end, overflow) = offset.addingReportingOverflow(UInt64(max(0, byteCount)))
      if offset == state.expected {
        state.window = min(Self.longest, max(state.window * 2, UInt64(max(0, byteCount))))
      } else {
        state.window = 0
      }
      state.expected = overflow ? 0 : end
      return state.window / blockSize
    }
  }
}
