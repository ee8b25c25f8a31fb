import CTestSupport
import TestSupport

/// Everything that is in the case's directory at its end: types as the directory tells them,
/// attributes, flags, contents.
enum EndState {
  static func lines(maps: Bool) -> [String] {
    var lines: [String] = []
    var todo = ["."]
    while let directory = todo.popLast() {
      guard let entries = try? PosixFile.list(directory) else {
        lines.append("end: \(directory) cannot be listed")
        continue
      }
      lines.append("end: \(directory) holds \(entries.count)" + attributes(directory))
      for entry in entries.prefix(40)
      where entry.name != "." && entry.name != ".." && !Case.fills(entry.name) {
        let path = directory == "." ? entry.name : directory + "/" + entry.name
        lines.append(line(path, entry.type, maps: maps))
        if entry.type == 4, path.utf8.count < 3000 { todo.append(path) }
      }
    }
    return lines.sorted()
  }

  private static func line(_ path: String, _ type: UInt8, maps: Bool) -> String {
    guard let status = try? System.status(path) else { return "end: \(path) is gone" }
    var text = "end: \(path.suffix(60)) type \(type)" + attributes(path)
    // execve asks what the kernel keeps, the next mount what the filesystem has.
    let mode = unsafe ts_mode_now(path)
    if mode != Int64(status.mode) { text += " mode \(Mode(UInt32(truncatingIfNeeded: mode)))" }
    if status.isSymbolicLink {
      let target = (try? System.readSymbolicLink(path)) ?? []
      text += " -> " + String(decoding: target.prefix(60), as: UTF8.self)
    }
    if status.isRegular { text += contents(path, maps: maps) }
    return text
  }

  private static func attributes(_ path: String) -> String {
    var text = ""
    for name in (try? System.attributeNames(path)) ?? ["?"] where name != "security.selinux" {
      let value = (try? System.attribute(path, name)) ?? []
      let hex = value.prefix(64).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      text += " \(name.prefix(40))=\(value.count):\(hex)"
    }
    let flags = unsafe ts_path_flags(path)
    if flags > 0 { text += " flags " + String(flags, radix: 16) }
    return text
  }

  private static func contents(_ path: String, maps: Bool) -> String {
    do throws(SystemFailure) {
      let file = try PosixFile(path, [.noAccessTime, .nonBlocking])
      let status = try System.status(path)
      var text = " holds \(status.size)"
      if maps {
        // Cached pages of unwritten extents count as data in the kernel as long as they are there.
        _ = ts_fsync(file.descriptor)
        _ = ts_drop_cache(file.descriptor)
        text += ", \(try System.status(path).blocks) blocks, data"
        var place: Int64 = 0
        while true {
          let start = ts_seek(file.descriptor, place, Whence.data.rawValue)
          if start < 0 { break }
          place = ts_seek(file.descriptor, start, Whence.hole.rawValue)
          text += " \(start)..<\(place)"
          if place <= start { break }
        }
      }
      return text + ", " + String(try PosixFile.hash(file.descriptor), radix: 16)
    } catch {
      return " contents: " + ErrorName.of(error.errno)
    }
  }
}

/// A descriptor that is closed, and what the kit does with paths beyond `System`.
final class PosixFile {
  let descriptor: Int32

  init(_ path: String, _ flags: OpenFlags) throws(SystemFailure) {
    let result = unsafe ts_open_raw(path, flags.rawValue, 0)
    guard result >= 0 else { throw SystemFailure(Int32(-result), "open \(path)") }
    descriptor = Int32(result)
  }

  deinit { ts_close(descriptor) }

  /// All names, "." and ".." too, sorted, with their d_type.
  static func list(_ path: String) throws(SystemFailure) -> [(name: String, type: UInt8)] {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let used = unsafe buffer.withUnsafeMutableBytes {
        unsafe ts_list_typed(path, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
      }
      if used == -34 {
        buffer = [UInt8](repeating: 0, count: buffer.count * 8)
        continue
      }
      guard used >= 0 else { throw SystemFailure(Int32(-used), "readdir \(path)") }
      return buffer.prefix(Int(used)).split(separator: 0).map {
        (String(decoding: $0.dropFirst(), as: UTF8.self), ($0.first ?? 97) - 97)
      }.sorted { $0.name < $1.name }
    }
  }

  /// Of the data alone, with their places, so that sparse files of terabytes are quick.
  static func hash(_ descriptor: Int32) throws(SystemFailure) -> UInt64 {
    var hash = ContentHash()
    var place: Int64 = 0
    var page = [UInt8](repeating: 0, count: ContentHash.page)
    let step = Int64(ContentHash.page)
    while true {
      let data = ts_seek(descriptor, place, Whence.data.rawValue)
      if data < 0 { return hash.value }
      place = data / step * step
      let end = ts_seek(descriptor, data, Whence.hole.rawValue)
      while place < max(end, data + 1) {
        let count = unsafe page.withUnsafeMutableBytes {
          unsafe ts_pread(descriptor, $0.baseAddress, $0.count, place)
        }
        guard count >= 0 else { throw SystemFailure(Int32(-count), "read") }
        if count == 0 { return hash.value }
        hash.add(page[0..<Int(count)], at: UInt64(place))
        place += step
      }
    }
  }
}
