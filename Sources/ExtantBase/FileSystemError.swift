import SystemPackage

/// Everything that can go wrong, in kinds that are never mixed.
///
/// The first three are faults: of the device, of the image, of our completeness. The last is an
/// ordinary answer, as errno, that the caller asked for by asking.
public enum FileSystemError: Error, Sendable, Equatable {
  /// The device failed.
  case io(DeviceFailure)
  /// The image breaks a rule of ext4.
  case corrupt(Corruption)
  /// The image, or the request, needs what is not built.
  case unsupported(Unsupported)
  /// An expected refusal: a missing name, a full disk, a wrong range.
  case refused(Errno)
}

/// A system call on the device that failed.
public struct DeviceFailure: Sendable {
  public enum Operation: String, Sendable { case open, read, write, flush, discard, lock, resize }
  public var operation: Operation
  public var errno: Errno
  /// In bytes from the start of the device; nil where the call has no place.
  public var offset: UInt64?
  /// Whatever names the device to a user, most often a path.
  public var device: String
  /// What the errno does not say, as a clause: "another program has it open for writing".
  public var reason: String?
  /// The superblock knows of it already: whoever passes the error on does not count it again.
  package var isRecorded = false

  public init(
    _ operation: Operation, _ errno: Errno, offset: UInt64? = nil, device: String,
    reason: String? = nil
  ) {
    self.operation = operation
    self.errno = errno
    self.offset = offset
    self.device = device
    self.reason = reason
  }
}

extension DeviceFailure: Equatable {
  public static func == (a: Self, b: Self) -> Bool {
    a.operation == b.operation && a.errno == b.errno && a.offset == b.offset
      && a.device == b.device && a.reason == b.reason
  }
}

/// A rule that the image breaks, and where.
public struct Corruption: Sendable {
  public enum Kind: Sendable {
    /// A value is wrong, or does not fit another.
    case rule
    /// The bytes are not those that were sealed: a checksum does not match.
    case checksum
  }

  public var kind: Kind
  /// The structure's name in ext4's documentation: "superblock", "extent node", "directory block".
  public var structure: String
  public var inode: InodeNumber?
  public var block: BlockAddress?
  /// What should have held, as a sentence's end: "checksum 0x1234 does not match 0x5678".
  public var rule: String
  /// The place in our source that noticed, which the superblock's record of errors names.
  package let file: StaticString
  package let line: UInt32
  /// The superblock knows of it already: whoever passes the error on does not count it again.
  package var isRecorded = false

  public init(
    _ structure: String, inode: InodeNumber? = nil, block: BlockAddress? = nil, _ rule: String,
    kind: Kind = .rule, file: StaticString = #fileID, line: UInt32 = #line
  ) {
    self.kind = kind
    self.structure = structure
    self.inode = inode
    self.block = block
    self.rule = rule
    self.file = file
    self.line = line
  }
}

extension Corruption: Equatable {
  /// The same rule broken at the same place of the image, wherever it was noticed.
  public static func == (a: Self, b: Self) -> Bool {
    a.structure == b.structure && a.inode == b.inode && a.block == b.block && a.rule == b.rule
  }
}

/// A feature or request that is refused by its name.
public struct Unsupported: Sendable, Equatable {
  public var feature: String
  public var detail: String
  /// The feature is what the device holds instead of a filesystem, and the detail what helps.
  public private(set) var isContents = false

  public init(_ feature: String, _ detail: String) {
    self.feature = feature
    self.detail = detail
  }

  /// - Parameters:
  ///   - contents: with its article: "a gzip file".
  ///   - help: what to do instead: a clause.
  public init(contents: String, _ help: String) {
    self.init(contents, help)
    isContents = true
  }
}

extension FileSystemError {
  /// The same corruption, of a checksum that does not match.
  package var ofChecksum: FileSystemError {
    guard case .corrupt(var corruption) = self else { return self }
    corruption.kind = .checksum
    return .corrupt(corruption)
  }

  /// The errno a system call would fail with. Corruption is EUCLEAN, as in the kernel.
  public var errno: Errno {
    switch self {
    case .io(let failure): failure.errno
    case .corrupt: Errno(rawValue: 117)
    case .unsupported: .notSupportedOnSocket
    case .refused(let errno): errno
    }
  }

  /// Whether the superblock's record of errors has it. What is no fault is never recorded by itself.
  package var isRecorded: Bool {
    get {
      switch self {
      case .io(let failure): failure.isRecorded
      case .corrupt(let corruption): corruption.isRecorded
      case .unsupported, .refused: false
      }
    }
    set {
      switch self {
      case .io(var failure):
        failure.isRecorded = newValue
        self = .io(failure)
      case .corrupt(var corruption):
        corruption.isRecorded = newValue
        self = .corrupt(corruption)
      case .unsupported, .refused: break
      }
    }
  }

  /// Whether a device could not be opened because this user, its filesystem or the device itself lets
  /// nobody write to it: reading may be possible.
  package var isWriteProtection: Bool {
    guard case .io(let failure) = self, failure.operation == .open else { return false }
    return [.readOnlyFileSystem, .permissionDenied, .notPermitted].contains(failure.errno)
  }

  /// Whether this is a fault of device or image rather than an answer.
  public var isFault: Bool {
    switch self {
    case .io, .corrupt: true
    case .unsupported, .refused: false
    }
  }
}

extension FileSystemError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .io(let failure):
      let place = failure.offset.map { " at byte \($0)" } ?? ""
      let reason = failure.reason.map { " (\($0))" } ?? ""
      return
        "\(failure.device): \(failure.operation.rawValue)\(place) failed: \(failure.errno)\(reason)"
    case .corrupt(let corruption):
      let places = [corruption.inode?.description, corruption.block?.description].compactMap { $0 }
      let place = places.isEmpty ? "" : " (" + places.joined(separator: ", ") + ")"
      return "corrupt \(corruption.structure)\(place): \(corruption.rule)"
    case .unsupported(let unsupported):
      return unsupported.isContents
        ? "is \(unsupported.feature), no ext4 filesystem: \(unsupported.detail)"
        : "not supported: \(unsupported.feature): \(unsupported.detail)"
    case .refused(let errno):
      return "\(errno)"
    }
  }
}
