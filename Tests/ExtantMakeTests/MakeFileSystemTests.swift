import BlockIO
import Ext4Format
import ExtantBase
import ExtantMake
import Synchronization
import TestSupport
import Testing

struct MakeFileSystemTests {
  private func superblock(
    _ byteCount: UInt64, _ change: (inout MakeOptions) -> Void = { _ in }
  ) throws -> Superblock {
    var options = MakeOptions()
    change(&options)
    return try makeFileSystem(on: MemoryDevice(byteCount: byteCount), options)
  }

  /// The text of the refusal; nil where there is none.
  private func refusal(
    _ byteCount: UInt64, _ change: (inout MakeOptions) -> Void = { _ in }
  ) throws -> String? {
    do {
      _ = try superblock(byteCount, change)
      return nil
    } catch FileSystemError.unsupported(let reason) {
      return "\(reason.feature): \(reason.detail)"
    }
  }

  @Test("what is on the device decodes to the superblock that is returned, whole and supported")
  func decodes() throws {
    let device = MemoryDevice(byteCount: 32 << 20)
    let made = try makeFileSystem(on: device)
    var bytes = [UInt8](repeating: 0, count: Superblock.byteCount)
    try bytes.withMutableBytes { (span) throws(FileSystemError) in
      try device.read(into: &span, at: Superblock.byteOffset)
    }
    let read = try Superblock(bytes.rawBytes)
    #expect(read.freeBlockCount == made.freeBlockCount)
    #expect(read.uuid == made.uuid)
    try read.checkDeviceSize(device.byteCount)
    #expect(try read.checkSupport() == .readWrite)
  }

  @Test("the superuser's share is the percentage of all blocks")
  func reservedShare() throws {
    for percentage in [0, 0.5, 5, 12.5, 50] {
      let made = try superblock(64 << 20) { $0.reservedPercentage = percentage }
      #expect(made.reservedBlockCount == UInt64(Double(made.blockCount) * percentage / 100))
    }
    let shrunk = try superblock(64 << 20) {
      $0.blockSize = 4096
      $0.bytesPerInode = 1024
    }
    #expect(shrunk.reservedBlockCount == shrunk.blockCount / 20)
  }

  @Test("a smaller filesystem than its device is made on request")
  func part() throws {
    let made = try superblock(64 << 20) {
      $0.blockSize = 1024
      $0.byteCount = 20_001 * 1024 + 5
    }
    #expect(made.blockCount == 20_001)
    #expect(try refusal(8 << 20) { $0.byteCount = 9 << 20 }?.contains("9437184") == true)
    #expect(try refusal(8 << 20) { $0.byteCount = .max } != nil)
    #expect(try refusal(8 << 20) { $0.byteCount = 0 } != nil)
  }

  @Test("two filesystems differ in UUID and hash seed")
  func randomNames() throws {
    let (one, two) = (try superblock(4 << 20), try superblock(4 << 20))
    #expect(one.uuid != two.uuid)
    #expect(one.hashSeed != two.hashSeed)
  }

  @Test("wrong options are refused, each with its name and reason")
  func refusals() throws {
    let size: UInt64 = 16 << 20
    #expect(try refusal(size) { $0.blockSize = 3000 }?.contains("block size 3000") == true)
    #expect(try refusal(size) { $0.blockSize = -1 } != nil)
    #expect(try refusal(size) { $0.inodeSize = 300 }?.contains("inode size 300") == true)
    #expect(try refusal(size) { $0.inodeSize = 2048 }?.contains("1024") == true)
    #expect(try refusal(size) { $0.inodeSize = 0 } != nil)
    #expect(try refusal(size) { $0.bytesPerInode = 512 }?.contains("512 bytes") == true)
    #expect(try refusal(size) { $0.inodeCount = 0 } != nil)
    #expect(try refusal(size) { $0.inodeCount = 1_000_000 }?.contains("do not fit") == true)
    #expect(try refusal(size) { $0.inodeCount = .max } != nil)
    #expect(try refusal(size) { $0.reservedPercentage = 51 } != nil)
    #expect(try refusal(size) { $0.reservedPercentage = .nan } != nil)
    #expect(try refusal(size) { $0.label = [UInt8](repeating: 65, count: 17) } != nil)
    #expect(try refusal(size) { $0.uuid = [1, 2] } != nil)
    #expect(try refusal(size) { $0.features = "nonsense" }?.contains("nonsense") == true)
    #expect(try refusal(size) { $0.features = "encrypt" }?.contains("encrypt") == true)
    #expect(try refusal(size) { $0.features = "^extent" }?.contains("extent") == true)
    #expect(try refusal(size) { $0.features = "^sparse_super" }?.contains("sparse_super") == true)
    #expect(try refusal(size) { $0.features = "^metadata_csum,metadata_csum_seed" } != nil)
    #expect(try refusal(size) { $0.features = "^has_journal,orphan_file" } != nil)
    #expect(try refusal(size) { $0.features = "none,extent,filetype" } == nil)
  }

  @Test("every device from nothing to 300 KiB is refused or gets a clean filesystem")
  func smallest() throws {
    let directory = try TemporaryDirectory()
    var made = 0
    for byteCount in stride(from: UInt64(0), through: 300 << 10, by: 4096) {
      for blockSize in [1024, 4096] {
        let path = directory("small-\(byteCount)-\(blockSize)")
        let device = try FileDevice(path: path, access: .readWrite, create: byteCount)
        var options = MakeOptions()
        options.blockSize = blockSize
        do {
          try makeFileSystem(on: device, options)
        } catch FileSystemError.unsupported {
          try device.close()
          continue
        }
        try device.close()
        made += 1
        if Environment.hasTools {
          #expect(try Image(path: path).complaint() == nil, "\(byteCount) bytes")
        }
        try System.unlink(path)
      }
    }
    #expect(made > 60)
  }

