import CFuse3
import Extant
import ExtantBase
import Glibc
import Logging
import Threading

/// Serves one mount: turns the kernel's requests into calls of the engine.
///
/// libfuse calls the functions of `operations` on the threads of `FuseSession`. No handler waits
/// for another request, but for one at a time and a moment (`findingRoom`): what must (a shift, which
/// makes the kernel write its pages back first) runs on the shift worker's own thread. No engine lock is
/// held while the kernel is told anything.
final class FuseServer: Sendable {
  /// In seconds. The daemon is the image's one owner, so what it told the kernel stays true until
  /// the kernel itself changes it, or the daemon takes it back.
  static let timeout = 1e9
  /// In bytes: the largest request that libfuse 3.14 takes.
  static let transferSize: UInt32 = 1 << 20

  let engine: FileSystem
  let logger: Logger
  let logsRequests: Bool
  let gates = InodeGates()
  let privileges = Privileges()
  let shifts = ShiftWorkers()
  let removals = Removals()
  let notices = KernelNotices()

  init(_ engine: FileSystem, _ logger: Logger, logsRequests: Bool) {
    self.engine = engine
    self.logger = logger
    self.logsRequests = logsRequests
  }

  static func operations() -> fuse_lowlevel_ops {
    var operations = fuse_lowlevel_ops()
    unsafe operations.`init` = { _, connection in
      guard let connection = unsafe connection else { return }
      unsafe FuseServer.negotiate(&connection.pointee)
    }
    // Without a flush at each close(2) a round trip is saved; the kernel asks once.
    unsafe operations.flush = { raw, _, _ in unsafe Request(raw, "flush").reply(error: ENOSYS) }
    addNames(&operations)
    addAttributes(&operations)
    addDirectories(&operations)
    addData(&operations)
    addExtendedAttributes(&operations)
    addIoctl(&operations)
    addFallocate(&operations)
    return operations
  }

  private static func negotiate(_ connection: inout fuse_conn_info) {
    connection.max_write = transferSize
    connection.max_readahead = transferSize
    connection.max_background = 64
    connection.congestion_threshold = 48
    connection.time_gran = 1

    var wanted = connection.want
    for capability in [
      FUSE_CAP_ASYNC_READ, FUSE_CAP_ATOMIC_O_TRUNC, FUSE_CAP_EXPORT_SUPPORT, FUSE_CAP_DONT_MASK,
      FUSE_CAP_IOCTL_DIR, FUSE_CAP_READDIRPLUS, FUSE_CAP_READDIRPLUS_AUTO,
      FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_POSIX_ACL, FUSE_CAP_CACHE_SYMLINKS,
      FUSE_CAP_NO_OPENDIR_SUPPORT, FUSE_CAP_EXPLICIT_INVAL_DATA,
    ] {
      wanted |= UInt32(bitPattern: capability) & connection.capable
    }
    // Invalidation by mtime would throw pages away after each of our own writes. The writeback
    // cache would overrule our sizes and times, and measured slower. Version 2 of killpriv is asked
    // for below libfuse. Splicing does not pass our own reads and writes. Of an asynchronous direct
    // write the kernel drops no cached pages when it ends, so buffered readers would see old bytes.
    for capability in [
      FUSE_CAP_ASYNC_DIO, FUSE_CAP_AUTO_INVAL_DATA, FUSE_CAP_WRITEBACK_CACHE,
      FUSE_CAP_HANDLE_KILLPRIV,
      FUSE_CAP_SPLICE_READ, FUSE_CAP_SPLICE_WRITE, FUSE_CAP_SPLICE_MOVE,
    ] {
      wanted &= ~UInt32(bitPattern: capability)
    }
    connection.want = wanted
  }
}
