import CFuseTransport
import CProcesses
import CFuse3
import Glibc
import SystemPackage
import Threading

/// libfuse's session of one mount, and the threads that serve it.
///
/// The threads are a fixed number, two at least: no more than one of them ever waits for another
/// request (what else would runs on the shift worker), so they cannot run out, and none is started and
/// ended with each burst.
@safe final class FuseSession: @unchecked Sendable {
  private let session: OpaquePointer
  private let server: FuseServer
  private let mountpoint: String
  private var threads: [WorkerThread] = []
  private let serving = Guarded<[pthread_t]>([], .innermost)

  /// Mounts at `mountpoint`, an absolute path.
  init(
    _ server: FuseServer, source: String, mountpoint: String, _ options: MountOptions
  ) throws(MountError) {
    self.server = server
    self.mountpoint = mountpoint
    guard
      let session = unsafe Self.makeSession(server, options.kernelList(source: source))
    else { throw MountError("libfuse refuses the options \(options.kernelList(source: source))") }
    var result: Int32 = 0
    let said = StandardErrorCapture.during {
      result = unsafe fuse_session_mount(session, mountpoint)
    }
    guard result == 0 else {
      unsafe fuse_session_destroy(session)
      throw MountError("\(mountpoint): cannot mount here: \(Self.refusal(said))")
    }
    guard unsafe extant_session_use_io(session, csys_fuse_writev, csys_fuse_read) == 0 else {
      unsafe fuse_session_unmount(session)
      unsafe fuse_session_destroy(session)
      throw MountError("libfuse refuses our own reads and writes of requests")
    }
    unsafe self.session = session
    unsafe server.notices.attach(session)
  }

  deinit {
    unsafe server.notices.attach(nil)
    unsafe fuse_session_destroy(session)
  }

  /// Why the kernel or fusermount3 would not mount, `said` being what they wrote.
  private static func refusal(_ said: String) -> String {
    // Only root's own attempt is without fusermount3, and libfuse's log may be the system's.
    if let line = said.split(separator: "\n").last(where: { $0.contains(":") }) {
      return String(line.drop { $0 != ":" }.dropFirst(2))
    }
    do {
      try FileDescriptor.open(FilePath("/dev/fuse"), .readWrite, options: .closeOnExec).close()
    } catch { return "/dev/fuse: \(error)" }
    return "the kernel refuses (are you allowed to mount?)"
  }

  private static func makeSession(_ server: FuseServer, _ options: String) -> OpaquePointer? {
    var arguments = unsafe fuse_args()
    defer { unsafe fuse_opt_free_args(&arguments) }
    for argument in ["extant", "-o", options] {
      guard unsafe fuse_opt_add_arg(&arguments, argument) == 0 else { return nil }
    }
    var operations = FuseServer.operations()
    return unsafe fuse_session_new(
      &arguments, &operations, MemoryLayout<fuse_lowlevel_ops>.size,
      Unmanaged.passUnretained(server).toOpaque())
  }

  /// Starts the threads. `ended` is called once, when no more requests will come.
  func start(threads count: Int, ended: @escaping @Sendable () -> Void) throws(MountError) {
    let left = Guarded(count, .innermost)
    for index in 0..<count {
      let thread = WorkerThread(name: "extant-\(index)") { [self] in
        csys_make_sigusr1_interrupt()
        serving.withLock { $0.append(pthread_self()) }
        serve()
        serving.withLock { $0.removeAll { pthread_equal($0, pthread_self()) != 0 } }
        let isLast = left.withLock { left in
          left -= 1
          return left == 0
        }
        if isLast { ended() }
      }
      guard let thread else {
        stop()
        finish()
        throw MountError("the system has no thread to give")
      }
      threads.append(thread)
    }
  }

  /// Receives and serves requests until the mount is gone or `stop` is called.
  private func serve() {
    var buffer = unsafe fuse_buf()
    defer { unsafe free(buffer.mem) }
    while unsafe fuse_session_exited(session) == 0 {
      let received = unsafe fuse_session_receive_buf(session, &buffer)
      if received == -EINTR || received == -EAGAIN { continue }
      guard received > 0 else { break }
      unsafe fuse_session_process_buf(session, &buffer)
    }
  }

  /// Lets the threads end though the mount is still in use; its users get ENOTCONN.
  func stop() {
    unsafe fuse_session_exit(session)
    // A signal that arrives just before the thread blocks is lost, so it is repeated.
    while true {
      let isIdle = serving.withLock { threads in
        for thread in threads { pthread_kill(thread, SIGUSR1) }
        return threads.isEmpty
      }
      if isIdle { return }
      usleep(1000)
    }
  }

  /// Waits for the threads, and takes the mount away if that has not happened yet.
  func finish() {
    for thread in threads { thread.join() }
    unsafe fuse_session_unmount(session)
  }
}
