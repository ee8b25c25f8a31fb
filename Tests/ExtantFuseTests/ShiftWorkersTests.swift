import ExtantBase
import Testing
import Threading

@testable import ExtantFuse

/// Who waits for whom among shifts.
@Suite struct ShiftWorkersTests {
  private static func wait(for flag: Flag, seconds: UInt64 = 20) -> Bool {
    let end = Clock.monotonicNanoseconds() + seconds * 1_000_000_000
    while !flag.isRaised, Clock.monotonicNanoseconds() < end { Clock.sleep(nanoseconds: 1_000_000) }
    return flag.isRaised
  }

  @Test func aShiftThatTakesLongHoldsUpNoOtherFile() throws {
    let workers = ShiftWorkers()
    #expect(workers.start())
    let (other, seen) = (Flag(), Flag())
    workers.run(for: InodeNumber(12)) { if Self.wait(for: other) { seen.raise() } }
    workers.run(for: InodeNumber(13)) { other.raise() }
    workers.close()
    #expect(seen.isRaised)
  }

  @Test func shiftsOfOneFileComeOneAfterAnother() throws {
    let workers = ShiftWorkers()
    #expect(workers.start())
    let order = Guarded<[UInt32: [Int]]>([:], .innermost)
    let atWork = Guarded<Set<UInt32>>([], .innermost)
    for number in 0..<600 {
      let inode = UInt32(12 + number % 3)
      workers.run(for: InodeNumber(inode)) {
        let isAlone = atWork.withLock { $0.insert(inode).inserted }
        order.withLock { $0[inode, default: []].append(isAlone ? number : -1) }
        atWork.withLock { _ = $0.remove(inode) }
      }
    }
    // What was given before the end is done before it.
    workers.close()
    for inode in UInt32(12)...14 {
      let wanted = (0..<600).filter { UInt32(12 + $0 % 3) == inode }
      #expect(order.withLock { $0[inode] } == wanted)
    }
  }
}
