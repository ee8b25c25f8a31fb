import TestSupport
import Testing

@Suite(
  "The command line tool on images", .enabled(if: Command.isBuilt && Environment.hasTools))
struct CommandTests {
  private let directory: TemporaryDirectory
  private let image: Image

  init() throws {
    directory = try TemporaryDirectory()
    image = Image(path: directory("disk.img"))
    try Command.succeed("mkfs", image.path, "32M", "-b", "1024", "-L", "a label")
  }

  @Test("mkfs makes what e2fsck calls clean, and refuses to overwrite a filesystem without --force")
  func mkfs() throws {
    #expect(try image.complaint() == nil)
    let again = try Command.run("mkfs", image.path)
    #expect(again.status == 1)
    #expect(again.output.hasPrefix("extant: "))
    #expect(again.output.contains("--force"))
    try Command.succeed("mkfs", image.path, "--force", "-O", "^metadata_csum,^64bit", "-I", "128")
    #expect(try image.complaint() == nil)
  }

  @Test("a tree copied in and out again with -a is the same tree, links and attributes included")
  func copyRoundTrip() throws {
    let tree = directory("tree")
    try System.makeDirectory(tree)
    try System.makeDirectory(tree + "/below")
    try System.write(Command.bytes(100_000), to: tree + "/below/file")
    try System.changeMode(tree + "/below/file", 0o640)
    try System.link(tree + "/below/file", tree + "/second-name")
    try System.symbolicLink("below/file", at: tree + "/link")
    try System.symbolicLink(String(repeating: "t", count: 200), at: tree + "/long-link")
    let sparse = try OpenFile(tree + "/sparse", [.write, .create])
    try sparse.writeAll([1], at: 5_000_000)
    try sparse.truncate(to: 6_000_000)
    try? System.setAttribute(tree + "/below/file", "user.colour", [0x62])
    try System.setTimes(
      tree + "/below", access: .init(seconds: 5, nanoseconds: 6),
      modification: .init(seconds: -7, nanoseconds: 8))

    try Command.succeed("cp", "-a", tree, image.path + ":/")
    #expect(try image.complaint() == nil)
    try Command.succeed("cp", "-a", image.path + ":/tree", image.path + ":/again")
    #expect(try image.complaint() == nil)
    try Command.succeed("cp", "-a", image.path + ":/again", directory("out"))
    let differences = try Tree(at: tree, times: true)
      .differences(from: try Tree(at: directory("out"), times: true), "the original", "the copy")
    #expect(differences == [])
    let blocks = try System.status(directory("out/sparse")).blocks
    #expect(blocks < 1000, "a hole was filled")
  }

  @Test("cat writes a file's bytes, and ls, info and map give JSON")
  func output() throws {
    try System.write(Array("some text\n".utf8), to: directory("text"))
    try Command.succeed("cp", directory("text"), image.path + ":/text")
    #expect(try Command.succeed("cat", image.path + ":/text") == "some text\n")
    #expect(try Command.succeed("ls", image.path) == "lost+found\ntext\n")
    #expect(try Command.succeed("ls", "--json", image.path + ":/").contains(#""size": 10"#))
    #expect(try Command.succeed("info", "--json", image.path).contains(#""label": "a label""#))
    let map = try Command.succeed("map", "--json", image.path + ":/text")
    #expect(map.contains(#""length": 1024"#))
    if let python = Environment.find("python3") {
      for arguments in [["ls", "-R", "--json", image.path], ["info", "--json", image.path]] {
        let text = try Program.succeed([Command.program] + arguments)
        try System.write(Array(text.utf8), to: directory("json"))
        try Program.succeed([python, "-m", "json.tool", directory("json"), directory("parsed")])
      }
    }
  }

  @Test("fallocate cuts a file in an image as the same cuts change a list of bytes")
  func fallocate() throws {
    var bytes = Command.bytes(200_000)
    try System.write(bytes, to: directory("file"))
    let file = image.path + ":/file"
    try Command.succeed("cp", directory("file"), file)
    try Command.succeed("fallocate", "-p", "-o", "10K", "-l", "5000", file)
    bytes.replaceSubrange(10240..<15240, with: [UInt8](repeating: 0, count: 5000))
    try Command.succeed("fallocate", "--collapse-range", "-o", "1024", "-l", "2KiB", file)
    bytes.removeSubrange(1024..<3072)
    try Command.succeed("fallocate", "-i", "-o", "4096", "-l", "3K", file)
    bytes.insert(contentsOf: [UInt8](repeating: 0, count: 3072), at: 4096)
    try Command.succeed("fallocate", "-z", "-o", "100KB", "-l", "1", file)
    bytes[100_000] = 0
    let refused = try Command.run("fallocate", "-c", "-o", "1", "-l", "1024", file)
    #expect(refused.status == 1)
    #expect(refused.output.contains("multiples of the block size"))
    try Command.succeed("fallocate", "-l", "300000", file)
    bytes += [UInt8](repeating: 0, count: 300_000 - bytes.count)
    try Command.succeed("cp", file, directory("result"))
    #expect(try System.contents(directory("result")) == bytes)
    #expect(try image.complaint() == nil)
  }

