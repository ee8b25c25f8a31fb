import CProcesses
import Glibc
import SystemPackage

/// Mounts the image at `mountpoint`.
///
/// Returns when the mount is ready; a process of its own serves it from then on. With
/// `options.isForeground` the calling process serves it, and the call returns when it is unmounted
/// and everything is on the image. Throws, with the reason for a user, when the mount did not come
/// about. Call it before any other thread is started.
public func mount(
  image: String, at mountpoint: String, options: MountOptions
) throws(MountError) {
  let source = try resolve(image)
  let target = try resolveMountpoint(mountpoint)
  if options.isForeground {
    let service = try MountService(source: source, mountpoint: target, options)
    service.ready()
    try service.run()
  } else {
    try Daemon.start { () throws(MountError) in
      try MountService(source: source, mountpoint: target, options)
    }
  }
}

private func resolve(_ path: String) throws(MountError) -> String {
  do { return try SystemFile.resolved(path) } catch { throw MountError("\(path): \(error)") }
}

private func resolveMountpoint(_ path: String) throws(MountError) -> String {
  let target: String
  var status = stat()
  do throws(Errno) {
    target = try SystemFile.resolved(path)
    if unsafe stat(target, &status) != 0 { throw Errno(rawValue: errno) }
    // What stat(2) says of a dead mount may be cached; this question goes to the daemon.
    var space = statvfs()
    if unsafe statvfs(target, &space) != 0 { throw Errno(rawValue: errno) }
  } catch {
    guard error == .socketNotConnected || error == .connectionAbort else {
      throw MountError("\(path): \(error)")
    }
    throw MountError(
      "\(path): the daemon of an earlier mount died and left it behind; `extant umount \(path)` first"
    )
  }
  guard status.st_mode & S_IFMT == S_IFDIR else { throw MountError("\(path): not a directory") }
  return target
}

/// A process in the background whose start is watched from the foreground.
private enum Daemon {
  /// Forks. In the child, runs what `make` makes until it ends, then exits. In the parent, returns
  /// when the child says that it is ready, or throws what it says instead.
  static func start(
    _ make: () throws(MountError) -> MountService
  ) throws(MountError) {
    let ends: (readEnd: FileDescriptor, writeEnd: FileDescriptor)
    do { ends = try FileDescriptor.pipe() } catch { throw MountError("pipe: \(error)") }
    // What is still to be written must not come out twice.
    fflush(nil)
    let child = csys_fork()
    guard child >= 0 else { throw MountError("fork: \(Errno(rawValue: errno))") }
    if child == 0 {
      try? ends.readEnd.close()
      serve(ends.writeEnd, make)
    }
    try? ends.writeEnd.close()
    try watch(child, ends.readEnd)
  }

  /// The child's life.
  private static func serve(
    _ status: FileDescriptor, _ make: () throws(MountError) -> MountService
  ) -> Never {
    setsid()
    _ = unsafe chdir("/")
    let service: MountService
    do throws(MountError) { service = try make() } catch {
      _ = try? status.writeAll(error.description.utf8)
      _exit(1)
    }
    for warning in service.warnings {
      _ = try? FileDescriptor.standardError.writeAll("extant: \(warning)\n".utf8)
    }
    detachStandardStreams()
    service.ready()
    _ = try? status.writeAll([readyMark])
    try? status.close()
    do throws(MountError) { try service.run() } catch { _exit(1) }
    _exit(0)
  }

  private static let readyMark: UInt8 = 0

  private static func watch(_ child: pid_t, _ status: FileDescriptor) throws(MountError) {
    var said: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1024)
    defer { try? status.close() }
    while let count = unsafe try? piece.withUnsafeMutableBytes({ unsafe try status.read(into: $0) }
    ),
      count > 0
    {
      said += piece.prefix(count)
      if said.first == readyMark { return }
    }
    var end: Int32 = 0
    while unsafe waitpid(child, &end, 0) < 0, errno == EINTR {}
    guard said.isEmpty else { throw MountError(String(decoding: said, as: UTF8.self)) }
    let signal = end & 0x7f
    throw MountError(
      signal == 0 ? "the daemon ended without a word" : "the daemon was ended by signal \(signal)")
  }

  /// The terminal is not the daemon's; whoever reads our output shall see its end.
  private static func detachStandardStreams() {
    guard let null = try? FileDescriptor.open(FilePath("/dev/null"), .readWrite) else { return }
    for stream in 0...2 as ClosedRange<Int32> { _ = dup2(null.rawValue, stream) }
    if null.rawValue > 2 { try? null.close() }
  }
}
