import CFuse3
import Extant
import ExtantBase
import Glibc
import SystemPackage

/// Files and their bytes: open, create, read, write, release, fsync, lseek, copy_file_range.
extension FuseServer {
  static func addData(_ operations: inout fuse_lowlevel_ops) {
    unsafe operations.open = { raw, inode, info in
      let request = unsafe Request(raw, "open")
      request.serve { (server) throws(FileSystemError) in
        let info = unsafe try FileInfo(info)
        let inode = try InodeNumber(fuse: inode)
        request.reply(open: try server.open(request, inode, info), info)
      }
    }
    unsafe operations.create = { raw, parent, name, mode, info in
      let request = unsafe Request(raw, "create")
      request.serve { (server) throws(FileSystemError) in
        let info = unsafe try FileInfo(info)
        let name = unsafe try FileName(name)
        let parent = try InodeNumber(fuse: parent)
        try server.findingRoom { () throws(FileSystemError) in
          try server.create(request, name, parent, mode, info)
        }
      }
    }
    unsafe operations.read = { raw, _, size, offset, info in
      let request = unsafe Request(raw, "read")
      request.serve { (server) throws(FileSystemError) in
        let open = try unsafe FileInfo(info).requireOpenFile()
        guard let offset = UInt64(exactly: offset) else { throw .refused(.invalidArgument) }
        try request.replyData(upTo: size) { (bytes) throws(FileSystemError) in
          let range = FuseServer.range(offset, bytes.byteCount)
          return try open.gate.transfer(range, leavesPages: true) {
            () throws(FileSystemError) in
            try open.file.read(into: &bytes, at: offset)
          }
        }
      }
    }
    unsafe operations.write = { raw, _, buffer, size, offset, info in
      let request = unsafe Request(raw, "write")
      request.serve { (server) throws(FileSystemError) in
        let info = unsafe try FileInfo(info)
        guard let offset = UInt64(exactly: offset) else { throw .refused(.invalidArgument) }
        let bytes = unsafe UnsafeRawBufferPointer(start: buffer, count: size).bytes
        request.reply(written: try server.write(request, bytes, at: offset, info))
      }
    }
    unsafe operations.release = { raw, _, info in
      let request = unsafe Request(raw, "release")
      request.serve { (server) throws(FileSystemError) in
        let open = try unsafe FileInfo(info).release()
        // Nobody waits for this answer, so it goes out first.
        request.replyDone()
        open?.close()
      }
    }
    unsafe operations.fsync = { raw, inode, dataOnly, info in
      let request = unsafe Request(raw, "fsync")
      request.serve { (server) throws(FileSystemError) in
        let open = try unsafe FileInfo(info).requireOpenFile()
        let blocks = open.file.attributes().blocks512
        if dataOnly != 0 { try open.file.syncData() } else { try open.file.sync() }
        // Nodes of the extent tree came with the homes of delayed blocks.
        if open.file.attributes().blocks512 != blocks {
          server.invalidateAttributes(of: try InodeNumber(fuse: inode))
        }
        request.replyDone()
      }
    }
    unsafe operations.lseek = { raw, _, offset, whence, info in
      let request = unsafe Request(raw, "lseek")
      request.serve { (server) throws(FileSystemError) in
        let open = try unsafe FileInfo(info).requireOpenFile()
        request.reply(offset: try server.seek(open.file, offset, whence))
      }
    }
    unsafe operations.copy_file_range = {
      raw, _, sourceOffset, sourceInfo, _, targetOffset, targetInfo, count, flags in
      let request = unsafe Request(raw, "copy_file_range")
      request.serve { (server) throws(FileSystemError) in
        let source = try unsafe FileInfo(sourceInfo).requireOpenFile()
        let target = try unsafe FileInfo(targetInfo).requireOpenFile()
        guard flags == 0, let from = UInt64(exactly: sourceOffset),
          let to = UInt64(exactly: targetOffset)
        else { throw .refused(.invalidArgument) }
        // The kernel copies to no descriptor that appends.
        guard !target.isAppendOnly else { throw .refused(.notPermitted) }
        try server.dropPrivileges(
          of: target.inode, by: request, killsSuid: request.caller.uid != 0)
        do throws(FileSystemError) {
          let copied = try server.copy(from: source, at: from, to: target, at: to, count)
          try target.syncIfAsked()
          request.reply(written: copied)
        } catch {
          // The kernel asks anew only after what succeeds.
          server.invalidateAttributes(of: target.inode)
          throw error
        }
      }
    }
  }

  static func range(_ offset: UInt64, _ count: Int) -> Range<Int64> {
    let start = Int64(clamping: offset)
    let (end, overflow) = start.addingReportingOverflow(Int64(count))
    return start..<(overflow ? Int64.max : end)
  }

