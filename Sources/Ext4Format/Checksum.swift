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
  var crc = seed
  for shift: UInt32 in [0, 8, 16, 24] {
    crc = crc32c(crc, byte: UInt8(truncatingIfNeeded: value >> shift))
  }
  return crc
}

/// The CRC of `count` zero bytes: how a checksum steps over its own field.
public func crc32c(_ seed: UInt32, zeros count: Int) -> UInt32 {
  var crc = seed
  for _ in 0..<count { crc = crc32c(crc, byte: 0) }
  return crc
}

private func crc32c(_ seed: UInt32, byte: UInt8) -> UInt32 {
  // The reflected Castagnoli polynomial, bit by bit: only ever a handful of bytes.
  var crc = seed ^ UInt32(byte)
  for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0x82f6_3b78 : 0) }
  return crc
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
