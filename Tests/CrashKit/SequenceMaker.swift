import TestSupport

/// Makes sequences whose operations have something to work on.
public struct SequenceMaker {
  /// What an operation does, before it is told to which file.
  public enum Verb: String, CaseIterable, Sendable {
    case create, write, overwrite, append, mmapWrite, truncateDown, truncateUp, rename, renameOver
    case link, unlink, mkdir, rmdir, symlink, setxattr, fsync, fdatasync, sync
    case allocate, keepSize, punch, zero, collapse, insert
  }

  private let base: BaseImage

  public init(_ base: BaseImage) { self.base = base }

  /// Every sequence of two operations: on one file and on two, on a plain file, a fragmented one and
  /// one with blocks set aside, on what the first operation made, and on one that is held open; with
  /// and without a commit in between. Without doubles.
  public func pairs() -> [CrashSequence] {
    var sequences: [CrashSequence] = []
    var known: Set<CrashSequence> = []
    for first in Verb.allCases {
      for second in Verb.allCases {
        for (target, other) in [("/a", "/a"), ("/b", "/b"), ("/c", "/c"), ("/a", "/b")] {
          for hasCommit in [false, true] {
            let held = target == "/a" && other == "/a" && [.unlink, .renameOver].contains(first)
            for holds in held ? [false, true] : [false] {
              var draft = Draft(base.model())
              if holds { draft.add(.hold(target)) }
              draft.add(first, target)
              if hasCommit { draft.add(.commit) }
              draft.add(second, target == other ? draft.follow(target) : other)
              let sequence = CrashSequence(draft.operations)
              if known.insert(sequence).inserted { sequences.append(sequence) }
            }
          }
        }
      }
    }
    return sequences
  }

  /// `length` operations drawn by seed, a commit here and there.
  public func random(_ length: Int, seed: UInt64) -> CrashSequence {
    var random = SeededGenerator(seed: seed)
    var draft = Draft(base.model())
    if random.chance(20) { draft.add(.hold(random.pick(["/a", "/b", "/c"]))) }
    for _ in 0..<length {
      if random.chance(15) { draft.add(.commit) }
      let files = draft.files
      guard !files.isEmpty else { break }
      draft.add(random.pick(Verb.allCases), random.pick(files))
    }
    return CrashSequence(draft.operations)
  }

  /// A sequence that grows, with a model that knows how large files are.
  private struct Draft {
    var operations: [CrashOperation] = []
    private var model: Model
    /// Where a file that was called by a key is now.
    private var names: [String: String] = [:]
    private var fresh = 0

    init(_ model: Model) { self.model = model }

    /// Where what was at `path` is after a rename, or the file made last, if it is there no more.
    func follow(_ path: String) -> String {
      if model.find(path) != nil, names[path] == nil { return path }
      return names[path] ?? path
    }

    var files: [String] {
      ["/a", "/b", "/c", "/x", "/d/e", "/n1", "/n2", "/d/r1", "/d/r2"].filter {
        guard let key = model.find($0) else { return false }
        return model.nodes[key]?.kind == .file
      }
    }

    mutating func add(_ operation: CrashOperation) {
      operations.append(operation)
      // An operation that cannot be is refused by the engine, too.
      try? model.apply(operation, index: operations.count, tag: 0, isConfirmed: true)
    }

    private mutating func name(_ prefix: String) -> String {
      fresh += 1
      return prefix + String(fresh)
    }

    mutating func add(_ verb: Verb, _ path: String) {
      let size = model.find(path).flatMap { model.nodes[$0]?.size } ?? 0
      switch verb {
      case .create:
        let new = name("/n")
        add(.create(new))
        names[path] = new
      case .write: add(.write(path, size + 2048, 2900))
      case .overwrite: add(.write(path, 700, 1500))
      case .append: add(.write(path, size, 1500))
      case .mmapWrite: add(.write(path, 0, max(1, min(4096, size))))
      case .truncateDown: add(.truncate(path, max(size / 2 - 300, 0)))
      case .truncateUp: add(.truncate(path, size + 3000))
      case .rename:
        let new = name("/d/r")
        add(.rename(path, new))
        names[path] = new
      case .renameOver: add(.rename(path, path == "/x" ? "/a" : "/x"))
      case .link: add(.link(path, name("/d/k")))
      case .unlink: add(.unlink(path))
      case .mkdir: add(.mkdir(name("/m")))
      case .rmdir: add(.rmdir("/z"))
      case .symlink: add(.symlink(name("/d/s"), fresh % 2 == 1 ? 20 : 200))
      case .setxattr: add(.setxattr(path, operations.count % 2 == 0 ? 40 : 400))
      case .fsync: add(.fsync(path))
      case .fdatasync: add(.fdatasync(path))
      case .sync: add(.sync)
      case .allocate: add(.allocate(path, max(size - 500, 0), 3000))
      case .keepSize: add(.keepSize(path, size + 1024, 5000))
      case .punch: add(.punch(path, 1224, 2400))
      case .zero: add(.zero(path, 1124, 3000))
      case .collapse: add(.collapse(path, 1024, 2048))
      case .insert: add(.insert(path, 1024, 2048))
      }
    }
  }
}
