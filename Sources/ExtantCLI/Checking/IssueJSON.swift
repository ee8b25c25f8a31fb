import ExtantCheck

/// Issues for programs.
enum IssueJSON {
  static func object(_ finding: Finding) -> JSON {
    let issue = finding.issue
    let entry = issue.kind.entry
    var members: [(String, JSON)] = [
      ("code", .string(issue.kind.code)), ("severity", .string(entry.severity.rawValue)),
      ("text", .string(IssueText.sentence(issue))), ("place", place(issue.place)),
    ]
    if let found = issue.found { members += value("found", found) }
    if let expected = issue.expected { members += value("expected", expected) }
    members.append(("repair", finding.outcome == .noted ? .null : .string(entry.repair)))
    members.append(("safe", .bool(entry.isSafe)))
    members.append(("declined", .bool(finding.outcome == .declined)))
    return .object(members)
  }

  static func kind(_ kind: IssueKind) -> JSON {
    let entry = kind.entry
    return .object([
      ("code", .string(kind.code)), ("severity", .string(entry.severity.rawValue)),
      ("safe", .bool(entry.isSafe)), ("summary", .string(entry.summary)),
      ("repair", .string(entry.repair)),
    ])
  }

  private static func place(_ place: Place) -> JSON {
    var members: [(String, JSON)] = []
    if let group = place.group { members.append(("group", .unsigned(UInt64(group.rawValue)))) }
    if let inode = place.inode { members.append(("inode", .unsigned(UInt64(inode.rawValue)))) }
    if let path = place.path { members += JSON.bytes("path", path) }
    if let name = place.name { members += JSON.bytes("name", name) }
    if let logical = place.logical { members.append(("logical_block", .unsigned(logical))) }
    if let block = place.block { members.append(("block", .unsigned(block.rawValue))) }
    if let offset = place.offset { members.append(("offset", .number(Int64(offset)))) }
    return .object(members)
  }

  private static func value(_ key: String, _ value: IssueValue) -> [(String, JSON)] {
    switch value {
    case .number(let number), .hexadecimal(let number): [(key, .unsigned(number))]
    case .text(let text): [(key, .string(text))]
    case .name(let name): JSON.bytes(key, name)
    }
  }
}
