import DeviceFaults
import Extant

/// How an image is mounted: the options of `extant mount -o`.
public struct MountOptions: Sendable, Equatable {
  /// When reading a file changes its access time.
  public enum AccessTimes: String, Sendable, CaseIterable {
    /// Only when the old one is not newer than the last change, or a day old: `relatime`.
    case relative = "relatime"
    case never = "noatime"
    case strict = "strictatime"
  }

  /// `ro`: nothing is written to the image.
  public var isReadOnly = false
  /// `allow_other`: users other than the one who mounts may enter.
  public var allowsOtherUsers = false
  /// `cache=SIZE`: the hard limit of the block cache, in bytes.
  public var cacheByteLimit = 64 << 20
  /// `relatime` (the default), `noatime`, `strictatime`.
  public var accessTimes = AccessTimes.relative
  /// `nodiratime`: listing a directory changes no access time.
  public var notesDirectoryAccess = true
  /// `sync`, `dirsync`: what is durable when the call that changed it returns.
  public var synchrony = FileSystem.Options.Synchrony.nothing
  /// `journal_checksum`: a filesystem whose journal has no checksums is refused.
  public var needsJournalChecksums = false
  /// `commit=SECONDS`: how long changed data may wait before it is written; 0 means 5, as in ext4.
  public var writeBackSeconds = 5
  /// `errors=continue`, `remount-ro`, `panic`; nil: what the superblock says.
  public var errors: FileSystem.ErrorBehavior?
  /// `data=ordered`, `writeback`, `journal`; nil: what the superblock says.
  public var dataMode: FileSystem.Options.DataMode?
  /// `barrier`, `barrier=1`, `barrier=0`, `nobarrier`; nil: what the superblock says.
  public var usesBarriers: Bool?
  /// `norecovery`, `noload`: read the image as it lies, without replaying its journal.
  public var skipsRecovery = false
  /// `journal_path=PATH`: where the journal is that is on a device of its own.
  public var journalPath: String?
  /// `max_threads=N`: how many requests are served at once. More than a few take turns and only
  /// switch more often.
  public var threadCount = 4
  /// `faults=FILE`: what the device does wrong on purpose (docs/FAULTS.md); nil: nothing.
  public var faultRules: FaultRules?
  /// Stay in the foreground, with the log on standard error.
  public var isForeground = false
  /// What the kernel is told as it is: `nosuid`, `suid`, `nodev`, `dev`, `noexec`, `exec`.
  public var kernelOptions: [String] = []
  /// Whether each request is logged.
  public var logsRequests = false

  public init() {}

  /// The options of comma-separated lists, as after `-o`. An unknown one is refused by its name, and
  /// one that is known and cannot be done with its reason (docs/MOUNT.md).
  public init(parsing lists: [String]) throws(MountError) {
    self.init()
    for list in lists {
      for option in list.split(separator: ",") { try apply(String(option)) }
    }
  }

  static let errorBehaviors: [String: FileSystem.ErrorBehavior] = [
    "continue": .continue, "remount-ro": .remountReadOnly, "panic": .panic,
  ]

  static let passedOn: Set = ["suid", "nosuid", "dev", "nodev", "exec", "noexec"]

  mutating func apply(_ option: String) throws(MountError) {
    let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = parts.first.map(String.init) ?? option
    let value = parts.count > 1 ? String(parts[1]) : nil
    if isWithoutEffect(name, value) { return }
    switch (name, value) {
    // The kernel always checks.
    case ("defaults", nil), ("default_permissions", nil): break
    case ("ro", nil): isReadOnly = true
    case ("rw", nil): isReadOnly = false
    case ("allow_other", nil): allowsOtherUsers = true
    case ("relatime", nil), ("noatime", nil), ("strictatime", nil):
      accessTimes = AccessTimes(rawValue: name) ?? .relative
    case ("atime", nil), ("norelatime", nil), ("nostrictatime", nil): accessTimes = .relative
    case ("nodiratime", nil): notesDirectoryAccess = false
    case ("diratime", nil): notesDirectoryAccess = true
    case ("sync", nil): synchrony = .everything
    case ("dirsync", nil): if synchrony == .nothing { synchrony = .names }
    case ("async", nil): synchrony = .nothing
    case ("journal_checksum", nil): needsJournalChecksums = true
    case ("nojournal_checksum", nil): needsJournalChecksums = false
    case ("cache", let value?):
      guard let size = Self.byteCount(value), size >= 1 << 20 else {
        throw MountError("option cache=\(value): needs a size of at least 1M, as 64M or 2G")
      }
      cacheByteLimit = size
    case ("commit", let value?):
      guard let seconds = Int(value), (0...86_400).contains(seconds) else {
        throw MountError("option commit=\(value): needs a number of seconds from 0 to 86400")
      }
      writeBackSeconds = seconds == 0 ? 5 : seconds
    case ("errors", let value?):
      guard let behavior = Self.errorBehaviors[value] else {
        throw MountError("option errors=\(value): is continue, remount-ro or panic")
      }
      errors = behavior
    case ("data", let value?):
      guard let mode = FileSystem.Options.DataMode(rawValue: value) else {
        throw MountError("option data=\(value): is ordered, writeback or journal")
      }
      dataMode = mode
    case ("barrier", nil), ("barrier", "1"): usesBarriers = true
    case ("nobarrier", nil), ("barrier", "0"): usesBarriers = false
    case ("barrier", let value?):
      throw MountError("option barrier=\(value): is 0 or 1")
    case ("norecovery", nil), ("noload", nil): skipsRecovery = true
    case ("journal_path", let path?) where !path.isEmpty: journalPath = path
    case ("max_threads", let value?):
      guard let count = Int(value), (2...256).contains(count) else {
        throw MountError("option max_threads=\(value): needs a number from 2 to 256")
      }
      threadCount = count
    case ("faults", let file?): faultRules = try Self.readFaultRules(file)
    case (_, nil) where Self.passedOn.contains(name): kernelOptions.append(name)
    case ("cache", nil), ("commit", nil), ("max_threads", nil), ("faults", nil),
      ("errors", nil), ("data", nil), ("journal_path", _):
      throw MountError("option \(name) needs a value: \(name)=...")
    default:
      if let reason = Self.refused[name] { throw MountError("mount option '\(option)': \(reason)") }
      throw MountError("unknown mount option '\(option)'")
    }
  }

  /// `4096`, `64K`, `64M`, `2G`, `64MiB`: in bytes, nil for anything else.
  static func byteCount(_ text: String) -> Int? {
    var digits = text[...]
    for (suffix, shift) in [("K", 10), ("M", 20), ("G", 30), ("T", 40)] {
      for ending in [suffix + "iB", suffix, suffix.lowercased()] where digits.hasSuffix(ending) {
        digits = digits.dropLast(ending.count)
        guard let number = Int(digits), number >= 0 else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : bytes
      }
    }
    return Int(digits).flatMap { $0 >= 0 ? $0 : nil }
  }

  /// What libfuse and the kernel are told, as one `-o` list.
  func kernelList(source: String) -> String {
    var list = [
      "fsname=" + Self.escaped(source), "subtype=" + MountTable.subtype, "default_permissions",
    ]
    if isReadOnly { list.append("ro") }
    if allowsOtherUsers { list.append("allow_other") }
    if accessTimes == .never { list.append("noatime") }
    return (list + kernelOptions).joined(separator: ",")
  }

  /// libfuse separates options by commas; a backslash takes the meaning from the next character.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      if character == "," || character == "\\" { result.append("\\") }
      result.append(character)
    }
    return result
  }
}
