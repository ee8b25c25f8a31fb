/// One operation of a sequence, with everything it needs; it can be written down and read back.
///
/// Paths are absolute, offsets and lengths in bytes. A write at the end is an append, one of whole
/// pages what a mapping's write-back asks for.
public enum CrashOperation: Hashable, Sendable {
  case create(String)
  case write(String, Int, Int)
  case truncate(String, Int)
  case rename(String, String)
  /// RENAME_EXCHANGE.
  case exchange(String, String)
  /// RENAME_WHITEOUT: as overlay filesystems rename, a device 0:0 stays behind.
  case whiteout(String, String)
  case link(String, String)
  case unlink(String)
  case mkdir(String)
  case rmdir(String)
  /// A link to a target of so many bytes.
  case symlink(String, Int)
  /// The attribute `user.k`, with a value of so many bytes.
  case setxattr(String, Int)
  case fsync(String)
  case fdatasync(String)
  case sync
  /// What the timer does: everything written and committed, nothing promised to anybody.
  case commit
  case allocate(String, Int, Int)
  case keepSize(String, Int, Int)
  case punch(String, Int, Int)
  case zero(String, Int, Int)
  case collapse(String, Int, Int)
  /// A hole of the second number's length at the first.
  case insert(String, Int, Int)
  /// Opens the file until the end of the sequence: an unlinked one becomes an orphan.
  case hold(String)
  /// The next operation runs while the one before this one, which commits, writes the log: it is in
  /// the transaction that runs beside the one that is being committed.
  case overlap
  /// At the beginning: commits so often, twice, that the log is fuller. Not explored.
  case prelude(Int)
}

extension CrashOperation: CustomStringConvertible {
  private var words: [String] {
    switch self {
    case .create(let path): ["create", path]
    case .write(let path, let offset, let count): ["write", path, "\(offset)", "\(count)"]
    case .truncate(let path, let size): ["truncate", path, "\(size)"]
    case .rename(let path, let new): ["rename", path, new]
    case .exchange(let path, let other): ["exchange", path, other]
    case .whiteout(let path, let new): ["whiteout", path, new]
    case .link(let path, let new): ["link", path, new]
    case .unlink(let path): ["unlink", path]
    case .mkdir(let path): ["mkdir", path]
    case .rmdir(let path): ["rmdir", path]
    case .symlink(let path, let count): ["symlink", path, "\(count)"]
    case .setxattr(let path, let count): ["setxattr", path, "\(count)"]
    case .fsync(let path): ["fsync", path]
    case .fdatasync(let path): ["fdatasync", path]
    case .sync: ["sync"]
    case .commit: ["commit"]
    case .allocate(let path, let offset, let count): ["allocate", path, "\(offset)", "\(count)"]
    case .keepSize(let path, let offset, let count): ["keepsize", path, "\(offset)", "\(count)"]
    case .punch(let path, let offset, let count): ["punch", path, "\(offset)", "\(count)"]
    case .zero(let path, let offset, let count): ["zero", path, "\(offset)", "\(count)"]
    case .collapse(let path, let offset, let count): ["collapse", path, "\(offset)", "\(count)"]
    case .insert(let path, let offset, let count): ["insert", path, "\(offset)", "\(count)"]
    case .hold(let path): ["hold", path]
    case .overlap: ["overlap"]
    case .prelude(let count): ["prelude", "\(count)"]
    }
  }

  public var description: String { words.joined(separator: ":") }

  /// Nil where `text` is no operation.
  public init?(_ text: some StringProtocol) {
    let words = String(text).split(separator: ":" as Character).map(String.init)
    guard let verb = words.first else { return nil }
    func path(_ index: Int) -> String? { words.indices.contains(index) ? words[index] : nil }
    func number(_ index: Int) -> Int? {
      guard let number = path(index).flatMap({ Int($0) }), number >= 0 else { return nil }
      return number
    }
    func range(_ make: (String, Int, Int) -> Self) -> Self? {
      guard words.count == 4, let path = path(1), let a = number(2), let b = number(3) else {
        return nil
      }
      return make(path, a, b)
    }
    func one(_ make: (String) -> Self) -> Self? {
      words.count == 2 ? make(words[1]) : nil
    }
    func two(_ make: (String, String) -> Self) -> Self? {
      words.count == 3 ? make(words[1], words[2]) : nil
    }
    func sized(_ make: (String, Int) -> Self) -> Self? {
      guard words.count == 3, let count = number(2) else { return nil }
      return make(words[1], count)
    }
    let operation: Self? =
      switch verb {
      case "create": one(Self.create)
      case "write": range(Self.write)
      case "truncate": sized(Self.truncate)
      case "rename": two(Self.rename)
      case "exchange": two(Self.exchange)
      case "whiteout": two(Self.whiteout)
      case "link": two(Self.link)
      case "unlink": one(Self.unlink)
      case "mkdir": one(Self.mkdir)
      case "rmdir": one(Self.rmdir)
      case "symlink": sized(Self.symlink)
      case "setxattr": sized(Self.setxattr)
      case "fsync": one(Self.fsync)
      case "fdatasync": one(Self.fdatasync)
      case "sync": .sync
      case "commit": .commit
      case "allocate": range(Self.allocate)
      case "keepsize": range(Self.keepSize)
      case "punch": range(Self.punch)
      case "zero": range(Self.zero)
      case "collapse": range(Self.collapse)
      case "insert": range(Self.insert)
      case "hold": one(Self.hold)
      case "overlap": .overlap
      case "prelude": words.count == 2 ? number(1).map(Self.prelude) : nil
      default: nil
      }
    guard let operation else { return nil }
    self = operation
  }
}

/// Operations in order, and as the words that repeat them.
public struct CrashSequence: Hashable, Sendable, CustomStringConvertible {
  public var operations: [CrashOperation]

  public init(_ operations: [CrashOperation]) { self.operations = operations }

  /// Nil where a word is no operation.
  public init?(_ text: String) {
    var operations: [CrashOperation] = []
    for word in text.split(separator: ",") {
      guard let operation = CrashOperation(word) else { return nil }
      operations.append(operation)
    }
    self.operations = operations
  }

  public var description: String { operations.map(\.description).joined(separator: ",") }
}

/// The bytes that operations write: never zero, and never the pattern of unused blocks.
public enum CrashBytes {
  /// What unused blocks are filled with before a sequence: seen in a file, it is somebody's old data.
  public static let poison: UInt8 = 0xDD

  /// What the operation `tag` writes at `offset`.
  public static func make(tag: Int, _ count: Int, at offset: Int) -> [UInt8] {
    (offset..<offset + count).map { place in
      1 + UInt8(truncatingIfNeeded: (place &* 31 &+ (place >> 9) &* 7 &+ tag &* 53) % 127)
    }
  }
}
