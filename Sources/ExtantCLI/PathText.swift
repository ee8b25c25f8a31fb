import ExtantBase

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
    func append(_ byte: UInt8) {
      if let scalar = Unicode.Scalar(first + UInt32(byte)) { result.append(scalar) }
    }
    NameText.forEachPiece(bytes) { piece in
      switch piece {
      case .scalar(let scalar) where isByte(scalar):
        for byte in String(scalar).utf8 { append(byte) }
      case .scalar(let scalar): result.append(scalar)
      case .byte(let byte): append(byte)
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

  /// For people, in messages: one line, whatever the name is.
  static func shown(_ text: String) -> String { NameText.shell(bytes(text)) }

  /// Whether two paths are the same bytes: strings are equal already where they look the same.
  static func areSame(_ one: String, _ other: String) -> Bool { one.utf8.elementsEqual(other.utf8) }

  /// The path of `name` in the directory `path`.
  static func joined(_ path: String, _ name: String) -> String {
    path.utf8.last == UInt8(ascii: "/") ? path + name : path + "/" + name
  }

  static func joined(_ path: [UInt8], _ name: [UInt8]) -> [UInt8] {
    path.last == UInt8(ascii: "/") ? path + name : path + [UInt8(ascii: "/")] + name
  }
}
