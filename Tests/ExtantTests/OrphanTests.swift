import Extant
import ExtantBase
import TestSupport
import Testing

/// Inodes without a name on an image that was not closed.
@Suite struct OrphanTests {
  @Test func whatACrashLeftWithoutANameIsDeletedAtTheNextOpening() throws {
    let image = try EngineImage()
    var free: UInt64 = 0
    try image.use { fs in free = fs.statistics().freeBlocks }
    let fs = try image.open()
    var files: [File] = []
    for index in 0..<5 {
      let file = try fs.create("/f\(index)")
      try file.writeAll(pattern(100_000), at: 0)
      try fs.unlink(try FileName("f\(index)"), in: .root)
      files.append(file)
    }
    try fs.sync()
    // The image as a crash would leave it now.
    let copy = Image(path: image.directory("copy"))
    try System.write(try System.contents(image.image.path), to: copy.path)
    for file in files { file.close() }
    try fs.close()

    #expect(try copy.debugfs("stats").contains("needs_recovery"))
    let again = try FileSystem.open(copy.path)
    #expect(again.statistics().freeBlocks == free)
    try again.close()
    let complaint = try copy.complaint()
    #expect(complaint == nil)
  }

  @Test func anOrphanListThatLeadsNowhereOpensReadOnlyAndSaysWhy() throws {
    let image = try EngineImage()
    // The resize inode: in use, and nothing that a list may name.
    try Program.succeed(
      ["debugfs", "-w", "-R", "set_super_value last_orphan 7", image.image.path])
    let fs = try image.open()
    #expect(fs.readOnlyReason?.contains("orphan list") == true)
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) { _ = try fs.create("/a") }
    #expect(try fs.names(in: "/") == ["lost+found"])
    try fs.close()
  }

  /// Followed as it lies, it would never end.
  @Test(arguments: [[0], [1, 0], [1, 2, 1]])
  func anOrphanListThatRunsInACircleOpensReadOnlyAndSaysWhy(next: [Int]) throws {
    let image = try EngineImage()
    var numbers: [UInt32] = []
    try image.use { fs in
      for index in next.indices {
        let file = try fs.create("/f\(index)")
        try file.writeAll([1], at: 0)
        numbers.append(file.inode.rawValue)
        file.close()
      }
    }
    for (index, next) in next.enumerated() {
      try Program.succeed(
        [
          "debugfs", "-w", "-R",
          "set_inode_field <\(numbers[index])> dtime @\(numbers[next])", image.image.path,
        ])
    }
    try Program.succeed(
      ["debugfs", "-w", "-R", "set_super_value last_orphan \(numbers[0])", image.image.path])
    let fs = try image.open()
    #expect(fs.readOnlyReason?.contains("circle") == true, "\(fs.readOnlyReason ?? "writable")")
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) { _ = try fs.create("/a") }
    let file = try fs.open("/f0", .read)
    #expect(try file.contents() == [1])
    file.close()
    try fs.close()
  }
}
