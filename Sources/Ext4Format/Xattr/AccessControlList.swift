import ExtantBase
import SystemPackage

/// A POSIX access control list (POSIX.1e draft 17; acl(5)).
///
/// A valid list is sorted: the owner, named users, the owning group, named groups, the mask, the
/// others; with a mask when there is a named entry.
public struct AccessControlList: Hashable, Sendable {
  public enum Tag: UInt16, Sendable, CaseIterable {
    case userObject = 0x01
    case user = 0x02
    case groupObject = 0x04
    case group = 0x08
    case mask = 0x10
    case other = 0x20

    /// Whether the entry names a user or a group.
    public var isNamed: Bool { self == .user || self == .group }
  }

  public struct Entry: Hashable, Sendable {
    public var tag: Tag
    /// Read 4, write 2, execute 1.
    public var permissions: UInt16
    /// The user or group of a named entry; 0 elsewhere.
    public var id: UInt32

    public init(_ tag: Tag, _ permissions: UInt16, id: UInt32 = 0) {
      self.tag = tag
      self.permissions = permissions
      self.id = id
    }
  }

  public private(set) var entries: [Entry]

  /// Throws EINVAL unless the entries make a valid list.
  public init(_ entries: [Entry]) throws(FileSystemError) {
    guard Self.areValid(entries) else { throw .refused(.invalidArgument) }
    self.entries = entries
  }

  /// The list that says what the nine permission bits of `mode` say.
  public init(mode: UInt16) {
    entries = [
      Entry(.userObject, mode >> 6 & 7), Entry(.groupObject, mode >> 3 & 7),
      Entry(.other, mode & 7),
    ]
  }

  private static func areValid(_ entries: [Entry]) -> Bool {
    // Each step of the order, and which may repeat.
    let order: [Tag] = [.userObject, .user, .groupObject, .group, .mask, .other]
    var position = 0
    for entry in entries {
      guard entry.permissions <= 7, !entry.tag.isNamed || entry.id != .max else { return false }
      guard let step = order[position...].firstIndex(of: entry.tag) else { return false }
      position = entry.tag.isNamed ? step : step + 1
    }
    let count = { (tag: Tag) in entries.count { $0.tag == tag } }
    return count(.userObject) == 1 && count(.groupObject) == 1 && count(.other) == 1
      && (count(.mask) == 1 || !entries.contains { $0.tag.isNamed })
  }

  private func permissions(_ tag: Tag) -> UInt16? {
    entries.first { $0.tag == tag }?.permissions
  }
}

// MARK: - Lists and modes

extension AccessControlList {
  /// Whether the nine permission bits say it all, so that the list need not be stored.
  public var isEquivalentToMode: Bool { entries.count == 3 }

  /// The nine permission bits that go with the list: the group's are the mask's where there is
  /// one.
  public var modeBits: UInt16 {
    let group = permissions(.mask) ?? permissions(.groupObject) ?? 0
    return (permissions(.userObject) ?? 0) << 6 | group << 3 | (permissions(.other) ?? 0)
  }

  /// What chmod(2) makes of a file's access list.
  public func changingMode(to mode: UInt16) -> AccessControlList {
    mapPermissions { $0.modeShift(hasMask: permissions(.mask) != nil).map { mode >> $0 & 7 } }
  }

  /// What a new file gets from its directory's default list (acl(5), "Object creation and default
  /// ACLs"): its access list, nil where the mode says it all, and its mode. `mode` is what the
  /// creating call asked for; the umask plays no part.
  public func inherited(mode: UInt16) -> (access: AccessControlList?, mode: UInt16) {
    let hasMask = permissions(.mask) != nil
    var list = self
    for index in list.entries.indices {
      guard let shift = list.entries[index].tag.modeShift(hasMask: hasMask) else { continue }
      list.entries[index].permissions &= mode >> shift & 7
    }
    return (
      list.isEquivalentToMode ? nil : list, mode & ~0o777 | list.modeBits
    )
  }

  private func mapPermissions(_ change: (Tag) -> UInt16?) -> AccessControlList {
    var list = self
    for index in list.entries.indices {
      if let permissions = change(list.entries[index].tag) {
        list.entries[index].permissions = permissions
      }
    }
    return list
  }
}

