import TestSupport
import Testing

@Suite("The kernel as a judge", .enabled(if: Environment.hasKernelMounts))
struct KernelJudgeTests {
  @Test("a file written through a loop mount is there after the next mount, and e2fsck is content")
  func loopMountKeepsFiles() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "16M", blockSize: 1024)
    let mount = try image.mountInKernel(at: directory("mount"))
    try System.makeDirectory(mount.point + "/d")
    try System.write([1, 2, 3], to: mount.point + "/d/f")
    try System.setAttribute(mount.point + "/d/f", "user.color", [0x62])
    let before = try Tree(at: mount.point)
    try mount.unmount()
    #expect(try image.complaint() == nil)
    let again = try image.mountInKernel(at: directory("mount"), options: "ro")
    let after = try Tree(at: again.point)
    #expect(before.differences(from: after, "before", "after") == [])
    #expect(after.nodes["/d/f"]?.attributes == ["user.color": [0x62]])
    try again.unmount()
  }

  @Test("e2fsck's complaint names a damaged image")
  func complaintOfDamage() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "16M")
    let file = try OpenFile(image.path, .write)
    try file.writeAll([UInt8](repeating: 0xff, count: 64), at: 1024 + 200)
    #expect(try image.complaint() != nil)
  }

  @Test("trees that differ in one byte, one attribute or one name are told apart")
  func differencesAreSeen() throws {
    let directory = try TemporaryDirectory()
    for side in ["a", "b"] {
      try System.makeDirectory(directory(side))
      try System.write([1, 2, side == "a" ? 3 : 4], to: directory(side) + "/f")
      try System.write([], to: directory(side) + "/only-\(side)")
    }
    let differences = try Tree(at: directory("a"))
      .differences(from: try Tree(at: directory("b")), "a", "b")
    #expect(differences.count == 3)
  }
}

@Suite("Seeds")
struct SeedTests {
  @Test("the same seed gives the same numbers, and seeds are read in both bases")
  func replay() {
    var a = SeededGenerator(seed: 7)
    var b = SeededGenerator(seed: 7)
    #expect((0..<100).map { _ in a.next() } == (0..<100).map { _ in b.next() })
    #expect(Seed.parse("0x10") == 16)
    #expect(Seed.parse("16") == 16)
    #expect(Seed.parse("x") == nil)
  }
}
