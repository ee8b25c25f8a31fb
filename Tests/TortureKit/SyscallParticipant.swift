import TestSupport

/// How a mount is made and how its files' ranges are reached: the two things in which our mount
/// and the kernel's differ for a program.
public protocol MountDoor {
  var name: String { get }
  var image: Image { get }
  func mount() throws -> Mount
  func fallocate(
    _ file: OpenFile, _ mode: FallocateMode, _ offset: Int64, _ length: Int64
  ) throws(SystemFailure)
  /// SEEK_DATA or SEEK_HOLE of a file of which everything is on the device.
  func seek(_ file: OpenFile, _ offset: Int64, hole: Bool) throws(SystemFailure) -> Int64
  /// A mapped write makes all blocks of the folio dirty, and how large that is depends on how the
  /// page cache was filled.
  var dirtiesWholeFolios: Bool { get }
  /// Everything mapped, past the end of the file too, after a sync.
  func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run]
}

/// A mount that is used through system calls.
public final class SyscallParticipant<Door: MountDoor>: Participant {
  public let name: String
  private let door: Door
  private var mount: Mount?
  private var slots = [OpenFile?](repeating: nil, count: slotCount)
  private var root = ""

  public init(_ door: Door) throws {
    self.door = door
    name = door.name
    let mount = try door.mount()
    self.mount = mount
    root = mount.point
  }

  public func remount() throws -> String? {
    let complaint = try unmount()
    mount = try door.mount()
    return complaint
  }

  public func finish() throws -> String? { try unmount() }

  private func unmount() throws -> String? {
    slots = [OpenFile?](repeating: nil, count: slotCount)
    try mount?.unmount()
    mount = nil
    return try door.image.complaint()
  }

  public func tree() throws -> Tree { try Tree(at: root) }

  public func perform(_ operation: Operation) -> Outcome {
    do throws(SystemFailure) {
      return Outcome(try answer(operation))
    } catch {
      return Outcome(errno: error.errno)
    }
  }

  private func answer(_ operation: Operation) throws(SystemFailure) -> Answer {
    switch operation {
    case .open(let slot, let path, let writable):
      slots[slot] = nil
      slots[slot] = try open(path, writable ? [.write, .create] : [])
    case .close(let slot): slots[slot] = nil
    case .write(let file, let offset, let count, let fill):
      return .number(Int64(try open(file).write(Fill.bytes(fill, count), at: offset)))
    case .append(let path, let count, let fill):
      let file = try open(path, [.write, .create, .append])
      return .number(Int64(try file.append(Fill.bytes(fill, count))))
    case .read(let file, let offset, let count):
      return .bytes(try open(file).read(count, at: offset))
    case .writeMapped(let file, let offset, let count, let fill):
      let file = try open(file)
      let count = try inside(file, offset, count)
      if door.dirtiesWholeFolios { try settle(file) }
      return .number(Int64(try file.writeMapped(Fill.bytes(fill, count), at: offset)))
    case .readMapped(let file, let offset, let count):
      let file = try open(file)
      return .bytes(try file.readMapped(try inside(file, offset, count), at: offset))
    case .copy(let from, let offset, let to, let place, let count):
      return .number(try copy(try open(from), offset, try open(to), place, count))
    case .truncate(let file, let size): try open(file).truncate(to: size)
    case .fallocate(let file, let mode, let offset, let length):
      try door.fallocate(try open(file), mode, offset, length)
    case .seek(let file, let offset, let hole):
      let file = try open(file)
      try settle(file)
      return .number(try door.seek(file, offset, hole: hole))
    case .map(let file): return .map(try map(try open(file)))
    case .sync(let file, let dataOnly):
      let file = try open(file)
      if dataOnly { try file.syncData() } else { try file.sync() }
    case .remount: return .nothing
    default: return try nameAnswer(operation)
    }
    return .nothing
  }

  private func nameAnswer(_ operation: Operation) throws(SystemFailure) -> Answer {
    switch operation {
    case .create(let path, let mode): _ = try open(path, [.write, .create], mode: mode)
    case .makeDirectory(let path, let mode): try System.makeDirectory(root + path, mode: mode)
    case .removeDirectory(let path): try System.removeDirectory(root + path)
    case .unlink(let path): try System.unlink(root + path)
    case .link(let path, let to): try System.link(root + path, root + to)
    case .rename(let path, let to, let flags):
      try System.rename(root + path, root + to, System.RenameFlags(rawValue: flags))
    case .symbolicLink(let target, let path):
      try System.symbolicLink(Fill.target(target), at: root + path)
    case .readSymbolicLink(let path): return .bytes(try System.readSymbolicLink(root + path))
    case .makeNode(let path, let mode, let major, let minor):
      try System.makeNode(root + path, mode: mode, major: major, minor: minor)
    case .list(let path):
      let names = try System.names(in: root + path).map { String(decoding: $0, as: UTF8.self) }
      return .names(names.filter { $0 != "lost+found" })
    case .createMany(let directory, let first, let count, let length):
      return try many(first, count, 1, length, tolerated: 17) { (name) throws(SystemFailure) in
        _ = try OpenFile(self.root + directory + "/" + name, [.create, .exclusive])
      }
    case .unlinkMany(let directory, let first, let count, let step, let length):
      return try many(first, count, step, length, tolerated: 2) { (name) throws(SystemFailure) in
        try System.unlink(self.root + directory + "/" + name)
      }
    default: return try attributeAnswer(operation)
    }
    return .nothing
  }

