import TestSupport
import Testing

@Suite(
  "The command line tool on mounts",
  .enabled(if: Command.isBuilt && Environment.hasTools && Environment.hasFuse))
struct MountCommandTests {
  private let directory: TemporaryDirectory
  private let image: Image

  init() throws {
    directory = try TemporaryDirectory()
    image = Image(path: directory("disk.img"))
    try Command.succeed("mkfs", image.path, "32M", "-b", "4096")
    try System.makeDirectory(directory("mnt"))
  }

  private func mount(_ options: String = "noatime") throws -> Mount {
    try Command.succeed("mount", "-o", options, image.path, directory("mnt"))
    return Mount(point: directory("mnt")) { (point) throws(SystemFailure) in
      _ = try Program.succeed([Command.program, "umount", point])
    }
  }

  @Test("what was written is on the image when umount returns, without a sync")
  func unmountWritesEverything() throws {
    let bytes = Command.bytes(3_000_000)
    let mount = try mount()
    try System.write(bytes, to: mount.point + "/file")
    try mount.unmount()
    #expect(try image.complaint() == nil)
    try Command.succeed("cp", image.path + ":/file", directory("out"))
    #expect(try System.contents(directory("out")) == bytes)
  }

  @Test("a second writer is refused, whichever tool it is")
  func secondWriter() throws {
    let mount = try mount()
    try System.makeDirectory(directory("other"))
    let second = try Command.run("mount", image.path, directory("other"))
    #expect(second.status == 1)
    #expect(second.output.hasPrefix("extant: "))
    #expect(try Command.run("cp", "/proc/self/maps", image.path + ":/x").status == 1)
    #expect(try Command.run("mkfs", "--force", image.path).status == 1)
    try mount.unmount()
    try Command.succeed("cp", "/proc/self/maps", image.path + ":/x")
  }

  @Test("fallocate and map work on a path in a mount, every mode")
  func fallocateAndMap() throws {
    var bytes = Command.bytes(200_000)
    let mount = try mount()
    let file = mount.point + "/file"
    try System.write(bytes, to: file)
    try Command.succeed("fallocate", "-c", "-o", "8K", "-l", "16K", file)
    bytes.removeSubrange(8192..<24576)
    try Command.succeed("fallocate", "-i", "-o", "4K", "-l", "4K", file)
    bytes.insert(contentsOf: [UInt8](repeating: 0, count: 4096), at: 4096)
    try Command.succeed("fallocate", "-p", "-o", "50K", "-l", "5K", file)
    bytes.replaceSubrange(51200..<56320, with: [UInt8](repeating: 0, count: 5120))
    #expect(try System.contents(file) == bytes)
    let inside = try Command.succeed("map", "--json", file)
    try mount.unmount()
    let outside = try Command.succeed("map", "--json", image.path + ":/file")
    func extents(_ text: String) -> Substring? { text.split(separator: "\"extents\"").last }
    #expect(extents(inside) == extents(outside))
    #expect(try image.complaint() == nil)
  }

