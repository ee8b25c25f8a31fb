import BlockIO
import Extant
import ExtantBase

/// What happened on the device while a sequence ran.
struct SequenceRun {
  /// With marks at the beginning and the return of each operation, the last of which is the close.
  var requests: [RecordedRequest]
  /// With a `sync` at the end, for the close; nil where one was refused.
  var operations: [CrashOperation?]
  /// What the engine should not have said.
  var failure: String?

  static let begin = "begin"
  static let returned = "return"

  /// Runs `sequence` on `image` and leaves in `start` what was there when it began.
  init(_ sequence: CrashSequence, on image: CrashImage, start: CrashImage) {
    let device = RecordingDevice(base: image)
    operations = []
    requests = []
    do throws(FileSystemError) {
      var driver = Driver(try FileSystem(device: device, options: BaseImage.openOptions))
      start.become(image)
      _ = device.takeRequests()
      for (index, operation) in sequence.operations.enumerated() {
        device.mark(Self.begin)
        do throws(FileSystemError) {
          try driver.perform(operation, tag: index + Oracle.firstTag)
          operations.append(operation)
        } catch .refused(_) {
          operations.append(nil)
        }
        device.mark(Self.returned)
      }
      device.mark(Self.begin)
      try driver.close()
      device.mark(Self.returned)
    } catch {
      failure = "operation \(operations.count) failed: \(error)"
    }
    operations.append(.sync)
    requests = device.takeRequests()
  }
}
