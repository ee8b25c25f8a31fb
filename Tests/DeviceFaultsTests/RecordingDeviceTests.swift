import DeviceFaults
import BlockIO
import Ext4Format
import ExtantBase
import TestSupport
import Testing

@Suite struct RecordingDeviceTests {
  private static func filled(_ count: Int, _ value: UInt8) -> [UInt8] {
    [UInt8](repeating: value, count: count)
  }

  private static func buffer(_ count: Int, _ value: UInt8) -> BlockBuffer {
    let buffer = BlockBuffer(byteCount: count)
    var bytes = buffer.mutableBytes
    bytes.overwrite(at: 0, with: filled(count, value).rawBytes)
    return buffer
  }

  private static func record() throws -> RecordingDevice {
    let device = RecordingDevice(base: MemoryDevice(byteCount: 64 << 10))
    device.mark("begin")
    try device.write(filled(1024, 1).rawBytes, at: 2048)
    try device.write([buffer(512, 2), buffer(1024, 3)], at: 8192)
    try device.flush()
    device.note(.journalCommitWrite)
    try device.writeThrough(filled(512, 4).rawBytes, at: 0)
    try device.discard(4096..<8192)
    device.mark("end")
    return device
  }

  @Test func requestsAreNotedInOrderAndPassedOn() throws {
    let device = try Self.record()
    let expected: [RecordedRequest] = [
      .mark("begin"),
      .write(RecordedWrite(offset: 2048, bytes: Self.filled(1024, 1), isDurable: false)),
      .write(
        RecordedWrite(
          offset: 8192, bytes: Self.filled(512, 2) + Self.filled(1024, 3), isDurable: false)),
      .flush, .event(.journalCommitWrite),
      .write(RecordedWrite(offset: 0, bytes: Self.filled(512, 4), isDurable: true)),
      .discard(4096..<8192), .mark("end"),
    ]
    #expect(device.requests == expected)
    var read = Self.filled(1024, 0)
    try read.withMutableBytes { try device.read(into: &$0, at: 8704) }
    #expect(read == Self.filled(1024, 3))
    device.isRecording = false
    try device.flush()
    #expect(device.takeRequests() == expected)
    #expect(device.requests.isEmpty)
  }

  @Test func aFlushThatFailsIsToldFromOneThatHeld() throws {
    let base = MemoryDevice(byteCount: 4096)
    let device = RecordingDevice(base: base)
    try base.close()
    #expect(throws: FileSystemError.self) { try device.flush() }
    #expect(device.requests == [.flush, .flushFailed])
    let log = try LogWrites.encode(device.requests)
    #expect(try ParsedLog(log).entries.isEmpty)
  }

  @Test func theLogSaysWhatLogWritesDocuments() throws {
    let device = try Self.record()
    let directory = try TemporaryDirectory()
    try LogWrites.write(device.requests, to: directory("log"))
    let log = try ParsedLog(try System.contents(directory("log")))
    #expect(
      log.entries == [
        .init(sector: 0, count: 0, flags: 8, text: "begin", bytes: []),
        .init(sector: 4, count: 2, flags: 0, text: "", bytes: Self.filled(1024, 1)),
        .init(
          sector: 16, count: 3, flags: 0, text: "",
          bytes: Self.filled(512, 2) + Self.filled(1024, 3)),
        .init(sector: 0, count: 0, flags: 1, text: "", bytes: []),
        .init(sector: 0, count: 1, flags: 2, text: "", bytes: Self.filled(512, 4)),
        .init(sector: 8, count: 8, flags: 4, text: "", bytes: []),
        .init(sector: 0, count: 0, flags: 8, text: "end", bytes: []),
      ])
  }

  @Test func aWriteOfNoWholeSectorsIsNotLogged() throws {
    let write = RecordedWrite(offset: 100, bytes: [1], isDurable: false)
    #expect(throws: FileSystemError.self) { _ = try LogWrites.encode([.write(write)]) }
  }
}

/// A log as its documentation describes it, read strictly.
private struct ParsedLog {
  struct Entry: Equatable {
    var sector: UInt64
    var count: UInt64
    var flags: UInt64
    var text: String
    var bytes: [UInt8]
  }
  struct Broken: Error { var what: String }

  var entries: [Entry] = []

  init(_ log: [UInt8]) throws {
    func word(_ offset: Int, _ count: Int) throws -> UInt64 {
      guard offset + count <= log.count else { throw Broken(what: "cut at \(offset)") }
      return log[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    guard try word(0, 8) == 0x6a_7366_7773_6872, try word(8, 8) == 1, try word(24, 4) == 512 else {
      throw Broken(what: "head")
    }
    var offset = 512
    for _ in 0..<(try word(16, 8)) {
      var entry = Entry(
        sector: try word(offset, 8), count: try word(offset + 8, 8),
        flags: try word(offset + 16, 8), text: "", bytes: [])
      let textLength = Int(try word(offset + 24, 8))
      guard entry.flags & ~0xf == 0, (entry.flags & 8 != 0) == (textLength > 0),
        offset + 512 <= log.count
      else { throw Broken(what: "entry at \(offset)") }
      let text = offset + 32..<offset + 32 + textLength
      entry.text = String(decoding: log[text], as: UTF8.self)
      guard log[text.upperBound..<offset + 512].allSatisfy({ $0 == 0 }) else {
        throw Broken(what: "padding at \(offset)")
      }
      offset += 512
      if entry.flags & 4 == 0 {
        let end = offset + Int(entry.count) * 512
        guard end <= log.count else { throw Broken(what: "data at \(offset)") }
        entry.bytes = Array(log[offset..<end])
        offset = end
      }
      entries.append(entry)
    }
    guard offset == log.count else { throw Broken(what: "\(log.count - offset) bytes too many") }
  }
}
