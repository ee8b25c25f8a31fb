import BlockIO
import Ext4Format
import ExtantBase

/// Where inodes without names are put, as far as there is room.
enum LostAndFoundStage {
  case unopened
  case lostAndFound
  case root
  /// What room is left in the directory at that place, and those after it.
  case anyDirectory(Int)
  case none
}

extension CheckRound {
  private static let lostAndFoundName = Array("lost+found".utf8)
  /// Directories as far as this from the root are taken where lost+found is full.
  private static let depthLimit = 32

  /// Gives an inode that has no name one in lost+found; what a directory says of its parent follows.
  ///
  /// - Returns: false where there is no room for it anywhere.
  func giveName(to number: InodeNumber, _ kind: FileKind) throws(FileSystemError) -> Bool {
    while let editor = try openLostAndFound() {
      // It was lost+found itself.
      if let place = directories.index(of: number), directories[place].parent != nil { return true }
      guard try editor.connect(number, kind) else {
        lostAndFound = nil
        continue
      }
      guard kind == .directory, let place = directories.index(of: number) else { return true }
      directories[place].parent = editor.number
      try setDotDot(of: number, to: editor.number)
      return true
    }
    return false
  }

  /// Connects directories that had the name lost+found and could not be used.
  func connectDisplaced() throws(FileSystemError) {
    while let number = displacedDirectories.popLast() {
      _ = try giveName(to: number, .directory)
    }
  }

  /// lost+found, made or mended where that is needed; where that cannot be, or it is full, the root;
  /// then any directory with room. Nil when nothing is left.
  private func openLostAndFound() throws(FileSystemError) -> DirectoryEditor? {
    while lostAndFound == nil {
      switch lostAndFoundStage {
      case .unopened:
        lostAndFoundStage = .lostAndFound
        if let number = try lookUp(Self.lostAndFoundName, in: .root) {
          lostAndFound = try openLostAndFound(number)
        } else {
          let issue = Issue(.connection(.lostFoundMissing), .inode(.root))
          if try reporter.found(issue) { lostAndFound = try makeLostAndFound() }
          if lostAndFound == nil { reporter.giveUp(issue) }
        }
      case .lostAndFound:
        lostAndFoundStage = .root
        let issue = Issue(.connection(.lostFoundImpossible), .inode(.root))
        if try reporter.found(issue) {
          lostAndFound = try DirectoryEditor(self, .root)
        } else {
          lostAndFoundStage = .none
        }
      case .root: lostAndFoundStage = .anyDirectory(0)
      case .anyDirectory(let place):
        guard place < directories.directories.count else {
          lostAndFoundStage = .none
          continue
        }
        lostAndFoundStage = .anyDirectory(place + 1)
        let number = directories[place].inode
        if isNearRoot(number) { lostAndFound = try DirectoryEditor(self, number, asItIs: true) }
      case .none: return nil
      }
    }
    return lostAndFound
  }

  private func isNearRoot(_ number: InodeNumber) -> Bool {
    var number = number
    for _ in 0..<Self.depthLimit {
      if number == .root { return true }
      guard let place = directories.index(of: number), let parent = directories[place].parent
      else { return false }
      number = parent
    }
    return false
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
