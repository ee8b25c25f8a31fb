import Synchronization

/// A right that one caller can have.
final class Once: Sendable {
  private let taken = Atomic<Bool>(false)

  func take() -> Bool { !taken.exchange(true, ordering: .acquiringAndReleasing) }
  func giveBack() { taken.store(false, ordering: .releasing) }
}
