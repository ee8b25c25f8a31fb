import BlockIO
import ExtantBase
import ExtantMake
import TestSupport
import Testing

struct ExistingContentTests {
  @Test("an empty device, of whatever size, holds nothing")
  func empty() throws {
    for byteCount: UInt64 in [0, 1, 512, 1024, 4096, 1 << 20] {
      #expect(try detectExistingContent(on: MemoryDevice(byteCount: byteCount)) == nil)
    }
  }

  @Test("an ext4 filesystem is recognised, by its label too, also when damaged")
  func ext4() throws {
    let device = MemoryDevice(byteCount: 8 << 20)
    var options = MakeOptions()
    options.label = Array("data".utf8)
    try makeFileSystem(on: device, options)
    #expect(try detectExistingContent(on: device) == "an ext4 filesystem called data")
    try device.write([UInt8](repeating: 0xff, count: 16).rawBytes, at: 1024 + 4)
    #expect(try detectExistingContent(on: device)?.contains("damaged") == true)
    try makeFileSystem(on: device)
    #expect(try detectExistingContent(on: device) == "an ext4 filesystem")
  }

  @Test(
    "other filesystems are recognised and gone once ours is made",
    arguments: [
      (["mkfs.xfs", "-q", "-f"], 320, "XFS"), (["mkfs.btrfs", "-q", "-f"], 128, "Btrfs"),
      (["mkswap"], 4, "swap"), (["mke2fs", "-q", "-t", "ext2"], 4, "ext2"),
      (["mke2fs", "-q", "-t", "ext3"], 4, "ext3"), (["mkfs.vfat"], 40, "FAT"),
    ])
  func others(command: [String], mebibytes: UInt64, word: String) throws {
    guard Environment.find(command[0]) != nil else { return }
    let directory = try TemporaryDirectory()
    let path = directory("other")
    try FileDevice(path: path, access: .readWrite, create: mebibytes << 20).close()
    try Program.succeed(command + [path])
    let device = try FileDevice(path: path, access: .readWrite)
    #expect(try detectExistingContent(on: device)?.contains(word) == true)
    try makeFileSystem(on: device)
    #expect(try detectExistingContent(on: device) == "an ext4 filesystem")
    try device.close()
  }

  @Test("partition tables are recognised")
  func partitions() throws {
    let device = MemoryDevice(byteCount: 1 << 20)
    var sector = [UInt8](repeating: 0, count: 512)
    (sector[510], sector[511], sector[450]) = (0x55, 0xaa, 0x83)
    try device.write(sector.rawBytes, at: 0)
    #expect(try detectExistingContent(on: device) == "a whole disk with a partition table")
  }
}