  private func open(
    _ request: Request, _ inode: InodeNumber, _ info: FileInfo
  ) throws(FileSystemError) -> OpenFile {
    let killsSuid = Privileges.requestKillsSuid
    let isWritable = info.access.contains(.write)
    let isAppendOnly = isWritable ? try requireWritableFlags(of: inode, info) : false
    let file = try engine.openFile(inode, info.access(of: request.caller, on: engine))
    let open = OpenFile(
      file, inode, isWritable: isWritable, isAppendOnly: isAppendOnly, .init(info.flags), gates)
    guard info.flags & O_TRUNC != 0 else { return open }
    do throws(FileSystemError) {
      try dropPrivileges(of: inode, by: request, killsSuid: killsSuid)
      // Not through the file: Linux truncates one that is opened to read, too.
      var change = AttributeChange()
      change.size = 0
      _ = try engine.setAttributes(change, of: inode)
    } catch {
      open.close()
      throw error
    }
    return open
  }

  /// The kernel checks permissions, but knows no inode flags of a FUSE file. True where it may only
  /// be appended to.
  private func requireWritableFlags(
    of inode: InodeNumber, _ info: FileInfo
  ) throws(FileSystemError) -> Bool {
    let flags = try engine.attributes(of: inode).flags
    let appendsOnly = info.flags & O_APPEND != 0 && info.flags & O_TRUNC == 0
    guard !flags.contains(.immutable), appendsOnly || !flags.contains(.append) else {
      throw .refused(.notPermitted)
    }
    return flags.contains(.append)
  }

  private func create(
    _ request: Request, _ name: FileName, _ parent: InodeNumber, _ mode: mode_t, _ info: FileInfo
  ) throws(FileSystemError) {
    let moment = privileges.now
    let attributes = try engine.createFile(
      name, in: parent, mode: UInt16(truncatingIfNeeded: mode & 0o7777), by: request.caller,
      retaining: true)
    let open: OpenFile
    do throws(FileSystemError) {
      let file = try engine.openFile(attributes.inode, info.access(of: request.caller, on: engine))
      open = OpenFile(
        file, attributes.inode, isWritable: info.access.contains(.write), .init(info.flags),
        gates)
    } catch {
      engine.forget(attributes.inode, count: 1)
      throw error
    }
    if attributes.mode & 0o6000 == 0 { privileges.markClean(attributes.inode, since: moment) }
    request.reply(entry: attributes, open: open, info)
  }

  private func write(
    _ request: Request, _ bytes: RawSpan, at offset: UInt64, _ info: FileInfo
  ) throws(FileSystemError) -> Int {
    let open = try info.requireOpenFile()
    let isPage = info.isFromPageCache
    // Where the end is, is ours to know; a page that a mapping dirtied has its place already.
    let appends = info.flags & O_APPEND != 0 && !isPage
    if open.isAppendOnly, !appends, !isPage { _ = try requireWritableFlags(of: open.inode, info) }
    if !isPage {
      try dropPrivileges(
        of: open.inode, by: request, killsSuid: Privileges.requestKillsSuid)
    }
    let range = Self.range(offset, bytes.byteCount)
    let count = try open.gate.transfer(range, leavesPages: !isPage) {
      () throws(FileSystemError) in
      try findingRoom { () throws(FileSystemError) in
        appends ? try open.append(bytes) : try open.file.write(bytes, at: offset)
      }
    }
    // Not every kernel asks for it after a write.
    if !isPage { try open.syncIfAsked() }
    return count
  }

  private func seek(_ file: File, _ offset: off_t, _ whence: Int32) throws(FileSystemError)
    -> UInt64
  {
    guard let offset = UInt64(exactly: offset) else { throw .refused(.noSuchAddressOrDevice) }
    let found: UInt64?
    switch whence {
    case SEEK_DATA: found = try file.seekData(from: offset)
    case SEEK_HOLE: found = try file.seekHole(from: offset)
    default: throw .refused(.invalidArgument)
    }
    guard let found else { throw .refused(.noSuchAddressOrDevice) }
    return found
  }

  /// Copies at most 16 MiB, so that a request does not hold its thread for long; the caller asks
  /// again. An error after the first piece is left for that next request.
  private func copy(
    from source: OpenFile, at sourceStart: UInt64, to target: OpenFile, at targetStart: UInt64,
    _ count: Int
  ) throws(FileSystemError) -> Int {
    let wanted = min(count, 16 << 20)
    let scratch = try Scratch(min(wanted, 1 << 20))
    var done = 0
    while done < wanted {
      var bytes = scratch.bytes
      let room = min(wanted - done, bytes.byteCount)
      do throws(FileSystemError) {
        let range = Self.range(sourceStart &+ UInt64(done), room)
        let got = try source.gate.transfer(range, leavesPages: false) {
          () throws(FileSystemError) in
          var piece = bytes._mutatingExtracting(first: room)
          return try source.file.read(into: &piece, at: sourceStart &+ UInt64(done))
        }
        if got == 0 { break }
        let filled = bytes.bytes.extracting(first: got)
        let place = Self.range(targetStart &+ UInt64(done), got)
        done += try target.gate.transfer(place, leavesPages: false) {
          () throws(FileSystemError) in
          try target.file.write(filled, at: targetStart &+ UInt64(done))
        }
      } catch {
        guard done > 0 else { throw error }
        break
      }
    }
    return done
  }
}
