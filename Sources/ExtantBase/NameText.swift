/// Names, labels and other bytes from an image as text: for people, who may be at a terminal that
/// takes some bytes for orders, and for programs, which want the bytes back.
package enum NameText {
  /// What a name is made of.
  package enum Piece: Equatable {
    case scalar(Unicode.Scalar)
    /// A byte that is no part of valid UTF-8.
    case byte(UInt8)
  }

  /// Calls `body` with each scalar of what is UTF-8, and with each byte of what is not.
  package static func forEachPiece(_ bytes: [UInt8], _ body: (Piece) -> Void) {
    var index = 0
    while index < bytes.count {
      let length =
        switch bytes[index] {
        case ..<0x80: 1
        case 0xc2..<0xe0: 2
        case 0xe0..<0xf0: 3
        case 0xf0..<0xf5: 4
        default: 0
        }
      let piece = bytes[index..<min(index + length, bytes.count)]
      if length > 0, let scalar = String(validating: piece, as: UTF8.self)?.unicodeScalars.first {
        body(.scalar(scalar))
        index += length
      } else {
        body(.byte(bytes[index]))
        index += 1
      }
    }
  }

  /// Whether a terminal shows the scalar and does nothing else. The marks that turn the direction of
  /// what follows can make a name look like another.
  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7f { return scalar.value >= 0x20 }
    switch scalar.value {
    case 0x202a...0x202e, 0x2066...0x2069: return false
    default: break
    }
    switch scalar.properties.generalCategory {
    case .control, .unassigned, .surrogate, .lineSeparator, .paragraphSeparator: return false
    default: return true
    }
  }

  /// Whether the bytes are text that a terminal shows as it is.
  package static func isPrintable(_ bytes: [UInt8]) -> Bool {
    var result = true
    forEachPiece(bytes) {
      guard case .scalar(let scalar) = $0, isPrintable(scalar) else { return result = false }
    }
    return result
  }

  /// As ls(1) shows it at a terminal, and as a shell takes it back: bare where that will do, else in
  /// quotes, with what cannot be shown as `$'\n'` or in octal. For UTF-8 terminals.
  ///
  /// - Parameter quotesColons: for text that ends with a colon of its own.
  package static func shell(_ bytes: [UInt8], quotesColons: Bool = false) -> String {
    if let simple = shellWithoutEscapes(bytes, quotesColons: quotesColons) { return simple }
    var text = "'"
    // Within $'...', which is entered and left with the quotes of what is shown as it is.
    var isEscaping = false
    func escape(_ escape: Bool) {
      if escape != isEscaping { text += escape ? "'$'" : "''" }
      isEscaping = escape
    }
    forEachPiece(bytes) { piece in
      switch piece {
      case .scalar("'"):
        escape(false)
        text += "'\\''"
      case .scalar(let scalar) where isPrintable(scalar):
        escape(false)
        text.unicodeScalars.append(scalar)
      case .scalar(let scalar):
        escape(true)
        for byte in String(scalar).utf8 { text += backslashed(byte) }
      case .byte(let byte):
        escape(true)
        text += backslashed(byte)
      }
    }
    return text + "'"
  }

  /// Nil where a byte cannot be shown.
  private static func shellWithoutEscapes(_ bytes: [UInt8], quotesColons: Bool) -> String? {
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
    var isBare = !text.isEmpty
    var hasQuote = false
    // Whether double quotes leave everything as it is.
    var isPlainInDoubleQuotes = true
    for (index, scalar) in text.unicodeScalars.enumerated() {
      guard isPrintable(scalar) else { return nil }
      switch scalar {
      case "'": hasQuote = true
      case " ": isBare = false
      case ":": if quotesColons { isBare = false }
      case "#", "~":
        if index == 0 { isBare = false }
        isPlainInDoubleQuotes = false
      case "{", "}":
        // ls leaves {,} bare, which a shell expands.
        if bytes.count == 1 || bytes.contains(0x7b) && bytes.contains(0x7d) { isBare = false }
        isPlainInDoubleQuotes = false
      case "!", "\"", "$", "&", "(", ")", "*", ";", "<", "=", ">", "?", "[", "\\", "^", "`", "|":
        isBare = false
        isPlainInDoubleQuotes = false
      default: break
      }
    }
    if !hasQuote { return isBare ? text : "'\(text)'" }
    if isPlainInDoubleQuotes { return "\"\(text)\"" }
    return "'"
      + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
      + "'"
  }

  /// As `ls -b` shows it: without quotes; what cannot be shown, blanks and backslashes behind a
  /// backslash.
  package static func escaped(_ bytes: [UInt8]) -> String {
    var text = ""
    forEachPiece(bytes) { piece in
      switch piece {
      case .scalar(" "): text += "\\ "
      case .scalar("\\"): text += "\\\\"
      case .scalar(let scalar) where isPrintable(scalar): text.unicodeScalars.append(scalar)
      case .scalar(let scalar): for byte in String(scalar).utf8 { text += backslashed(byte) }
      case .byte(let byte): text += backslashed(byte)
      }
    }
    return text
  }

  private static func backslashed(_ byte: UInt8) -> String {
    switch byte {
    case 0x07: return "\\a"
    case 0x08: return "\\b"
    case 0x09: return "\\t"
    case 0x0a: return "\\n"
    case 0x0b: return "\\v"
    case 0x0c: return "\\f"
    case 0x0d: return "\\r"
    default:
      let digits = String(byte, radix: 8)
      return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
    }
  }

  /// As `ls -q` shows it: a question mark for each character that cannot be shown.
  package static func questioned(_ bytes: [UInt8]) -> String {
    var text = ""
    forEachPiece(bytes) { piece in
      if case .scalar(let scalar) = piece, isPrintable(scalar) {
        text.unicodeScalars.append(scalar)
      } else {
        text += "?"
      }
    }
    return text
  }

  /// What is in the middle of a sentence, or in quotes already: only what cannot be shown is
  /// written otherwise, in hexadecimal. Not to be read back.
  package static func shown(_ bytes: [UInt8]) -> String {
    func hexadecimal(_ value: UInt32) -> String {
      let digits = String(value, radix: 16)
      return "\\x" + (digits.count < 2 ? "0" : "") + digits
    }
    var text = ""
    forEachPiece(bytes) { piece in
      switch piece {
      case .scalar(let scalar) where isPrintable(scalar): text.unicodeScalars.append(scalar)
      case .scalar(let scalar) where scalar.value < 0x80: text += hexadecimal(scalar.value)
      case .scalar(let scalar): text += "\\u{\(String(scalar.value, radix: 16))}"
      case .byte(let byte): text += hexadecimal(UInt32(byte))
      }
    }
    return text
  }
}
