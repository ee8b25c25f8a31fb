import Extant
import ExtantBase
import TestSupport
import Testing
import Threading

/// Many threads on one filesystem: what each did is there, and the image is sound.
@Suite struct EngineThreadTests {
  @Test func threadsThatWriteCutRenameAndSyncDoNotDisturbOneAnother() throws {
    let image = try EngineImage(size: "64M", blockSize: 1024)
    let seed = Seed.take()
    try image.use({
      $0.writeBackInterval = 1
      $0.cacheByteLimit = 4 << 20
    }) { fs in
      let failures = Guarded<[String]>([], .unranked)
      let shared = try fs.makeDirectory(try FileName("shared"), in: .root, mode: 0o755).inode
      let threads = (0..<6).compactMap { index in
        WorkerThread(name: "test") {
          do { try Self.work(fs, shared, index, seed &+ UInt64(index)) } catch {
            failures.withLock { $0.append("thread \(index): \(error)") }
          }
        }
      }
      #expect(threads.count == 6)
      for thread in threads { thread.join() }
      #expect(failures.withLock { $0 } == [])
    }
  }

  private static func work(
    _ fs: FileSystem, _ shared: InodeNumber, _ index: Int, _ seed: UInt64
  ) throws {
    var random = SeededGenerator(seed: seed)
    let own = try fs.makeDirectory(try FileName("own\(index)"), in: .root, mode: 0o755).inode
    var model: [UInt8] = []
    let file = try fs.create("/own\(index)/file")
    defer { file.close() }
    for step in 0..<300 {
      switch random.below(9) {
      case 0...3:
        let offset = random.below(200_000)
        let bytes = pattern(1 + random.below(40_000), seed: random.next())
        if model.count < offset + bytes.count {
          model += [UInt8](repeating: 0, count: offset + bytes.count - model.count)
        }
        model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        guard try file.write(bytes, at: UInt64(offset)) == bytes.count else {
          throw FileSystemError.refused(.noSpace)
        }
      case 4:
        guard model.count > 8192 else { continue }
        let block = random.below(model.count / 1024 - 2) * 1024
        try file.collapse(UInt64(block)..<UInt64(block + 1024))
        model.removeSubrange(block..<block + 1024)
      case 5:
        if random.chance(30) { try file.sync() } else { try fs.sync() }
      case 6:
        let name = try FileName("t\(random.below(40))")
        do throws(FileSystemError) {
          _ = try fs.createFile(name, in: shared, mode: 0o644)
        } catch .refused {}
      case 7:
        let name = try FileName("t\(random.below(40))")
        let other = try FileName("t\(random.below(40))")
        do throws(FileSystemError) {
          try fs.rename(
            name, in: random.chance(50) ? shared : own, to: other,
            in: random.chance(50) ? shared : own)
        } catch .refused {}
      default:
        let name = try FileName("t\(random.below(40))")
        do throws(FileSystemError) { try fs.unlink(name, in: shared) } catch .refused {}
      }
      if step % 30 == 0, try file.contents() != model {
        throw FileSystemError.corrupt(Corruption("test", "step \(step): contents differ"))
      }
    }
    guard try file.contents() == model else {
      throw FileSystemError.corrupt(Corruption("test", "contents differ at the end"))
    }
  }
}
