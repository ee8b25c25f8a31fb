import ExtantBase

/// One thing that is wrong with an image: what, where, and what was read there.
public struct Issue: Sendable, Hashable {
  public var kind: IssueKind
  public var place: Place
  /// What stands there; nil where the kind says it all.
  public var found: IssueValue?
  /// What should stand there, or will after the repair.
  public var expected: IssueValue?

  public init(
    _ kind: IssueKind, _ place: Place, found: IssueValue? = nil, expected: IssueValue? = nil
  ) {
    self.kind = kind
    self.place = place
    self.found = found
    self.expected = expected
  }
}

/// Where in the image something is. What is known is set.
public struct Place: Sendable, Hashable {
  public var group: GroupIndex?
  public var inode: InodeNumber?
  /// The block on the device.
  public var block: BlockAddress?
  /// The block within the inode's contents.
  public var logical: UInt64?
  /// A name in the directory `inode`, as its bytes are, or an attribute's name.
  public var name: [UInt8]?
  /// In bytes from the start of `block`, or of the inode's slot.
  public var offset: Int?
  /// The inode's path, where it is known already.
  public var path: [UInt8]?

  public init(
    group: GroupIndex? = nil, inode: InodeNumber? = nil, block: BlockAddress? = nil,
    logical: UInt64? = nil, name: [UInt8]? = nil, offset: Int? = nil, path: [UInt8]? = nil
  ) {
    self.group = group
    self.inode = inode
    self.block = block
    self.logical = logical
    self.name = name
    self.offset = offset
    self.path = path
  }

  /// The image as a whole.
  public static let filesystem = Place()
  public static func inode(_ number: InodeNumber) -> Place { Place(inode: number) }
  public static func group(_ group: GroupIndex) -> Place { Place(group: group) }
  public static func block(_ address: BlockAddress) -> Place { Place(block: address) }
}

/// A value in an issue, with how it is best read.
public enum IssueValue: Sendable, Hashable {
  case number(UInt64)
  /// Flags, checksums, modes.
  case hexadecimal(UInt64)
  case text(String)
  /// A name, as its bytes are.
  case name([UInt8])
}

extension IssueValue: ExpressibleByIntegerLiteral, ExpressibleByStringInterpolation {
  public init(integerLiteral value: UInt64) { self = .number(value) }
  public init(stringLiteral value: String) { self = .text(value) }
}
