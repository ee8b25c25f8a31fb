import CTestSupport

/// Random numbers that come again for the same seed: SplitMix64 (Steele, Lea, Flood 2014).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  public mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
  public mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
  public mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
}

/// Where a random test's seed comes from.
public enum Seed {
  /// The seed that EXTANT_SEED names (decimal, or hexadecimal after 0x), else a fresh one. Printed,
  /// so that a failure can be run again.
  public static func take(_ test: String = #function) -> UInt64 {
    let seed = Environment.value("EXTANT_SEED").flatMap(parse) ?? ts_random()
    print("\(test): seed \(text(seed)) (again: EXTANT_SEED=\(text(seed)))")
    return seed
  }

  public static func parse(_ text: String) -> UInt64? {
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  }

  public static func text(_ seed: UInt64) -> String { "0x" + String(seed, radix: 16) }
}