  @Test("mounting an image that was not cleanly unmounted works, and says so")
  func unclean() throws {
    try Program.succeed(["debugfs", "-w", "-R", "ssv state 0", image.path])
    let result = try Command.run("mount", image.path, directory("mnt"))
    #expect(result.status == 0)
    #expect(
      result.output.hasSuffix(": was not cleanly unmounted; unmount it and run e2fsck -f\n"))
    try Command.succeed("umount", directory("mnt"))
  }

  @Test("who opens an image that a crash left is told that the journal was replayed")
  func replayed() throws {
    try Command.succeed("mount", image.path, directory("mnt"))
    do {
      let file = try OpenFile(directory("mnt") + "/file", [.write, .create])
      try file.writeAll([1, 2, 3], at: 0)
      try file.sync()
    }
    // What is on the image now is what a power cut would leave.
    let crashed = directory("crashed.img")
    try Program.succeed(["cp", image.path, crashed])
    try Command.succeed("umount", directory("mnt"))
    let list = try Command.run("ls", crashed + ":/")
    #expect(list.status == 0 && list.output.contains("file"))
    #expect(list.output.contains("the journal was replayed in memory: "))
    let mount = try Command.run("mount", crashed, directory("mnt"))
    #expect(mount.status == 0)
    #expect(mount.output.contains("the journal was replayed: "))
    #expect(try System.contents(directory("mnt") + "/file") == [1, 2, 3])
    try Command.succeed("umount", directory("mnt"))
    #expect(try Command.run("ls", crashed + ":/").output.contains("replayed") == false)
    #expect(try Image(path: crashed).complaint() == nil)
  }

  /// Runs `body` with a loop device on the image.
  private func withLoopDevice(_ options: [String] = [], _ body: (String) throws -> Void) throws {
    let loop = try LoopDevice(image.path, options)
    defer { loop.detach() }
    try body(loop.path)
  }

  @Test(
    "a block device can be mounted again at once after umount(8)",
    .enabled(if: Environment.hasKernelMounts))
  func remountDevice() throws {
    try withLoopDevice { device in
      for round in 0..<5 {
        try Command.succeed("mount", device, directory("mnt"))
        try System.write(Command.bytes(1_000_000), to: directory("mnt") + "/file\(round)")
        try Program.succeed(["umount", directory("mnt")])
      }
      // However long the daemon needs to write everything: here each flush takes its time.
      let rule = "[inject-error]\niotype = flush\naction = delay\nmilliseconds = 700\n"
      try System.write(Array(rule.utf8), to: directory("rules"))
      let copy = directory("copy.img")
      try Program.succeed(["cp", image.path, copy])
      for source in [device, copy] {
        try Command.succeed("mount", "-o", "faults=\(directory("rules"))", source, directory("mnt"))
        try System.write([1, 2, 3], to: directory("mnt") + "/slow")
        try Program.succeed(["umount", directory("mnt")])
        try Command.succeed("mount", source, directory("mnt"))
        #expect(try System.contents(directory("mnt") + "/slow") == [1, 2, 3])
        try Command.succeed("umount", directory("mnt"))
        for command in [["fsck", "-p", source], ["cp", "/proc/self/maps", source + ":/maps"]] {
          try Command.succeed(
            "mount", "-o", "faults=\(directory("rules"))", source, directory("mnt"))
          try System.write([4], to: directory("mnt") + "/slow")
          try Program.succeed(["umount", directory("mnt")])
          try Program.succeed([Command.program] + command)
        }
      }
      // What is really in use is refused all the same.
      try Command.succeed("mount", device, directory("mnt"))
      try System.makeDirectory(directory("other"))
      let second = try Command.run("mount", device, directory("other"))
      #expect(second.status == 1 && second.output.contains("busy"), "\(second.output)")
      try Command.succeed("umount", directory("mnt"))
    }
    #expect(try image.complaint() == nil)
  }

  @Test(
    "what takes no writes is mounted read-only with a note, and named to every other writer",
    .enabled(if: Environment.hasKernelMounts))
  func writeProtected() throws {
    try Command.succeed("cp", "/proc/self/maps", image.path + ":/kept")
    let before = try System.contents(image.path)
    func expectReadOnly(_ source: String) throws {
      let result = try Command.run("mount", source, directory("mnt"))
      #expect(result.status == 0)
      #expect(
        result.output == "extant: \(source): source write-protected, mounted read-only\n",
        "\(result.output)")
      #expect(try System.contents(directory("mnt") + "/kept").count > 0)
      let write = try Program.run(["touch", directory("mnt") + "/new"])
      #expect(write.status != 0 && write.output.contains("Read-only file system"))
      try Command.succeed("umount", directory("mnt"))
      for (command, status) in [
        (["cp", "/dev/null", source + ":/x"], 1), (["fallocate", "-l", "1", source + ":/x"], 1),
        (["fsck", "-fy", source], 8), (["mkfs", "--force", source], 1),
        (["fsck", "-fn", source], 0), (["ls", source], 0),
      ] {
        let result = try Program.run([Command.program] + command)
        #expect(result.status == status, "\(command): \(result.output)")
        if status != 0 { #expect(result.output.contains("\(source): open failed: ")) }
      }
    }
    try withLoopDevice(["-r"]) { try expectReadOnly($0) }
    // An immutable file is write-protected for root as well, where the filesystem has such.
    if try Program.run(["chattr", "+i", image.path]).status == 0 {
      defer { _ = try? Program.run(["chattr", "-i", image.path]) }
      try expectReadOnly(image.path)
    }
    #expect(try System.contents(image.path) == before)
  }

  @Test("with sync everything, with dirsync every name, is on the image when the call returns")
  func synchronous() throws {
    let bytes = Command.bytes(70_000)
    for (option, names, contents) in [
      ("async", false, false), ("dirsync", true, false), ("sync", true, true),
      ("sync,dirsync", true, true),
    ] {
      try Command.succeed("mkfs", "--force", image.path)
      let mount = try mount("noatime,commit=3600,\(option)")
      try System.makeDirectory(mount.point + "/made")
      try System.write(bytes, to: mount.point + "/file")
      try Program.succeed(["mv", mount.point + "/file", mount.point + "/moved"])
      // What is on the image now is what a power cut would leave.
      try Program.succeed(["cp", image.path, directory("cut.img")])
      let list = try Command.run("ls", directory("cut.img")).output
      #expect(list.contains("moved") == names && list.contains("made") == names, "\(option)")
      let read = try Command.run("cp", directory("cut.img") + ":/moved", directory("out"))
      let kept = try read.status == 0 && System.contents(directory("out")) == bytes
      #expect(kept == contents, "\(option)")
      try mount.unmount()
      #expect(try image.complaint() == nil)
    }
  }

  @Test("with nodiratime listing a directory changes no access time, and reading a file does")
  func directoryTimes() throws {
    try Command.succeed("cp", "/proc/self/maps", image.path + ":/file")
    func accessed() throws -> [Substring] {
      // Of the root itself debugfs tells.
      try ["stat /", "stat /file"].flatMap {
        try image.debugfs($0).split(separator: "\n").filter { $0.contains("atime") }
      }
    }
    for (options, changes) in [
      ("strictatime", [true, true]), ("strictatime,nodiratime", [false, true]),
      ("strictatime,nodiratime,diratime", [true, true]), ("noatime", [false, false]),
    ] {
      let before = try accessed()
      try Program.succeed(["sleep", "0.02"])
      let mount = try mount(options)
      try Program.succeed(["ls", mount.point])
      _ = try System.contents(mount.point + "/file")
      try mount.unmount()
      #expect(zip(before, try accessed()).map { $0 != $1 } == changes, "\(options)")
    }
  }

  @Test("journal_checksum is kept or refused by its name")
  func journalChecksums() throws {
    try mount("journal_checksum").unmount()
    try Command.succeed("mkfs", "--force", "-O", "^metadata_csum", image.path)
    let result = try Command.run("mount", "-o", "journal_checksum", image.path, directory("mnt"))
    #expect(result.status == 1 && result.output.contains("'journal_checksum'"))
  }

  @Test("a mount that fusermount3 refuses is one line with its reason")
  func refused() throws {
    guard System.isRoot, let setpriv = Environment.find("setpriv") else { return }
    try System.changeMode(image.path, 0o666)
    try System.changeMode(directory(""), 0o755)
    let result = try Program.run([
      setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", Command.program, "mount",
      image.path, directory("mnt"),
    ])
    // Where the program itself may not be reached by others, setpriv says so.
    guard !result.output.hasPrefix("setpriv") else { return }
    #expect(result.status == 1)
    #expect(result.output.hasPrefix("extant: "))
    #expect(result.output.contains("cannot mount here: "))
    #expect(result.output.filter { $0 == "\n" }.count == 1)
  }

  @Test("a commit that fails by a rule is told, what was synced before it stays")
  func faults() throws {
    let rules = """
      [set-state]
      event = "journal_commit_write"
      state = "1"
      new_state = "2"
      [inject-error]
      event = "journal_commit_write"
      state = "2"
      iotype = "write"
      """
    try System.write(Array(rules.utf8), to: directory("rules.conf"))
    let mounted = try Command.run(
      "mount", "-o", "faults=" + directory("rules.conf"), image.path, directory("mnt"))
    #expect(mounted.status == 0)
    #expect(mounted.output.contains("has faults on purpose"))
    let mount = Mount(point: directory("mnt")) { (point) throws(SystemFailure) in
      // It says that not everything could be written.
      _ = try Program.run([Command.program, "umount", point])
    }
    func writeAndSync(_ name: String) throws(SystemFailure) {
      let file = try OpenFile(mount.point + "/" + name, [.write, .create])
      try file.writeAll(Command.bytes(5000), at: 0)
      try file.sync()
    }
    try writeAndSync("kept")
    #expect { try writeAndSync("lost") } throws: { ($0 as? SystemFailure)?.errno == 5 }
    #expect { try writeAndSync("refused") } throws: { ($0 as? SystemFailure)?.errno == 30 }
    #expect(try System.contents(mount.point + "/kept") == Command.bytes(5000))
    try mount.unmount()

    // The kernel's own tool recovers the journal.
    #expect(try Program.run(["e2fsck", "-fy", image.path]).status <= 1)
    #expect(try image.complaint() == nil)
    try Command.succeed("cp", image.path + ":/kept", directory("out"))
    #expect(try System.contents(directory("out")) == Command.bytes(5000))
    #expect(try Command.run("cp", image.path + ":/lost", directory("out2")).status == 1)
  }

  @Test("a rule file that is not understood is refused with its line")
  func badFaults() throws {
    try System.write(Array("[inject-error]\nevent = what".utf8), to: directory("rules.conf"))
    let result = try Command.run(
      "mount", "-o", "faults=" + directory("rules.conf"), image.path, directory("mnt"))
    #expect(result.status == 1)
    #expect(
      result.output.hasPrefix(
        "extant: option faults=\(directory("rules.conf")):2: unknown event what: expected one of "))
  }

  @Test("a mount with ro takes no change")
  func readOnly() throws {
    let mount = try mount("ro")
    #expect(throws: SystemFailure.self) { try System.write([1], to: mount.point + "/file") }
    try mount.unmount()
  }

  @Test("the kernel's ext4 sees the tree that was written through the mount")
  func kernelSees() throws {
    let mount = try mount()
    let root = mount.point
    try System.makeDirectory(root + "/directory")
    for index in 0..<500 {
      try System.write(
        Command.bytes(index * 7, seed: UInt64(index)), to: root + "/directory/n\(index)")
    }
    try System.symbolicLink("directory/n1", at: root + "/link")
    try System.link(root + "/directory/n2", root + "/hard")
    try System.setAttribute(root + "/hard", "user.a", Command.bytes(200))
    let ours = try Tree(at: root, times: true)
    try mount.unmount()
    #expect(try image.complaint() == nil)
    guard Environment.hasKernelMounts else { return }
    let kernel = try image.mountInKernel(at: directory("mnt"), options: "ro")
    let differences = try ours.differences(
      from: Tree(at: kernel.point, times: true), "ours", "kernel")
    #expect(differences == [])
    try kernel.unmount()
  }

  @Test("a demo that is interrupted leaves no mount and no folder")
  func demoInterrupted() throws {
    let script = """
      TMPDIR="$2" "$1" demo > "$2/log" & sleep 0.3; kill -TERM $!; wait $!; echo "status $?"
      ls "$2" | grep extant-demo; grep "$2/extant-demo" /proc/mounts; true
      """
    let result = try Program.run(
      ["bash", "-c", script, "sh", Command.program, directory("mnt")])
    #expect(result.output == "status 143\n")
  }

  @Test("the demo ends well")
  func demo() throws {
    let output = try Command.succeed("demo")
    #expect(output.contains("Every byte was right after every step, and e2fsck -fn is clean."))
  }
}
