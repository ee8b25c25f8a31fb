import ExtantBase
import TestSupport
import Testing

@testable import Ext4Format

@Suite("Inode")
struct InodeTests {
  @Test(
    "what the kernel wrote is decoded as stat reports it, and encodes to the same bytes",
    .enabled(if: Environment.hasKernelMounts), arguments: FormatRecipe.all)
  func kernelInodes(recipe: FormatRecipe) throws {
    let directory = try TemporaryDirectory()
    let image = try recipe.make(in: directory)
    let names = try fill(image, directory)
    let raw = try RawImage(image.path)
    let superblock = raw.superblock
    #expect(names.count > 12)
    for (name, status) in names {
      let number = InodeNumber(UInt32(status.inode))
      let inode = try raw.inode(number)
      #expect(inode.mode == UInt16(truncatingIfNeeded: status.mode), "\(name)")
      #expect(inode.uid == status.uid && inode.gid == status.gid, "\(name)")
      #expect(inode.size == status.size && UInt32(inode.linkCount) == status.links, "\(name)")
      #expect(inode.blocks512 == status.blocks, "\(name)")
      #expect(time(inode.accessTime) == status.accessTime, "\(name)")
      #expect(time(inode.modificationTime) == status.modificationTime, "\(name)")
      #expect(time(inode.changeTime) == status.changeTime, "\(name)")
      #expect((inode.creationTime == nil) == (superblock.inodeSize == 128))
      if status.isDevice {
        #expect(inode.deviceNumber.major == status.device.major, "\(name)")
        #expect(inode.deviceNumber.minor == status.device.minor, "\(name)")
        var again = inode
        again.deviceNumber = inode.deviceNumber
        #expect(again == inode, "\(name)")
      }
      if status.isSymbolicLink {
        #expect(inode.isFastSymlink(superblock: superblock) == (status.size < 60), "\(name)")
        if status.size < 60 {
          #expect(inode.fastSymlinkTarget == [UInt8](repeating: 0x74, count: Int(status.size)))
        }
      }
      let bytes = try raw.inodeBytes(number)
      var again = bytes
      again.withMutableBytes { inode.encode(into: &$0, number: number, superblock: superblock) }
      #expect(again == bytes, "\(name)")
    }
  }

  private func time(_ time: Timestamp) -> Status.Time {
    Status.Time(seconds: time.seconds, nanoseconds: Int64(time.nanoseconds))
  }

  /// Fills `image` through the kernel with one inode of each sort; their names and status.
  private func fill(_ image: Image, _ directory: TemporaryDirectory) throws -> [String: Status] {
    let mount = try image.mountInKernel(at: directory("mount"))
    let point = mount.point
    try System.write([UInt8](repeating: 7, count: 100_000), to: point + "/file")
    try OpenFile(point + "/sparse", [.write, .create]).writeAll([1], at: 5_000_000_000)
    try System.makeDirectory(point + "/directory", mode: 0o1777)
    for length in [1, 59, 60, 300] {
      try System.symbolicLink(String(repeating: "t", count: length), at: point + "/link\(length)")
    }
    try System.write([], to: point + "/owned")
    try System.changeOwner(point + "/owned", uid: 0x1234_5678, gid: 0x7654_3210)
    try System.changeMode(point + "/owned", 0o6755)
    for (name, mode, major, minor) in [
      ("null", 0x2000, 1, 3), ("wide", 0x2000, 300, 5), ("minor", 0x6000, 8, 70_000),
      ("fifo", 0x1000, 0, 0), ("socket", 0xC000, 0, 0), ("largest", 0x6000, 4095, 1_048_575),
    ] as [(String, UInt32, UInt32, UInt32)] {
      try System.makeNode(point + "/" + name, mode: mode | 0o600, major: major, minor: minor)
    }
    for (index, seconds) in [-2_147_483_648, -1, 0, 2_147_483_647].enumerated() {
      try System.write([], to: point + "/time\(index)")
      try setTimes(point + "/time\(index)", Int64(seconds), 123_456_789)
    }
    if !image.path.isEmpty, try RawImage(image.path).superblock.inodeSize > 128 {
      for (index, seconds) in [2_147_483_648, 4_294_967_296, 15_032_385_535].enumerated() {
        try System.write([], to: point + "/late\(index)")
        try setTimes(point + "/late\(index)", Int64(seconds), 999_999_999)
      }
    }
    try System.write([], to: point + "/attributes")
    try System.setAttribute(point + "/attributes", "user.short", [1, 2, 3])
    try System.setAttribute(
      point + "/attributes", "user.long", [UInt8](repeating: 5, count: 700))
    var names: [String: Status] = [:]
    for name in try System.names(in: point) {
      let name = String(decoding: name, as: UTF8.self)
      if name == "." || name == ".." { continue }
      names[name] = try System.status(point + "/" + name)
    }
    names["."] = try System.status(point)
    try mount.unmount()
    return names
  }

