import TestSupport
import Testing

@testable import ExtantCLI

@Suite("extant cp and ls -R", .enabled(if: Command.isBuilt && Environment.hasTools))
struct CopyCommandTests {
  private let directory: TemporaryDirectory
  private let image: Image

  init() throws {
    directory = try TemporaryDirectory()
    image = Image(path: directory("disk.img"))
    try Command.succeed("mkfs", image.path, "16M")
  }

  /// Runs a script with the program as $1, the image as $2, the directory as $3.
  private func shell(_ script: String) throws -> ProgramResult {
    try Program.run(
      ["timeout", "60", "bash", "-c", script, "bash", Command.program, image.path, directory("")])
  }

  /// The owner, mode, times and attributes of each node below a directory of the host.
  private static let facts = #"""
    facts() { (cd "$1" && find . -printf '%P %y %m %U %G %T@ %l\n' | sort
      find . ! -type l -print0 | sort -z | xargs -0 getfattr -hd -m - -e hex -- 2> /dev/null); }
    """#

  @Test(
    "-a keeps owner, set-ID bits, capabilities, labels, access lists and times of every kind, each way",
    .enabled(if: System.isRoot && Environment.find("getfattr") != nil))
  func everythingIsKept() throws {
    guard Environment.find("setfacl") != nil else { return }
    let result = try shell(
      Self.facts + #"""

