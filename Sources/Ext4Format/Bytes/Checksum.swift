import CISAL

/// CRC-32C as ext4 and jbd2 use it: the register goes in and comes out as it is, without the
/// inversions of the usual definition. A first call starts from `0xffff_ffff` or from a seed.
public func crc32c(_ seed: UInt32, _ bytes: RawSpan) -> UInt32 {
  unsafe bytes.withUnsafeBytes { buffer in
    guard let base = buffer.baseAddress else { return seed }
    var crc = seed
    var done = 0
    // ISA-L counts in 32 bits.
    while done < buffer.count {
      let step = min(buffer.count - done, 1 << 30)
      // ISA-L's prototype lacks a const; the bytes are only read.
      let start = unsafe UnsafeMutablePointer(
        mutating: (base + done).assumingMemoryBound(to: UInt8.self))
      crc = unsafe crc32_iscsi(start, Int32(step), crc)
      done += step
    }
    return crc
  }
}

public func crc32c(_ seed: UInt32, _ bytes: [UInt8]) -> UInt32 { crc32c(seed, bytes.rawBytes) }

/// The CRC of `value`'s four bytes, least significant first.
public func crc32c(_ seed: UInt32, littleEndian value: UInt32) -> UInt32 {
  crc32c(seed, word: UInt64(value).littleEndian, count: 4)
}

/// The CRC of `count` zero bytes, at most 8: how a checksum steps over its own field.
public func crc32c(_ seed: UInt32, zeros count: Int) -> UInt32 {
  precondition(count <= 8)
  return crc32c(seed, word: 0, count: count)
}

/// The CRC of the first `count` bytes of `word` as they lie in memory.
private func crc32c(_ seed: UInt32, word: UInt64, count: Int) -> UInt32 {
  var word = word
  return unsafe withUnsafeMutableBytes(of: &word) { buffer in
    guard let base = buffer.baseAddress else { return seed }
    return unsafe crc32_iscsi(base.assumingMemoryBound(to: UInt8.self), Int32(count), seed)
  }
}

/// CRC-16 with the reflected polynomial 0xA001: what `uninit_bg` (gdt_csum) guards group
/// descriptors with. A first call starts from `0xffff`.
public func crc16(_ seed: UInt16, _ bytes: RawSpan) -> UInt16 {
  var crc = seed
  for offset in 0..<bytes.byteCount {
    crc ^= UInt16(bytes.u8(offset))
    for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0xa001 : 0) }
  }
  return crc
}
