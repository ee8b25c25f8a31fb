import Foundation
import Synchronization

/// Ends the process when what somebody does takes longer than two minutes, and says what it was.
final class Watch: Sendable {
  private let current = Mutex<(beats: Int, doing: [String: String])>((0, [:]))

  func beat(_ what: String, of who: String = "judge") {
    current.withLock {
      $0.beats += 1
      $0.doing[who] = what
    }
  }

  func start() {
    Thread.detachNewThread { [self] in
      var last = -1
      while true {
        Thread.sleep(forTimeInterval: 120)
        let (beats, doing) = current.withLock { $0 }
        if beats == last {
          say("no end to \(doing)")
          exit(3)
        }
        last = beats
      }
    }
  }
}
