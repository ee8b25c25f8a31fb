import CTestSupport
import TestSupport

/// Does the steps of cases in one mounted tree, and writes down what came of each.
///
/// It lives on a thread of its own, which has its own working directory, umask and, while an actor
/// acts, its own user.
final class Interpreter {
  private let root: String
  private var slots: [Int: Int32] = [:]
  private var handles: [Int: [UInt8]] = [:]
  private var count = 0

  init(root: String) throws(SystemFailure) {
    self.root = root
    guard ts_own_directory() == 0 else { throw SystemFailure(1, "unshare") }
    _ = ts_umask(0)
  }

  /// Does the case in a directory that everybody may write to, and removes it again.
  func run(_ test: Case) throws(SystemFailure) -> Transcript {
    try enter(root)
    // What one case failed to remove is not in the way of the next.
    count += 1
    let directory = "case\(count)"
    try System.makeDirectory(directory, mode: 0o777)
    try enter(directory)
    var transcript = Transcript()
    let paths = test.paths
    var labels = InodeLabels()
    var before = Snapshot()
    let accessTimes = test.traits.contains(.accessTimes)
    for step in test.steps {
      if accessTimes { ts_sleep(tick) }
      let answer = perform(step)
      let after = Snapshot(paths)
      let changes = after.changes(
        since: before, &labels, now: ts_clock(), accessTimes: accessTimes)
      before = after
      transcript.entries.append(
        Transcript.Entry(step: step.description, answer: answer, changes: changes))
    }
    transcript.end = EndState.lines(maps: test.traits.contains(.maps))
    for slot in slots.values { _ = ts_close(slot) }
    slots = [:]
    handles = [:]
    _ = ts_umask(0)
    try enter(root)
    let removal = unsafe ts_remove_tree(directory)
    if removal < 0 { transcript.end.append("end: removal \(text(removal))") }
    return transcript
  }

  func finish() { _ = unsafe ts_chdir("/") }

  /// In nanoseconds: longer than the kernel's coarse clock takes to move.
  private let tick: UInt64 = 9_000_000

  private func enter(_ path: String) throws(SystemFailure) {
    let result = unsafe ts_chdir(path)
    guard result == 0 else { throw SystemFailure(Int32(-result), "chdir \(path)") }
  }

  private func perform(_ step: Step) -> String {
    ts_begin_step(step.call.forks ? 1 : 0)
    defer { ts_end_step() }
    do throws(SystemFailure) {
      return try step.actor.act { () throws(SystemFailure) -> String in
        if let answer = self.described(step.call) { return answer }
        return self.text(self.onDescriptor(step.call) ?? self.onPath(step.call))
      }
    } catch {
      return ErrorName.of(error.errno)
    }
  }

  func text(_ result: Int64) -> String {
    result < 0 ? ErrorName.of(Int32(-result)) : result == 0 ? "OK" : String(result)
  }

  func slot(_ name: Int) -> Int32 { slots[name] ?? -1 }

  /// Keeps what an opening call gave.
  private func keep(_ name: Int, _ result: Int64) -> Int64 {
    if result >= 0 {
      if let old = slots[name] { _ = ts_close(old) }
      slots[name] = Int32(result)
    }
    return min(result, 0)
  }

  // MARK: calls whose answer is more than a number

