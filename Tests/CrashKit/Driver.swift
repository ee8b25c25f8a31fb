import BlockIO
import Extant
import ExtantBase

/// Does a sequence's operations on the engine.
struct Driver {
  let fileSystem: FileSystem
  private var held: [File] = []

  init(_ fileSystem: FileSystem) { self.fileSystem = fileSystem }

  /// `tag` picks the bytes.
  mutating func perform(_ operation: CrashOperation, tag: Int) throws(FileSystemError) {
    switch operation {
    case .create(let path):
      let (parent, name) = try place(path)
      _ = try fileSystem.createFile(name, in: parent, mode: 0o644)
    case .write(let path, let offset, let count):
      try withFile(path) { (file) throws(FileSystemError) in
        let bytes = CrashBytes.make(tag: tag, count, at: offset)
        guard try file.write(bytes, at: UInt64(offset)) == count else {
          throw .refused(.noSpace)
        }
      }
    case .truncate(let path, let size):
      try withFile(path) { (file) throws(FileSystemError) in try file.truncate(to: UInt64(size)) }
    case .rename(let path, let new): try rename(path, new)
    case .exchange(let path, let other): try rename(path, other, .exchange)
    case .whiteout(let path, let new): try rename(path, new, .whiteout)
    case .link(let path, let new):
      let inode = try fileSystem.resolve(path, followLast: false)
      let (parent, name) = try place(new)
      _ = try fileSystem.link(inode, as: name, in: parent)
    case .unlink(let path):
      let (parent, name) = try place(path)
      try fileSystem.unlink(name, in: parent)
    case .mkdir(let path):
      let (parent, name) = try place(path)
      _ = try fileSystem.makeDirectory(name, in: parent, mode: 0o755)
    case .rmdir(let path):
      let (parent, name) = try place(path)
      try fileSystem.removeDirectory(name, in: parent)
    case .symlink(let path, let count):
      let (parent, name) = try place(path)
      _ = try fileSystem.makeSymbolicLink(name, in: parent, target: Self.target(count))
    case .setxattr(let path, let count):
      try fileSystem.setExtendedAttribute(
        Self.attribute, CrashBytes.make(tag: tag, count, at: 0),
        of: try fileSystem.resolve(path, followLast: false))
    case .fsync(let path):
      try withFile(path) { (file) throws(FileSystemError) in try file.sync() }
    case .fdatasync(let path):
      try withFile(path) { (file) throws(FileSystemError) in try file.syncData() }
    case .sync, .commit: try fileSystem.sync()
    case .allocate(let path, let offset, let count):
      try withFile(path) { (file) throws(FileSystemError) in
        try file.allocate(UInt64(offset)..<UInt64(offset + count))
      }
    case .keepSize(let path, let offset, let count):
      try withFile(path) { (file) throws(FileSystemError) in
        try file.allocate(UInt64(offset)..<UInt64(offset + count), keepSize: true)
      }
    case .punch(let path, let offset, let count):
      try withFile(path) { (file) throws(FileSystemError) in
        try file.punchHole(UInt64(offset)..<UInt64(offset + count))
      }
    case .zero(let path, let offset, let count):
      try withFile(path) { (file) throws(FileSystemError) in
        try file.zeroRange(UInt64(offset)..<UInt64(offset + count))
      }
    case .collapse(let path, let offset, let count):
      try withFile(path) { (file) throws(FileSystemError) in
        try file.collapse(UInt64(offset)..<UInt64(offset + count))
      }
    case .insert(let path, let offset, let count):
      try withFile(path) { (file) throws(FileSystemError) in
        try file.insert(length: UInt64(count), at: UInt64(offset))
      }
    case .overlap: break
    case .prelude(let count):
      // Leaves everything as it was, and the log fuller.
      for _ in 0..<count {
        let name = try FileName("prelude")
        _ = try fileSystem.makeDirectory(name, in: .root, mode: 0o755)
        try fileSystem.sync()
        try fileSystem.removeDirectory(name, in: .root)
        try fileSystem.sync()
      }
    case .hold(let path):
      held.append(try fileSystem.open(path, .readWrite))
    }
  }

  /// Closes what is held, and the filesystem.
  mutating func close() throws(FileSystemError) {
    for file in held { file.close() }
    held = []
    try fileSystem.close()
  }

  static let attribute = Array("user.k".utf8)

  /// A symbolic link's target of `count` bytes. One that has a block of its own begins as a block of
  /// the journal would, which the log must hide.
  static func target(_ count: Int) -> [UInt8] {
    let head: [UInt8] = count > 60 ? [0xC0, 0x3B, 0x39, 0x98] : []
    return head + [UInt8](repeating: UInt8(ascii: "t"), count: count - head.count)
  }

  private func rename(
    _ path: String, _ new: String, _ flags: RenameFlags = []
  ) throws(FileSystemError) {
    let (parent, name) = try place(path)
    let (newParent, newName) = try place(new)
    try fileSystem.rename(name, in: parent, to: newName, in: newParent, flags)
  }

  private func place(
    _ path: String
  ) throws(FileSystemError) -> (parent: InodeNumber, name: FileName) {
    let (parent, name) = try fileSystem.resolveParent(path)
    guard let name else { throw .refused(.fileExists) }
    return (parent, name)
  }

  private func withFile(
    _ path: String, _ body: (File) throws(FileSystemError) -> Void
  ) throws(FileSystemError) {
    let file = try fileSystem.open(path, .readWrite)
    defer { file.close() }
    try body(file)
  }
}
