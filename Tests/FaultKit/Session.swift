import BlockIO
import Extant
import ExtantBase
import TestSupport

/// A filesystem that a workload works on, step by step: a step that fails is noted, and the next
/// one is taken all the same, as programs do.
public final class Session {
  public let fs: FileSystem
  /// Faults that steps met, and read-only refusals, which follow from them.
  public private(set) var errors: [FileSystemError] = []
  private(set) var isShutDown = false
  /// Contents that a sync confirmed, by path, of files that are not touched again.
  public private(set) var confirmed: [Contents] = []
  /// Contents that nobody has synced when the session closes.
  public private(set) var unsynced: [Contents] = []

  /// What a file holds.
  public typealias Contents = (path: String, bytes: [UInt8])

  /// Nothing is written by itself, so that requests have the same numbers in each run; the cache
  /// is as small as can be, so that blocks are read again.
  static var options: FileSystem.Options {
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    options.cacheByteLimit = 64 << 10
    options.accessTimes = .never
    return options
  }

  init(_ device: any BlockDevice) throws(FileSystemError) {
    fs = try FileSystem(device: device, options: Self.options)
  }

  /// All of a session: the work, what programs leave behind, and the end.
  func perform(_ workload: Workload) {
    workload.body(self)
    leaveUnsynced()
    close()
  }

  /// New files that nobody syncs, and, beside them, new contents for blocks that files have. Whose turn
  /// write-back takes first is not said: several files stand for each order.
  private func leaveUnsynced() {
    for name in ["unsynced1", "unsynced2"] {
      let bytes = Bystanders.bytes(2500)
      file("/\(name)") { (file) throws(FileSystemError) in
        // A full disk takes a part, or nothing.
        guard try file.write(bytes, at: 0) == bytes.count else { return }
        unsynced.append(("/\(name)", bytes))
      }
    }
    Bystanders.fillOldBlocks(in: self)
  }

  /// What other errors steps may throw is what earlier failed steps have brought about.
  public func step(_ body: (FileSystem) throws(FileSystemError) -> Void) {
    do throws(FileSystemError) { try body(fs) } catch { note(error) }
  }

  /// EROFS follows from a fault, unless the workload has asked for it.
  func note(_ error: FileSystemError) {
    if error.isFault || error == .refused(.readOnlyFileSystem) && !isShutDown {
      errors.append(error)
    }
  }

  public func shutDown() {
    step { (fs) throws(FileSystemError) in try fs.shutDown(.noFlush) }
    isShutDown = true
  }

  func close() {
    do throws(FileSystemError) { try fs.close() } catch { note(error) }
  }

  /// A step with the file at `path`, made if need be.
  public func file(_ path: String, _ body: (File) throws(FileSystemError) -> Void) {
    step { (fs) throws(FileSystemError) in
      let file = try fs.open(path, .readWrite, create: 0o644)
      defer { file.close() }
      try body(file)
    }
  }

  /// Writes a file that nobody touches again, and syncs it: from then on it must be there.
  public func keep(_ path: String, _ count: Int, dataOnly: Bool = false) {
    let bytes = Bystanders.bytes(count)
    file(path) { (file) throws(FileSystemError) in
      guard try file.write(bytes, at: 0) == bytes.count else { return }
      if dataOnly { try file.syncData() } else { try file.sync() }
      confirmed.append((path, bytes))
    }
  }

  public func sync() { step { (fs) throws(FileSystemError) in try fs.sync() } }

  public func makeDirectory(_ path: String) {
    step { (fs) throws(FileSystemError) in
      let (parent, name) = try fs.resolveParent(path)
      guard let name else { return }
      _ = try fs.makeDirectory(name, in: parent, mode: 0o755)
    }
  }

  public func remove(_ path: String, directory: Bool = false) {
    step { (fs) throws(FileSystemError) in
      let (parent, name) = try fs.resolveParent(path)
      guard let name else { return }
      if directory {
        try fs.removeDirectory(name, in: parent)
      } else {
        try fs.unlink(name, in: parent)
      }
    }
  }

  public func rename(_ path: String, to target: String) {
    step { (fs) throws(FileSystemError) in
      let (parent, name) = try fs.resolveParent(path)
      let (newParent, newName) = try fs.resolveParent(target)
      guard let name, let newName else { return }
      try fs.rename(name, in: parent, to: newName, in: newParent)
    }
  }

  public func write(_ path: String, _ count: Int, at offset: UInt64 = 0) {
    file(path) { (file) throws(FileSystemError) in
      _ = try file.write(Bystanders.bytes(count), at: offset)
    }
  }
}
