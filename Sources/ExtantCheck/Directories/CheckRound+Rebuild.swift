import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Writes every directory anew, sorted and without gaps.
  func rebuildDirectories() throws(FileSystemError) {
    guard options.mode != .report else { return }
    var rebuilt: [InodeNumber: [MapRun]] = [:]
    for directory in directories.directories where !directory.isInline {
      guard var rebuild = try DirectoryRebuild(self, directory.inode),
        let runs = try rebuild.run()
      else { continue }
      rebuilt[directory.inode] = runs
    }
    replaceDirectoryRuns(rebuilt)
  }

  /// Enters where the contents of directories are now that were written anew.
  func replaceDirectoryRuns(_ rebuilt: [InodeNumber: [MapRun]]) {
    guard !rebuilt.isEmpty else { return }
    var runs = directories.runs.filter { rebuilt[$0.inode] == nil }
    for (inode, new) in rebuilt {
      for run in new {
        runs.append(
          DirectoryList.Run(
            inode: inode, logical: run.logical, address: run.address, count: run.count))
      }
    }
    runs.sort { ($0.inode.rawValue, $0.logical) < ($1.inode.rawValue, $1.logical) }
    directories.runs = runs
  }
}

extension DirectoryPass {
  /// Writes the directories anew whose blocks could not be mended one by one.
  func rebuild() throws(FileSystemError) {
    var rebuilt: [InodeNumber: [MapRun]] = [:]
    for (number, displaced) in rebuilds {
      guard var rebuild = try DirectoryRebuild(round, number, displaced: displaced) else {
        continue
      }
      // Where there is no room for it all stays as it is, and is found again.
      if let runs = try rebuild.run() { rebuilt[number] = runs }
    }
    round.replaceDirectoryRuns(rebuilt)
  }
}
