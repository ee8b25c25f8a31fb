import Synchronization
import TestSupport
import Testing

@Suite(.enabled(if: TestMount.canRun), .serialized)
struct DirectIOTests {
  /// generic/451 of xfstests: pages that a reader caches while an asynchronous direct write is under
  /// way are dropped when it ends.
  @Test func readersSeeWhatAnAsynchronousDirectWriteWrote() throws {
    let mount = try TestMount()
    let size = 256 << 10
    let path = mount("file")
    let file = try OpenFile(path, [.write, .create])
    try file.writeAll([UInt8](repeating: 0, count: size), at: 0)
    let isOver = Atomic(false)
    let stale = Atomic(0)
    @Sendable func read() {
      guard let reader = try? OpenFile(path) else { return }
      while !isOver.load(ordering: .relaxed) { _ = try? reader.read(size, at: 0) }
    }
    @Sendable func write() {
      defer { isOver.store(true, ordering: .relaxed) }
      for round in 1...250 {
        let letter = UInt8(round)
        do {
          try file.writeDirectAsynchronously(letter, size, at: 0)
          let seen = try OpenFile(path).read(size, at: 0)
          if seen.contains(where: { $0 != letter }) { stale.wrappingAdd(1, ordering: .relaxed) }
        } catch { stale.wrappingAdd(1000, ordering: .relaxed) }
      }
    }
    inParallel([read, read, write])
    #expect(stale.load(ordering: .relaxed) == 0)
  }
}
