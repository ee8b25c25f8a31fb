extension MutableRawSpan {
  /// Copies all of `bytes` to `offset`. Traps when they do not fit.
  @_lifetime(self: copy self)
  package mutating func overwrite(at offset: Int, with bytes: RawSpan) {
    let count = bytes.byteCount
    precondition(offset >= 0 && offset <= byteCount && count <= byteCount - offset)
    unsafe withUnsafeMutableBytes { to in
      unsafe bytes.withUnsafeBytes { from in
        guard let to = to.baseAddress, let from = from.baseAddress else { return }
        unsafe (to + offset).copyMemory(from: from, byteCount: count)
      }
    }
  }

  /// Sets the bytes of `range` to zero. Traps when it is out of bounds.
  @_lifetime(self: copy self)
  package mutating func zero(_ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
    unsafe withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      unsafe (base + range.lowerBound).initializeMemory(
        as: UInt8.self, repeating: 0, count: range.count)
    }
  }
}
