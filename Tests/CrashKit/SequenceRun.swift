import DeviceFaults
import BlockIO
import Extant
import ExtantBase
import Synchronization
import TestSupport
import Threading

/// What happened on the device while a sequence ran.
struct SequenceRun {
  /// With marks at the beginning and the return of each operation, the last of which is the close.
  var requests: [RecordedRequest]
  /// What opening asked before that.
  private(set) var openingRequests: [RecordedRequest] = []
  /// With a `sync` at the end, for the close; nil where one was refused.
  private(set) var operations: [CrashOperation?]
  /// What the engine should not have said.
  private(set) var failure: String?

  static let begin = "begin"
  static let returned = "return"

  /// Runs `sequence` on `image` and leaves in `start` what was there when it began.
  init(_ sequence: CrashSequence, on image: CrashImage, start: CrashImage) {
    let device = EventHookDevice(image)
    let recording = RecordingDevice(base: device)
    let count = sequence.operations.count
    operations = [CrashOperation?](repeating: nil, count: count)
    requests = []
    do throws(FileSystemError) {
      var driver = Driver(try FileSystem(device: recording, options: CrashBaseImage.openOptions))
      start.become(image)
      openingRequests = recording.takeRequests()
      var index = 0
      while index < count {
        let operation = sequence.operations[index]
        recording.mark(Self.begin)
        if index + 2 < count, sequence.operations[index + 1] == .overlap {
          let inner = sequence.operations[index + 2]
          let overlap = Overlap(driver, inner, tag: index + 2 + Oracle.firstTag, recording)
          device.hook(.journalDescriptorWrite) { overlap.run() }
          operations[index] = try Self.run(&driver, operation, index)
          device.hook(.journalDescriptorWrite, nil)
          recording.mark(Self.returned)
          // Nothing was written: then it runs now.
          overlap.run()
          operations[index + 1] = .overlap
          operations[index + 2] = try overlap.outcome()
          recording.mark(Self.returned)
          recording.mark(Self.returned)
          index += 3
          continue
        }
        operations[index] = try Self.run(&driver, operation, index)
        if index == 0, case .prelude = operation {
          start.become(image)
          _ = recording.takeRequests()
          recording.mark(Self.begin)
        }
        recording.mark(Self.returned)
        index += 1
      }
      recording.mark(Self.begin)
      try driver.close()
      recording.mark(Self.returned)
    } catch {
      failure = "an operation failed: \(error)"
    }
    operations.append(.sync)
    requests = recording.takeRequests()
  }

  /// Nil where the engine refuses.
  private static func run(
    _ driver: inout Driver, _ operation: CrashOperation, _ index: Int
  ) throws(FileSystemError) -> CrashOperation? {
    do throws(FileSystemError) {
      try driver.perform(operation, tag: index + Oracle.firstTag)
      return operation
    } catch .refused(_) {
      return nil
    }
  }
}

/// An operation to run once, in the midst of another: by a thread of its own, for which the other waits.
private final class Overlap: @unchecked Sendable {
  private var driver: Driver
  private let operation: CrashOperation
  private let tag: Int
  private let recording: RecordingDevice
  private var result: Result<CrashOperation?, FileSystemError>?

  init(_ driver: Driver, _ operation: CrashOperation, tag: Int, _ recording: RecordingDevice) {
    self.driver = driver
    self.operation = operation
    self.tag = tag
    self.recording = recording
  }

  func run() {
    guard result == nil else { return }
    recording.mark(SequenceRun.begin)
    recording.mark(SequenceRun.begin)
    guard let thread = WorkerThread(name: "overlap", { self.perform() }) else {
      result = .failure(.refused(.noMemory))
      return
    }
    thread.join()
  }

  private func perform() {
    do throws(FileSystemError) {
      try driver.perform(operation, tag: tag)
      result = .success(operation)
    } catch .refused(_) {
      result = .success(nil)
    } catch {
      result = .failure(error)
    }
  }

  func outcome() throws(FileSystemError) -> CrashOperation? { try result?.get() ?? nil }
}

/// A device that does something when the engine is about to.
private final class EventHookDevice: ForwardingDevice, @unchecked Sendable {
  let base: any BlockDevice
  private var hooks: [DeviceEvent: () -> Void] = [:]

  init(_ base: any BlockDevice) { self.base = base }

  /// To be called while nothing else runs.
  func hook(_ event: DeviceEvent, _ body: (() -> Void)?) { hooks[event] = body }

  func note(_ event: DeviceEvent) { hooks[event]?() }
}
