import CProcesses
import ExtantCheck
import Glibc
import Synchronization

/// Asks at the terminal whether to repair each issue.
final class Questioner: Sendable {
  private let saidAll = Mutex(false)

  /// Ends the program where the answer is to end it: nothing has been written yet.
  func decide(_ issue: Issue) -> Bool {
    if saidAll.withLock({ $0 }) {
      say("\(IssueText.sentence(issue)): \(IssueText.repair(issue))\n")
      return true
    }
    while true {
      say("\(IssueText.sentence(issue)).\n\(issue.kind.entry.repair)? [y]es, [n]o, [a]ll, [q]uit: ")
      switch readLine()?.lowercased() {
      case "y", "yes": return true
      case "n", "no": return false
      case "a", "all":
        saidAll.withLock { $0 = true }
        return true
      case "q", "quit", nil:
        say("\n")
        CancelledCheck.end()
      default: continue
      }
    }
  }

  func note(_ issue: Issue) { say("\(IssueText.sentence(issue)).\n") }

  private func say(_ text: String) {
    do { try Output.write(text) } catch { CancelledCheck.end() }
  }
}

/// The end of a check that nothing has come of: the image is only written when all is decided.
enum CancelledCheck {
  /// From now on Ctrl-C and its like end the program with fsck(8)'s code for that.
  static func watch() { csys_exit_at_end_signals(CheckStatus.cancelled.rawValue) }

  static func end() -> Never {
    Output.error("extant: cancelled; nothing was written\n")
    exit(CheckStatus.cancelled.rawValue)
  }
}
