import ExtantBase

extension Inode {
  /// ext4's times: 32 signed bits of seconds since 1970, and where the inode has room another 32:
  /// two bits that extend the seconds to 34 (1901 to 2446) and 30 bits of nanoseconds.
  struct TimeCodec {
    let extraSize: UInt16

    func decode(_ bytes: RawSpan, _ offset: Int, extra: Int) -> Timestamp {
      let base = Int64(Int32(bitPattern: bytes.le32(offset)))
      guard fits(extra, 4, extraSize: extraSize) else { return Timestamp(seconds: base) }
      let word = bytes.le32(extra)
      // 30 bits hold a little more than a second; a count past it is cut to the last nanosecond.
      return Timestamp(
        seconds: base + Int64(word & 3) << 32, nanoseconds: min(word >> 2, 999_999_999))
    }

    func encode(_ time: Timestamp, _ bytes: inout MutableRawSpan, _ offset: Int, extra: Int) {
      let hasExtra = fits(extra, 4, extraSize: extraSize)
      let time = time.clamped(hasExtra: hasExtra)
      bytes.setLE32(UInt32(truncatingIfNeeded: time.seconds), at: offset)
      guard hasExtra else { return }
      // The low word is signed, so the two bits count from its lowest value on.
      let base = Int64(Int32(truncatingIfNeeded: time.seconds))
      let epoch = UInt32(truncatingIfNeeded: (time.seconds - base) >> 32) & 3
      bytes.setLE32(epoch | time.nanoseconds << 2, at: extra)
    }
  }

  /// The range and the grain of times in an inode with `extraSize` bytes of extra fields: a time
  /// that it cannot hold becomes the nearest that it can, and the first and the last second have
  /// no fractions, as in the kernel (timestamp_truncate).
  public static func storable(_ time: Timestamp, extraSize: UInt16) -> Timestamp {
    let hasExtra = fits(Field.changeTimeExtra, 4, extraSize: extraSize)
    var time = time.clamped(hasExtra: hasExtra)
    let latest = hasExtra ? Timestamp.latestStorable : Int64(Int32.max)
    if time.seconds == Timestamp.earliestStorable || time.seconds == latest { time.nanoseconds = 0 }
    return time
  }
}

extension Timestamp {
  /// -2^31, in 1901.
  static let earliestStorable = Int64(Int32.min)
  /// 2^34 - 2^31 - 1, in 2446.
  static let latestStorable: Int64 = (1 << 34) - (1 << 31) - 1

  func clamped(hasExtra: Bool) -> Timestamp {
    let latest = hasExtra ? Self.latestStorable : Int64(Int32.max)
    if seconds < Self.earliestStorable { return Timestamp(seconds: Self.earliestStorable) }
    if seconds > latest { return Timestamp(seconds: latest) }
    return Timestamp(
      seconds: seconds, nanoseconds: hasExtra ? min(nanoseconds, 999_999_999) : 0)
  }
}