  @Test("what a device held before does not matter")
  func dirtyDevice() throws {
    let directory = try TemporaryDirectory()
    for lazy in [MakeOptions.InodeTables.zeroed, .lazy] {
      let path = directory("dirty")
      let file = try OpenFile(path, [.write, .create])
      try file.writeAll([UInt8](repeating: 0xa5, count: 24 << 20), at: 0)
      let device = NoDiscardDevice(try FileDevice(path: path, access: .readWrite))
      var options = MakeOptions()
      options.features = "orphan_file"
      options.inodeTables = lazy
      try makeFileSystem(on: device, options)
      try device.close()
      if Environment.hasTools { #expect(try Image(path: path).complaint() == nil) }
      #expect(try file.read(1024, at: 0) == [UInt8](repeating: 0, count: 1024))
      #expect(try file.read(65536, at: (24 << 20) - 65536) == [UInt8](repeating: 0, count: 65536))
    }
  }

  @Test("what reads as zeros is neither read nor written: holes of a large file")
  func sparse() throws {
    let directory = try TemporaryDirectory()
    let device = NoDiscardDevice(
      try FileDevice(path: directory("ours"), access: .readWrite, create: 64 << 30))
    // What is in the way of an inode table is read and goes.
    try device.write([UInt8](repeating: 0xa5, count: 9000).rawBytes, at: 1100 * 4096)
    var options = MakeOptions()
    options.inodeTables = .zeroed
    try makeFileSystem(on: device, options)
    // The tables are 1 GiB, the journal is as much.
    #expect(device.readByteCount < 4 << 20)
    #expect(device.writtenByteCount < 8 << 20)
    try device.close()
    let image = Image(path: directory("ours"))
    let blocks = try System.status(image.path).blocks
    #expect(blocks < 12 << 11, "in use: \(blocks) of 512 bytes")
    guard Environment.hasTools else { return }
    #expect(try image.complaint() == nil)
    _ = try Image.make(at: directory("theirs"), size: "64G")
    #expect(try blocks <= System.status(directory("theirs")).blocks + 64)
  }

  @Test(
    "on a block device that is full of something else it is whole, and the same as in a file",
    .enabled(if: Environment.hasKernelMounts))
  func blockDevice() throws {
    let directory = try TemporaryDirectory()
    let image = Image(path: directory("image"))
    let file = try OpenFile(image.path, [.write, .create])
    try file.writeAll([UInt8](repeating: 0xa5, count: 24 << 20), at: 0)
    let loop = try LoopDevice(image.path)
    var options = MakeOptions()
    options.inodeTables = .zeroed
    options.uuid = [UInt8](repeating: 7, count: 16)
    options.hashSeed = options.uuid
    options.time = Timestamp(seconds: 1_000_000_000, nanoseconds: 0)
    do {
      defer { loop.detach() }
      let device = try FileDevice(path: loop.path, access: .readWrite)
      try makeFileSystem(on: device, options)
      try device.close()
    }
    #expect(try image.complaint() == nil)
    let plain = try FileDevice(path: directory("plain"), access: .readWrite, create: 24 << 20)
    try makeFileSystem(on: plain, options)
    try plain.close()
    #expect(try System.contents(image.path) == System.contents(directory("plain")))
  }

  @Test(
    "the kernel mounts it, fills it and finds it whole again",
    .enabled(if: Environment.hasKernelMounts),
    arguments: [
      MakeRecipe(byteCount: 3 << 20), MakeRecipe(byteCount: 40 << 20, features: "orphan_file"),
      MakeRecipe(byteCount: 70 << 20, blockSize: 2048, features: "metadata_csum_seed"),
      MakeRecipe(byteCount: 700 << 20),
      MakeRecipe(byteCount: 30 << 20, features: "^metadata_csum,uninit_bg"),
      MakeRecipe(byteCount: 30 << 20, inodeSize: 128, features: "^64bit"),
      MakeRecipe(byteCount: 30 << 20, features: "^flex_bg,^has_journal,^resize_inode"),
    ])
  func kernelMounts(recipe: MakeRecipe) throws {
    let directory = try TemporaryDirectory()
    let image = Image(path: directory("image"))
    try recipe.make(at: image.path)
    let mount = try image.mountInKernel(at: directory("mount"))
    for index in 0..<40 {
      try System.makeDirectory(mount.point + "/d\(index)")
      try System.write(
        [UInt8](repeating: UInt8(index), count: index * 500), to: mount.point + "/d\(index)/file")
    }
    let before = try Tree(at: mount.point)
    try mount.unmount()
    #expect(try image.complaint() == nil)
    let again = try image.mountInKernel(at: directory("mount"), options: "ro")
    #expect(before.differences(from: try Tree(at: again.point), "before", "after") == [])
    try again.unmount()
  }
}

/// Passes everything on but discards, so that what was there stays there, and counts bytes.
private final class NoDiscardDevice: ForwardingDevice {
  let base: any BlockDevice
  private let counts = Mutex((read: 0, written: 0))
  var readByteCount: Int { counts.withLock { $0.read } }
  var writtenByteCount: Int { counts.withLock { $0.written } }

  init(_ base: any BlockDevice) { self.base = base }
  func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    let count = bytes.byteCount
    counts.withLock { $0.read += count }
    try base.read(into: &bytes, at: offset)
  }
  func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    let count = bytes.byteCount
    counts.withLock { $0.written += count }
    try base.write(bytes, at: offset)
  }
  func discard(_ range: Range<UInt64>) throws(FileSystemError) {}
}
