import TestSupport

/// Makes sequences whose operations have something to work on.
public struct SequenceMaker {
  /// What an operation does, before it is told to which file.
  public enum Verb: String, CaseIterable, Sendable {
    case create, write, overwrite, append, mmapWrite, truncateDown, truncateUp, rename, renameOver
    case exchange, whiteout, link, unlink, mkdir, rmdir, symlink, setxattr, fsync, fdatasync, sync
    case allocate, keepSize, punch, zero, collapse, insert

    var commits: Bool { [.fsync, .fdatasync, .sync].contains(self) }
  }

  private let base: CrashBaseImage

  public init(_ base: CrashBaseImage) { self.base = base }

  /// When the metadata of the first operation is committed: not before the second, by the timer in
  /// between, by somebody's fsync of another file, or while the second is under way.
  private enum Between: CaseIterable { case nothing, timer, otherSync, overlap }

  /// Every sequence of two operations: on one file and on two, on a plain file, a fragmented one and
  /// one with blocks set aside, on what the first operation made, and on one that is held open; with
  /// and without a commit in between. Without doubles.
  public func pairs() -> [CrashSequence] {
    var sequences: [CrashSequence] = []
    var known: Set<CrashSequence> = []
    for first in Verb.allCases {
      for second in Verb.allCases {
        for (target, other) in [("/a", "/a"), ("/b", "/b"), ("/c", "/c"), ("/a", "/b")] {
          for between in Between.allCases {
            let removes = [.unlink, .renameOver].contains(first)
            for holds in removes && target == "/a" && other == "/a" ? [false, true] : [false] {
              guard between != .overlap || !second.commits else { continue }
              var draft = Draft(base.model())
              if holds { draft.add(.hold(target)) }
              draft.add(first, target)
              switch between {
              case .nothing: break
              case .timer: draft.add(.commit)
              case .otherSync:
                draft.add(.setxattr("/d/e", 40))
                draft.add(.fsync("/d/e"))
              case .overlap:
                draft.add(.sync)
                draft.add(.overlap)
              }
              draft.add(second, target == other ? draft.follow(target) : other)
              if between == .otherSync {
                draft.add(.setxattr("/d/e", 60))
                draft.add(.fsync("/d/e"))
              }
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
    // A checkpoint is due when the log is half full.
    if random.chance(40) { draft.add(.prelude(15 + random.below(35))) }
    if random.chance(20) { draft.add(.hold(random.pick(["/a", "/b", "/c"]))) }
    for _ in 0..<length {
      if random.chance(15) { draft.add(.commit) }
      let files = draft.files
      guard !files.isEmpty else { break }
      let verb = random.pick(Verb.allCases)
      if !verb.commits, random.chance(15) {
        draft.add(.sync)
        draft.add(.overlap)
      }
      if random.chance(50) {
        draft.add(verb, random.pick(files))
      } else {
        draft.add(anywhere: random.pick(files), &random)
      }
    }
    return CrashSequence(draft.operations)
  }

  /// A sequence that grows, with a model that knows how large files are.
  private struct Draft {
    var operations: [CrashOperation] = []
    private var model: CrashModel
    /// Where a file that was called by a key is now.
    private var names: [String: String] = [:]
    private var fresh = 0

    init(_ model: CrashModel) { self.model = model }

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
      guard isPossible(operation) else { return }
      // An operation that cannot be is refused by the engine, too.
      try? model.apply(operation, index: operations.count, tag: 0, isConfirmed: true)
    }

    /// Whether the engine will not refuse it for its range.
    private func isPossible(_ operation: CrashOperation) -> Bool {
      switch operation {
      case .collapse(let path, let offset, let count):
        offset + count < model.find(path).flatMap { model.nodes[$0]?.size } ?? 0
      case .insert(let path, let offset, _):
        offset < model.find(path).flatMap { model.nodes[$0]?.size } ?? 0
      default: true
      }
    }

    private mutating func name(_ prefix: String) -> String {
      fresh += 1
      return prefix + String(fresh)
    }

    /// Something with the contents of a file, at any place.
    mutating func add(anywhere path: String, _ random: inout SeededGenerator) {
      let block = CrashModel.blockSize
      let offset = random.below(28) * block
      let count = (1 + random.below(12)) * block
      let odd = random.below(block)
      switch random.below(8) {
      case 0, 1: add(.write(path, offset + odd, 1 + random.below(count)))
      case 2: add(.truncate(path, offset + odd))
      case 3: add(.allocate(path, offset + odd, count))
      case 4: add(.punch(path, offset + odd, count))
      case 5: add(.zero(path, offset + odd, count))
      case 6: add(.collapse(path, offset, count))
      default: add(.insert(path, offset, count))
      }
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
      case .exchange: add(.exchange(path, path == "/x" ? "/a" : "/x"))
      case .whiteout:
        let new = name("/d/r")
        add(.whiteout(path, new))
        names[path] = new
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
