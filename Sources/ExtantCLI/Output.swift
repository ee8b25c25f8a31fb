import ExtantBase
import Glibc
import SystemPackage

/// What the program writes.
enum Output {
  /// Whether a person reads it: colours and pictures may be used.
  static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

  static func write(_ text: String) throws { try write(Array(text.utf8)) }

  static func write(_ bytes: [UInt8]) throws {
    do { _ = try FileDescriptor.standardOutput.writeAll(bytes) } catch Errno.brokenPipe {
      // As with cat: no message.
      throw Interruption(signal: SIGPIPE)
    } catch {
      throw CommandFailure("standard output: \(error)")
    }
  }

  static func line(_ text: String) throws { try write(text + "\n") }

  /// A name on its way to standard output: quoted where a person reads it, else as it is.
  static func name(_ bytes: [UInt8]) -> [UInt8] {
    isTerminal ? Array(NameText.shell(bytes).utf8) : bytes
  }

  /// One line on standard error, whatever the text holds.
  static func message(_ text: String) {
    error("extant: \(NameText.shown(Array(text.utf8)))\n")
  }

  static func error(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }
}
