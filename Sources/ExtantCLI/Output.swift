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

  static func error(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }
}
