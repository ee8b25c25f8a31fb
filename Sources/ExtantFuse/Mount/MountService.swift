import DeviceFaults
import BlockIO
import CFiles
import CProcesses
import CFuse3
import Extant
import ExtantBase
import Glibc
import Logging
import SystemPackage
import Threading
import ImageIO

/// One mount from its birth to its end, in the process that serves it.
final class MountService {
  private let engine: FileSystem
  private let server: FuseServer
  private let session: FuseSession
  private let mountpoint: String
  private let source: String
  private let hasFaults: Bool
  /// The image could only be opened for reading.
  private let isWriteProtected: Bool
  private let logger: Logger
  /// Closed at its writing end when no more requests will come.
  private let endWatch: FileDescriptor

  /// Opens the image, mounts it and starts serving.
  init(source: String, mountpoint: String, _ options: MountOptions) throws(MountError) {
    // Before any thread is started: all inherit it.
    csys_block_end_signals()
    logger = MountLog.logger(
      isForeground: options.isForeground, options.logsRequests ? .debug : .info)
    self.source = source
    hasFaults = options.faultRules != nil
    self.mountpoint = mountpoint
    var options = options
    do throws(FileSystemError) {
      (engine, isWriteProtected) = try Self.openWaiting(source, &options, logger)
    } catch {
      let text = "\(error)"
      throw MountError(text.contains(source) ? text : "\(source): \(text)")
    }
    if options.needsJournalChecksums, !engine.superblock.hasMetadataChecksums {
      try? engine.close()
      throw MountError(
        "\(source): mount option 'journal_checksum': the filesystem has no metadata_csum, without "
          + "which the journal gets no checksums")
    }
    if engine.isReadOnly { options.isReadOnly = true }
    do throws(MountError) {
      server = FuseServer(engine, logger, logsRequests: options.logsRequests)
      guard server.shifts.start() else { throw MountError("the system has no thread to give") }
      session = try FuseSession(server, source: source, mountpoint: mountpoint, options)
      let ends = try Self.makePipe()
      endWatch = ends.readEnd
      try session.start(threads: options.threadCount) { try? ends.writeEnd.close() }
    } catch {
      try? engine.close()
      throw error
    }
    for warning in warnings { logger.warning("\(warning)") }
  }

  /// Opens the image, when the daemon of an earlier mount has let go of it.
  private static func openWaiting(
    _ source: String, _ options: inout MountOptions, _ logger: Logger
  ) throws(FileSystemError) -> (FileSystem, isWriteProtected: Bool) {
    try afterEndingDaemon(of: source) { () throws(FileSystemError) in
      try openProtected(source, &options, logger)
    }
  }

  /// Opens the image, where it takes no writes for reading: as mount(8) does.
  private static func openProtected(
    _ source: String, _ options: inout MountOptions, _ logger: Logger
  ) throws(FileSystemError) -> (FileSystem, isWriteProtected: Bool) {
    do throws(FileSystemError) {
      return (try open(source, options, logger), false)
    } catch {
      guard !options.isReadOnly, error.isWriteProtection, case .io(let failure) = error,
        failure.device == source
      else { throw error }
      options.isReadOnly = true
      do throws(FileSystemError) { return (try open(source, options, logger), true) } catch {
        // What may not even be read is told as it was first, everything else as it is.
        throw error.isWriteProtection ? .io(failure) : error
      }
    }
  }

  private static func open(
    _ source: String, _ options: MountOptions, _ logger: Logger
  ) throws(FileSystemError) -> FileSystem {
    var engineOptions = options.engineOptions
    engineOptions.faultHandler = { error, consequence in
      logger.error("\(source): \(error)")
      switch consequence {
      case .goesOn: break
      case .readOnly: logger.critical("\(source): nothing is written any more")
      case .panic:
        // As a power cut: no request is answered any more, nothing more is written.
        logger.critical("\(source): ending at once, as errors=panic says")
        _exit(1)
      }
    }
    guard let rules = options.faultRules else {
      return try FileSystem.open(source, engineOptions)
    }
    let file = try DeviceOpener.open(source, access: options.isReadOnly ? .readOnly : .readWrite)
    let device = FaultyDevice(base: file, rules: rules) { logger.warning("\($0)") }
    do throws(FileSystemError) {
      return try FileSystem(device: device, options: engineOptions)
    } catch {
      try? device.close()
      throw error
    }
  }

  /// What whoever mounts should know, a line each.
  var warnings: [String] {
    var result: [String] = []
    if hasFaults { result.append("\(source): the device has faults on purpose: data may be lost") }
    if isWriteProtected {
      result.append("\(source): source write-protected, mounted read-only")
    } else if engine.options.access == .readWrite, let reason = engine.readOnlyReason {
      result.append("\(source): read-only: \(reason)")
    }
    result += engine.openingNotes.map { "\(source): \($0)" }
    return result
  }

  private static func makePipe() throws(MountError) -> (
    readEnd: FileDescriptor, writeEnd: FileDescriptor
  ) {
    do { return try FileDescriptor.pipe() } catch { throw MountError("pipe: \(error)") }
  }

  /// Waits for the first answer through the mount, then tunes it.
  func ready() {
    var status = stat()
    guard unsafe stat(mountpoint, &status) == 0 else { return }
    // The kernel takes a FUSE mount's read-ahead of 128 KiB as a limit, whatever INIT agreed on.
    let device = "\(extant_major(status.st_dev)):\(extant_minor(status.st_dev))"
    SystemFile.write("1024", to: "/sys/class/bdi/\(device)/read_ahead_kb")
    logger.info("\(source) is mounted at \(mountpoint)")
  }

  /// Serves until the mount is gone or a signal ends it, then writes everything and lets go of the
  /// image.
  func run() throws(MountError) {
    while true {
      let signal = csys_wait_end_signal(endWatch.rawValue)
      if signal == 0 { break }
      logger.info("ending: signal \(signal)")
      end()
    }
    try? endWatch.close()
    session.finish()
    server.shifts.close()
    do throws(FileSystemError) { try engine.close() } catch {
      logger.error("\(source): not everything could be written: \(error)")
      throw MountError("\(source): not everything could be written: \(error)")
    }
    logger.info("\(source) is unmounted")
  }

  /// Unmounts while requests are still served, so that the kernel can hand over what it holds.
  private func end() {
    if KernelMount.detach(mountpoint, lazy: false) == nil { return }
    // In use: pages dirtied by mappings come over now, and the users lose the mount.
    if let root = try? FileDescriptor.open(
      FilePath(mountpoint), .readOnly, options: [.closeOnExec, .directory])
    {
      _ = csys_syncfs(root.rawValue)
      try? root.close()
    }
    if let failure = KernelMount.detach(mountpoint, lazy: true) {
      logger.warning("\(mountpoint): \(failure)")
    }
    session.stop()
  }
}

extension MountOptions {
  var engineOptions: FileSystem.Options {
    var options = FileSystem.Options()
    options.access = isReadOnly ? .readOnly : .readWrite
    options.cacheByteLimit = cacheByteLimit
    options.writeBackInterval = writeBackSeconds
    options.errors = errors
    options.dataMode = dataMode
    options.usesBarriers = usesBarriers
    options.synchrony = synchrony
    options.notesDirectoryAccess = notesDirectoryAccess
    options.skipsRecovery = skipsRecovery
    options.journalPath = journalPath
    switch accessTimes {
    case .relative: options.accessTimes = .relative
    case .never: options.accessTimes = .never
    case .strict: options.accessTimes = .always
    }
    return options
  }
}
