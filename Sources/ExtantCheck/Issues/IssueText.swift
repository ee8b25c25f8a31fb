import ExtantBase

/// Issues in words.
public enum IssueText {
  /// "inode 12 (/a/b, block 34) has a wrong checksum (found 0x1, expected 0x2)".
  public static func sentence(_ issue: Issue) -> String {
    var text = place(issue.place) + " " + issue.kind.entry.summary
    // Of a superblock whole rules are found broken, and expected is what is taken in its place.
    let isSuperblock = if case .superblock = issue.kind { true } else { false }
    let values = [
      issue.found.map { isSuperblock && isText($0) ? value($0) : "found \(value($0))" },
      issue.expected.map {
        isSuperblock && isText($0) ? "instead: \(value($0))" : "expected \(value($0))"
      },
    ].compactMap { $0 }
    let separator = isSuperblock && issue.expected.map(isText) == true ? "; " : ", "
    if !values.isEmpty { text += " (" + values.joined(separator: separator) + ")" }
    return text
  }

  private static func isText(_ value: IssueValue) -> Bool {
    if case .text = value { true } else { false }
  }

  /// The repair within a sentence: "compute it anew".
  public static func repair(_ issue: Issue) -> String {
    let text = issue.kind.entry.repair
    return text.prefix(1).lowercased() + text.dropFirst()
  }

  public static func value(_ value: IssueValue) -> String {
    switch value {
    case .number(let number): "\(number)"
    case .hexadecimal(let number): "0x" + String(number, radix: 16)
    case .text(let text): NameText.shown(Array(text.utf8))
    case .name(let name): NameText.shown(name)
    }
  }

  private static func place(_ place: Place) -> String {
    var parts: [String] = []
    if let inode = place.inode { parts.append("inode \(inode.rawValue)") }
    if let path = place.path { parts.append(NameText.shell(path)) }
    if let name = place.name { parts.append("name \"\(NameText.shown(name))\"") }
    if let logical = place.logical { parts.append("its block \(logical)") }
    if let group = place.group { parts.append("group \(group.rawValue)") }
    if let block = place.block { parts.append("block \(block.rawValue)") }
    if let offset = place.offset { parts.append("byte \(offset)") }
    guard let subject = parts.first else { return "the filesystem" }
    return parts.count == 1
      ? subject : subject + " (" + parts.dropFirst().joined(separator: ", ") + ")"
  }
}
