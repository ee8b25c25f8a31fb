import CProcesses
import CFuse3
import ExtantBase
import Glibc
import SystemPackage

/// The process behind a mount, as its unmounter sees it.
///
/// The mount itself tells who serves it. Where it may not be asked (another user's, without
/// `allow_other`), the lock on the image tells when it is released.
struct MountedDaemon: ~Copyable {
  private let entry: MountEntry
  private let root: FileDescriptor?
  private let process: Int32?

  /// Throws ENOTCONN or ECONNABORTED when the daemon is dead.
  init(of entry: MountEntry) throws(Errno) {
    self.entry = entry
    let root: FileDescriptor
    do {
      root = try FileDescriptor.open(
        FilePath(entry.mountpoint), .readOnly, options: [.closeOnExec, .directory])
    } catch let error as Errno {
      guard error == .permissionDenied else { throw error }
      self.root = nil
      self.process = nil
      return
    } catch { throw .ioError }
    guard let identity = MountedFile.identify(root) else {
      try? root.close()
      throw .socketNotConnected
    }
    self.root = root
    let process = csys_pidfd_open(identity.daemon)
    self.process = process >= 0 ? process : nil
  }

  /// Writes everything to the image; the error if that failed. Closes the mount's root.
  func sync() -> Errno? {
    guard let root else { return nil }
    defer { try? root.close() }
    do { try MountedFile.syncAll(root) } catch { return error }
    return nil
  }

  /// Returns when the daemon has released the image and ended.
  func waitForEnd() {
    if let process {
      var poll = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
      while unsafe Glibc.poll(&poll, 1, -1) < 0, errno == EINTR {}
      close(process)
      return
    }
    while FileLocks.isHeld(on: entry.source) { usleep(20_000) }
  }
}

/// `/proc/locks`, as proc(5) describes it.
enum FileLocks {
  /// Whether any process holds a lock on the file of that path.
  static func isHeld(on path: String) -> Bool { !holders(of: path).isEmpty }

  /// The numbers of the processes that hold a lock on the file of that path; -1 for a lock that
  /// belongs to no single one.
  static func holders(of path: String) -> [Int32] {
    var status = stat()
    guard unsafe stat(path, &status) == 0, let text = SystemFile.contents("/proc/locks") else {
      return []
    }
    // "1: FLOCK  ADVISORY  WRITE 123 fe:00:4711 0 EOF", major and minor in hexadecimal.
    let inode = ":" + String(status.st_ino)
    return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      let place = fields.firstIndex { field in
        guard field.hasSuffix(inode) else { return false }
        let numbers = field.split(separator: ":")
        return numbers.count == 3 && UInt32(numbers[0], radix: 16) == extant_major(status.st_dev)
          && UInt32(numbers[1], radix: 16) == extant_minor(status.st_dev)
      }
      guard let place, place > 0 else { return nil }
      return Int32(fields[place - 1])
    }
  }
}

/// Does `open`, which opens the image at `path`, and where that is in use by the daemon of a mount that
/// was just taken away, once more when the daemon has let go of it.
public func afterEndingDaemon<R>(
  of path: String, _ open: () throws(FileSystemError) -> R
) throws(FileSystemError) -> R {
  do throws(FileSystemError) { return try open() } catch {
    guard error.errno == .resourceBusy, let source = try? SystemFile.resolved(path),
      EndingDaemon.wait(for: source)
    else { throw error }
    return try open()
  }
}

/// A daemon whose mount umount(8) has taken away: that returns at once, while the daemon still
/// writes what is not on the image yet.
enum EndingDaemon {
  /// Waits until the daemon that is on its way out has let go of the image, half a minute at most.
  ///
  /// - Returns: false where there is none, and nothing to be waited for.
  static func wait(for source: String) -> Bool {
    guard exists(source) else { return false }
    for _ in 0..<1500 where exists(source) { usleep(20_000) }
    return true
  }

  private static func exists(_ source: String) -> Bool {
    guard MountTable.find(source, in: MountTable.read()) == nil else { return false }
    return FileLocks.holders(of: source).contains { process in
      guard process > 0, let line = SystemFile.contents("/proc/\(process)/cmdline") else {
        return false
      }
      let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      return words.first?.split(separator: "/").last == "extant" && words.contains("mount")
    }
  }
}