  private func setTimes(_ path: String, _ seconds: Int64, _ nanoseconds: Int64) throws {
    let time = Status.Time(seconds: seconds, nanoseconds: nanoseconds)
    try System.setTimes(path, access: time, modification: time)
  }

  @Test(
    "a flipped bit anywhere in an inode is caught, its attributes included",
    .enabled(if: Environment.hasTools), arguments: [128, 256])
  func flips(inodeSize: Int) throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(1024, "", ["-I", "\(inodeSize)"]).make(in: directory).path)
    let good = try raw.inodeBytes(.root)
    for offset in good.indices {
      var bytes = good
      bytes[offset] ^= 1 << UInt8(offset % 8)
      #expect(throws: FileSystemError.self, "byte \(offset)") {
        try Inode(bytes.rawBytes, number: .root, superblock: raw.superblock)
      }
    }
    let moved = try brokenRule {
      _ = try Inode(good.rawBytes, number: InodeNumber(3), superblock: raw.superblock)
    }
    #expect(moved?.contains("checksum") == true)
  }

  @Test("an extra size outside the inode is corrupt", .enabled(if: Environment.hasTools))
  func extraSize() throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(1024, "^metadata_csum").make(in: directory).path)
    for size: UInt16 in [2, 132, 0xffff, 0xfffc] {
      var bytes = try raw.inodeBytes(.root)
      bytes.withMutableBytes { $0.setLE16(size, at: 128) }
      let rule = try brokenRule {
        _ = try Inode(bytes.rawBytes, number: .root, superblock: raw.superblock)
      }
      #expect(rule?.contains("extra size") == true)
    }
    let cut = try brokenRule {
      _ = try Inode(
        [UInt8](repeating: 0, count: 200).rawBytes, number: .root, superblock: raw.superblock)
    }
    #expect(cut != nil)
  }

  @Test("a location exists for every inode, and for no other", .enabled(if: Environment.hasTools))
  func location() throws {
    let directory = try TemporaryDirectory()
    let raw = try RawImage(FormatRecipe(1024).make(in: directory).path)
    let superblock = raw.superblock
    let descriptor = try raw.descriptor(GroupIndex(0))
    let first = try superblock.inodeLocation(InodeNumber(1), descriptor: descriptor)
    #expect(first.block == descriptor.inodeTable && first.offset == 0)
    let sixth = try superblock.inodeLocation(InodeNumber(6), descriptor: descriptor)
    #expect(sixth.block == descriptor.inodeTable + 1 && sixth.offset == 256)
    for number in [0, superblock.inodeCount + 1, .max] {
      #expect(throws: FileSystemError.self) {
        try superblock.inodeLocation(InodeNumber(number), descriptor: descriptor)
      }
    }
  }

  @Test("times are kept from 1901 to 2446 with nanoseconds, and cut to that range")
  func times() throws {
    let codec = Inode.TimeCodec(extraSize: 32)
    let short = Inode.TimeCodec(extraSize: 0)
    func pass(_ codec: Inode.TimeCodec, _ time: Timestamp) -> Timestamp {
      var bytes = [UInt8](repeating: 0, count: 256)
      bytes.withMutableBytes { codec.encode(time, &$0, 0x8, extra: 0x8C) }
      return codec.decode(bytes.rawBytes, 0x8, extra: 0x8C)
    }
    let first: Int64 = -(1 << 31)
    let last: Int64 = (1 << 34) - (1 << 31) - 1
    for seconds in [
      first, first + 1, -1, 0, 1, 2_147_483_647, 2_147_483_648, 4_294_967_295, 4_294_967_296,
      6_442_450_943, 6_442_450_944, 10_737_418_239, 10_737_418_240, last - 1, last,
    ] {
      for nanoseconds: UInt32 in [0, 1, 999_999_999] {
        let time = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
        #expect(pass(codec, time) == time)
      }
    }
    #expect(pass(codec, Timestamp(seconds: last + 1, nanoseconds: 5)).seconds == last)
    #expect(pass(codec, Timestamp(seconds: .max)).seconds == last)
    #expect(pass(codec, Timestamp(seconds: .min)).seconds == first)
    #expect(pass(codec, Timestamp(seconds: 5, nanoseconds: .max)).nanoseconds == 999_999_999)
    #expect(pass(short, Timestamp(seconds: -5, nanoseconds: 7)) == Timestamp(seconds: -5))
    #expect(pass(short, Timestamp(seconds: 1 << 32)).seconds == Int64(Int32.max))
  }

  @Test(
    "a count of blocks past 48 bits of sectors is stored in blocks",
    .enabled(if: Environment.hasTools))
  func hugeFiles() throws {
    let directory = try TemporaryDirectory()
    let superblock = try RawImage(FormatRecipe(4096).make(in: directory).path).superblock
    let now = Timestamp(seconds: 1)
    for blocks: UInt64 in [0, 8, 1 << 32, (1 << 48) - 8, 1 << 48, 1 << 50] {
      var inode = Inode(mode: 0o100644, uid: 1, gid: 2, time: now, superblock: superblock)
      inode.blocks512 = blocks
      inode.size = 1 << 43
      var bytes = [UInt8](repeating: 0, count: 256)
      bytes.withMutableBytes {
        inode.encode(into: &$0, number: InodeNumber(12), superblock: superblock)
      }
      let read = try Inode(bytes.rawBytes, number: InodeNumber(12), superblock: superblock)
      #expect(read.blocks512 == blocks && read.size == 1 << 43)
      #expect(read.flags.contains(.hugeFile) == (blocks >= 1 << 48))
      #expect(read.creationTime == now && read.extraSize == 32)
    }
  }

  @Test("attributes have what lies behind the fields", .enabled(if: Environment.hasTools))
  func attributeRange() throws {
    let directory = try TemporaryDirectory()
    let superblock = try RawImage(FormatRecipe(4096).make(in: directory).path).superblock
    var inode = Inode(
      mode: 0o100644, uid: 0, gid: 0, time: Timestamp(seconds: 1), superblock: superblock)
    #expect(inode.xattrRange(inodeSize: 256) == 160..<256)
    #expect(inode.xattrRange(inodeSize: 128) == nil)
    inode.extraSize = 124
    #expect(inode.xattrRange(inodeSize: 256) == nil)
    inode.extraSize = 0
    #expect(inode.xattrRange(inodeSize: 256) == nil)
    let longest = [UInt8](repeating: 1, count: 59)
    let tooLong = inode.setFastSymlinkTarget(longest + [1])
    let fits = inode.setFastSymlinkTarget(longest)
    #expect(!tooLong && fits)
    #expect(inode.fastSymlinkTarget == longest)
  }
}
