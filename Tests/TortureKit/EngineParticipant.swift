import Ext4Format
import Extant
import ExtantBase
import SystemPackage
import TestSupport

/// Our engine in this process, with the checks that the kernel's VFS makes before a filesystem
/// sees a call.
public final class EngineParticipant: Participant {
  public let name = "engine"
  let image: Image
  let options: FileSystem.Options
  var fileSystem: FileSystem
  /// The other participants work with the process's own umask.
  let caller = Caller(umask: UInt16(System.umask))
  private var slots = [File?](repeating: nil, count: slotCount)

  public init(_ image: Image, cacheByteLimit: Int = 16 << 20) throws {
    self.image = image
    var options = FileSystem.Options()
    options.cacheByteLimit = cacheByteLimit
    options.accessTimes = .never
    self.options = options
    fileSystem = try FileSystem.open(image.path, options)
    if let reason = fileSystem.readOnlyReason {
      throw SystemFailure(30, "\(image.path) opened read-only: \(reason)")
    }
  }

  public func remount() throws -> String? {
    let complaint = try finish()
    fileSystem = try FileSystem.open(image.path, options)
    return complaint
  }

  public func finish() throws -> String? {
    closeSlots()
    try fileSystem.close()
    return try image.complaint()
  }

  private func closeSlots() {
    for file in slots { file?.close() }
    slots = [File?](repeating: nil, count: slotCount)
  }

  public func tree() throws -> Tree { try EngineTree.read(fileSystem) }

  public func perform(_ operation: Operation) -> Outcome {
    do throws(FileSystemError) {
      return Outcome(try answer(operation))
    } catch {
      if error.isFault { print("engine: \(operation): \(error)") }
      return Outcome(errno: error.errno.rawValue)
    }
  }

  private func answer(_ operation: Operation) throws(FileSystemError) -> Answer {
    switch operation {
    case .open(let slot, let path, let writable):
      slots[slot]?.close()
      slots[slot] = nil
      slots[slot] = try open(path, writable ? .readWrite : .read, create: writable ? 0o644 : nil)
    case .close(let slot):
      slots[slot]?.close()
      slots[slot] = nil
    case .append(let path, let count, let fill):
      let file = try open(path, [.read, .write, .append], create: 0o644)
      defer { file.close() }
      let bytes = Fill.bytes(fill, count)
      return .number(Int64(try file.write(bytes, at: 0)))
    case .copy(let from, let offset, let to, let place, let count):
      return try with(from) { (from) throws(FileSystemError) in
        try self.with(to) { (to) throws(FileSystemError) in
          .number(try self.copy(from, UInt64(offset), to, UInt64(place), count))
        }
      }
    case .write(let reference, _, _, _), .read(let reference, _, _),
      .writeMapped(let reference, _, _, _), .readMapped(let reference, _, _),
      .truncate(let reference, _), .fallocate(let reference, _, _, _),
      .seek(let reference, _, _), .map(let reference), .sync(let reference, _):
      return try with(reference) { (file) throws(FileSystemError) in
        try self.answer(operation, file)
      }
    case .remount: return .nothing
    default: return try nameAnswer(operation)
    }
    return .nothing
  }

  // MARK: Files

  private func with<R>(
    _ reference: FileReference, _ body: (File) throws(FileSystemError) -> R
  ) throws(FileSystemError) -> R {
    switch reference {
    case .slot(let slot):
      guard let file = slots[slot] else { throw .refused(.badFileDescriptor) }
      return try body(file)
    case .path(let path):
      let file = try open(path, .readWrite, create: 0o644)
      defer { file.close() }
      return try body(file)
    }
  }

  /// open(2) with O_NOFOLLOW.
  func open(
    _ path: String, _ access: FileAccess, create mode: UInt16?
  ) throws(FileSystemError) -> File {
    let (parent, name) = try fileSystem.resolveParent(path)
    guard let name else { throw .refused(.isDirectory) }
    let inode: InodeNumber
    do throws(FileSystemError) {
      let found = try fileSystem.lookup(name, in: parent)
      switch found.kind {
      case .symbolicLink: throw .refused(.tooManySymbolicLinkLevels)
      case .directory: throw .refused(.isDirectory)
      case .regular: break
      default: throw .refused(.noSuchAddressOrDevice)
      }
      inode = found.inode
    } catch .refused(.noSuchFileOrDirectory) {
      guard let mode else { throw .refused(.noSuchFileOrDirectory) }
      inode = try fileSystem.createFile(name, in: parent, mode: mode, by: caller).inode
    }
    return try fileSystem.openFile(inode, access)
  }

