import ExtantBase
import Testing

@testable import Ext4Format

/// Expected values are what debugfs 1.47.0's `dx_hash` prints.
struct DirectoryHashTests {
  private struct Sample {
    var name: String
    var legacy: UInt32
    var halfMD4: (UInt32, UInt32)
    var seededHalfMD4: (UInt32, UInt32)
    var tea: (UInt32, UInt32)
  }

  private let samples = [
    Sample(
      name: "a", legacy: 0xe74b_53e2, halfMD4: (0xd5fa_7d7a, 0xacb4_8187),
      seededHalfMD4: (0x35dc_0cc4, 0x3f1d_acef), tea: (0x6d0e_a4c0, 0xc189_22df)),
    Sample(
      name: "hello", legacy: 0x3225_2546, halfMD4: (0x1746_da32, 0x4200_13b5),
      seededHalfMD4: (0xa26e_4a80, 0x97e5_b7f7), tea: (0x6f5b_b1a8, 0x2319_17c2)),
    Sample(
      name: "file name.txt", legacy: 0x98e4_eac8, halfMD4: (0x8cbd_121a, 0xba0a_915a),
      seededHalfMD4: (0xa1dc_3284, 0x1a55_c37b), tea: (0xbd32_e310, 0xab7e_fcdf)),
    Sample(
      name: "abcdefghijklmnopqrstuvwxyz0123456789", legacy: 0x9015_281a,
      halfMD4: (0x97c6_9942, 0x2630_f912), seededHalfMD4: (0xd89d_5678, 0xe700_5861),
      tea: (0xe073_581c, 0x45be_1a19)),
    Sample(
      name: "ABCDEFGHIJKLMNOPabcdefghijklmnop", legacy: 0x88fb_05e2,
      halfMD4: (0xdac1_e432, 0x4268_44dd), seededHalfMD4: (0x19f1_95f6, 0x00cb_35e6),
      tea: (0x5b68_4f9a, 0xf11b_9ddb)),
    Sample(
      name: "caf\u{e9}", legacy: 0x96ca_5a2c, halfMD4: (0xfb9c_5e5c, 0x0573_e8b8),
      seededHalfMD4: (0xd6b4_ad14, 0x921a_5761), tea: (0x1058_42ea, 0xfb91_65ca)),
  ]

  /// 01234567-89ab-cdef-0123-456789abcdef as four little-endian words.
  private let seed: [UInt32] = [0x6745_2301, 0xefcd_ab89, 0x6745_2301, 0xefcd_ab89]

  private func hash(
    _ name: String, _ version: DirectoryHash.Version, _ seed: [UInt32] = [0, 0, 0, 0]
  ) -> NameHash {
    DirectoryHash(version: version, isUnsigned: false, seed: seed).hash(Array(name.utf8))
  }

  @Test func hashesEqualThoseOfDebugfs() {
    for sample in samples {
      #expect(hash(sample.name, .legacy) == NameHash(major: sample.legacy, minor: 0))
      let halfMD4 = NameHash(major: sample.halfMD4.0, minor: sample.halfMD4.1)
      #expect(hash(sample.name, .halfMD4) == halfMD4)
      let seeded = NameHash(major: sample.seededHalfMD4.0, minor: sample.seededHalfMD4.1)
      #expect(hash(sample.name, .halfMD4, seed) == seeded)
      #expect(hash(sample.name, .tea) == NameHash(major: sample.tea.0, minor: sample.tea.1))
    }
  }

  @Test func signednessMattersOnlyAboveASCII() {
    for version in DirectoryHash.Version.allCases {
      let signed = DirectoryHash(version: version, isUnsigned: false, seed: seed)
      let unsigned = DirectoryHash(version: version, isUnsigned: true, seed: seed)
      #expect(signed.hash(Array("plain".utf8)) == unsigned.hash(Array("plain".utf8)))
      #expect(signed.hash([0xe9, 0x20]) != unsigned.hash([0xe9, 0x20]))
    }
  }

  @Test func majorHashesAreEven() {
    for number in 0..<1000 {
      #expect(hash("name\(number)", .halfMD4, seed).major & 1 == 0)
    }
  }
}
