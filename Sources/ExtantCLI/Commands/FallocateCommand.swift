import ArgumentParser
import Extant
import ExtantBase
import ExtantFuse
import SystemPackage

/// `extant fallocate`, with the flags of fallocate(1).
struct FallocateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fallocate",
    abstract: "Allocates, punches, zeroes, collapses and inserts ranges of a file.",
    discussion: """
      The file is IMAGE:/path, or a path of the host: in a mount of ours every mode works, \
      elsewhere what the kernel has. Sizes take K, M, G, T, P, E (powers of 1024) and KB, MB ...
      """)

  @Argument(help: "IMAGE:/path, or a path of the host. Made where it is missing, to be allocated.")
  var location: Location

  @Flag(name: [.customShort("c"), .long], help: "Cut the range out; what follows moves down.")
  var collapseRange = false

  @Flag(name: [.customShort("d"), .long], help: "Make holes where there are only zeros.")
  var digHoles = false

  @Flag(name: [.customShort("i"), .long], help: "Insert a hole; what follows moves up.")
  var insertRange = false

  @Flag(name: [.customShort("n"), .long], help: "Leave the size as it is.")
  var keepSize = false

  @Flag(name: [.customShort("p"), .long], help: "Punch a hole; implies -n.")
  var punchHole = false

  @Flag(name: [.customShort("x"), .long], help: "As posix_fallocate(3).")
  var posix = false

  @Flag(name: [.customShort("z"), .long], help: "Zero the range, unwritten where it can be.")
  var zeroRange = false

  @Flag(name: [.customShort("w"), .long], help: "Zero the range, with its blocks written.")
  var writeZeroes = false

  @Option(name: [.customShort("o"), .long], help: "Where the range begins, in bytes.")
  var offset = ByteSize.zero

  @Option(name: [.customShort("l"), .long], help: "How long it is, in bytes.")
  var length: ByteSize?

  @Flag(name: [.customShort("v"), .long], help: "Say what was done.")
  var verbose = false

  func validate() throws {
    let modes = [collapseRange, digHoles, insertRange, punchHole, posix, zeroRange, writeZeroes]
    guard modes.count(where: { $0 }) <= 1 else {
      throw ValidationError("-c, -d, -i, -p, -w, -x and -z exclude one another")
    }
    guard !keepSize || !(collapseRange || insertRange || posix || digHoles || writeZeroes) else {
      throw ValidationError("-n goes with allocating, -p and -z only")
    }
    guard length != nil || digHoles else { throw ValidationError("-l LENGTH is missing") }
  }

  private var mode: FallocateMode {
    var mode: FallocateMode = []
    if collapseRange { mode = .collapseRange }
    if insertRange { mode = .insertRange }
    if punchHole { mode = [.punchHole, .keepSize] }
    if zeroRange { mode = .zeroRange }
    if writeZeroes { mode = .writeZeroes }
    if keepSize { mode.insert(.keepSize) }
    return mode
  }

  func run() throws {
    if digHoles {
      let freed = try HoleDigger(location, offset.bytes, length?.bytes).run()
      if verbose { try Output.line("\(location): \(freed) bytes turned into holes") }
      return
    }
    let range = (offset.bytes, length?.bytes ?? 0)
    do {
      try change(range)
    } catch let failure as CommandFailure
      where (collapseRange || insertRange) && failure.description.hasSuffix("Invalid argument")
    {
      throw CommandFailure(
        "\(failure) (-c and -i want multiples of the block size, and a range inside the file)")
    }
    if verbose {
      try Output.line("\(location): \(done) \(range.1) bytes at \(range.0)")
    }
  }

  private func change(_ range: (Int64, Int64)) throws {
    if let image = location.image {
      try ImageSession.with(image, writing: true) { fileSystem in
        try at("\(location)") { () throws(FileSystemError) in
          let file = try fileSystem.open(
            PathText.bytes(location.path), .readWrite,
            create: mode.isEmpty || mode == .keepSize ? 0o644 : nil)
          defer { file.close() }
          try file.fallocate(mode: mode, offset: range.0, length: range.1)
        }
      }
    } else {
      do {
        let creates = mode.isEmpty || mode == .keepSize
        let file = try FileDescriptor.open(
          FilePath(platformString: PathText.c(location.path)), .readWrite,
          options: creates ? [.create, .closeOnExec] : .closeOnExec,
          permissions: creates ? .init(rawValue: 0o666) : nil)
        defer { try? file.close() }
        try MountedFile.fallocate(file, mode: mode.rawValue, offset: range.0, length: range.1)
      } catch let error as Errno {
        throw CommandFailure("\(location): \(error)")
      }
    }
  }

  private var done: String {
    if collapseRange { return "collapsed" }
    if insertRange { return "inserted" }
    if punchHole { return "punched" }
    if zeroRange || writeZeroes { return "zeroed" }
    return "allocated"
  }
}
