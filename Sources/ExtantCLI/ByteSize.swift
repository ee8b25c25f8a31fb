import ArgumentParser

/// A number of bytes with fallocate(1)'s suffixes: K, M, G, T, P, E and KiB ... are powers of
/// 1024, KB ... powers of 1000.
struct ByteSize: ExpressibleByArgument {
  var bytes: Int64

  static let zero = ByteSize(bytes: 0)

  private init(bytes: Int64) { self.bytes = bytes }

  init?(argument: String) {
    let isHexadecimal = argument.hasPrefix("0x") || argument.hasPrefix("0X")
    let text = argument.dropFirst(isHexadecimal ? 2 : 0)
    let digits = text.prefix { $0.isASCII && (isHexadecimal ? $0.isHexDigit : $0.isNumber) }
    guard let number = Int64(digits, radix: isHexadecimal ? 16 : 10),
      let unit = Self.unit(text.dropFirst(digits.count))
    else { return nil }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
    guard !overflow else { return nil }
    self.bytes = bytes
  }

  private static func unit(_ suffix: Substring) -> Int64? {
    guard let first = suffix.first else { return 1 }
    let letters = Array("KMGTPE")
    guard let power = letters.firstIndex(of: Character(first.uppercased())) else { return nil }
    let base: Int64
    switch suffix.dropFirst().lowercased() {
    case "", "ib": base = 1024
    case "b": base = 1000
    default: return nil
    }
    return (0...power).reduce(1) { product, _ in product * base }
  }

  /// For people: 1.5M.
  static func text(_ bytes: UInt64) -> String {
    var value = Double(bytes)
    for unit in ["", "K", "M", "G", "T", "P"] {
      if value < 1024 {
        let tenths = Int((value * 10).rounded())
        let plain = tenths % 10 == 0 || value >= 100
        return (plain ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)") + unit
      }
      value /= 1024
    }
    return "\(Int(value))E"
  }
}
