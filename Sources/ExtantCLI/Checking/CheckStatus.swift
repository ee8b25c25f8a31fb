/// What `extant fsck` exits with: fsck(8)'s codes, of which several may hold at once.
struct CheckStatus: OptionSet {
  var rawValue: Int32

  static let repaired = Self(rawValue: 1)
  /// Something wrong is left as it is.
  static let left = Self(rawValue: 4)
  /// The check could not be made.
  static let failed = Self(rawValue: 8)
  static let usage = Self(rawValue: 16)
  static let cancelled = Self(rawValue: 32)
}