  private func attributeAnswer(_ operation: Operation) throws(SystemFailure) -> Answer {
    switch operation {
    case .status(let path): return .status(NodeStatus(try System.status(root + path)))
    case .changeMode(let path, let mode):
      guard try !System.status(root + path).isSymbolicLink else { return .nothing }
      try System.changeMode(root + path, mode)
    case .changeOwner(let path, let uid, let gid):
      try System.changeOwner(root + path, uid: uid, gid: gid)
    case .setTimes(let path, let access, let modification, let nanoseconds):
      try System.setTimes(
        root + path, access: .init(seconds: access, nanoseconds: nanoseconds),
        modification: .init(seconds: modification, nanoseconds: nanoseconds))
      return .status(NodeStatus(try System.status(root + path), times: true))
    case .setAttribute(let path, let name, let count, let fill, let flags):
      try System.setAttribute(
        root + path, name, Fill.bytes(fill, count), System.AttributeFlags(rawValue: flags))
    case .attribute(let path, let name): return .bytes(try System.attribute(root + path, name))
    case .attributeNames(let path): return .names(try System.attributeNames(root + path))
    case .removeAttribute(let path, let name): try System.removeAttribute(root + path, name)
    default: break
    }
    return .nothing
  }

  // MARK: Files

  private func open(_ reference: FileReference) throws(SystemFailure) -> OpenFile {
    switch reference {
    case .path(let path): return try open(path, [.write, .create])
    case .slot(let slot):
      guard let file = slots[slot] else { throw SystemFailure(9, "slot \(slot)") }
      return file
    }
  }

  /// Directories are listed and not opened. Devices, FIFOs and sockets are left alone: opening them reaches the machine, not the image.
  private func open(
    _ path: String, _ flags: OpenFile.Flags, mode: UInt32 = 0o644
  ) throws(SystemFailure) -> OpenFile {
    if let status = try? System.status(root + path) {
      if status.isDirectory { throw SystemFailure(21, "open \(path)") }
      if !status.isRegular && !status.isSymbolicLink { throw SystemFailure(6, "open \(path)") }
    }
    return try OpenFile(root + path, flags, mode: mode)
  }

  /// What a mapping may touch of `count` bytes: what lies before the end of the file. Bytes after
  /// it in the last page are nobody's.
  private func inside(
    _ file: OpenFile, _ offset: Int64, _ count: Int
  ) throws(SystemFailure) -> Int {
    let size = Int64(try file.status().size)
    guard offset < size else { throw SystemFailure(14, "mapping of \(file.path)") }
    return Int(min(Int64(count), size - offset))
  }

  /// Makes the device's state the one that SEEK_DATA sees: a page that was read from an unwritten
  /// extent counts as data in the kernel as long as it is cached.
  private func settle(_ file: OpenFile) throws(SystemFailure) {
    try file.sync()
    try file.dropCache()
  }

  private func map(_ file: OpenFile) throws(SystemFailure) -> FileMap {
    try settle(file)
    let extents = try door.extents(of: file)
    // The newest: a commit may change how many nodes the extent tree has.
    let status = try file.statusNow()
    return FileMap(
      extents: extents, data: try dataRanges(file), size: status.size,
      blocks: status.blocks)
  }

  private func dataRanges(_ file: OpenFile) throws(SystemFailure) -> [Range<Int64>] {
    var ranges: [Range<Int64>] = []
    var place: Int64 = 0
    do throws(SystemFailure) {
      while true {
        let start = try door.seek(file, place, hole: false)
        place = try door.seek(file, start, hole: true)
        guard place > start else { throw SystemFailure(117, "SEEK_HOLE stands still") }
        ranges.append(start..<place)
      }
    } catch {
      guard error.errno == 6 else { throw error }
      return ranges
    }
  }

  private func copy(
    _ from: OpenFile, _ offset: Int64, _ to: OpenFile, _ place: Int64, _ count: Int
  ) throws(SystemFailure) -> Int64 {
    // What there is to copy is settled first: a copy within one file may make it longer.
    let size = Int64(try from.status().size)
    let count = max(1, Int(min(Int64(count), size - offset)))
    var done = 0
    while done < count {
      let piece = try from.copyRange(
        from: offset + Int64(done), to: to, at: place + Int64(done), count: count - done)
      if piece == 0 { break }
      done += piece
    }
    return Int64(done)
  }

  private func many(
    _ first: Int, _ count: Int, _ step: Int, _ length: Int, tolerated: Int32,
    _ body: (String) throws(SystemFailure) -> Void
  ) throws(SystemFailure) -> Answer {
    var done: Int64 = 0
    for index in 0..<count {
      do throws(SystemFailure) {
        try body(Fill.name(first + index * step, length))
        done += 1
      } catch {
        guard error.errno == tolerated else { throw error }
      }
    }
    return .number(done)
  }
}
