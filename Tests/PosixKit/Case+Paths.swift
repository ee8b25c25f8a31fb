extension Case {
  /// Every text that a step carries: the paths among them are looked at after each step, and what is
  /// no path is found nowhere. What fills a disk is left out: its size is the filesystem's business.
  var paths: [String] {
    Set(steps.flatMap { Self.texts(in: Mirror(reflecting: $0.call)) }).filter { !Self.fills($0) }
      .sorted()
  }

  private static func texts(in mirror: Mirror) -> [String] {
    mirror.children.flatMap { child -> [String] in
      if let text = child.value as? String { return [text] }
      return texts(in: Mirror(reflecting: child.value))
    }
  }

  static func fills(_ path: String) -> Bool { path.hasPrefix("fill") }
}
