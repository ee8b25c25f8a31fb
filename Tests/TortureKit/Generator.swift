import TestSupport

/// Draws operations. The same seed and block size give the same list.
public struct Generator {
  private var random: SeededGenerator
  private let blockSize: Int64
  private var number: UInt64 = 0
  private let shifts: Bool

  public init(seed: UInt64, blockSize: Int) {
    random = SeededGenerator(seed: seed)
    self.blockSize = Int64(blockSize)
    shifts = true
  }

  public static func operations(seed: UInt64, blockSize: Int, count: Int) -> [Operation] {
    var generator = Generator(seed: seed, blockSize: blockSize)
    return (0..<count).map { _ in generator.next() }
  }

  public mutating func next() -> Operation {
    number += 1
    switch random.below(100) {
    case 0..<48: return data()
    case 48..<66: return fallocate()
    case 66..<87: return name()
    case 87..<99: return attribute()
    default: return random.chance(25) ? .remount : .map(file())
    }
  }

  // MARK: Data

  private mutating func data() -> Operation {
    switch random.below(40) {
    case 0..<10:
      return .write(file(), offset: offset(), count: count(), fill: fill())
    case 10..<13: return .append(path: filePath(), count: count(), fill: fill())
    case 13..<20: return .read(file(), offset: offset(), count: count() * 2)
    case 20..<23: return .writeMapped(file(), offset: smallOffset(), count: count(), fill: fill())
    case 23..<26: return .readMapped(file(), offset: smallOffset(), count: count())
    case 26..<30: return .truncate(file(), size: offset())
    case 30..<32:
      return .copy(file(), from: smallOffset(), to: file(), at: smallOffset(), count: count())
    case 32..<34: return .seek(file(), offset: offset(), hole: random.chance(50))
    case 34..<36: return .map(file())
    case 36..<37: return .sync(file(), dataOnly: random.chance(50))
    case 37..<40 where random.chance(80):
      return .open(slot: random.below(slotCount), path: filePath(), writable: random.chance(90))
    default: return .close(slot: random.below(slotCount))
    }
  }

  private mutating func fallocate() -> Operation {
    let modes: [FallocateMode] = [
      [], .keepSize, [.punchHole, .keepSize], [.punchHole, .keepSize], .zeroRange,
      [.zeroRange, .keepSize], .collapseRange, .collapseRange, .insertRange, .insertRange,
    ]
    if random.chance(3) {
      // Wrong on purpose: modes together, ranges out of bounds.
      let mode = FallocateMode(rawValue: Int32(random.below(128)))
      // What would fill the disk ends every comparison.
      let fills = mode.isSubset(of: [.keepSize, .zeroRange])
      return .fallocate(
        file(), mode: mode, offset: wildOffset(), length: fills ? Int64(count()) : wildOffset())
    }
    let mode = random.pick(modes)
    let shifting = mode.contains(.collapseRange) || mode.contains(.insertRange)
    var offset = smallOffset()
    var length = Int64(count())
    if shifting && !random.chance(3) || random.chance(30) {
      offset = offset / blockSize * blockSize
      length = max(blockSize, length / blockSize * blockSize)
    }
    return .fallocate(file(), mode: mode, offset: offset, length: length)
  }

  private mutating func file() -> FileReference {
    random.chance(15) ? .slot(random.below(slotCount)) : .path(filePath())
  }

  /// Mostly within some dozens of blocks, where everything meets.
  private mutating func smallOffset() -> Int64 {
    let blocks = random.chance(70) ? 24 : 300
    var offset = Int64(random.below(blocks)) * blockSize
    if random.chance(60) { offset += Int64(random.below(Int(blockSize))) }
    if random.chance(10) { offset = max(0, offset / blockSize * blockSize - 1) }
    return offset
  }

  private mutating func offset() -> Int64 {
    random.chance(2) ? wildOffset() : smallOffset()
  }

  /// At and past the edges of what a file may be.
  private mutating func wildOffset() -> Int64 {
    let limit = (Int64(1) << 32 - 1) * blockSize
    let near = Int64(random.below(3)) * blockSize
    return random.pick([
      0, -1, 1 << 31, (1 << 32) + near, limit - near, limit + near, limit - 1,
      limit - blockSize * 4,
      Int64.max, Int64.max - near, near, blockSize * 100_000,
    ])
  }

  private mutating func count() -> Int {
    switch random.below(20) {
    case 0..<8: 1 + random.below(Int(blockSize))
    case 8..<14: Int(blockSize) * (1 + random.below(8))
    case 14..<19: 1 + random.below(Int(blockSize) * 16)
    default: 1 + random.below(300_000)
    }
  }

  private mutating func fill() -> UInt64 { random.next() }

  // MARK: Names

  private static let directories = ["", "/a", "/b", "/a/c", "/h"]

  /// A file that data goes to; they are made on the way.
  private mutating func filePath() -> String {
    let directory = random.chance(80) ? "" : random.pick(Self.directories)
    return "\(directory)/f\(random.below(5))"
  }

  /// Any name: of files, directories, too long, below a file.
  private mutating func anyPath() -> String {
    switch random.below(20) {
    case 0..<12: return filePath()
    case 12..<15: return random.pick(["/a", "/b", "/a/c", "/b/d", "/h"])
    case 15..<17: return "\(random.pick(Self.directories))/s\(random.below(3))"
    case 17: return "\(random.pick(Self.directories))/" + Fill.name(random.below(2), 255)
    case 18: return "/" + Fill.name(0, 256)
    default: return filePath() + "/below"
    }
  }

