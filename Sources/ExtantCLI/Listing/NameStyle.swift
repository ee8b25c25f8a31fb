import ArgumentParser
import ExtantBase

/// How `ls` writes names: ls(1)'s options.
enum NameStyle: EnumerableFlag {
  /// As a shell takes them; how it is at a terminal.
  case shell
  case literal
  case escaped
  case questioned

  static var allCases: [NameStyle] { [.literal, .escaped, .questioned] }

  static func name(for value: NameStyle) -> NameSpecification {
    switch value {
    case .shell: .long
    case .literal: [.customShort("N"), .customLong("literal")]
    case .escaped: [.customShort("b"), .customLong("escape")]
    case .questioned: [.customShort("q"), .customLong("hide-control-chars")]
    }
  }

  static func help(for value: NameStyle) -> ArgumentHelp? {
    switch value {
    case .shell: nil
    case .literal: "Names without quotes (at a terminal with ? for what it cannot show)."
    case .escaped: "Names without quotes, with \\n, \\033 ... for what cannot be shown."
    case .questioned: "Elsewhere than at a terminal: names with ? for what cannot be shown."
    }
  }

  static var standard: NameStyle { Output.isTerminal ? .shell : .literal }

  /// Whether `text` may put quotes around a name.
  var hasQuotes: Bool { self == .shell || self == .questioned && Output.isTerminal }

  /// The name as it is written.
  ///
  /// - Parameter endsWithColon: a heading's, which a name with a colon must not be taken for.
  func text(_ name: [UInt8], endsWithColon: Bool = false) -> [UInt8] {
    switch self {
    case .shell: Array(NameText.shell(name, quotesColons: endsWithColon).utf8)
    case .literal: Output.isTerminal ? Array(NameText.questioned(name).utf8) : name
    case .escaped: Array(NameText.escaped(name).utf8)
    // At a terminal quotes leave nothing to be replaced.
    case .questioned where Output.isTerminal:
      Self.shell.text(name, endsWithColon: endsWithColon)
    case .questioned: Array(NameText.questioned(name).utf8)
    }
  }
}
