import TestSupport
import Testing
import Threading

/// Locks are taken in the order of their ranks, and a debug build ends where they are not.
@Suite struct LockRankTests {
  @Test func locksAreTakenOutermostFirstAndGivenInAnyOrder() {
    let (outer, inner) = (Lock(.rename), Lock(.nodeState))
    let shared = ReadWriteLock(.node)
    outer.lock()
    shared.lockShared()
    inner.lock()
    outer.unlock()
    inner.unlock()
    shared.unlock()
    outer.withLock { inner.withLock {} }
  }

  @Test func someNestInAnOrderOfTheirOwn() {
    let (first, second) = (ReadWriteLock(.node), ReadWriteLock(.node))
    first.withExclusiveLock { second.withExclusiveLock {} }
    second.withExclusiveLock { first.withExclusiveLock {} }
  }

  /// Who does not wait stops nobody.
  @Test func tryingIsAllowedInAnyOrder() {
    let (outer, inner) = (Lock(.commit), Lock(.nodeState))
    inner.withLock {
      #expect(outer.tryLock())
      outer.unlock()
    }
  }

  @Test func whoWaitsForAConditionDoesNotHoldItsLock() {
    let (lock, inner) = (Lock(.commit), Lock(.journal))
    let condition = Condition()
    lock.lock()
    _ = condition.wait(lock, nanoseconds: 1000)
    inner.withLock {}
    lock.unlock()
    lock.withLock {}
  }

  @Test func docsHaveTheSameList() throws {
    let path = Environment.packageRoot + "/docs/ARCHITECTURE.md"
    let text = String(decoding: try System.contents(path), as: UTF8.self)
    let section = text.split(separator: "## Lock order").last?.split(separator: "\n## ").first ?? ""
    let listed = section.split(separator: "\n").filter { $0.hasPrefix("| `") }.compactMap {
      $0.split(separator: "`").dropFirst().first.map(String.init)
    }
    #expect(listed == LockRank.allCases.map { "\($0)" })
  }

  #if DEBUG
    @Test func aLockOutOfTurnEndsTheProgram() async {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let (outer, inner) = (Lock(.node), Lock(.nodeState))
        inner.withLock { outer.withLock {} }
      }
      let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(said.contains("lock order: node is taken by a thread that holds nodeState"))
    }

    @Test func twoOfOneRankEndTheProgram() async {
      await #expect(processExitsWith: .failure) {
        let (one, other) = (Lock(.nodeState), Lock(.nodeState))
        one.withLock { other.withLock {} }
      }
    }

    @Test func theSameLockTwiceEndsTheProgram() async {
      await #expect(processExitsWith: .failure) {
        let lock = ReadWriteLock(.node)
        lock.withSharedLock { lock.withSharedLock {} }
      }
    }

    @Test func aLockUnderAnInnermostOneEndsTheProgram() async {
      await #expect(processExitsWith: .failure) {
        let (one, other) = (Guarded(0, .innermost), Guarded(0, .innermost))
        one.withLock { _ in other.withLock { _ in } }
      }
    }
  #endif
}