  private func described(_ call: Call) -> String? {
    switch call {
    case .read(let slot, let count):
      return unsafe read(count) { unsafe ts_read(self.slot(slot), $0, $1) }
    case .pread(let slot, let count, let place):
      return unsafe read(count) { unsafe ts_pread(self.slot(slot), $0, $1, place) }
    case .readMapped(let slot, let count, let place):
      return unsafe read(count) { unsafe ts_mmap_read(self.slot(slot), $0, $1, place) }
    case .readDirect(let slot, let count, let place):
      return unsafe read(count) { unsafe ts_direct(self.slot(slot), $0, $1, place, 0) }
    case .readlink(let path):
      return unsafe read(4097) { unsafe ts_readlink(path, $0, $1) }
    case .attribute(let path, let name):
      return unsafe read(65536) { unsafe ts_get_xattr(path, name, $0, $1) }
    case .attributeNames(let path):
      guard let names = try? System.attributeNames(path) else {
        return text(unsafe ts_list_xattr(path, nil, 0))
      }
      return names.filter { $0 != "security.selinux" }.map { String($0.prefix(40)) }
        .joined(separator: " ")
    case .list(let path):
      do throws(SystemFailure) {
        return try PosixFile.list(path).map { "\($0.name):\($0.type)" }.joined(separator: " ")
      } catch {
        return ErrorName.of(error.errno)
      }
    case .many(let many, let prefix, let count, let target):
      var made: UInt32 = 0
      let result = unsafe ts_create_many(
        prefix, UInt32(count), Int32(many.rawValue), target, &made)
      return "\(made) made, " + text(result)
    case .lstat(let path):
      return (try? System.status(path)).map { "\(Mode($0.mode)) links \($0.links)" } ?? "none"
    case .fstat(let slot):
      var raw = ts_status()
      let result = unsafe ts_fstat(self.slot(slot), &raw)
      if result < 0 { return text(result) }
      return "\(Mode(raw.mode)) \(raw.uid):\(raw.gid) links \(raw.links)"
        + (raw.mode & 0xF000 == 0x4000 ? "" : " size \(raw.size)")
    case .statfs(let path):
      var values = [UInt64](repeating: 0, count: 6)
      let result = unsafe values.withUnsafeMutableBufferPointer {
        unsafe ts_statfs(path, $0.baseAddress)
      }
      if result < 0 { return text(result) }
      return "block \(values[0]), \(values[1]) blocks, \(values[4]) files, names \(values[5]),"
        + " reserved \(values[2] - values[3])"
    case .execute(let path):
      do throws(SystemFailure) {
        return try Program.run(["./" + path]).output.split(separator: "\n").joined(separator: " ")
      } catch {
        return ErrorName.of(error.errno)
      }
    default: return nil
    }
  }

  private func read(_ count: Int, _ call: (UnsafeMutableRawPointer?, Int) -> Int64) -> String {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = unsafe bytes.withUnsafeMutableBytes { unsafe call($0.baseAddress, $0.count) }
    return result <= 0 ? text(result) : Self.summary(bytes.prefix(Int(result)))
  }

  /// Bytes as runs: "3x01 5x00".
  private static func summary(_ bytes: ArraySlice<UInt8>) -> String {
    var words: [String] = []
    var index = bytes.startIndex
    while index < bytes.endIndex, words.count < 24 {
      let byte = bytes[index]
      let end = bytes[index...].firstIndex { $0 != byte } ?? bytes.endIndex
      words.append("\(end - index)x" + String(byte, radix: 16))
      index = end
    }
    return "\(bytes.count): " + words.joined(separator: " ")
  }
}

extension Interpreter {
  // MARK: calls on descriptors

