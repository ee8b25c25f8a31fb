import Extant
import ExtantBase
import TestSupport
import Testing

/// Every operation on a filesystem that is nearly full, in random order: each works or is refused,
/// and the image stays sound whatever came between.
@Suite struct FullDiskTests {
  @Test(arguments: [1024, 4096], ["", "^metadata_csum,^64bit"])
  func everyOperationOnAFullDiskWorksOrIsRefused(blockSize: Int, features: String) throws {
    let seed = Seed.take()
    for round in 0..<3 {
      let image = try EngineImage(
        size: blockSize == 1024 ? "2M" : "6M", blockSize: blockSize,
        options: ["-N", "128"] + (features.isEmpty ? [] : ["-O", features]))
      var random = SeededGenerator(seed: seed &+ UInt64(round))
      var full = 0
      for _ in 0..<3 {
        try image.use { fs in full += try operate(on: fs, blockSize, &random) }
      }
      // A disk that never filled up would show nothing.
      #expect(full > 0)
    }
  }

  /// Returns how often the disk was full.
  private func operate(
    on fs: FileSystem, _ blockSize: Int, _ random: inout SeededGenerator
  ) throws -> Int {
    var full = 0
    var directories: [InodeNumber] = [.root]
    for _ in 0..<600 {
      let parent = random.pick(directories)
      let name = try FileName(
        "n\(random.below(60))" + String(repeating: "x", count: random.below(200)))
      let other = try FileName("n\(random.below(60))")
      do throws(FileSystemError) {
        switch random.below(14) {
        case 0:
          directories.append(try fs.makeDirectory(name, in: parent, mode: 0o755).inode)
        case 1:
          _ = try fs.makeSymbolicLink(
            name, in: parent, target: [UInt8](repeating: 65, count: 1 + random.below(900)))
        case 2:
          try fs.unlink(name, in: parent)
        case 3:
          try fs.removeDirectory(name, in: parent)
        case 4:
          try fs.rename(name, in: parent, to: other, in: random.pick(directories))
        case 5:
          let inode = try fs.lookup(other, in: parent).inode
          try fs.setExtendedAttribute(
            Array("user.a\(random.below(5))".utf8),
            [UInt8](repeating: 1, count: random.below(blockSize)), of: inode)
        case 6:
          let inode = try fs.lookup(other, in: parent).inode
          _ = try fs.link(inode, as: name, in: random.pick(directories))
        case 7:
          try fs.sync()
        default:
          let inode: InodeNumber
          do throws(FileSystemError) {
            inode = try fs.createFile(other, in: parent, mode: 0o644).inode
          } catch .refused(.fileExists) {
            inode = try fs.lookup(other, in: parent).inode
          }
          let file = try fs.openFile(inode, .readWrite)
          defer { file.close() }
          try operate(on: file, blockSize, &random)
        }
      } catch {
        #expect(!error.isFault, "\(error)")
        if error.isFault { return full }
        if error == .refused(.noSpace) { full += 1 }
      }
    }
    return full
  }

  private func operate(
    on file: File, _ blockSize: Int, _ random: inout SeededGenerator
  ) throws(FileSystemError) {
    let start = UInt64(random.below(300 * blockSize))
    let end = start + UInt64(1 + random.below(100 * blockSize))
    let first = start / UInt64(blockSize) * UInt64(blockSize)
    switch random.below(8) {
    case 0: try file.allocate(start..<end, keepSize: random.chance(50))
    case 1: try file.punchHole(start..<end)
    case 2: try file.zeroRange(start..<end)
    case 3: try file.collapse(first..<first + UInt64(blockSize))
    case 4: try file.insert(length: UInt64(blockSize), at: first)
    case 5: try file.truncate(to: start)
    case 6: try file.sync()
    default: _ = try file.write(pattern(Int(end - start)), at: start)
    }
  }
}
