/// Other names for entries whose name another has.
enum DirectoryNames {
  private static let longest = 255

  /// A name to try: "name~1" and so on; nil where there is none of that number.
  ///
  /// - Parameter growing: whether it may be longer than the name.
  static func replacement(_ number: Int, for name: [UInt8], growing: Bool) -> [UInt8]? {
    let suffix = Array("~\(number)".utf8)
    let room = growing ? longest : name.count
    if suffix.count <= room { return Array(name.prefix(room - suffix.count)) + suffix }
    // Names of one byte: digits, letters and the like.
    guard name.count == 1, number < 0x7f - 0x30 else { return nil }
    return [UInt8(0x30 + number)]
  }
}
