import Extant
import ExtantBase
import TestSupport
import Testing

/// The image as it is on the device after each commit, while the filesystem stays open: sound, with
/// what was synced, and with nobody's old bytes in any file.
@Suite struct CommittedStateTests {
  @Test(arguments: [1024, 4096])
  func whatIsOnTheDeviceAfterACommitIsSoundAndNobodyElses(blockSize: Int) throws {
    let image = try EngineImage(size: "24M", blockSize: blockSize)
    var random = SeededGenerator(seed: Seed.take())
    let fs = try image.open { $0.cacheByteLimit = 2 << 20 }
    // Old bytes everywhere.
    let old = try fs.create("/old")
    while (try? old.write([UInt8](repeating: 0x55, count: 1 << 20), at: old.attributes().size))
      ?? 0 == 1 << 20
    {}
    try old.sync()
    old.close()
    try fs.unlink(try FileName("old"), in: .root)
    try fs.sync()

    let files = try (0..<3).map { try fs.create("/f\($0)") }
    var models = [[UInt8]](repeating: [], count: 3)
    for round in 0..<25 {
      for _ in 0..<12 {
        let index = random.below(3)
        try Self.step(files[index], &models[index], blockSize, &random)
      }
      let synced = random.below(3)
      try files[synced].sync()
      let crashed = image.directory("crashed")
      try Program.succeed(["cp", image.image.path, crashed])
      try Image(path: crashed).replayJournal()
      let complaint = try Image(path: crashed).complaint()
      #expect(complaint == nil, "round \(round)")
      let after = try FileSystem.open(crashed, .readOnly)
      for index in 0..<3 {
        let file = try after.open("/f\(index)", .read)
        let contents = try file.contents()
        #expect(!contents.contains(0x55), "round \(round), file \(index): old bytes show")
        if index == synced { #expect(contents == models[index], "round \(round), file \(index)") }
        file.close()
      }
      try after.close()
      if complaint != nil { break }
    }
    for file in files { file.close() }
    try fs.close()
  }

  private static func step(
    _ file: File, _ model: inout [UInt8], _ blockSize: Int, _ random: inout SeededGenerator
  ) throws {
    let block = random.below(400)
    let start = block * blockSize
    let count = (1 + random.below(60)) * blockSize
    func grow(to size: Int) {
      if model.count < size { model += [UInt8](repeating: 0, count: size - model.count) }
    }
    switch random.below(9) {
    case 0...2:
      let place = start + random.below(blockSize)
      let length = 1 + random.below(count)
      grow(to: place + length)
      let bytes = [UInt8](repeating: UInt8(0x80 + random.below(0x40)), count: length)
      model.replaceSubrange(place..<place + length, with: bytes)
      try file.writeAll(bytes, at: UInt64(place))
    case 3:
      try file.allocate(UInt64(start)..<UInt64(start + count))
      grow(to: start + count)
    case 4:
      try file.punchHole(UInt64(start)..<UInt64(start + count))
      for index in start..<start + count where index < model.count { model[index] = 0 }
    case 5:
      try file.zeroRange(UInt64(start)..<UInt64(start + count))
      grow(to: start + count)
      for index in start..<start + count { model[index] = 0 }
    case 6:
      guard start + count < model.count else { return }
      try file.collapse(UInt64(start)..<UInt64(start + count))
      model.removeSubrange(start..<start + count)
    case 7:
      guard start < model.count, model.count < 3 << 20 else { return }
      try file.insert(length: UInt64(blockSize), at: UInt64(start))
      model.insert(contentsOf: [UInt8](repeating: 0, count: blockSize), at: start)
    default:
      let size = start + random.below(blockSize)
      try file.truncate(to: UInt64(size))
      grow(to: size)
      model.removeLast(model.count - size)
    }
  }
}
