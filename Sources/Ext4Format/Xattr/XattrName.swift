import ExtantBase
import SystemPackage

/// The name of an extended attribute as ext4 keeps it: a number for the prefix, and the rest.
public struct XattrName: Hashable, Sendable {
  /// `e_name_index`.
  public var index: UInt8
  /// What follows the prefix; empty for the two ACLs, whose index is their whole name.
  public var suffix: [UInt8]

  public init(index: UInt8, suffix: [UInt8]) {
    self.index = index
    self.suffix = suffix
  }

  public static let accessACL = XattrName(index: 2, suffix: [])
  public static let defaultACL = XattrName(index: 3, suffix: [])
  /// What a program may do that its caller may not: `security.capability`.
  public static let capability = XattrName(index: 6, suffix: Array("capability".utf8))

  /// Bytes of a whole name, prefix included (XATTR_NAME_MAX).
  public static let maximumLength = 255
  /// Bytes of a value that Linux passes (XATTR_SIZE_MAX).
  public static let maximumValueLength = 65536

  private static let prefixes: [(index: UInt8, text: [UInt8])] = [
    (1, Array("user.".utf8)), (4, Array("trusted.".utf8)), (6, Array("security.".utf8)),
  ]
  private static let wholes: [(index: UInt8, text: [UInt8])] = [
    (2, Array("system.posix_acl_access".utf8)), (3, Array("system.posix_acl_default".utf8)),
  ]

  /// A name as Linux spells it.
  ///
  /// Throws ERANGE for none or more than 255 bytes, EINVAL for a prefix and nothing behind it or a
  /// NUL, EOPNOTSUPP for a name that is none of `user.`, `trusted.`, `security.` and the two ACLs
  /// `system.posix_acl_access` and `system.posix_acl_default`.
  public init(_ name: [UInt8]) throws(FileSystemError) {
    guard !name.isEmpty, name.count <= Self.maximumLength else {
      throw .refused(.outOfRange)
    }
    guard !name.contains(0) else { throw .refused(.invalidArgument) }
    if let whole = Self.wholes.first(where: { $0.text == name }) {
      self.init(index: whole.index, suffix: [])
      return
    }
    guard let prefix = Self.prefixes.first(where: { name.starts(with: $0.text) }) else {
      throw .refused(.notSupported)
    }
    guard name.count > prefix.text.count else { throw .refused(.invalidArgument) }
    self.init(index: prefix.index, suffix: Array(name.dropFirst(prefix.text.count)))
  }

  /// The name as Linux spells it; nil for an index that has no spelling here, as Lustre's.
  public var text: [UInt8]? {
    if let prefix = Self.prefixes.first(where: { $0.index == index }) {
      return suffix.isEmpty ? nil : prefix.text + suffix
    }
    if let whole = Self.wholes.first(where: { $0.index == index }) {
      return suffix.isEmpty ? whole.text : nil
    }
    return nil
  }

  /// `trusted.` names are seen by the privileged only.
  public var isTrusted: Bool { index == 4 }

  /// `user.`: files and directories alone have such attributes.
  public var isUser: Bool { index == 1 }
}

extension XattrName: Comparable {
  /// The order of an attribute block: index, length, bytes.
  public static func < (a: Self, b: Self) -> Bool {
    if a.index != b.index { return a.index < b.index }
    if a.suffix.count != b.suffix.count { return a.suffix.count < b.suffix.count }
    return a.suffix.lexicographicallyPrecedes(b.suffix)
  }
}
