/// A JSON value, to be written.
indirect enum JSON {
  case number(Int64)
  case unsigned(UInt64)
  case string(String)
  case bool(Bool)
  case null
  case array([JSON])
  /// In the order given.
  case object([(String, JSON)])

  /// A member whose value is bytes: a name, a path, a label. Where they are no UTF-8, U+FFFD stands
  /// for what is none, and a second member, `KEY_bytes`, has all of them as hexadecimal digits. Who
  /// takes that one where it is there has every name as it is.
  static func bytes(_ key: String, _ bytes: [UInt8]) -> [(String, JSON)] {
    let text = JSON.string(String(decoding: bytes, as: UTF8.self))
    guard String(validating: bytes, as: UTF8.self) == nil else { return [(key, text)] }
    let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    return [(key, text), (key + "_bytes", .string(digits))]
  }

  /// A string where there is one.
  static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

  func text(indent: String = "") -> String {
    let inner = indent + "  "
    switch self {
    case .number(let number): return "\(number)"
    case .unsigned(let number): return "\(number)"
    case .string(let text): return Self.quoted(text)
    case .bool(let value): return value ? "true" : "false"
    case .null: return "null"
    case .array(let values):
      if values.isEmpty { return "[]" }
      return "[\n" + values.map { inner + $0.text(indent: inner) }.joined(separator: ",\n")
        + "\n\(indent)]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      return "{\n"
        + members.map { "\(inner)\(Self.quoted($0)): \($1.text(indent: inner))" }
        .joined(separator: ",\n") + "\n\(indent)}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      // The others are for terminals, which take some of them for orders.
      case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value):
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