  @Test("fallocate -d makes holes of zeros and changes no byte")
  func digHoles() throws {
    var bytes = Command.bytes(50_000)
    bytes.replaceSubrange(5000..<30000, with: [UInt8](repeating: 0, count: 25000))
    try System.write(bytes, to: directory("file"))
    // Through cat, so that the zeros are written.
    let file = image.path + ":/file"
    try Command.succeed("cp", directory("file"), file)
    try Command.succeed("fallocate", "-d", file)
    try Command.succeed("cp", file, directory("result"))
    #expect(try System.contents(directory("result")) == bytes)
    #expect(try System.status(directory("result")).blocks < 80)
    #expect(try image.complaint() == nil)
  }

  @Test(
    "an error is one line on standard error and a code",
    arguments: [
      (["cat", "IMAGE:/missing"], 1), (["ls", "IMAGE:/missing"], 1),
      (["cat", "/nowhere.img:/x"], 1), (["info", "/dev/null"], 1),
      (["cp", "IMAGE:/lost+found", "/tmp/x"], 1), (["cp", "IMAGE:/"], 64),
      (["fallocate", "-c", "-o", "1", "-l", "1", "IMAGE:/lost+found"], 1),
      (["fallocate", "-c", "-p", "-l", "1", "IMAGE:/x"], 64), (["nonsense"], 64),
      (["umount", "/"], 1), (["mount", "/nowhere.img", "/tmp"], 1),
    ] as [([String], Int)])
  func errors(arguments: [String], status: Int) throws {
    let arguments = arguments.map {
      $0.hasPrefix("IMAGE") ? image.path + $0.dropFirst(5) : $0
    }
    let result = try Program.run([Command.program] + arguments)
    #expect(result.status == status)
    #expect(result.output.hasPrefix("extant: "), "\(result.output)")
    if status == 1 { #expect(result.output.filter { $0 == "\n" }.count == 1) }
  }

  @Test("cp copies names that are no UTF-8, as they are")
  func namesOfBytes() throws {
    let script = #"""
      cd "$2" && mkdir t && d=t/$(printf 'd\377r') && mkdir "$d" && \
      echo 1 > "$d/$(printf 'a\303')" && echo 2 > "$d/$(printf 'a\364\217\270\200')" && \
      echo 3 > "$d/$(printf '\303\244')" && ln "$d/$(printf 'a\303')" "$d/$(printf '\200')" && \
      "$1" cp -a t "$3:/" && "$1" cp -a "$3:/t" "$3:/u" && "$1" cp -a "$3:/u" out && diff -r t out
      """#
    try Program.succeed(["sh", "-c", script, "sh", Command.program, directory(""), image.path])
    #expect(try image.complaint() == nil)
  }

  @Test("an image and the host's own files may lie in directories with a colon at the end")
  func colons() throws {
    try System.makeDirectory(directory("a:"))
    try System.write([0x61], to: directory("a:/file"))
    let image = directory("a:/b: c.img")
    try Command.succeed("mkfs", image, "8M")
    try Command.succeed("cp", directory("a:/file"), image + ":/x")
    #expect(try Command.succeed("cat", image + ":/x") == "a")
    try Command.succeed("fallocate", "-l", "4096", directory("a:/file"))
    #expect(try Command.succeed("ls", image) == "lost+found\nx\n")
  }

  @Test("mkfs that is refused makes no file and changes none")
  func refusedMkfs() throws {
    #expect(try Command.run("mkfs", directory("new.img"), "8M", "-O", "nonsense").status == 1)
    #expect(!System.exists(directory("new.img")))
    let size = try System.status(image.path).size
    #expect(try Command.run("mkfs", image.path, "64M").status == 1)
    #expect(try System.status(image.path).size == size)
    #expect(try Command.run("mkfs", directory("new.img")).output.contains("give the SIZE"))
  }

  @Test("mkfs -E root_owner gives the root directory away")
  func rootOwner() throws {
    try Command.succeed("mkfs", "--force", "-E", "root_owner=12:34", image.path)
    let list = try Command.succeed("ls", "-la", "--json", image.path)
    #expect(!list.contains(#""uid": 12"#), "lost+found stays root's")
    let stat = try Program.succeed(["debugfs", "-R", "stat /", image.path])
    #expect(stat.contains("User:    12   Group:    34"))
    #expect(try image.complaint() == nil)
  }

  @Test("cp never overwrites an image that it names")
  func imageAsTarget() throws {
    try System.write(Command.bytes(5000), to: directory("file"))
    try Command.succeed("cp", directory("file"), image.path + ":/file")
    let before = try System.contents(image.path)
    for arguments in [
      [directory("file"), image.path], [image.path + ":/file", image.path],
      ["-r", image.path + ":/", image.path],
    ] {
      #expect(try Program.run([Command.program, "cp"] + arguments).status != 0)
    }
    #expect(try System.contents(image.path) == before)
    let slash = try Command.run("cp", directory("file"), image.path + ":/new/")
    #expect(slash.status == 1)
    #expect(slash.output.contains("is no directory"))
    let missing = try Command.run("cp", image.path + ":/missing", directory("out"))
    #expect(missing.output == "extant: \(image.path):/missing: No such file or directory\n")
  }

  @Test("cp reads and writes pipes and devices by their bytes, and leaves them where they are")
  func streams() throws {
    let bytes = Command.bytes(300_000)
    try System.write(bytes, to: directory("file"))
    let copy = """
      cat "$2/file" | "$1" cp /dev/stdin "$3:/piped" && \
      "$1" fallocate -p -o 8K -l 64K "$3:/piped" && \
      { "$1" cp "$3:/piped" /dev/stdout | cat > "$2/out"; } && \
      mknod "$2/null" p && { cat "$2/null" > "$2/second" & } && \
      "$1" cp "$3:/piped" "$2/null" && wait && test -p "$2/null"
      """
    try Program.succeed(["sh", "-c", copy, "sh", Command.program, directory(""), image.path])
    var expected = bytes
    expected.replaceSubrange(8192..<73728, with: [UInt8](repeating: 0, count: 65536))
    #expect(try System.contents(directory("out")) == expected)
    #expect(try System.contents(directory("second")) == expected)
  }

  @Test("a reader that goes away ends cat without a word, and Ctrl-C leaves a clean image")
  func signals() throws {
    try System.write(Command.bytes(3_000_000), to: directory("file"))
    try Command.succeed("cp", directory("file"), image.path + ":/file")
    let script = #"{ "$1" cat "$2:/file"; echo "status $?" >&2; } | head -c 1 > /dev/null"#
    let output = try Program.succeed(["sh", "-c", script, "sh", Command.program, image.path])
    #expect(output == "status 141\n")
    // A copy that waits for its source.
    let interrupted = """
      mknod "$3" p; { exec sleep 5 > "$3" & } ; "$1" cp "$3" "$2:/never" & sleep 1
      kill -TERM $!; wait $!; echo "status $?"
      """
    let end = try Program.run(
      ["bash", "-c", interrupted, "sh", Command.program, image.path, directory("pipe")])
    #expect(end.output.contains("status 143"))
    #expect(try image.complaint() == nil)
    #expect(try Command.succeed("info", image.path).contains("state:            clean"))
  }

  @Test("an image that was not cleanly unmounted is changed with a warning")
  func unclean() throws {
    try Program.succeed(["debugfs", "-w", "-R", "ssv state 0", image.path])
    let result = try Command.run("cp", "/proc/self/maps", image.path + ":/maps")
    #expect(result.status == 0)
    #expect(
      result.output
        == "extant: \(image.path): was not cleanly unmounted; unmount it and run e2fsck -f\n")
    #expect(try Command.run("cat", image.path + ":/maps").status == 0)
    #expect(try Command.succeed("info", image.path).contains("state:            not clean"))
  }

  @Test("info says that an image with recorded errors is not written")
  func infoOfErrors() throws {
    #expect(try Command.succeed("info", image.path).contains("writable:         yes"))
    try Program.succeed(["debugfs", "-w", "-R", "ssv state 3", image.path])
    let text = try Command.succeed("info", image.path)
    #expect(text.contains("writable:         no: the filesystem is marked as having errors"))
    let refused = try Command.run("cp", "/proc/self/maps", image.path + ":/maps")
    #expect(refused.status == 1 && refused.output.contains("marked as having errors"))
  }

  @Test(
    "what the kernel has mounted is refused to writers",
    .enabled(if: Environment.hasKernelMounts))
  func mountedElsewhere() throws {
    let mount = try image.mountInKernel(at: directory("mount"))
    let result = try Command.run("cp", "/proc/self/maps", image.path + ":/maps")
    #expect(result.status == 1)
    #expect(result.output.contains("mounted"))
    try mount.unmount()
  }

  @Test(
    "map lists extents as filefrag does on a kernel mount",
    .enabled(if: Environment.hasKernelMounts))
  func mapAsFilefrag() throws {
    let mount = try image.mountInKernel(at: directory("mount"))
    do {
      let file = try OpenFile(mount.point + "/file", [.write, .create])
      try file.writeAll(Command.bytes(300_000), at: 0)
      try file.sync()
      for start in stride(from: Int64(1024), to: 250_000, by: 9216) {
        try file.fallocate(mode: 3, offset: start, length: 3072)
      }
      try file.fallocate(mode: 3, offset: 0, length: 1024)
      try file.fallocate(mode: 1, offset: 400_000, length: 10_000)
      try file.sync()
    }
    let theirs = try Program.succeed(["filefrag", "-v", mount.point + "/file"])
    try mount.unmount()
    let ours = try Command.succeed("map", image.path + ":/file")
    func lines(_ text: String) -> [Substring] {
      text.replacing(mount.point + "/file", with: image.path + ":/file").split(separator: "\n")
    }
    #expect(lines(ours).count > 20)
    // Their first line is the filesystem's type.
    #expect(lines(ours) == Array(lines(theirs).dropFirst()))
  }
}
