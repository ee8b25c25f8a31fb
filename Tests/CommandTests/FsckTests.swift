import TestSupport
import Testing

@Suite("extant fsck", .enabled(if: Command.isBuilt && Environment.hasTools))
struct FsckTests {
  private let directory: TemporaryDirectory
  private let image: Image

  init() throws {
    directory = try TemporaryDirectory()
    image = Image(path: directory("disk.img"))
    try Command.succeed("mkfs", image.path, "16M", "-b", "1024")
    try System.write(Command.bytes(40_000), to: directory("file"))
    try Command.succeed("cp", directory("file"), image.path + ":/file")
    try Command.succeed("cp", directory("file"), image.path + ":/other")
  }

  /// A link count that is wrong, which e2fsck -p repairs, and so do we.
  private func plantSafe() throws {
    try Program.succeed(["debugfs", "-w", "-R", "sif /file links_count 5", image.path])
  }

  /// A file without a name: -p leaves it to a person.
  private func plantUnsafe() throws {
    try Program.succeed(["debugfs", "-w", "-R", "unlink /other", image.path])
  }

  private func fsck(_ arguments: String...) throws -> ProgramResult {
    try Program.run([Command.program, "fsck"] + arguments + [image.path])
  }

  @Test("a sound image is 0 in every mode, and not written")
  func sound() throws {
    let before = try System.contents(image.path)
    #expect(try fsck("-n").output == "\(image.path): clean\n")
    for mode in ["-n", "-p", "-y"] {
      let result = try fsck(mode, "-f")
      #expect(result.status == 0, "\(result.output)")
      #expect(result.output.contains(": sound\n"), "\(result.output)")
    }
    #expect(try System.contents(image.path) == before)
  }

  @Test("-n finds and leaves, -y repairs, and the next run has nothing to do")
  func repair() throws {
    try plantSafe()
    try plantUnsafe()
    let before = try System.contents(image.path)
    let found = try fsck("-fn")
    #expect(found.status == 4, "\(found.output)")
    #expect(try System.contents(image.path) == before)
    let repaired = try fsck("-fy")
    #expect(repaired.status == 1, "\(repaired.output)")
    #expect(try image.complaint() == nil)
    let after = try System.contents(image.path)
    #expect(try fsck("-fy").status == 0)
    #expect(try System.contents(image.path) == after)
    try Command.succeed("cp", image.path + ":/file", directory("again"))
    #expect(try System.contents(directory("again")) == System.contents(directory("file")))
  }

  @Test("-p repairs what needs no decision, and writes nothing where anything does")
  func preen() throws {
    try plantSafe()
    #expect(try fsck("-fp").status == 1)
    #expect(try image.complaint() == nil)
    try plantSafe()
    try plantUnsafe()
    let before = try System.contents(image.path)
    let result = try fsck("-fp")
    #expect(result.status == 4, "\(result.output)")
    #expect(result.output.contains("nothing was written"))
    #expect(try System.contents(image.path) == before)
  }

  @Test("an answer decides on each repair; no terminal, no question")
  func questions() throws {
    try plantUnsafe()
    let before = try System.contents(image.path)
    let nobody = try fsck("-f")
    #expect(nobody.status == 8)
    #expect(nobody.output.contains("no terminal"))
    guard let script = Environment.find("script") else { return }
    func answer(_ answers: String) throws -> Int {
      let command = "'\(Command.program)' fsck -f '\(image.path)'"
      return try Program.run([
        "sh", "-c", #"{ printf "$1"; sleep 5; } | "$2" -qec "$3" /dev/null"#, "sh", answers, script,
        command,
      ]).status
    }
    #expect(try answer(#"n\nn\nn\nn\nn\nn\n"#) == 4)
    #expect(try System.contents(image.path) == before)
    #expect(try answer(#"what\nq\n"#) == 32)
    #expect(try System.contents(image.path) == before)
    #expect(try answer(#"y\na\n"#) == 1)
    #expect(try image.complaint() == nil)
  }

