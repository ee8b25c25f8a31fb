import SystemPackage

/// A rule file that is not understood: where, and what was expected.
public struct FaultRulesError: Error, Sendable, Equatable, CustomStringConvertible {
  public var file: String
  /// From 1.
  public var line: Int
  public var problem: String

  public var description: String { "\(file):\(line): \(problem)" }
}

extension FaultRules {
  /// Reads a rule file: sections in the ini-like format of QEMU's `-readconfig`. `file` is its name
  /// in messages.
  public init(parsing text: String, file: String) throws(FaultRulesError) {
    var sections: [FaultSection] = []
    var number = 0
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      let line = Self.trimmed(line)
      func failure(_ problem: String) -> FaultRulesError {
        FaultRulesError(file: file, line: number, problem: problem)
      }
      if line.isEmpty || line.hasPrefix("#") { continue }
      if line.hasPrefix("[") {
        guard let name = Self.sectionName(line) else {
          throw failure("expected a section: [inject-error] or [set-state]")
        }
        sections.append(FaultSection(name: name, file: file, line: number))
        continue
      }
      guard let (key, value) = Self.setting(line) else {
        throw failure("expected name = \"value\"")
      }
      guard let last = sections.indices.last else {
        throw failure("expected [inject-error] or [set-state] before the first setting")
      }
      guard sections[last].settings[key] == nil else {
        throw failure("\(key) is there twice in this section")
      }
      sections[last].settings[key] = (value, number)
    }
    rules = []
    for section in sections { rules.append(try section.rule()) }
  }

  /// `[name]`, or `[name "label"]` as QEMU allows; nil for anything else.
  private static func sectionName(_ line: Substring) -> String? {
    guard line.hasSuffix("]") else { return nil }
    let inside = line.dropFirst().dropLast()
    let words = inside.split(separator: " ", maxSplits: 1)
    guard let name = words.first, inside.first != " " else { return nil }
    if words.count == 2 {
      let label = trimmed(words[1])
      guard label.count >= 2, label.hasPrefix("\""), label.hasSuffix("\"") else { return nil }
    }
    return String(name)
  }

  private static func setting(_ line: Substring) -> (key: String, value: String)? {
    guard let equals = line.firstIndex(of: "=") else { return nil }
    let key = trimmed(line[..<equals])
    var value = trimmed(line[line.index(after: equals)...])
    guard !key.isEmpty, !key.contains(where: \.isWhitespace) else { return nil }
    if value.hasPrefix("\"") {
      guard value.count >= 2, value.hasSuffix("\"") else { return nil }
      value = value.dropFirst().dropLast()
    } else if value.contains(where: \.isWhitespace) {
      return nil
    }
    guard !value.isEmpty, !value.contains("\"") else { return nil }
    return (String(key), String(value))
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text.drop(while: \.isWhitespace)
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return text
  }
}
