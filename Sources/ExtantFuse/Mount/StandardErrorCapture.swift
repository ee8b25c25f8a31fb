import Glibc
import SystemPackage

/// What other people's code writes to standard error, to be told as a part of our own message.
enum StandardErrorCapture {
  /// Does `body`; what it and the programs it ran wrote to standard error. At most a pipe's 64 KiB.
  static func during(_ body: () -> Void) -> String {
    guard let ends = try? FileDescriptor.pipe() else {
      body()
      return ""
    }
    let own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
    // Whoever still holds the other end must not keep us waiting, and a full pipe not them.
    for end in [ends.readEnd, ends.writeEnd] {
      _ = fcntl(end.rawValue, F_SETFL, O_NONBLOCK)
      _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC)
    }
    dup2(ends.writeEnd.rawValue, STDERR_FILENO)
    body()
    if own >= 0 {
      dup2(own, STDERR_FILENO)
      Glibc.close(own)
    } else {
      Glibc.close(STDERR_FILENO)
    }
    try? ends.writeEnd.close()
    var text: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while let count = unsafe try? piece.withUnsafeMutableBytes({
      unsafe try ends.readEnd.read(into: $0)
    }), count > 0 {
      text += piece.prefix(count)
    }
    try? ends.readEnd.close()
    return String(decoding: text, as: UTF8.self)
  }
}