  private func onDescriptor(_ call: Call) -> Int64? {
    switch call {
    case .open(let name, let path, let flags, let mode):
      return keep(name, unsafe ts_open_raw(path, flags.rawValue, mode.bits))
    case .close(let name):
      return ts_close(slots.removeValue(forKey: name) ?? -1)
    case .write(let name, let count, let fill):
      return unsafe with(count, fill) { unsafe ts_append(self.slot(name), $0, $1) }
    case .pwrite(let name, let count, let place, let fill):
      return unsafe with(count, fill) { unsafe ts_pwrite(self.slot(name), $0, $1, place) }
    case .writeMapped(let name, let count, let place, let fill):
      return unsafe with(count, fill) { unsafe ts_mmap_write(self.slot(name), $0, $1, place) }
    case .writeMappedSync(let name, let count, let place, let fill):
      return unsafe with(count, fill) { unsafe ts_msync_write(self.slot(name), $0, $1, place) }
    case .writeDirect(let name, let count, let place, let fill):
      return unsafe with(count, fill) {
        unsafe ts_direct(self.slot(name), UnsafeMutableRawPointer(mutating: $0), $1, place, 1)
      }
    case .map(let name, let writable, let shared):
      return ts_map(slot(name), writable ? 1 : 0, shared ? 1 : 0, 4096)
    case .seek(let name, let place, let whence):
      return ts_seek(slot(name), place, whence.rawValue)
    case .ftruncate(let name, let size): return ts_ftruncate(slot(name), size)
    case .fallocate(let name, let flags, let offset, let length):
      return fallocate(slot(name), flags, offset, length)
    case .copyRange(let from, let place, let to, let target, let count):
      return ts_copy_file_range(slot(from), place, slot(to), target, count)
    case .sendfile(let from, let to, let count): return ts_sendfile(slot(to), slot(from), 0, count)
    case .fsync(let name): return ts_fsync(slot(name))
    case .fdatasync(let name): return ts_fdatasync(slot(name))
    case .syncfs(let name): return ts_syncfs(slot(name))
    case .dropPages(let name):
      _ = ts_fsync(slot(name))
      return ts_drop_cache(slot(name))
    case .fchmod(let name, let mode): return ts_fchmod(slot(name), mode.bits)
    case .fchown(let name, let uid, let gid): return ts_fchown(slot(name), uid, gid)
    case .futimes(let name, let access, let modification):
      return ts_futimens(slot(name), access.raw, modification.raw)
    case .fsetAttribute(let name, let attribute, let count):
      return unsafe with(count, 7) { unsafe ts_fset_xattr(self.slot(name), attribute, $0, $1, 0) }
    case .linkDescriptor(let name, let path): return unsafe ts_link_descriptor(slot(name), path)
    case .getDescriptorFlags(let name): return ts_descriptor_flags(slot(name), 0, 0)
    case .setDescriptorFlags(let name, let flags):
      return ts_descriptor_flags(slot(name), 1, flags.rawValue)
    case .openHandle(let name, let handle, let flags):
      var bytes = handles[handle] ?? []
      return keep(
        name,
        unsafe bytes.withUnsafeMutableBytes {
          unsafe ts_open_by_handle($0.baseAddress, flags.rawValue)
        })
    case .flock(let name, let lock): return ts_flock(slot(name), lock.flock)
    case .flockInChild(let name, let lock): return ts_flock_in_child(slot(name), lock.flock)
    case .lock(let name, let lock, let start, let length, let ofd):
      return ts_lock(slot(name), ofd ? 1 : 0, lock.rawValue, start, length)
    case .lockHolder(let name, let lock, let start, let length, let ofd):
      return ts_lock_holder(slot(name), ofd ? 1 : 0, lock.rawValue, start, length)
    case .lockInChild(let name, let lock, let start, let length, let ofd):
      return ts_lock_in_child(slot(name), ofd ? 1 : 0, lock.rawValue, start, length)
    default: return nil
    }
  }

  private func with(
    _ count: Int, _ fill: UInt8, _ call: (UnsafeRawPointer?, Int) -> Int64
  ) -> Int64 {
    let bytes = [UInt8](repeating: fill, count: count)
    return unsafe bytes.withUnsafeBytes { unsafe call($0.baseAddress, $0.count) }
  }

  // MARK: calls on paths

