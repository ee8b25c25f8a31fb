import BlockIO
import Testing

@Suite struct BlockBufferTests {
  @Test(arguments: [0, 1, 512, 513, 1024, 1536, 3072, 4095, 4096, 5000, 1 << 20])
  func aBufferMayHaveAnySize(_ byteCount: Int) {
    let buffer = BlockBuffer(byteCount: byteCount)
    #expect(buffer.bytes.byteCount == byteCount)
    #expect(
      (0..<byteCount).allSatisfy {
        unsafe buffer.bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) == 0
      })
  }
}