  private func answer(
    _ operation: Operation, _ file: File
  ) throws(FileSystemError) -> Answer {
    switch operation {
    case .write(_, let offset, let count, let fill):
      let place = try position(offset, count, file, .write)
      let bytes = Fill.bytes(fill, count)
      return .number(Int64(try file.write(bytes, at: place)))
    case .read(_, let offset, let count):
      return .bytes(try read(file, try position(offset, count, file, .read), count))
    case .writeMapped(_, let offset, let count, let fill):
      let count = try inside(file, offset, count)
      guard file.access.contains(.write) else { throw .refused(.permissionDenied) }
      return .number(try writeMapped(file, UInt64(offset), Fill.bytes(fill, count)))
    case .readMapped(_, let offset, let count):
      let count = try inside(file, offset, count)
      return .bytes(try read(file, UInt64(offset), count))
    case .truncate(_, let size):
      guard let size = UInt64(exactly: size) else { throw .refused(.invalidArgument) }
      try file.truncate(to: size)
    case .fallocate(_, let mode, let offset, let length):
      try file.fallocate(
        mode: Extant.FallocateMode(rawValue: mode.rawValue), offset: offset, length: length)
    case .seek(_, let offset, let hole):
      try file.sync()
      guard let from = UInt64(exactly: offset),
        let found = try hole ? file.seekHole(from: from) : file.seekData(from: from)
      else { throw .refused(.noSuchAddressOrDevice) }
      return .number(Int64(found))
    case .map:
      try file.sync()
      return .map(try map(file))
    case .sync(_, let dataOnly):
      if dataOnly { try file.syncData() } else { try file.sync() }
    default: break
    }
    return .nothing
  }

  /// rw_verify_area of the VFS.
  private func position(
    _ offset: Int64, _ count: Int, _ file: File, _ access: FileAccess
  ) throws(FileSystemError) -> UInt64 {
    guard let place = UInt64(exactly: offset) else { throw .refused(.invalidArgument) }
    guard file.access.contains(access) else { throw .refused(.badFileDescriptor) }
    guard !offset.addingReportingOverflow(Int64(count)).overflow else {
      throw .refused(.invalidArgument)
    }
    return place
  }

  private func read(
    _ file: File, _ offset: UInt64, _ count: Int
  ) throws(FileSystemError) -> [UInt8] {
    try EngineTree.read(file, at: offset, count: count)
  }

  private func inside(
    _ file: File, _ offset: Int64, _ count: Int
  ) throws(FileSystemError) -> Int {
    let size = Int64(file.attributes().size)
    guard offset < size else { throw .refused(.badAddress) }
    return Int(min(Int64(count), size - offset))
  }

  /// A page that a mapping changes is written as a whole, up to the end of the file.
  private func writeMapped(
    _ file: File, _ offset: UInt64, _ bytes: [UInt8]
  ) throws(FileSystemError) -> Int64 {
    let page: UInt64 = 4096
    let end = offset + UInt64(bytes.count)
    let first = offset / page * page
    let last = min(file.attributes().size, (end + page - 1) / page * page)
    var pages = try read(file, first, Int(last - first))
    let start = Int(offset - first)
    pages.replaceSubrange(start..<start + bytes.count, with: bytes)
    _ = try file.write(pages, at: first)
    return Int64(bytes.count)
  }

  /// copy_file_range(2) with the checks of generic_copy_file_checks.
  private func copy(
    _ from: File, _ offset: UInt64, _ to: File, _ place: UInt64, _ count: Int
  ) throws(FileSystemError) -> Int64 {
    guard to.access.contains(.write) else { throw .refused(.badFileDescriptor) }
    let size = from.attributes().size
    let count = offset >= size ? 0 : min(UInt64(count), size - offset)
    let overlaps = place + count > offset && place < offset + count
    guard from.inode != to.inode || !overlaps else { throw .refused(.invalidArgument) }
    guard count > 0 else { return 0 }
    let bytes = try read(from, offset, Int(count))
    return Int64(try to.write(bytes, at: place))
  }

  private func map(_ file: File) throws(FileSystemError) -> FileMap {
    let extents = try file.extents().map {
      FileMap.Run(range: $0.logical..<$0.logical + $0.length, isUnwritten: $0.isUnwritten)
    }
    var data: [Range<Int64>] = []
    var place: UInt64 = 0
    while let start = try file.seekData(from: place), let end = try file.seekHole(from: start) {
      data.append(Int64(start)..<Int64(end))
      place = end
    }
    let attributes = file.attributes()
    return FileMap(
      extents: extents, data: data, size: attributes.size, blocks: attributes.blocks512)
  }
}