  @Test("--undo keeps what extant undo brings back, byte for byte, of this image only")
  func undo() throws {
    try plantSafe()
    try plantUnsafe()
    let before = try System.contents(image.path)
    #expect(try fsck("-fy", "--undo", directory("undo")).status == 1)
    #expect(try image.complaint() == nil)
    let refused = try fsck("-fy", "--undo", directory("undo"))
    #expect(refused.status == 0, "there is nothing to repair, so no undo file is written")
    try Command.succeed("mkfs", directory("other.img"), "16M", "-b", "1024")
    #expect(try Command.run("undo", directory("undo"), directory("other.img")).status == 1)
    try Command.succeed("undo", directory("undo"), image.path)
    #expect(try System.contents(image.path) == before)
  }

  @Test("--json is one JSON object with the issues and the exit code")
  func json() throws {
    try plantUnsafe()
    let result = try fsck("-fn", "--json")
    #expect(result.status == 4)
    #expect(result.output.contains(#""exit": 4"#))
    #expect(result.output.contains(#""outcome": "broken""#))
    #expect(result.output.contains(#""code": "connection.nameless"#))
    guard let python = Environment.find("python3") else { return }
    try System.write(Array(result.output.utf8), to: directory("json"))
    try Program.succeed([python, "-m", "json.tool", directory("json"), directory("parsed")])
    let kinds = try Command.succeed("fsck", "--list-issues", "--json")
    try System.write(Array(kinds.utf8), to: directory("json"))
    try Program.succeed([python, "-m", "json.tool", directory("json"), directory("parsed")])
  }

  @Test("--list-issues names every kind once")
  func catalogue() throws {
    let list = try Command.succeed("fsck", "--list-issues")
    let codes = list.split(separator: "\n").filter { !$0.hasPrefix(" ") }
      .compactMap { $0.split(separator: " ").first }
    #expect(codes.count > 10)
    #expect(Set(codes).count == codes.count)
  }

  @Test(
    "a wrong command is 16, and one line",
    arguments: [
      ["-n", "-y"], ["-p", "-y"], ["-a"], ["-n", "-D"], ["-n", "--undo", "x"], ["-c", "-n"],
      ["-l", "file", "-n"], ["-z", "file", "-y"], ["-B", "1024", "-n"],
      ["-b", "1", "-B", "1000", "-n"], ["-E", "nonsense", "-n"], ["--json"], ["--nonsense"],
    ])
  func usage(arguments: [String]) throws {
    let result = try Program.run([Command.program, "fsck"] + arguments + [image.path])
    #expect(result.status == 16, "\(result.output)")
    #expect(result.output.hasPrefix("extant: "), "\(result.output)")
  }

  @Test("what cannot be checked is 8")
  func impossible() throws {
    #expect(try Command.run("fsck", "-n", directory("missing.img")).status == 8)
    #expect(try Command.run("fsck", "-n", "/dev/null").status == 8)
    try System.write([UInt8](repeating: 0, count: 1 << 20), to: directory("zeros"))
    #expect(try Command.run("fsck", "-n", directory("zeros")).status & 8 != 0)
    try System.write([UInt8](repeating: 1, count: 100), to: directory("tiny"))
    #expect(try Command.run("fsck", "-y", directory("tiny")).status & 8 != 0)
  }

  @Test("as fsck.extant it takes fsck(8)'s -a for -p")
  func helper() throws {
    try System.symbolicLink(Command.program, at: directory("fsck.extant"))
    try plantSafe()
    let result = try Program.run([directory("fsck.extant"), "-a", "-f", image.path])
    #expect(result.status == 1, "\(result.output)")
    #expect(try Program.run([directory("fsck.extant"), "-a", image.path]).status == 0)
  }

  @Test("what the kernel has mounted is not checked", .enabled(if: Environment.hasKernelMounts))
  func mounted() throws {
    let mount = try image.mountInKernel(at: directory("mount"))
    for mode in ["-n", "-p", "-y"] {
      let result = try fsck(mode, "-f")
      #expect(result.status == 8)
      #expect(result.output.contains("mounted"), "\(result.output)")
    }
    try mount.unmount()
  }

  @Test("what a daemon of ours has mounted is not checked", .enabled(if: Environment.hasFuse))
  func mountedByUs() throws {
    try System.makeDirectory(directory("mount"))
    try Command.succeed("mount", image.path, directory("mount"))
    let result = try fsck("-fn")
    try Command.succeed("umount", directory("mount"))
    #expect(result.status == 8)
    #expect(result.output.contains("in use") || result.output.contains("open for writing"))
  }
}
