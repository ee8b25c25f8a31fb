import CProcesses
import Glibc

/// The end of a command by a signal: Ctrl-C, kill, a reader that went away.
///
/// An image open for writing has to be closed first, or it would be left half changed: so a signal is
/// noted, the work stops at the next step, and the program ends by the signal after everything is
/// closed.
struct Interruption: Error {
  let signal: Int32

  /// From now on signals are noted.
  static func watch() { csys_note_end_signals() }

  static var noted: Interruption? {
    let number = csys_noted_end_signal()
    return number == 0 ? nil : Interruption(signal: number)
  }

  /// Throws when a signal was noted.
  static func check() throws { if let noted { throw noted } }

  func end() -> Never {
    csys_end_by_signal(signal)
    Glibc.exit(128 + signal)
  }
}
