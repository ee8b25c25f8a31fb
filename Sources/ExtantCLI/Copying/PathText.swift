/// Names as strings that lose nothing.
///
/// A name in a directory is bytes, not always UTF-8. Where it is not, each byte that does not fit
/// stands in the string as a scalar of private use, and becomes the byte again on its way to the
/// filesystem. Bytes that spell such a scalar are taken one by one as well, so that every name comes
/// back as it was.
enum PathText {
  private static let first: UInt32 = 0x10_fe00

  private static func isByte(_ scalar: Unicode.Scalar) -> Bool {
    (first + 0x80...first + 0xff).contains(scalar.value)
  }

  static func text(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self),
      !text.unicodeScalars.contains(where: isByte)
    {
      return text
    }
    var result = String.UnicodeScalarView()
    var index = 0
    while index < bytes.count {
      let length =
        switch bytes[index] {
        case ..<0x80: 1
        case ..<0xe0: 2
        case ..<0xf0: 3
        default: 4
        }
      let piece = bytes[index..<min(index + length, bytes.count)]
      if let scalars = String(validating: piece, as: UTF8.self)?.unicodeScalars,
        !scalars.contains(where: isByte)
      {
        result.append(contentsOf: scalars)
        index += piece.count
      } else {
        if let scalar = Unicode.Scalar(first + UInt32(bytes[index])) { result.append(scalar) }
        index += 1
      }
    }
    return String(result)
  }

  static func bytes(_ text: String) -> [UInt8] {
    var result: [UInt8] = []
    for scalar in text.unicodeScalars {
      if isByte(scalar) {
        result.append(UInt8(truncatingIfNeeded: scalar.value - first))
      } else {
        result += Array(String(scalar).utf8)
      }
    }
    return result
  }

  /// For functions of C, with a NUL at its end.
  static func c(_ text: String) -> [CChar] { bytes(text).map { CChar(bitPattern: $0) } + [0] }

  /// For people.
  static func shown(_ text: String) -> String { String(decoding: bytes(text), as: UTF8.self) }
}
