import ExtantBase
import TestSupport
import Testing

@testable import ExtantCLI

@Suite("Names that are no plain text", .enabled(if: Command.isBuilt && Environment.hasTools))
struct NameTests {
  private let directory: TemporaryDirectory
  private let image: Image

  init() throws {
    directory = try TemporaryDirectory()
    image = Image(path: directory("disk.img"))
    try Command.succeed("mkfs", image.path, "16M")
  }

  private func shell(_ script: String, _ arguments: String...) throws -> String {
    try Program.succeed(
      ["bash", "-c", script, "bash", Command.program, image.path, directory("")] + arguments,
      environment: "LC_ALL=C.UTF-8")
  }

  /// Orders to a terminal, a second line, bytes that are no UTF-8, what a shell would take apart.
  private func makeHostile() throws {
    _ = try shell(
      #"""
      set -e; cd "$3"; mkdir tree
      for name in $'n\nl' $'e\033[31mr' $'b\377x' $'\302\233m' "it's" 'a b' $'\314\201c'
      do echo "$name" > "tree/$name"; done
      ln -s $'to\033\376' tree/link
      "$1" cp -a tree "$2:/"
      """#)
  }

  @Test("are quoted as ls(1) does, and a shell takes them back; EXTANT_SEED replays")
  func quoting() throws {
    var random = SeededGenerator(seed: Seed.take())
    var names: [[UInt8]] = (0x01...0x7e as ClosedRange<UInt8>).filter { $0 != 0x2f }.flatMap {
      [[$0, 0x78], [0x78, $0], [0x78, $0, 0x79], [0x69, 0x27, 0x73, $0]]
    }
    let pieces: [[UInt8]] =
      [[0xff], [0xc3], [0xe2, 0x80, 0xa8], [0xc3, 0xa4], [0xf0, 0x9f, 0x98, 0x80], [0x27]]
      + (0x01...0x7f as ClosedRange<UInt8>).filter { $0 != 0x2f }.map { [$0] }
    for _ in 0..<400 {
      names.append((0..<random.below(6) + 1).flatMap { _ in random.pick(pieces) })
    }
    names = Array(Set(names)).filter { $0 != [0x2e] && $0 != [0x2e, 0x2e] }
    let words = names.map { NameText.shell($0) }
    #expect(words.allSatisfy { NameText.isPrintable(Array($0.utf8)) })
    try System.write(Array((words.joined(separator: "\n") + "\n").utf8), to: directory("words"))
    _ = try shell(
      #"while IFS= read -r word; do eval "printf '%s\0' $word"; done < "$3/words" > "$3/back""#)
    let back = try System.contents(directory("back")).split(separator: 0).map(Array.init)
    #expect(back == names)
    // What has both a quote and something to escape ls spells otherwise, to the same effect; {,} it
    // leaves to be expanded.
    let simple = zip(names, words).filter { name, _ in
      (!name.contains(0x27) || NameText.isPrintable(name))
        && !(name.contains(0x7b) && name.contains(0x7d))
    }.map(\.1)
    try System.write(Array((simple.joined(separator: "\n") + "\n").utf8), to: directory("words"))
    let listed = try shell(
      #"""
      mkdir "$3/listed"; cd "$3/listed"
      while IFS= read -r word; do eval "echo > ./$word"; done < ../words
      ls -1A --quoting-style=shell-escape
      """#)
    #expect(
      Set(listed.split(separator: "\n").map(String.init)).symmetricDifference(simple) == [])
  }

  @Test("stand one on a line at a terminal and as they are elsewhere; -b, -q and -N as of ls")
  func listing() throws {
    try makeHostile()
    let hasTerminal = Environment.find("script") != nil
    for option in ["", "-b", "-q", "-N"] {
      let ours = try shell(#""$1" ls $4 "$2:/tree" | LC_ALL=C sort | od -c"#, option)
      let theirs = try shell(#"ls -1A $4 "$3/tree" | LC_ALL=C sort | od -c"#, option)
      #expect(ours == theirs, "\(option)")
      guard hasTerminal else { continue }
      let seen = try shell(
        #"""
        script -qec "'$1' ls $4 '$2:/tree'" /dev/null < /dev/null | tr -d '\r' | LC_ALL=C sort
        """#, option)
      let known = try shell(
        #"""
        cd "$3"; script -qec "ls -1A $4 tree" /dev/null < /dev/null | tr -d '\r' | LC_ALL=C sort
        """#, option)
      #expect(seen == known, "\(option)")
    }
  }

  @Test("come back from --json as they were, of every command that has it")
  func json() throws {
    guard let python = Environment.find("python3") else { return }
    try makeHostile()
    let program = #"""
      import json, os, subprocess, sys
      extant, image, tree = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]), os.fsencode(sys.argv[3])
      def run(*words): return json.loads(subprocess.run([extant, *words], stdout=subprocess.PIPE).stdout)
      def value(of, key):
          return bytes.fromhex(of[key + '_bytes']) if key + '_bytes' in of else of[key].encode()
      names = sorted(os.listdir(tree))
      entries = run(b'ls', b'--json', image + b':/tree')
      assert sorted(value(e, 'name') for e in entries) == names, entries
      assert sorted(value(e, 'path') for e in entries) == [b'/tree/' + n for n in names]
      assert [value(e, 'target') for e in entries if 'target' in e] == [os.readlink(tree + b'/link')]
      for name in names:
          if name == b'link': continue
          path = image + b':/tree/' + name
          [found] = run(b'map', b'--json', path)
          assert value(found, 'path') == path
          [entry] = run(b'ls', b'--json', path)
          assert value(entry, 'name') == name and value(entry, 'path') == b'/tree/' + name
          text = subprocess.run([extant, b'cat', path], stdout=subprocess.PIPE).stdout
          assert text == name + b'\n'
      subprocess.run([extant, b'mkfs', b'--force', b'-L', b'l\xff\x1b', image], check=True)
      assert value(run(b'info', b'--json', image), 'label') == b'l\xff\x1b'
      """#
    try Program.succeed([python, "-c", program, Command.program, image.path, directory("tree")])
  }

  @Test("of fsck's findings come back from --json, and its sentences are one line each")
  func fsck() throws {
    guard let python = Environment.find("python3") else { return }
    _ = try shell(#"cd "$3"; mkdir -p $'t/b\377\nx' && "$1" cp -r t/* "$2:/""#)
    let inode = try Image(path: image.path).debugfs("ls -p /").split(separator: "\n").compactMap {
      $0.split(separator: "/").first.flatMap { Int($0) }
    }.max()
    let number = try #require(inode)
    try Program.succeed([
      "debugfs", "-w", "-R", "set_inode_field <\(number)> links_count 9", image.path,
    ])
    let text = try Command.run("fsck", "-fn", image.path)
    #expect(text.status == 4 && text.output.contains(#"'/b'$'\377\n''x'"#), "\(text.output)")
    let program = #"""
      import json, subprocess, sys
      found = json.loads(subprocess.run([sys.argv[1], 'fsck', '-fn', '--json', sys.argv[2]],
        stdout=subprocess.PIPE).stdout)
      places = [issue['place'] for issue in found['issues']]
      assert b'/b\xff\nx' in [bytes.fromhex(p.get('path_bytes', '')) for p in places], places
      """#
    try Program.succeed([python, "-c", program, Command.program, image.path])
  }

  @Test("never bring a second line or an escape into a message")
  func messages() throws {
    try makeHostile()
    for script in [
      #""$1" cat "$2:/tree/"$'x\n\033\377'"#, #""$1" ls "$2:/tree/"$'x\n\033\377'"#,
      #""$1" map "$2:/tree/"$'x\n\033\377'"#, #""$1" cp "$2:/tree/"$'x\n\033\377' "$3/out""#,
      #""$1" fallocate -l 1 "$2:/tree/"$'x\n\033\377/y'"#,
      #"mkdir -p "$3/o/"$'b\377x'; "$1" cp "$2:/tree/"$'b\377x' "$3/o""#,
      #""$1" info "$3/"$'x\n\033'"#, #""$1" mount "$3/"$'x\n\033' /tmp"#,
      #""$1" fsck -n "$3/"$'x\n\033'"#, #""$1" mkfs "$3/"$'x\n\033'"#,
    ] {
      let result = try Program.run([
        "bash", "-c", script + " 2>&1 > /dev/null; exit 0", "bash", Command.program, image.path,
        directory(""),
      ])
      #expect(result.output.hasPrefix("extant: "), "\(script): \(result.output)")
      #expect(result.output.filter { $0 == "\n" }.count == 1, "\(script): \(result.output)")
      #expect(!result.output.contains("\u{1b}"), "\(script)")
    }
  }

  @Test("that look the same and are not are different files")
  func canonicalEquivalence() throws {
    _ = try shell(
      #"""
      set -e; cd "$3"; mkdir -p u/a u/b
      echo 1 > u/$'\303\251'; echo 2 > u/$'e\314\201'; echo 3 > u/a/$'\314\201'
      "$1" cp -r u "$2:/"; "$1" cp -r "$2:/u" "$2:/u/b" || test $? = 1; "$1" cp "$2:/u/a/"$'\314\201' u/b
      "$1" cp -r "$2:/u/b/u" back; diff -r u/a back/a
      cmp u/$'\303\251' back/$'\303\251'; cmp u/$'e\314\201' back/$'e\314\201'; cmp u/a/* u/b/*
      """#)
    #expect(try image.complaint() == nil)
  }
}
