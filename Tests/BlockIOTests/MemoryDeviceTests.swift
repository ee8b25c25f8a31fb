import BlockIO
import ExtantBase
import SystemPackage
import TestSupport
import Testing

@Suite struct MemoryDeviceTests {
  @Test func randomReadsWritesAndDiscardsAreThoseOfAnArray() throws {
    var random = SeededGenerator(seed: Seed.take())
    let size = 300_000
    let device = MemoryDevice(byteCount: UInt64(size))
    var model = [UInt8](repeating: 0, count: size)
    for _ in 0..<500 {
      let offset = random.below(size)
      let count = random.below(min(size - offset, 150_000) + 1)
      let range = offset..<offset + count
      switch random.below(3) {
      case 0:
        let bytes = [UInt8](repeating: UInt8(random.below(256)), count: count)
        try device.writeArray(bytes, at: UInt64(offset))
        model.replaceSubrange(range, with: bytes)
      case 1:
        #expect(try device.readArray(count, at: UInt64(offset)) == Array(model[range]))
      default:
        try device.discard(UInt64(offset)..<UInt64(offset + count))
        model.replaceSubrange(range, with: Array(repeating: 0, count: count))
      }
    }
    #expect(try device.readArray(size, at: 0) == model)
  }

  @Test func pastTheEndIsInvalidAndAClosedOneIsABadDescriptor() throws {
    let device = MemoryDevice(byteCount: 100)
    #expect(
      failure { () throws(FileSystemError) in try device.readArray(2, at: 99) }?.errno
        == .invalidArgument)
    #expect(
      failure { () throws(FileSystemError) in try device.writeArray([1, 2], at: 99) }?.errno
        == .invalidArgument)
    #expect(
      failure { () throws(FileSystemError) in try device.discard(0..<101) }?.errno
        == .invalidArgument)
    try device.close()
    #expect(
      failure { () throws(FileSystemError) in try device.readArray(2, at: 0) }?.errno
        == .badFileDescriptor)
  }
}

@Suite struct BlockBufferPoolTests {
  @Test func buffersAreCountedUntilTheirLastReferenceGoes() {
    let pool = BlockBufferPool(blockSize: 1024, limit: 10)
    var buffers: [BlockBuffer] = []
    #expect(pool.take(8, keeping: 3, into: &buffers) == 7)
    #expect(pool.take(8, keeping: 3, into: &buffers) == 0)
    #expect(pool.take(8, keeping: 0, into: &buffers) == 3)
    #expect(pool.take(1, keeping: 0, into: &buffers) == 0)
    let extra = pool.takeBeyondLimit()
    #expect(pool.inUse == 11)
    let kept = buffers[0]
    buffers = []
    #expect(pool.inUse == 2)
    _ = (kept, extra)
  }
}
