import ArgumentParser
import BlockIO
import Extant
import ExtantBase
import ExtantCheck
import Glibc

/// `extant fsck`, and `fsck.extant` for fsck(8).
struct FsckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fsck",
    abstract: "Checks an ext2, ext3 or ext4 filesystem, and repairs it.",
    discussion: """
      Without -n, -p or -y it asks at the terminal for each repair. Nothing is written before all is \
      decided. Exit codes are those of fsck(8): 0 nothing is wrong, 1 it was repaired, 4 something \
      wrong is left, 8 it could not be checked, 16 the command was wrong, 32 cancelled. docs/FSCK.md \
      says more.
      """)

  @Argument(help: "The image or block device; it must not be mounted.")
  var image: String?

  @Flag(name: .customShort("n"), help: "Repair nothing: say what is wrong.")
  var reportsOnly = false

  @Flag(
    name: .customShort("p"),
    help: "Repair what can be repaired without a decision; write nothing if anything cannot.")
  var preens = false

  @Flag(name: .customShort("y"), help: "Repair everything.")
  var repairs = false

  @Flag(name: .customShort("f"), help: "Check it even where it says that it is clean.")
  var force = false

  @Option(name: .customShort("b"), help: "Take the superblock at this block.")
  var superblock: UInt64?

  @Option(name: .customShort("B"), help: "The block size in bytes, for -b.")
  var blockSize: Int?

  @Option(name: .customShort("j"), help: "The device of an external journal.")
  var journal: String?

  @Option(
    name: .customShort("E"),
    help: "journal_only: replay the journal and do nothing else.")
  var extended: [String] = []

  @Flag(name: .customShort("D"), help: "Write all directories anew, packed and sorted.")
  var rebuildsDirectories = false

  @Option(
    name: .customShort("C"),
    help: "Progress: 0 for a bar, else the file descriptor to write \"pass done of image\" to.")
  var progress: Int32?

  @Option(help: "Keep what the repair overwrites in this new file; extant undo brings it back.")
  var undo: String?

  @Flag(name: .customShort("v"), help: "Say more.")
  var verbose = false

  @Flag(name: .customShort("t"), help: "Say how long it took.")
  var timing = false

  @Flag(help: "One JSON object.")
  var json = false

  @Flag(help: "List every kind of issue there is, and do nothing else.")
  var listIssues = false

  // fsck(8)'s way to say -p.
  @Flag(name: .customShort("a"), help: .hidden) var automatic = false

  // What e2fsck has and this has not, so that it can be refused by name.
  @Flag(name: .customShort("c"), help: .hidden) var scansForBadBlocks: Int
  @Flag(name: .customShort("k"), help: .hidden) var keepsBadBlocks = false
  @Flag(name: .customShort("d"), help: .hidden) var debugs = false
  @Flag(name: .customShort("F"), help: .hidden) var flushes = false
  @Flag(name: .customShort("r"), help: .hidden) var interactive = false
  @Option(name: .customShort("l"), help: .hidden) var addedBadBlocks: String?
  @Option(name: .customShort("L"), help: .hidden) var badBlocks: String?
  @Option(name: .customShort("z"), help: .hidden) var undoOfOthers: String?

  func validate() throws {
    try refuseForeignOptions()
    if listIssues { return }
    guard image != nil else { throw ValidationError("IMAGE is missing") }
    guard [reportsOnly, preens || automatic, repairs].count(where: { $0 }) <= 1 else {
      throw ValidationError("-n, -p and -y exclude one another")
    }
    if reportsOnly, rebuildsDirectories { throw ValidationError("-n and -D exclude one another") }
    if reportsOnly, undo != nil {
      throw ValidationError("-n writes nothing that --undo could keep")
    }
    if json, mode == .ask { throw ValidationError("--json goes with -n, -p or -y") }
    if let blockSize {
      guard superblock != nil else { throw ValidationError("-B goes with -b") }
      guard [1024, 2048, 4096, 8192, 16384, 32768, 65536].contains(blockSize) else {
        throw ValidationError("-B \(blockSize): a block has 1024, 2048, 4096 ... 65536 bytes")
      }
    }
    let isJournalOnly = try journalOnly
    if isJournalOnly, rebuildsDirectories {
      throw ValidationError("-E journal_only and -D exclude one another")
    }
  }

  private func refuseForeignOptions() throws {
    if automatic, !ProgramName.isFsckHelper {
      throw ValidationError("there is no -a: -p repairs what needs no decision")
    }
    if scansForBadBlocks > 0 || keepsBadBlocks || addedBadBlocks != nil || badBlocks != nil {
      throw ValidationError("there is no -c, -k, -l, -L: disks replace bad blocks by themselves")
    }
    if undoOfOthers != nil { throw ValidationError("there is no -z: --undo FILE keeps the old") }
    if debugs { throw ValidationError("there is no -d") }
    if flushes { throw ValidationError("there is no -F") }
    if interactive { throw ValidationError("there is no -r: without -n, -p and -y it asks") }
  }

  private var mode: CheckOptions.Mode {
    if reportsOnly { return .report }
    if repairs { return .repair }
    return preens || automatic ? .preen : .ask
  }

  private var journalOnly: Bool {
    get throws {
      var result = false
      for option in extended.flatMap({ $0.split(separator: ",") }) {
        switch option {
        case "journal_only": result = true
        // That is how it is anyway.
        case "fixes_only", "no_optimize_extents", "nodiscard": continue
        default: throw ValidationError("-E \(option): what there is is journal_only")
        }
      }
      return result
    }
  }

  func run() throws {
    if listIssues { return try printKinds() }
    guard let image else { return }
    var options = CheckOptions(mode)
    options.isForced = force || rebuildsDirectories
    options.superblock = superblock.map { BlockAddress($0) }
    options.blockSize = blockSize
    options.journalOnly = try journalOnly
    options.rebuildsDirectories = rebuildsDirectories
    options.applyFastCommits = { (device) throws(FileSystemError) in
      try FileSystem.applyFastCommits(on: device)
    }
    options.journalPath =
      journal ?? (unsafe getenv("EXTANT_JOURNAL_PATH").map { unsafe String(cString: $0) })
    if mode == .ask {
      guard isatty(STDIN_FILENO) == 1 else {
        throw CommandFailure("there is no terminal to ask at: say -n, -p or -y")
      }
    }
    let session = CheckSession(image, options, undo: undo, progress: progress)
    let status = session.run()
    if json {
      try Output.line(session.json(status).text())
    } else {
      try Output.write(session.text(isVerbose: verbose, isTimed: timing))
    }
    if let failure = session.failure { Output.message(failure) }
    if !status.isEmpty { throw ExitCode(status.rawValue) }
  }

  private func printKinds() throws {
    if json { return try Output.line(JSON.array(IssueKind.all.map(IssueJSON.kind)).text()) }
    for kind in IssueKind.all {
      let entry = kind.entry
      try Output.line("\(kind.code) (\(entry.severity.rawValue)\(entry.isSafe ? ", safe" : ""))")
      try Output.line("    ... \(entry.summary). \(entry.repair).")
    }
  }
}

/// The name that the program was called by.
enum ProgramName {
  /// Whether fsck(8) called it.
  static let isFsckHelper =
    CommandLine.arguments.first?.split(separator: "/").last == "fsck.extant"

  /// The arguments, with the command that the name stands for, as `PathText`: `CommandLine` would
  /// lose what is no UTF-8.
  static var arguments: [String] {
    let given = (1..<max(1, CommandLine.argc)).compactMap { index -> String? in
      guard let text = unsafe CommandLine.unsafeArgv[Int(index)] else { return nil }
      let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
      return unsafe PathText.text(Array(bytes))
    }
    return (isFsckHelper ? ["fsck"] : []) + given
  }
}
