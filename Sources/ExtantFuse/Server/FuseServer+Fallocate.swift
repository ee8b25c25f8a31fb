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
        let mode = FallocateMode(rawValue: mode)
        let range = FuseServer.range(UInt64(clamping: offset), Int(clamping: length))
        try open.file.checkFallocate(mode: mode, offset: Int64(offset), length: Int64(length))
        try server.dropPrivileges(
          of: open.inode, by: request, killsSuid: request.caller.uid != 0)
        do throws(FileSystemError) {
          try open.gate.transfer(range, leavesPages: false) { () throws(FileSystemError) in
            // What it got before stays: the second time it goes on.
            try server.findingRoom { () throws(FileSystemError) in
              try open.file.fallocate(mode: mode, offset: Int64(offset), length: Int64(length))
            }
          }
          try open.syncIfAsked()
          request.replyDone()
        } catch { server.failHalfDone(request, error, open.inode, mode, range) }
      }
    }
  }

  /// Answers for a call that may have done a part of its work. The kernel takes what fails for undone,
  /// and keeps its pages and attributes.
  private func failHalfDone(
    _ request: Request, _ error: FileSystemError, _ inode: InodeNumber, _ mode: FallocateMode,
    _ range: Range<Int64>
  ) {
    invalidateAttributes(of: inode)
    guard mode.contains(.zeroRange) || mode.contains(.punchHole) else {
      return request.fail(error, self)
    }
    shifts.run(for: inode) {
      self.invalidatePages(of: inode, range)
      request.fail(error, self)
    }
  }

  /// fallocate with every mode, by ioctl. Answers later, from a shift worker.
  ///
  /// The kernel takes no lock for an ioctl and leaves its cached pages as they are, but in a shift
  /// every page from `offset` on comes to lie elsewhere. So:
  ///
  /// 1. The kernel drops these pages. Dirty ones come back as writes, which other threads serve.
  /// 2. What reads and writes have touched meanwhile is dropped again, until there is nothing
  ///    (`InodeGate` says how this comes to an end); then the gate closes.
  /// 3. The shift, then the gate opens.
  /// 4. The kernel drops its pages again, and its idea of the attributes.
  ///
  /// Pages are never dropped with the gate closed: that may wait for a read at the gate.
  func fallocateByIoctl(_ request: Request, _ open: OpenFile, _ call: extant_fallocate) {
    shifts.run(for: open.inode) {
      do throws(FileSystemError) {
        try open.file.checkFallocate(
          mode: FallocateMode(rawValue: call.mode), offset: call.offset, length: call.length)
        try self.dropPrivileges(
          of: open.inode, by: request, killsSuid: request.caller.uid != 0)
        try self.shift(open, call)
        try open.syncIfAsked()
        request.reply(ioctl: [])
      } catch { request.fail(error, self) }
    }
  }

  private func shift(_ open: OpenFile, _ call: extant_fallocate) throws(FileSystemError) {
    let gate = open.gate
    gate.beginShift()
    invalidatePages(of: open.inode, from: call.offset)
    // Never met: the holds grow until they last for seconds in sum.
    let rounds = 200
    for round in 0..<rounds {
      let hold = min(UInt64(1_000_000) << UInt64(min(round, 10)), 50_000_000)
      for range in gate.takeTouched(hold: hold) where range.upperBound > call.offset {
        invalidatePages(of: open.inode, range)
      }
      if gate.close(inAnyCase: round == rounds - 1) { break }
    }
    defer { invalidatePages(of: open.inode, from: call.offset) }
    defer { gate.endShift() }
    try open.file.fallocate(
      mode: FallocateMode(rawValue: call.mode), offset: call.offset, length: call.length)
  }
}
