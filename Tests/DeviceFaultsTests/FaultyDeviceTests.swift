import DeviceFaults
import BlockIO
import ExtantBase
import SystemPackage
import TestSupport
import Testing
import Threading

@Suite struct FaultyDeviceTests {
  private let memory = MemoryDevice(byteCount: 64 << 10, name: "disk")

  private func device(_ text: String) throws -> FaultyDevice {
    FaultyDevice(base: memory, rules: try FaultRules(parsing: text, file: "r.conf"))
  }

  private func write(
    _ byte: UInt8, _ count: Int = 1024, at offset: UInt64, to device: any BlockDevice,
    through: Bool = false
  ) throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: count)
    var bytes = buffer.mutableBytes
    for place in 0..<count { bytes.storeBytes(of: byte, toByteOffset: place, as: UInt8.self) }
    if through {
      try device.writeThrough(buffer.bytes, at: offset)
    } else {
      try device.write(buffer.bytes, at: offset)
    }
  }

  /// The first byte of each sector.
  private func sectors(
    _ count: Int, at offset: UInt64, of device: any BlockDevice
  ) throws(FileSystemError) -> [UInt8] {
    let buffer = BlockBuffer(byteCount: count * 512)
    var bytes = buffer.mutableBytes
    try device.read(into: &bytes, at: offset)
    return (0..<count).map { unsafe bytes.unsafeLoad(fromByteOffset: $0 * 512, as: UInt8.self) }
  }

  private func byte(_ buffer: BlockBuffer, _ place: Int) -> UInt8 {
    unsafe buffer.bytes.unsafeLoad(fromByteOffset: place, as: UInt8.self)
  }

  private func fails(_ body: () throws(FileSystemError) -> Void) -> String? {
    do throws(FileSystemError) { try body() } catch { return "\(error)" }
    return nil
  }

  @Test func anErrorNamesDeviceAndRule() throws {
    let device = try device("\n[inject-error]\niotype = write\nerrno = ENOSPC\n")
    let text = fails { () throws(FileSystemError) in try write(1, at: 4096, to: device) }
    #expect(
      text
        == "disk: write at byte 4096 failed: No space left on device (injected by r.conf:2)")
    #expect(try sectors(1, at: 4096, of: device) == [0])
    #expect(device.hits == [1])
  }

  @Test func aRuleWithAnEventHitsOnlyRequestsOfThatEvent() throws {
    let device = try device("[inject-error]\nevent = leaf_write\n")
    #expect(device.listensToEvents)
    try write(1, at: 0, to: device)
    device.note(.leafWrite)
    for _ in 0..<2 {
      #expect(fails { () throws(FileSystemError) in try write(2, at: 0, to: device) } != nil)
    }
    device.note(.blockBitmapWrite)
    try write(3, at: 0, to: device)
    #expect(try sectors(1, at: 0, of: device) == [3])
  }

  @Test func eventsBelongToTheirThread() throws {
    let device = try device("[inject-error]\nevent = leaf_write\n")
    let other = WorkerThread(name: "other") { device.note(.leafWrite) }
    other?.join()
    try write(1, at: 0, to: device)
    device.note(.leafWrite)
    #expect(fails { () throws(FileSystemError) in try write(2, at: 0, to: device) } != nil)
  }

  @Test func aMomentLastsThroughTheRequestsInIt() throws {
    let device = try device("[inject-error]\nevent = checkpoint\niotype = write\n")
    device.note(.checkpoint)
    device.note(.blockBitmapWrite)
    #expect(fails { () throws(FileSystemError) in try write(2, at: 0, to: device) } != nil)
    device.note(.journalSuperblockWrite)
    try write(2, at: 0, to: device)
  }

  @Test func theStateMachineStartsAtOneAndZeroIsAnyState() throws {
    let device = try device(
      """
      [set-state]
      event = data_write
      state = 1
      new_state = 2
      [set-state]
      event = data_write
      state = 2
      new_state = 7
      [inject-error]
      event = data_write
      state = 2
      errno = ENOSPC
      [inject-error]
      event = data_read
      state = 0
      """)
    #expect(device.state == 1)
    device.note(.dataWrite)
    #expect(device.state == 2)
    // The rule for state 2 was judged in state 1: as in QEMU.
    try write(1, at: 0, to: device)
    device.note(.dataWrite)
    #expect(device.state == 7)
    #expect(fails { () throws(FileSystemError) in try write(2, at: 0, to: device) } != nil)
    device.note(.dataWrite)
    try write(3, at: 0, to: device)
    device.note(.dataRead)
    #expect(fails { () throws(FileSystemError) in _ = try sectors(1, at: 0, of: device) } != nil)
  }

  @Test func onceIsOnce() throws {
    let device = try device("[inject-error]\nonce = on\niotype = flush\n")
    #expect(fails { () throws(FileSystemError) in try device.flush() } != nil)
    try device.flush()
    #expect(device.hits == [1])
  }

  @Test func theFlushEventNeedsNobodyToTellIt() throws {
    let device = try device(
      "[set-state]\nevent = flush\nnew_state = 2\n[inject-error]\nevent = flush\nstate = 2\n")
    device.note(.flush)
    try device.flush()
    #expect(device.state == 2)
    #expect(fails { () throws(FileSystemError) in try device.flush() } != nil)
    try write(1, at: 0, to: device)
  }

  @Test func sectorAndIndexChoose() throws {
    let bySector = try device("[inject-error]\nsector = 9\n")
    try write(1, at: 8 * 512 - 1024, to: bySector)
    #expect(fails { () throws(FileSystemError) in try write(1, at: 8 * 512, to: bySector) } != nil)
    try write(1, at: 10 * 512, to: bySector)
    try bySector.flush()

    let byIndex = try device("[inject-error]\niotype = write\nindex = 2\n")
    _ = try sectors(1, at: 0, of: byIndex)
    try write(1, at: 0, to: byIndex)
    #expect(fails { () throws(FileSystemError) in try write(1, at: 0, to: byIndex) } != nil)
    try write(1, at: 0, to: byIndex)

    let from = try device("[inject-error]\nindex = 2+\n")
    try write(1, at: 0, to: from)
    for _ in 0..<3 { #expect(fails { () throws(FileSystemError) in try from.flush() } != nil) }
  }

  @Test func aTornWriteKeepsItsFirstSectors() throws {
    let silent = try device("[inject-error]\naction = torn\nsectors = 3\nonce = on\n")
    try write(5, 4096, at: 0, to: silent)
    #expect(try sectors(8, at: 0, of: memory) == [5, 5, 5, 0, 0, 0, 0, 0])
    let told = try device("[inject-error]\naction = torn\nerrno = EIO\n")
    #expect(fails { () throws(FileSystemError) in try write(6, 2048, at: 0, to: told) } != nil)
    #expect(try sectors(4, at: 0, of: memory) == [6, 6, 5, 0])
  }

  @Test func lostAndMisdirectedWritesSucceed() throws {
    let lost = try device("[inject-error]\naction = lost\n")
    try write(5, at: 0, to: lost)
    try write(5, at: 0, to: lost, through: true)
    #expect(try sectors(2, at: 0, of: lost) == [0, 0])

    let misdirected = try device("[inject-error]\naction = misdirected\noffset = 4\nonce = on\n")
    try write(5, at: 0, to: misdirected)
    #expect(try sectors(6, at: 0, of: memory) == [0, 0, 0, 0, 5, 5])
    let outside = try device("[inject-error]\naction = misdirected\noffset = -1\n")
    try write(7, at: 0, to: outside)
    #expect(try sectors(1, at: 0, of: outside) == [0])
    #expect(try sectors(1, at: 2560, of: outside) == [5])
  }

  @Test func aStaleReadGivesWhatWasThereBeforeTheLastWrite() throws {
    let device = try device("[inject-error]\naction = stale\nevent = data_read\n")
    try write(1, at: 0, to: device)
    try write(2, at: 0, to: device)
    try write(3, 512, at: 512, to: device)
    device.note(.dataRead)
    #expect(try sectors(3, at: 0, of: device) == [1, 2, 0])
    device.note(.metadataRead)
    #expect(try sectors(3, at: 0, of: device) == [2, 3, 0])
  }

  @Test func whatALyingFlushConfirmedIsLostWithThePower() throws {
    let device = try device("[inject-error]\naction = lying-flush\nindex = 2+\n iotype = flush\n")
    try write(1, at: 0, to: device)
    try device.flush()
    try write(2, at: 0, to: device)
    try write(2, at: 4096, to: device)
    try device.flush()
    #expect(try sectors(2, at: 0, of: device) == [2, 2])
    try write(3, 512, at: 4096, to: device, through: true)
    try device.powerCut()
    #expect(try sectors(2, at: 0, of: memory) == [1, 1])
    // Written through: only flushes lie here.
    #expect(try sectors(2, at: 4096, of: memory) == [3, 0])
    let error = fails { () throws(FileSystemError) in try device.flush() }
    #expect(error?.contains("the power is cut") == true)
  }

  @Test func aLieLastsNoLongerThanTheNextHonestFlush() throws {
    let device = try device("[inject-error]\naction = lying-flush\nonce = on\niotype = flush\n")
    try write(2, at: 0, to: device)
    try device.flush()
    try device.flush()
    try device.powerCut()
    #expect(try sectors(1, at: 0, of: memory) == [2])
  }

  @Test func closingTakesTheVolatileCacheWithIt() throws {
    let device = FaultyDevice(
      base: KeptOpen(memory),
      rules: FaultRules([FaultRule(.lyingFlush)]))
    try write(2, at: 0, to: device)
    try device.flush()
    try device.close()
    #expect(try sectors(1, at: 0, of: memory) == [0])
  }

  @Test func aPowerCutNeedsNoLie() throws {
    let device = FaultyDevice(base: memory, rules: FaultRules(), modelsCache: true)
    try write(1, at: 0, to: device)
    try device.flush()
    try write(2, at: 0, to: device)
    try device.discard(8192..<12288)
    try device.powerCut()
    #expect(try sectors(1, at: 0, of: memory) == [1])
  }

  @Test func memoryHasALimit() throws {
    let rules = FaultRules([FaultRule(.stale, .read), FaultRule(.lyingFlush)])
    let device = FaultyDevice(base: memory, rules: rules, memoryByteLimit: 4 * 512)
    for place in 0..<6 { try write(1, 512, at: UInt64(place) * 512, to: device) }
    // The first two are forgotten: the read gives what is there.
    #expect(try sectors(6, at: 0, of: device) == [1, 1, 0, 0, 0, 0])
    // The modelled cache was full after four, and wrote itself out.
    try device.powerCut()
    #expect(try sectors(6, at: 0, of: memory) == [1, 1, 1, 1, 0, 0])
  }

  @Test func aDelayWaitsAndAnImmediateErrorDoesNot() throws {
    let slow = try device("[inject-error]\naction = delay\nmilliseconds = 30\n")
    var start = Clock.monotonicNanoseconds()
    try write(1, at: 0, to: slow)
    #expect(Clock.monotonicNanoseconds() - start >= 30_000_000)
    let both = try device(
      """
      [inject-error]
      action = delay
      milliseconds = 5000
      [inject-error]
      immediately = on
      """)
    start = Clock.monotonicNanoseconds()
    #expect(fails { () throws(FileSystemError) in try both.flush() } != nil)
    #expect(Clock.monotonicNanoseconds() - start < 5_000_000_000)
  }

  @Test func aDeviceThatDoesNotListenIsNotTold() {
    #expect(!memory.listensToEvents)
    #expect(!FaultyDevice(base: memory, rules: FaultRules()).listensToEvents)
  }

  @Test func gatheredRequestsAreOneRequest() throws {
    let device = try device(
      "[inject-error]\niotype = write\naction = torn\nsectors = 3\nindex = 2\n")
    let buffers = (0..<3).map { _ in BlockBuffer(byteCount: 1024) }
    for (place, buffer) in buffers.enumerated() {
      var bytes = buffer.mutableBytes
      for sector in [0, 512] {
        bytes.storeBytes(of: UInt8(place + 1), toByteOffset: sector, as: UInt8.self)
      }
    }
    try device.write(buffers, at: 0)
    try device.write(buffers, at: 4096)
    #expect(try sectors(6, at: 0, of: memory) == [1, 1, 2, 2, 3, 3])
    #expect(try sectors(6, at: 4096, of: memory) == [1, 1, 2, 0, 0, 0])
    #expect(device.requestCount(of: .write) == 2)
    let read = FaultyDevice(base: memory, rules: FaultRules([FaultRule(.misdirected(sectors: 8))]))
    try read.read(into: buffers, at: 0)
    #expect(byte(buffers[0], 512) == 1)
    #expect(byte(buffers[1], 512) == 0)
  }

  @Test func requestsPastTheEndAreTheCallersMistake() throws {
    let device = try device("[inject-error]\naction = lost\n")
    let error = fails { () throws(FileSystemError) in try write(1, at: .max - 10, to: device) }
    #expect(error?.contains("past the device's end") == true)
    #expect(device.hits == [0])
  }

  @Test func whatIsSilentIsReported() throws {
    let said = Guarded<[String]>([], .unranked)
    let device = FaultyDevice(
      base: memory, rules: try FaultRules(parsing: "[inject-error]\naction = lost", file: "r.conf")
    ) { line in said.withLock { $0.append(line) } }
    try write(1, at: 512, to: device)
    #expect(said.withLock { $0 } == ["disk: write at byte 512: lost, injected by r.conf:1"])
  }
}