        set -e; cd "$3"; mkdir -p in/dir in/defaults
        cap=0x0100000200200000000000000000000000000000
        for f in plain suid sgid both capable label listed; do echo $f > in/$f; done
        chown 1000:1001 in/*
        chmod 4755 in/suid; chmod 2711 in/sgid; chmod 6755 in/both; chmod 3775 in/dir; chmod 400 in/plain
        setfattr -n security.capability -v $cap in/capable
        setfattr -n security.selinux -v 'system_u:object_r:bin_t:s0' in/label in/dir
        setfattr -n trusted.mark -v 1 in/both in/dir
        setfattr -n user.colour -v blue in/plain || true
        setfacl -m u:1002:rw,g:1003:r in/listed in/dir; chmod 2770 in/listed
        setfacl -d -m u:1002:rwx,o:0 in/defaults
        ln -s nowhere in/link; chown -h 7:8 in/link; touch -hd '2001-02-03 04:05:06.7' in/link
        mkfifo -m 640 in/pipe; chown 3:4 in/pipe; chmod 6711 in/pipe
        mknod in/device c 1 3; chown 3:4 in/device; chmod 2644 in/device
        touch -d '1999-12-31 23:59:58.123456789' in/* in; ln in/both in/dir/second
        touch -d '1999-12-31 23:59:58.123456789' in/dir
        "$1" cp -a in "$2:/"
        "$1" cp -a "$2:/in" "$2:/again"
        "$1" cp -a "$2:/again" out
        diff <(facts in) <(facts out)
        # Lists that the target's directory gives to what comes into it are not the source's.
        "$1" cp -a "$2:/in/both" "$2:/in/dir" "$2:/in/defaults"
        "$1" cp -a "$2:/in/defaults" out2
        diff <(cd in; getfacl -n both dir) <(cd out2; getfacl -n both dir)
        """#)
    #expect(result.status == 0, "\(result.output)")
    #expect(try image.complaint() == nil)
  }

  @Test(
    "-a as an ordinary user keeps what he may, and tells which attributes it could not",
    .enabled(if: System.isRoot && Environment.find("setpriv") != nil))
  func asOrdinaryUser() throws {
    let result = try shell(
      #"""
      set -e; cd "$3"; chmod 711 "$3"; mkdir in; for f in a b c; do echo $f > in/$f; done
      chmod 4755 in/a; chmod 640 in/b
      setfattr -n trusted.mark -v 1 in/a in/b; touch -d 2001-01-01 in/a
      "$1" cp -a in "$2:/"; chmod 644 "$2"; mkdir theirs; chown 65534:65534 theirs
      setpriv --reuid 65534 --regid 65534 --clear-groups "$1" cp -a "$2:/in" theirs
      stat -c '%a %u %Y' theirs/in/a; stat -c '%a %u' theirs/in/b theirs/in/c
      """#)
    #expect(result.status == 0)
    let seconds = 978_307_200
    #expect(
      result.output.hasSuffix("755 65534 \(seconds)\n640 65534\n644 65534\n"), "\(result.output)")
    #expect(
      result.output.contains(
        "theirs/in/a and 1 more: copied without the attribute trusted.mark: Operation not permitted\n"
      ))
  }

  @Test("a directory that holds itself, or has two names, is told once and the rest is done")
  func cycles() throws {
    let made = try shell(
      #"""
      set -e; cd "$3"; mkdir -p t/d/sub/deep t/e t/twice; echo 1 > t/d/file; echo 2 > t/d/sub/z
      "$1" cp -r t/* "$2:/"
      printf 'link d d/x\nlink d d/sub/deep/up\nlink e twice/e\n' | debugfs -w -f - "$2" > /dev/null
      "$1" mkfs new.img 8M
      """#)
    #expect(made.status == 0, "\(made.output)")
    for (command, count) in [
      (#""$1" ls -R "$2""#, 3), (#""$1" ls -R --json "$2""#, 3), (#""$1" ls -R "$2:/d""#, 2),
      (#""$1" cp -r "$2:/" "$3/out""#, 3), (#""$1" cp -a "$2:/d" "$2:/e" "$3/new.img:/""#, 2),
      (#""$1" cp -r "$2:/d" "$2:/e""#, 2),
    ] {
      let errors = try shell("{ \(command); } 2>&1 > /dev/null")
      #expect(errors.status == 1, "\(command): \(errors)")
      let lines = errors.output.split(separator: "\n")
      #expect(lines.count == count, "\(command): \(errors.output)")
      #expect(lines.allSatisfy { $0.contains(": is the same directory as ") })
    }
    let copied = try shell(
      #"""
      cd "$3"; e2fsck -fn new.img > /dev/null 2>&1 && "$1" cp -r new.img:/d back && \
      for tree in out/d back; do diff -r t/d $tree || exit 1; done
      """#)
    #expect(copied.status == 0, "\(copied.output)")
    // An intact image may be copied into itself, but not the copy into the copy.
    let into = try shell(#""$1" cp -r "$3/new.img:/d" "$3/new.img:/d/sub/y"; echo $?"#)
    #expect(into.output.hasSuffix("\n1\n") && into.output.contains("not copied into itself"))
  }

  @Test("a tree that is deeper than any path is copied as far as paths go")
  func deepTrees() throws {
    let script = #"""
      cd "$3"; python3 - "$1" "$2" <<'END'
      import subprocess, sys
      extant, image = sys.argv[1:]
      commands = []
      for level in range(250):
          commands += ['mkdir ' + 'd' * 20, 'cd ' + 'd' * 20]
      subprocess.run(['debugfs', '-w', '-f', '-', image], input='\n'.join(commands).encode(),
          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
      END
      "$1" ls -R "$2" > list; echo $?; "$1" cp -r "$2:/dddddddddddddddddddd" "$2:/e"; echo $?; wc -l < list
      """#
    guard Environment.find("python3") != nil else { return }
    let result = try shell(script)
    let lines = result.output.split(separator: "\n")
    #expect(lines.filter { $0 == "1" }.count == 2, "\(result.output.suffix(300))")
    #expect(lines.filter { $0.hasSuffix(": File name too long") }.count == 2)
    #expect(lines.last.flatMap { Int($0) } ?? 0 > 380)
    #expect(try image.complaint() == nil)
  }

  @Test("what cannot be copied is told, and the rest copied")
  func goesOn() throws {
    let result = try shell(
      #"""
      cd "$3"; mkdir in; echo 1 > in/a; mkfifo in/b; echo 2 > in/c; mkdir -m 555 in/d; echo 3 > in/d/f
      "$1" cp -r in "$2:/"; "$1" cp "$2:/in/"{a,missing,b,c,d} out; echo $?; mkdir out
      "$1" cp "$2:/in/"{a,missing,b,c,d} out; echo $?; ls out; "$1" cp -r "$2:/in" out && stat -c %a out/in/d
      """#)
    #expect(
      result.output.split(separator: "\n").map { $0.replacing(image.path, with: "IMAGE") } == [
        "extant: out: is no directory, and there are several sources", "1",
        "extant: IMAGE:/in/missing: No such file or directory",
        "extant: IMAGE:/in/b: is no regular file",
        "extant: IMAGE:/in/d: is a directory: -r copies those", "1", "a", "c", "555",
      ])
  }

  private final class World: Closing {
    let error: String?
    private(set) var isClosed = false
    init(_ error: String?) { self.error = error }
    func close() throws {
      isClosed = true
      if let error { throw CommandFailure(error) }
    }
  }

  @Test("of several images each is closed, whatever the others say, and the first error is told")
  func closing() throws {
    let worlds = [World(nil), World("first"), World("second"), World(nil)]
    do {
      try OpenImages.closeAll(worlds)
      Issue.record("no error was told")
    } catch let failure as CommandFailure {
      #expect(failure.description == "first")
    }
    #expect(!worlds.contains { !$0.isClosed })
  }

  @Test("a source that fails leaves what was copied before on the image that is written")
  func failingSource() throws {
    let result = try shell(
      #"""
      cd "$3"; "$1" mkfs a.img 8M; "$1" mkfs b.img 8M; echo 1 > file
      "$1" cp file a.img:/; debugfs -w -R 'clri file' b.img 2> /dev/null; head -c 100000 /dev/zero > c.img
      "$1" cp a.img:/file c.img:/x b.img:/y a.img:/file "$2:/lost+found"; echo $?
      "$1" ls "$2:/lost+found"; e2fsck -fn "$2" > /dev/null 2>&1 && echo clean
      """#)
    #expect(result.output.hasSuffix("\n1\nfile\nclean\n"), "\(result.output)")
  }
}
