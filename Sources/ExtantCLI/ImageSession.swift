import Extant
import ExtantBase
import ExtantFuse
import Glibc

/// An image open for the time of one command.
enum ImageSession {
  /// Opens the image, does `body` and closes it; nothing is left to be written after that.
  static func with<R>(
    _ path: String, writing: Bool, _ body: (FileSystem) throws -> R
  ) throws -> R {
    let fileSystem = try open(path, writing: writing)
    let result: R
    do {
      result = try body(fileSystem)
    } catch {
      try? fileSystem.close()
      throw error
    }
    try at(PathText.shown(path)) { () throws(FileSystemError) in try fileSystem.close() }
    return result
  }

  static func open(_ path: String, writing: Bool) throws -> FileSystem {
    var options = FileSystem.Options()
    options.access = writing ? .readWrite : .readOnly
    options.journalPath = unsafe getenv("EXTANT_JOURNAL_PATH").map { unsafe String(cString: $0) }
    if writing { Interruption.watch() } else { options.accessTimes = .never }
    let fileSystem = try at(PathText.shown(path)) { () throws(FileSystemError) in
      try afterEndingDaemon(of: path) { () throws(FileSystemError) in
        try FileSystem.open(path, options)
      }
    }
    if writing, let reason = fileSystem.readOnlyReason {
      try? fileSystem.close()
      throw CommandFailure("\(PathText.shown(path)): can only be read: \(reason)")
    }
    for note in fileSystem.openingNotes { Output.message("\(PathText.shown(path)): \(note)") }
    return fileSystem
  }
}

extension FileSystem {
  /// The attributes of what `path`, a `PathText`, names.
  func attributes(at path: String, followLast: Bool = true) throws(FileSystemError) -> Attributes {
    try attributes(of: try resolve(PathText.bytes(path), followLast: followLast))
  }

  /// The names in a directory with their inodes, without "." and "..", sorted by their bytes.
  func sortedEntries(of directory: InodeNumber) throws(FileSystemError) -> [DirectoryEntry] {
    var entries: [DirectoryEntry] = []
    try readDirectory(directory, from: 0) { entry in
      if entry.name != [0x2e], entry.name != [0x2e, 0x2e] { entries.append(entry) }
      return true
    }
    return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }
}
