import ExtantBase

/// The hash of a name by which an indexed directory finds it.
public struct NameHash: Hashable, Sendable, Comparable {
  /// The hash that the index is sorted by. Its lowest bit is always 0: in index entries that bit
  /// says that a hash's names continue from the block before.
  public var major: UInt32
  /// Tells apart names of one major hash; 0 with the legacy hash.
  public var minor: UInt32

  public init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }

  public static func < (a: Self, b: Self) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
}

/// A hash function for names, as the superblock and a directory's root choose it.
public struct DirectoryHash: Hashable, Sendable {
  /// `hash_version` of a `dx_root`, and of the superblock's `s_def_hash_version`.
  public enum Version: UInt8, Sendable, CaseIterable {
    case legacy = 0
    case halfMD4 = 1
    case tea = 2
  }

  public var version: Version
  /// Whether a name's bytes above 127 count as positive numbers (`s_flags`, unsigned directory
  /// hash in use): what `char` was on the machine that made the filesystem.
  public var isUnsigned: Bool
  /// `s_hash_seed`; four zeros mean the function's own start.
  public var seed: [UInt32]

  public init(version: Version, isUnsigned: Bool, seed: [UInt32]) {
    self.version = version
    self.isUnsigned = isUnsigned
    self.seed = seed.count == 4 ? seed : [0, 0, 0, 0]
  }

  /// The hash that marks the end of a directory in the kernel's cookies, and so is no name's.
  static let end: UInt32 = 0xffff_fffe

  public func hash(_ name: [UInt8]) -> NameHash { hash(name.rawBytes) }

  /// The hash of a name in place.
  public func hash(_ name: RawSpan) -> NameHash {
    var result: NameHash
    switch version {
    case .legacy:
      result = NameHash(major: legacy(name), minor: 0)
    case .halfMD4:
      var state = start
      var first = 0
      while first < name.byteCount {
        halfMD4(&state, words(name, from: first, count: 8))
        first += 32
      }
      result = NameHash(major: state[1], minor: state[2])
    case .tea:
      var state = start
      var first = 0
      while first < name.byteCount {
        tea(&state, words(name, from: first, count: 4))
        first += 16
      }
      result = NameHash(major: state[0], minor: state[1])
    }
    result.major &= ~1
    if result.major == Self.end { result.major = Self.end - 2 }
    return result
  }

  /// The seed, or MD4's initial state (RFC 1320, 3.3).
  private var start: SIMD4<UInt32> {
    let seed = SIMD4(seed[0], seed[1], seed[2], seed[3])
    return seed == .zero ? SIMD4(0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476) : seed
  }

  /// One byte of a name as the number that enters the hash.
  private func number(_ byte: UInt8) -> UInt32 {
    isUnsigned ? UInt32(byte) : UInt32(bitPattern: Int32(Int8(bitPattern: byte)))
  }
}

// MARK: - The functions

extension DirectoryHash {
  /// The first directory index's own mix: each new value from the two before it and one byte.
  private func legacy(_ name: RawSpan) -> UInt32 {
    var older: UInt32 = 0x37ab_e8f9
    var newer: UInt32 = 0x12a3_fe2d
    for position in 0..<name.byteCount {
      var next = older &+ (newer ^ (number(name.u8(position)) &* 7_152_373))
      if next >> 31 == 1 { next = next &- 0x7fff_ffff }
      older = newer
      newer = next
    }
    return newer << 1
  }

  /// Up to `count` words of four bytes, the first of a word highest. What is left of them is
  /// filled with the name's remaining length (from `first` on) in every byte, which the first
  /// bytes of a partial word shift upwards.
  private func words(_ name: RawSpan, from first: Int, count: Int) -> SIMD8<UInt32> {
    let rest = UInt32(name.byteCount - first)
    var padding = rest | rest << 8
    padding |= padding << 16
    var words = SIMD8(repeating: padding)
    for position in 0..<min(name.byteCount - first, count * 4) {
      let word = position / 4
      words[word] = words[word] << 8 &+ number(name.u8(first + position))
    }
    return words
  }

  /// MD4's three rounds (RFC 1320, 3.4) over half as many words: eight steps each.
  private func halfMD4(_ state: inout SIMD4<UInt32>, _ input: SIMD8<UInt32>) {
    var a = state[0]
    var b = state[1]
    var c = state[2]
    var d = state[3]

    func step(_ mixed: UInt32, _ word: UInt32, _ shift: UInt32) {
      let sum = a &+ mixed &+ word
      (a, b, c, d) = (d, sum << shift | sum >> (32 - shift), b, c)
    }

    // The words' order and the shifts of each round.
    let second = SIMD8(1, 3, 5, 7, 0, 2, 4, 6)
    let third = SIMD8(3, 7, 2, 6, 1, 5, 0, 4)
    let shifts: (SIMD4<UInt32>, SIMD4<UInt32>, SIMD4<UInt32>) = (
      SIMD4(3, 7, 11, 19), SIMD4(3, 5, 9, 13), SIMD4(3, 9, 11, 15)
    )
    for index in 0..<8 {
      step((b & c) | (~b & d), input[index], shifts.0[index & 3])
    }
    for index in 0..<8 {
      let word = input[second[index]] &+ 0x5a82_7999
      step((b & c) | (b & d) | (c & d), word, shifts.1[index & 3])
    }
    for index in 0..<8 {
      step(b ^ c ^ d, input[third[index]] &+ 0x6ed9_eba1, shifts.2[index & 3])
    }
    state = state &+ SIMD4(a, b, c, d)
  }

  /// Sixteen cycles of the Tiny Encryption Algorithm (Wheeler and Needham, 1994): the words are
  /// the key, the state's first half the message.
  private func tea(_ state: inout SIMD4<UInt32>, _ key: SIMD8<UInt32>) {
    var left = state[0]
    var right = state[1]
    var sum: UInt32 = 0
    for _ in 0..<16 {
      sum = sum &+ 0x9e37_79b9
      left = left &+ ((right << 4 &+ key[0]) ^ (right &+ sum) ^ (right >> 5 &+ key[1]))
      right = right &+ ((left << 4 &+ key[2]) ^ (left &+ sum) ^ (left >> 5 &+ key[3]))
    }
    state[0] = state[0] &+ left
    state[1] = state[1] &+ right
  }
}
