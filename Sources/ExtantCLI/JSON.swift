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
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