extension AccessControlList.Tag {
  /// Which three bits of a mode go with the entry; nil for entries that a mode does not touch:
  /// named ones, and the owning group's beside a mask.
  fileprivate func modeShift(hasMask: Bool) -> UInt16? {
    switch self {
    case .userObject: 6
    case .groupObject: hasMask ? nil : 3
    case .mask: 3
    case .other: 0
    case .user, .group: nil
    }
  }
}

// MARK: - As bytes

extension AccessControlList {
  private static let linuxVersion: UInt32 = 2
  private static let diskVersion: UInt32 = 1
  private static let header = 4
  private static let longEntry = 8
  private static let shortEntry = 4

  /// A list as Linux passes it in the attributes `system.posix_acl_access` and `_default`: a
  /// version, 2, and entries of 8 bytes: tag, permissions, id. nil for a list without entries,
  /// which stands for none.
  ///
  /// Throws EINVAL for a list that is not valid, EOPNOTSUPP for another version.
  public static func decode(linux bytes: [UInt8]) throws(FileSystemError) -> AccessControlList? {
    let entries = try entries(linux: bytes)
    return entries.isEmpty ? nil : try AccessControlList(entries)
  }

  /// The entries alone, which need not make a valid list.
  public static func entries(linux bytes: [UInt8]) throws(FileSystemError) -> [Entry] {
    let span = bytes.rawBytes
    guard span.byteCount >= header, (span.byteCount - header) % longEntry == 0 else {
      throw .refused(.invalidArgument)
    }
    guard span.le32(0) == linuxVersion else { throw .refused(.notSupported) }
    var entries: [Entry] = []
    for offset in stride(from: header, to: span.byteCount, by: longEntry) {
      guard let tag = Tag(rawValue: span.le16(offset)) else { throw .refused(.invalidArgument) }
      entries.append(
        Entry(tag, span.le16(offset + 2), id: tag.isNamed ? span.le32(offset + 4) : 0))
    }
    return entries
  }

  /// The form that `decode(linux:)` takes.
  public func encodeForLinux() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Self.header + Self.longEntry * entries.count)
    bytes.withMutableBytes { span in
      span.setLE32(Self.linuxVersion, at: 0)
      var offset = Self.header
      for entry in entries {
        span.setLE16(entry.tag.rawValue, at: offset)
        span.setLE16(entry.permissions, at: offset + 2)
        span.setLE32(entry.tag.isNamed ? entry.id : .max, at: offset + 4)
        offset += Self.longEntry
      }
    }
    return bytes
  }

  /// A list as ext4 stores it: a version, 1, and entries of 4 bytes (tag, permissions), named ones
  /// of 8 with the id.
  public init(
    disk bytes: [UInt8], inode: InodeNumber
  ) throws(FileSystemError) {
    func corrupt(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("access control list", inode: inode, rule))
    }
    let span = bytes.rawBytes
    guard span.byteCount >= Self.header, span.le32(0) == Self.diskVersion else {
      throw corrupt("its version is not \(Self.diskVersion)")
    }
    var entries: [Entry] = []
    var offset = Self.header
    while offset < span.byteCount {
      guard offset + Self.shortEntry <= span.byteCount,
        let tag = Tag(rawValue: span.le16(offset))
      else { throw corrupt("no entry at byte \(offset)") }
      let length = tag.isNamed ? Self.longEntry : Self.shortEntry
      guard offset + length <= span.byteCount else {
        throw corrupt("entry at byte \(offset) passes the end")
      }
      entries.append(
        Entry(tag, span.le16(offset + 2), id: tag.isNamed ? span.le32(offset + 4) : 0))
      offset += length
    }
    guard Self.areValid(entries) else { throw corrupt("its entries make no valid list") }
    self.entries = entries
  }

  /// The form that `init(disk:inode:)` takes.
  public func encodeForDisk() -> [UInt8] {
    let lengths = entries.map { $0.tag.isNamed ? Self.longEntry : Self.shortEntry }
    var bytes = [UInt8](repeating: 0, count: lengths.reduce(Self.header, +))
    bytes.withMutableBytes { span in
      span.setLE32(Self.diskVersion, at: 0)
      var offset = Self.header
      for (entry, length) in zip(entries, lengths) {
        span.setLE16(entry.tag.rawValue, at: offset)
        span.setLE16(entry.permissions, at: offset + 2)
        if entry.tag.isNamed { span.setLE32(entry.id, at: offset + 4) }
        offset += length
      }
    }
    return bytes
  }
}