  private func onPath(_ call: Call) -> Int64 {
    switch call {
    case .create(let path, let mode):
      let result = unsafe ts_open_raw(
        path, (OpenFlags.create.union(.exclusive)).rawValue, mode.bits)
      return result < 0 ? result : ts_close(Int32(result))
    case .mkdir(let path, let mode): return unsafe ts_mkdir(path, mode.bits)
    case .rmdir(let path): return unsafe ts_rmdir(path)
    case .unlink(let path): return unsafe ts_unlink(path)
    case .link(let old, let new, let follow):
      return unsafe ts_linkat(old, new, follow ? 0x400 : 0)
    case .symlink(let target, let path): return unsafe ts_symlink(target, path)
    case .rename(let old, let new, let flags): return unsafe ts_rename(old, new, flags.rawValue)
    case .mknod(let path, let mode, let major, let minor):
      return unsafe ts_mknod(path, mode.bits, major, minor)
    case .bind(let path): return unsafe ts_bind_socket(path)
    case .walk(let path, let walk, let pause, let count, let kept):
      return unsafe ts_walk(
        path, UInt32(pause), UInt32(count), UInt32(kept), Int32(walk.rawValue))
    case .chmod(let path, let mode): return unsafe ts_chmod(path, mode.bits)
    case .chown(let path, let uid, let gid): return unsafe ts_chown(path, uid, gid)
    case .lchown(let path, let uid, let gid): return unsafe ts_lchown(path, uid, gid)
    case .utimes(let path, let access, let modification, let follow):
      return unsafe ts_utimensat(path, access.raw, modification.raw, follow ? 1 : 0)
    case .truncate(let path, let size): return unsafe ts_truncate(path, size)
    case .access(let path, let access, let effective):
      return unsafe ts_access(path, access.rawValue, effective ? 1 : 0)
    case .umask(let mask):
      _ = ts_umask(mask.bits)
      return 0
    case .setAttribute(let path, let name, let value, let flags):
      return set(path, name, value, flags.rawValue)
    case .setLongAttribute(let path, let name, let count):
      return set(path, name, (0..<count).map { UInt8(truncatingIfNeeded: $0) }, 0)
    case .attributeSize(let path, let name): return unsafe ts_get_xattr_size(path, name)
    case .removeAttribute(let path, let name): return unsafe ts_remove_xattr(path, name)
    case .setAccessList(let path, let list, let isDefault):
      return set(path, "system.posix_acl_" + (isDefault ? "default" : "access"), list.bytes, 0)
    case .inodeFlags(let path): return unsafe ts_path_flags(path)
    case .setInodeFlags(let path, let flags): return unsafe ts_set_path_flags(path, flags.rawValue)
    case .setProject(let path, let project): return setProject(path, project)
    case .handle(let name, let path):
      var bytes = [UInt8](repeating: 0, count: 136)
      let result = unsafe bytes.withUnsafeMutableBytes {
        unsafe ts_name_to_handle(path, $0.baseAddress, $0.count)
      }
      if result > 0 { handles[name] = bytes }
      return min(result, 0)
    case .dropCaches: return ts_drop_all_caches()
    case .fillDisk(let path): return fill(path)
    case .pause:
      ts_sleep(tick)
      return 0
    default: return -38
    }
  }

  private func set(_ path: String, _ name: String, _ value: [UInt8], _ flags: Int32) -> Int64 {
    unsafe value.withUnsafeBytes {
      unsafe ts_set_xattr(path, name, $0.baseAddress, $0.count, flags)
    }
  }

  /// Collapse and insert do not pass the kernel's FUSE client; our mounts have an ioctl for them.
  private func fallocate(
    _ descriptor: Int32, _ flags: FallocateFlags, _ offset: Int64, _ length: Int64
  ) -> Int64 {
    let result = ts_fallocate(descriptor, flags.rawValue, offset, length)
    guard result == -95, flags == .collapse || flags == .insert else { return result }
    return ts_extant_fallocate(descriptor, flags.rawValue, offset, length)
  }

  private func setProject(_ path: String, _ project: UInt32) -> Int64 {
    // struct fsxattr: flags, extent size, extents, project.
    var argument = [UInt32](repeating: 0, count: 7)
    return unsafe argument.withUnsafeMutableBytes { bytes in
      let got = unsafe ts_path_ioctl(path, 0x801C_581F, bytes.baseAddress)
      if got < 0 { return got }
      unsafe bytes.storeBytes(of: project, toByteOffset: 12, as: UInt32.self)
      return unsafe ts_path_ioctl(path, 0x401C_5820, bytes.baseAddress)
    }
  }

  /// Whole megabytes first, single bytes at the end, so that no free block is left.
  private func fill(_ path: String) -> Int64 {
    let descriptor = unsafe ts_open_raw(path, 0o2101, 0o644)
    if descriptor < 0 { return descriptor }
    defer { _ = ts_close(Int32(descriptor)) }
    var last: Int64 = 0
    for size in [1 << 20, 1 << 16, 4096, 1024] {
      let bytes = [UInt8](repeating: 0xF1, count: size)
      repeat {
        last = unsafe bytes.withUnsafeBytes {
          unsafe ts_append(Int32(descriptor), $0.baseAddress, $0.count)
        }
      } while last > 0
    }
    return last
  }
}

extension Call {
  /// Whether another process does it.
  fileprivate var forks: Bool {
    switch self {
    case .execute, .flockInChild, .lockInChild: true
    default: false
    }
  }
}

extension SetTime {
  var raw: ts_time { ts_time(seconds: seconds, nanoseconds: nanoseconds) }
}

extension Lock {
  /// LOCK_SH, LOCK_EX, LOCK_UN.
  var flock: Int32 {
    switch self {
    case .shared: 1
    case .exclusive: 2
    case .unlock: 8
    }
  }
}
