/// Other names for entries whose name another has.
enum DirectoryNames {
  private static let tries = 10_000
  private static let longest = 255

  /// Names to try, one after the other: "name~1" and so on.
  ///
  /// - Parameter growing: whether they may be longer than the name.
  static func replacements(
    for name: [UInt8], growing: Bool
  ) -> some Sequence<[UInt8]> {
    (1...tries).lazy.compactMap { number -> [UInt8]? in
      let suffix = Array("~\(number)".utf8)
      let room = growing ? longest : name.count
      if suffix.count <= room {
        return Array(name.prefix(room - suffix.count)) + suffix
      }
      // Names of one byte: letters and the like.
      guard name.count == 1, number < 0x7f - 0x30 else { return nil }
      return [UInt8(0x30 + number)]
    }
  }
}
