import BlockIO
import ExtantBase
import FaultKit
import TestSupport
import Testing
import Threading

@Suite struct EventTests {
  /// But those that are requests themselves, and the orphan file's: our images have none.
  @Test func everyEventThatARuleCanNameHappens() throws {
    let heard = Guarded<Set<DeviceEvent>>([.flush, .discard, .orphanFileWrite], .unranked)
    var images: [FaultImage.Recipe: FaultImage] = [:]
    for workload in Workload.all {
      let image = try images[workload.recipe] ?? FaultImage(workload.recipe)
      images[workload.recipe] = image
      let runner = FaultRunner(image) { _ in nil }
      try runner.perform(workload) { Listener($0, heard) }
      if heard.withLock({ $0 }) == Set(DeviceEvent.allCases) { break }
    }
    let missing = Set(DeviceEvent.allCases).subtracting(heard.withLock { $0 })
    #expect(missing.map(\.rawValue).sorted() == [])
  }
}

/// Passes everything on, and keeps what it is told.
private final class Listener: ForwardingDevice {
  let base: any BlockDevice
  private let heard: Guarded<Set<DeviceEvent>>

  init(_ base: any BlockDevice, _ heard: Guarded<Set<DeviceEvent>>) {
    self.base = base
    self.heard = heard
  }

  var listensToEvents: Bool { true }
  func note(_ event: DeviceEvent) { heard.withLock { _ = $0.insert(event) } }
}
