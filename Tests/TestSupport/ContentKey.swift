import CTestSupport

/// 64 bits that tell contents apart: for sets of states, not against anybody's ill will.
public enum ContentKey {
  /// Of bytes whose number is a multiple of 32, and a number that says which bytes they are.
  public static func of(_ bytes: RawSpan, _ seed: UInt64) -> UInt64 {
    precondition(bytes.byteCount % 32 == 0)
    return unsafe bytes.withUnsafeBytes { unsafe ts_hash($0.baseAddress, $0.count, seed) }
  }
}
