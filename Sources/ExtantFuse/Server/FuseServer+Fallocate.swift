import CFuse3
import Extant
import ExtantBase
import SystemPackage

/// fallocate, by the kernel's request and by our ioctl.
extension FuseServer {
  static func addFallocate(_ operations: inout fuse_lowlevel_ops) {
    // Mode 0, KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE come this way. The kernel holds the inode's lock
    // and corrects its own pages.
    unsafe operations.fallocate = { raw, _, mode, offset, length, info in
      let request = unsafe Request(raw, "fallocate")
      request.serve { (server) throws(FileSystemError) in
        let open = try unsafe FileInfo(info).requireOpenFile()
        try open.gate.transfer(cachesPages: false) { () throws(FileSystemError) in
          try open.file.fallocate(
            mode: FallocateMode(rawValue: mode), offset: Int64(offset), length: Int64(length))
        }
        try server.privileges.dropAfterChange(
          of: open.inode, server.engine, killsSuid: request.caller.uid != 0)
        request.replyDone()
      }
    }
  }

  /// fallocate with every mode, by ioctl. Answers later, from the shift worker.
  ///
  /// The kernel takes no lock for an ioctl and leaves its cached pages as they are, but in a shift
  /// every page from `offset` on comes to lie elsewhere. So:
  ///
  /// 1. The kernel drops these pages. Dirty ones come back as writes, which other threads serve.
  /// 2. The gate closes for reads and writes of the inode. Had one come since 1, a page may be
  ///    cached again, and dirtied by a mapping, and written to a place that is no longer its own:
  ///    the gate opens, and 1 is repeated.
  /// 3. The shift, then the gate opens.
  /// 4. The kernel drops its pages again: a write that was on its way has left old bytes in them.
  ///
  /// Step 1 never runs with the gate closed, for it waits for pages that such a write holds.
  func fallocateByIoctl(_ request: Request, _ open: OpenFile, _ call: extant_fallocate) {
    let killsSuid = request.caller.uid != 0
    shifts.run {
      do throws(FileSystemError) {
        try self.shift(open, call)
        try self.privileges.dropAfterChange(of: open.inode, self.engine, killsSuid: killsSuid)
        request.reply(ioctl: [])
      } catch { request.fail(error, self) }
    }
  }

  private func shift(_ open: OpenFile, _ call: extant_fallocate) throws(FileSystemError) {
    let gate = open.gate
    // A busy reader must not keep a shift waiting for ever. After so many rounds one that races
    // with a mapping's stores may lose them, as it may lose any race.
    let rounds = 64
    for round in 1...rounds {
      let before = gate.transfers.load(ordering: .acquiring)
      invalidatePages(of: open.inode, from: call.offset)
      gate.lock.lockExclusive()
      if round == rounds || gate.transfers.load(ordering: .acquiring) == before { break }
      gate.lock.unlock()
    }
    defer { invalidatePages(of: open.inode, from: call.offset) }
    defer { gate.lock.unlock() }
    try open.file.fallocate(
      mode: FallocateMode(rawValue: call.mode), offset: call.offset, length: call.length)
  }
}
