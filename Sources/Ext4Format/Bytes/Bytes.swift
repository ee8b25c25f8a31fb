// The one place where bytes become numbers and numbers bytes.
//
// Offsets are in bytes from the span's start and need no alignment. Every access is checked
// against the span's bounds and traps past them: a decoder proves the length of what it reads
// once, at its start, and never lets a value from the disk become an offset unchecked.

import CISAL

extension RawSpan {
  @inlinable public func u8(_ offset: Int) -> UInt8 {
    unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self)
  }
  @inlinable public func le16(_ offset: Int) -> UInt16 {
    UInt16(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }
  @inlinable public func le32(_ offset: Int) -> UInt32 {
    UInt32(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
  @inlinable public func le64(_ offset: Int) -> UInt64 {
    UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
  @inlinable public func be16(_ offset: Int) -> UInt16 {
    UInt16(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }
  @inlinable public func be32(_ offset: Int) -> UInt32 {
    UInt32(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
  @inlinable public func be64(_ offset: Int) -> UInt64 {
    UInt64(bigEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// A copy of the bytes in `range`.
  @inlinable public func array(_ range: Range<Int>) -> [UInt8] {
    let part = extracting(range)
    return unsafe part.withUnsafeBytes { unsafe [UInt8]($0) }
  }

  /// A copy of all bytes.
  @inlinable public func array() -> [UInt8] { array(0..<byteCount) }

  /// Whether both hold the same bytes.
  public func isEqual(to other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    var offset = 0
    while offset + 8 <= byteCount {
      if le64(offset) != other.le64(offset) { return false }
      offset += 8
    }
    while offset < byteCount {
      if u8(offset) != other.u8(offset) { return false }
      offset += 1
    }
    return true
  }

  /// Whether every byte in `range` is zero.
  public func isZero(_ range: Range<Int>) -> Bool {
    let part = extracting(range)
    return unsafe part.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return true }
      // ISA-L's prototype lacks a const; the bytes are only read.
      return unsafe isal_zero_detect(UnsafeMutableRawPointer(mutating: base), bytes.count) == 0
    }
  }
}

extension MutableRawSpan {
  @inlinable public func u8(_ offset: Int) -> UInt8 { bytes.u8(offset) }
  @inlinable public func le16(_ offset: Int) -> UInt16 { bytes.le16(offset) }
  @inlinable public func le32(_ offset: Int) -> UInt32 { bytes.le32(offset) }
  @inlinable public func le64(_ offset: Int) -> UInt64 { bytes.le64(offset) }
  @inlinable public func be16(_ offset: Int) -> UInt16 { bytes.be16(offset) }
  @inlinable public func be32(_ offset: Int) -> UInt32 { bytes.be32(offset) }
  @inlinable public func be64(_ offset: Int) -> UInt64 { bytes.be64(offset) }
  @inlinable public func array(_ range: Range<Int>) -> [UInt8] { bytes.array(range) }

  @inlinable public mutating func setU8(_ value: UInt8, at offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }
  @inlinable public mutating func setLE16(_ value: UInt16, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt16.self)
  }
  @inlinable public mutating func setLE32(_ value: UInt32, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt32.self)
  }
  @inlinable public mutating func setLE64(_ value: UInt64, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt64.self)
  }
  @inlinable public mutating func setBE16(_ value: UInt16, at offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }
  @inlinable public mutating func setBE32(_ value: UInt32, at offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }
  @inlinable public mutating func setBE64(_ value: UInt64, at offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
  }

  @inlinable public mutating func fill(_ range: Range<Int>, with value: UInt8) {
    var part = _mutatingExtracting(range)
    unsafe part.withUnsafeMutableBytes { bytes in
      unsafe bytes.initializeMemory(as: UInt8.self, repeating: value)
      return
    }
  }

  /// Copies all of `source` to `offset`; traps unless it fits.
  @inlinable public mutating func copy(from source: RawSpan, at offset: Int) {
    var part = _mutatingExtracting(offset..<(offset + source.byteCount))
    unsafe part.withUnsafeMutableBytes { target in
      unsafe source.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
    }
  }

  /// Copies all of `source` to `offset`; traps unless it fits.
  @inlinable public mutating func copy(_ source: [UInt8], at offset: Int) {
    copy(from: source.rawBytes, at: offset)
  }
}

extension Array where Element == UInt8 {
  /// The array's bytes, to be read.
  @inlinable public var rawBytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let span = self.span
      // A span of bytes has no padding and no invalid bit patterns, which is what makes viewing
      // other elements as bytes unsafe.
      return unsafe _overrideLifetime(span.bytes, borrowing: self)
    }
  }

  /// Calls `body` with the array's bytes, to be changed in place.
  @inlinable public mutating func withMutableBytes<R, E: Error>(
    _ body: (inout MutableRawSpan) throws(E) -> R
  ) throws(E) -> R {
    var span = mutableSpan
    var bytes = unsafe span.mutableBytes
    return try body(&bytes)
  }
}
