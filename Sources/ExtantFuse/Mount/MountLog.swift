import CProcesses
import CFuse3
import Glibc
import Logging

/// Where the daemon's messages go: standard error in the foreground, else syslog(3).
enum MountLog {
  static func logger(isForeground: Bool, _ level: Logger.Level) -> Logger {
    var logger = Logger(label: "extant") { label in
      if isForeground { return StreamLogHandler.standardError(label: label) }
      unsafe csys_syslog_open("extant")
      forwardLibfuse()
      return SystemLogHandler()
    }
    logger.logLevel = level
    return logger
  }

  /// libfuse's own messages: with ours in the background, on standard error otherwise.
  static func forwardLibfuse() {
    unsafe extant_set_log_sink { level, line in
      guard let line = unsafe line else { return }
      unsafe csys_syslog(level, line)
    }
  }
}

/// Writes to syslog(3), which journald reads as well.
struct SystemLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) { unsafe csys_syslog(Self.priority(event.level), "\(event.message)") }

  private static func priority(_ level: Logger.Level) -> Int32 {
    switch level {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }
}
