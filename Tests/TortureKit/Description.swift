import TestSupport

extension Operation: CustomStringConvertible {
  public var description: String {
    switch self {
    case .open(let slot, let path, let writable):
      "open slot \(slot) \(path)\(writable ? "" : " read-only")"
    case .close(let slot): "close slot \(slot)"
    case .write(let file, let offset, let count, _): "write \(file) \(offset)+\(count)"
    case .append(let path, let count, _): "append \(path) +\(count)"
    case .read(let file, let offset, let count): "read \(file) \(offset)+\(count)"
    case .writeMapped(let file, let offset, let count, _): "mapped write \(file) \(offset)+\(count)"
    case .readMapped(let file, let offset, let count): "mapped read \(file) \(offset)+\(count)"
    case .copy(let from, let offset, let to, let place, let count):
      "copy \(from) \(offset)+\(count) to \(to) at \(place)"
    case .truncate(let file, let size): "truncate \(file) to \(size)"
    case .fallocate(let file, let mode, let offset, let length):
      "fallocate \(mode) \(file) \(offset)+\(length)"
    case .seek(let file, let offset, let hole): "seek \(hole ? "hole" : "data") \(file) \(offset)"
    case .map(let file): "map \(file)"
    case .sync(let file, let dataOnly): "\(dataOnly ? "fdatasync" : "fsync") \(file)"
    case .create(let path, let mode): "create \(path) \(String(mode, radix: 8))"
    case .makeDirectory(let path, let mode): "mkdir \(path) \(String(mode, radix: 8))"
    case .removeDirectory(let path): "rmdir \(path)"
    case .unlink(let path): "unlink \(path)"
    case .link(let path, let to): "link \(path) \(to)"
    case .rename(let path, let to, let flags): "rename \(path) \(to) flags \(flags)"
    case .symbolicLink(let target, let path): "symlink \(path) to \(target) bytes"
    case .readSymbolicLink(let path): "readlink \(path)"
    case .makeNode(let path, let mode, let major, let minor):
      "mknod \(path) \(String(mode, radix: 8)) \(major):\(minor)"
    case .list(let path): "list \(path)"
    case .createMany(let directory, let first, let count, let length):
      "create \(count) names of \(length) bytes from \(first) in \(directory)"
    case .unlinkMany(let directory, let first, let count, let step, let length):
      "unlink \(count) names of \(length) bytes from \(first) by \(step) in \(directory)"
    case .status(let path): "stat \(path)"
    case .changeMode(let path, let mode): "chmod \(path) \(String(mode, radix: 8))"
    case .changeOwner(let path, let uid, let gid): "chown \(path) \(uid):\(gid)"
    case .setTimes(let path, let access, let modification, let nanoseconds):
      "utimens \(path) \(access) \(modification) .\(nanoseconds)"
    case .setAttribute(let path, let name, let count, _, let flags):
      "setxattr \(path) \(name) \(count) bytes flags \(flags)"
    case .attribute(let path, let name): "getxattr \(path) \(name)"
    case .attributeNames(let path): "listxattr \(path)"
    case .removeAttribute(let path, let name): "removexattr \(path) \(name)"
    case .remount: "remount"
    }
  }
}

extension Outcome: CustomStringConvertible {
  public var description: String {
    errno == 0 ? answer.description : ErrorName.of(errno)
  }
}

extension Answer: CustomStringConvertible {
  public var description: String {
    switch self {
    case .nothing: "done"
    case .number(let number): "\(number)"
    case .bytes(let bytes): "\(bytes.count) bytes, hash \(ContentHash(bytes))"
    case .names(let names):
      names.count > 24
        ? "\(names.count) names, hash \(ContentHash(Array(names.joined(separator: "/").utf8)))"
        : "[" + names.joined(separator: " ") + "]"
    case .status(let status):
      "mode \(String(status.mode, radix: 8)) links \(status.links) owner \(status.uid):\(status.gid) "
        + "size \(status.size)"
        + (status.device.isEmpty ? "" : " device \(status.device)")
        + (status.times.isEmpty
          ? "" : " times \(status.times.map { "\($0.seconds).\($0.nanoseconds)" })")
    case .map(let map):
      "size \(map.size) runs "
        + map.runs.map { "\($0.range)\($0.isUnwritten ? "u" : "")" }.joined(separator: " ")
        + " data \(map.data) overhead \(map.overhead) extents \(map.extentCount)"
    }
  }
}

/// Where two outcomes part, for a report: the first byte that differs.
public func firstDifference(_ a: Outcome, _ b: Outcome) -> String {
  guard case .bytes(let x) = a.answer, case .bytes(let y) = b.answer else { return "" }
  guard x.count == y.count else { return " (\(x.count) and \(y.count) bytes)" }
  guard let index = zip(x, y).enumerated().first(where: { $1.0 != $1.1 })?.offset else { return "" }
  let last = zip(x, y).enumerated().reversed().first { $1.0 != $1.1 }?.offset ?? index
  return " (bytes \(index) to \(last) of the answer differ: \(x[index]) and \(y[index]))"
}
