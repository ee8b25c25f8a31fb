import ExtantBase

/// What a directory that does not tell upper from lower case demands of names, and how it compares
/// them.
enum NameEncoding {
  /// The Unicode version that Linux has tables of.
  private static let version = (major: 12, minor: 1)

  /// Where a name stops being UTF-8 of characters that the version knows; nil for a sound one.
  static func firstBadByte(_ name: [UInt8]) -> Int? {
    if name.allSatisfy({ $0 < 0x80 && $0 != 0 }) { return nil }
    var decoder = UTF8()
    var bytes = name.makeIterator()
    var position = 0
    while true {
      switch decoder.decode(&bytes) {
      case .emptyInput: return nil
      case .error: return position
      case .scalarValue(let scalar):
        guard isKnown(scalar) else { return position }
        position += UTF8.width(scalar)
      }
    }
  }

  private static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
    guard let age = scalar.properties.age else {
      // Private characters are nobody's, and allowed.
      return scalar.properties.generalCategory == .privateUse
    }
    return (age.major, age.minor) <= (version.major, version.minor)
  }

  /// The name as its hash sees it; nil where that takes tables that are not here.
  static func folded(_ name: [UInt8]) -> [UInt8]? {
    var folded = name
    for index in folded.indices {
      let byte = folded[index]
      guard byte < 0x80 else { return nil }
      if byte >= 0x41, byte <= 0x5a { folded[index] = byte | 0x20 }
    }
    return folded
  }

  /// The name as far as it can be folded here: equal for names that only differ in case of ASCII.
  static func comparable(_ name: [UInt8]) -> [UInt8] {
    name.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }
  }
}
