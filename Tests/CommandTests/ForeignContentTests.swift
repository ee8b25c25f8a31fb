import TestSupport
import Testing

@Suite("What is no ext4 filesystem", .enabled(if: Command.isBuilt && Environment.hasTools))
struct ForeignContentTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// How it is made, as a file `f` in the working directory, and what is said of it.
  private static let kinds: [(script: String, name: String, help: String)] = [
    (": > f", "an empty file", "extant mkfs"),
    ("head -c 700 /dev/urandom > f", "too small with its 700 bytes", "2048"),
    ("truncate -s 4M f", "blank where a filesystem begins", "extant mkfs"),
    ("head -c 99999 /dev/urandom | gzip > f", "a gzip file", "gunzip"),
    ("head -c 99999 /dev/urandom | xz > f", "an xz file", "unxz"),
    ("head -c 99999 /dev/urandom | bzip2 > f", "a bzip2 file", "bunzip2"),
    (magic(0, #"\x28\xb5\x2f\xfd"#), "a zstd file", "unzstd"),
    ("head -c 9999 /dev/urandom > x; tar cf f x", "a tar archive", "tar xf"),
    (magic(0, #"QFI\xfb"#), "a qcow2 disk image", "qemu-img convert -f qcow2 -O raw"),
    (magic(0, "KDMV"), "a VMDK disk image", "qemu-img"),
    (magic(0, "vhdxfile"), "a VHDX disk image", "qemu-img"),
    (magic(0, "conectix"), "a VHD disk image", "qemu-img"),
    (magic(0x1f_fe00, "conectix"), "a VHD disk image", "qemu-img"),
    (magic(0, #"\x3a\xff\x26\xed"#), "an Android sparse image", "simg2img"),
    (magic(0, "hsqs"), "a SquashFS filesystem", "only ext2, ext3 and ext4"),
    (magic(0x400, #"\xe2\xe1\xf5\xe0"#), "an EROFS filesystem", "only ext2"),
    (magic(0x10040, "_BHRfS_M"), "a Btrfs filesystem", "only ext2"),
    (magic(0, "XFSB"), "an XFS filesystem", "only ext2"),
    (magic(3, "NTFS    "), "an NTFS filesystem", "only ext2"),
    (magic(0x52, "FAT32   "), "a FAT filesystem", "only ext2"),
    (magic(0, #"LUKS\xba\xbe"#), "a LUKS volume", "cryptsetup open"),
    (magic(0x218, "LVM2 001"), "an LVM physical volume", "lvs"),
    (magic(0x8001, "CD001"), "an ISO 9660 filesystem", "only ext2"),
    ("truncate -s 4M f; mkswap f", "swap space", "no files"),
    (magic(512, "EFI PART"), "a whole disk with a GPT partition table", "losetup -P"),
    (
      magic(510, #"\x55\xaa"#) + #"; printf '\x83' | dd of=f bs=1 seek=450 conv=notrunc"#,
      "a whole disk with a partition table", "losetup -P"
    ),
    ("mke2fs -q -F -O journal_dev f 8M", "the journal of an ext4 filesystem", "journal_path"),
  ]

  private static func magic(_ offset: Int, _ bytes: String) -> String {
    "truncate -s 2M f; printf '\(bytes)' | dd of=f bs=1 seek=\(offset) conv=notrunc"
  }

  @Test("is named for what it is, with what helps, by every command that opens an image")
  func named() throws {
    let path = directory("f")
    try System.makeDirectory(directory("point"))
    for (script, name, help) in Self.kinds {
      try Program.succeed([
        "bash", "-c", "cd $1 && rm -f f && { \(script); } 2>&1", "sh", directory(""),
      ])
      for (command, status) in [
        (["info", path], 1), (["ls", path + ":/"], 1), (["map", path + ":/x"], 1),
        (["cp", "/dev/null", path + ":/x"], 1), (["fsck", "-n", path], 8),
        (["fsck", "-fy", path], 8),
        (["mount", path, directory("point")], 1),
      ] {
        let result = try Program.run([Command.program] + command)
        #expect(result.status == status, "\(name): \(command)")
        #expect(
          result.output.hasPrefix("extant: \(path): is \(name)") && result.output.contains(help)
            && result.output.filter { $0 == "\n" }.count == 1, "\(command): \(result.output)")
      }
    }
  }

  @Test("but a filesystem whose first superblock is lost is still pointed to fsck, and saved by it")
  func damaged() throws {
    for (size, blockSize, copy) in [("16M", "1024", 8193), ("300M", "4096", 32768)] {
      let image = Image(path: directory("image"))
      try Command.succeed("mkfs", "--force", "-b", blockSize, image.path, size)
      try Command.succeed("cp", "/proc/self/maps", image.path + ":/kept")
      for (script, name) in [
        (#"dd if=/dev/zero of="$1" bs=4k count=1 conv=notrunc"#, "the magic number"),
        (#"dd if=/dev/urandom of="$1" bs=4k count=1 conv=notrunc"#, "superblock"),
        (#"dd if=/dev/zero of="$1" bs=4k count=1 conv=notrunc; mkswap "$1""#, "is swap space"),
      ] {
        try Program.succeed(["sh", "-c", "{ \(script); } 2>&1", "sh", image.path])
        for command in [
          ["info", image.path], ["ls", image.path], ["cp", "/dev/null", image.path + ":/x"],
        ] {
          let result = try Program.run([Command.program] + command)
          #expect(result.status == 1)
          #expect(
            result.output.contains(name) && result.output.contains("block \(copy): extant fsck"),
            "\(result.output)")
        }
        #expect(try Command.run("fsck", "-y", image.path).status == 1)
        #expect(try image.complaint() == nil)
        #expect(try Command.succeed("ls", image.path).contains("kept"))
      }
    }
  }

  @Test(
    "neither is a directory, a pipe or a character device, and mkfs spares a file of another kind")
  func others() throws {
    try Program.succeed(["mkfifo", directory("pipe")])
    for (path, word) in [
      (directory(""), "Is a directory"), (directory("pipe"), "Block device required"),
      ("/dev/null", "Block device required"),
    ] {
      for command in [["info", path], ["fsck", "-y", path], ["cp", "/dev/zero", path + ":/x"]] {
        let result = try Program.run([Command.program] + command)
        #expect(result.status != 0)
        #expect(
          result.output.contains(word) && result.output.contains("it takes an image"),
          "\(result.output)")
      }
    }
    try Program.succeed([
      "sh", "-c", "head -c 99999 /dev/urandom | gzip > $1", "sh", directory("gz"),
    ])
    let result = try Command.run("mkfs", directory("gz"), "8M")
    #expect(result.status == 1 && result.output.contains("holds a gzip file already"))
  }
}