  /// A name for what is no file of data: links, nodes, what was renamed.
  private mutating func sidePath() -> String {
    random.chance(85)
      ? "\(random.pick(Self.directories))/s\(random.below(4))" : anyPath()
  }

  private mutating func directoryPath() -> String {
    random.chance(90) ? random.pick(["/a", "/b", "/a/c", "/b/d", "/b/e", "/h"]) : anyPath()
  }

  private mutating func name() -> Operation {
    switch random.below(40) {
    case 0..<2: return .create(path: sidePath(), mode: mode())
    case 2..<6: return .makeDirectory(path: directoryPath(), mode: mode())
    case 6..<8: return .removeDirectory(path: directoryPath())
    case 8..<12: return .unlink(path: sidePath())
    case 12..<14: return .unlink(path: random.chance(70) ? filePath() : anyPath())
    case 14..<17: return .link(path: random.chance(80) ? filePath() : sidePath(), to: sidePath())
    case 17..<25: return rename()
    case 25..<28:
      let length = random.pick([1, 10, 58, 59, 60, 61, 200, 1022, 1023, 1024, 4094, 4095])
      return .symbolicLink(target: length, path: sidePath())
    case 28..<30: return .readSymbolicLink(path: sidePath())
    case 30..<31:
      let kind = random.pick([0x1000, 0x2000, 0x6000, 0xC000] as [UInt32])
      let isDevice = kind == 0x2000 || kind == 0x6000
      let number = random.pick([0, 1, 255, 256, 0xfffff] as [UInt32])
      return .makeNode(
        path: sidePath(), mode: kind | mode(),
        major: isDevice ? random.pick([1, 255, 256, 4095]) : 0,
        minor: isDevice ? number : 0)
    case 31..<34: return .list(path: random.pick(Self.directories + [anyPath()]))
    case 34..<38:
      return .createMany(
        directory: random.pick(["/h", "/h", "/h", "/a"]), first: random.below(400),
        count: 1 + random.below(60), nameLength: random.pick([12, 40, 255]))
    default:
      return .unlinkMany(
        directory: random.pick(["/h", "/h", "/a"]), first: random.below(400),
        count: 1 + random.below(60), step: 1 + random.below(3),
        nameLength: random.pick([12, 40, 255]))
    }
  }

  private mutating func rename() -> Operation {
    let flags = random.pick([0, 0, 0, 0, 1, 2, 2, 3] as [UInt32])
    switch random.below(10) {
    case 0..<4: return .rename(path: filePath(), to: filePath(), flags: flags)
    case 4..<7: return .rename(path: sidePath(), to: sidePath(), flags: flags)
    case 7..<9: return .rename(path: directoryPath(), to: directoryPath(), flags: flags)
    default: return .rename(path: anyPath(), to: anyPath(), flags: flags)
    }
  }

  private mutating func mode() -> UInt32 {
    random.pick([0o644, 0o600, 0o755, 0o777, 0o000, 0o1777, 0o700])
  }

  // MARK: Attributes

  private mutating func attribute() -> Operation {
    switch random.below(20) {
    case 0..<4: return .status(path: attributedPath())
    case 4..<5: return .changeMode(path: anyPath(), mode: mode())
    case 5..<6:
      return .changeOwner(
        path: anyPath(), uid: random.pick([0, 1, 65534, 65536, 4_000_000_000]),
        gid: random.pick([0, 7, 70000]))
    case 6..<8:
      let seconds: [Int64] = [
        0, -1, -2_147_483_648, -2_147_483_649, 2_147_483_647, 2_147_483_648, 4_294_967_295,
        4_294_967_296, 15_032_385_535, 15_032_385_536, 1_000_000_000,
      ]
      return .setTimes(
        path: anyPath(), access: random.pick(seconds), modification: random.pick(seconds),
        nanoseconds: random.pick([0, 1, 999_999_999]))
    case 8..<14:
      return .setAttribute(
        path: attributedPath(), name: attributeName(), count: attributeSize(), fill: fill(),
        flags: random.pick([0, 0, 0, 1, 2]))
    case 14..<16: return .attribute(path: attributedPath(), name: attributeName())
    case 16..<18: return .attributeNames(path: attributedPath())
    default: return .removeAttribute(path: attributedPath(), name: attributeName())
    }
  }

  private mutating func attributedPath() -> String {
    random.chance(70) ? "/f\(random.below(5))" : random.chance(50) ? directoryPath() : anyPath()
  }

  private mutating func attributeName() -> String {
    random.chance(80)
      ? random.pick(["user.a", "user.b", "trusted.t", "user.a-longer-name-to-fill-the-inode"])
      : random.pick([
        "trusted.u", "user." + String(repeating: "n", count: 250), "user.", "nonsense.a",
      ])
  }

  private mutating func attributeSize() -> Int {
    switch random.below(10) {
    case 0..<2: 0
    case 2..<6: random.below(60)
    case 6..<8: random.below(Int(blockSize) / 2)
    case 8: Int(blockSize) - random.below(200)
    default: random.below(Int(blockSize) * 2)
    }
  }
}
