import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  private static let lostAndFoundName = Array("lost+found".utf8)

  /// Gives an inode that has no name one in lost+found; what a directory says of its parent follows.
  func giveName(to number: InodeNumber, _ kind: FileKind) throws(FileSystemError) {
    let editor = try openLostAndFound()
    // It was lost+found itself.
    if let place = directories.index(of: number), directories[place].parent != nil { return }
    guard let editor, try editor.connect(number, kind) else {
      // What was reported stays as it is.
      reporter.report.leftCount += 1
      return
    }
    guard kind == .directory, let place = directories.index(of: number) else { return }
    directories[place].parent = editor.number
    try setDotDot(of: number, to: editor.number)
  }

  /// Connects directories that had the name lost+found and could not be used.
  func connectDisplaced() throws(FileSystemError) {
    while let number = displacedDirectories.popLast() { try giveName(to: number, .directory) }
  }

  /// lost+found, made or mended where that is needed; the root directory where it cannot be had.
  private func openLostAndFound() throws(FileSystemError) -> DirectoryEditor? {
    if let lostAndFound { return lostAndFound }
    if lostAndFoundIsImpossible { return nil }
    if let number = try lookUp(Self.lostAndFoundName, in: .root) {
      lostAndFound = try openLostAndFound(number)
    } else if try found(.connection(.lostFoundMissing), .inode(.root)) {
      lostAndFound = try makeLostAndFound()
    }
    if lostAndFound == nil {
      if try found(.connection(.lostFoundImpossible), .inode(.root)) {
        lostAndFound = try DirectoryEditor(self, .root)
      }
    }
    lostAndFoundIsImpossible = lostAndFound == nil
    return lostAndFound
  }

  /// Opens what is called lost+found, or puts another in its place.
  private func openLostAndFound(
    _ number: InodeNumber
  ) throws(FileSystemError) -> DirectoryEditor? {
    let isDirectory = directories.index(of: number) != nil
    if isDirectory, let editor = try DirectoryEditor(self, number) { return editor }
    let issue: ConnectionIssue = isDirectory ? .lostFoundEncrypted : .lostFoundNoDirectory
    guard try found(.connection(issue), .inode(number)),
      try removeName(of: number, in: .root)
    else { return nil }
    inodes[number].namesCounted &-= 1
    if let place = directories.index(of: number) {
      directories[place].parent = nil
      displacedDirectories.append(number)
    }
    return try makeLostAndFound()
  }

  /// Makes lost+found. Nil where there is no inode, no block, or no room for its name.
  private func makeLostAndFound() throws(FileSystemError) -> DirectoryEditor? {
    guard let root = try DirectoryEditor(self, .root) else { return nil }
    if let old = try renameLostAndFound(in: root) { return old }
    guard let number = freeInodeNumber(near: .root) else { return nil }
    guard let entry = try makeDirectory(number, in: .root, permissions: 0o700) else { return nil }
    inodes[number] = entry
    guard try root.insert(Self.lostAndFoundName, number, .directory) else {
      try freeInode(number)
      return nil
    }
    createdInodes.append(number)
    directories.add(DirectoryList.Directory(inode: number, dotDot: .root, parent: .root))
    try countName(of: .root, by: 1)
    return try DirectoryEditor(self, number)
  }

  /// The first inode that is not reserved is lost+found in every new filesystem: where it is a
  /// directory that lost its name, it gets it back.
  private func renameLostAndFound(
    in root: DirectoryEditor
  ) throws(FileSystemError) -> DirectoryEditor? {
    let number = InodeNumber(superblock.firstInode)
    guard let place = directories.index(of: number), directories[place].parent == nil,
      !displacedDirectories.contains(number), let editor = try DirectoryEditor(self, number),
      try root.insert(Self.lostAndFoundName, number, .directory)
    else { return nil }
    directories[place].parent = .root
    if directories[place].dotDot != .root { try setDotDot(of: number, to: .root) }
    return editor
  }
}
