import ExtantBase

/// The directories that pass 1 found, and where their contents are.
struct DirectoryList: Sendable {
  struct Directory: Sendable {
    let inode: InodeNumber
    /// What its ".." says; nil where it has none.
    var dotDot: InodeNumber?
    /// The directory that holds its name; nil while none was found.
    var parent: InodeNumber?
    /// Whether its contents lie in the inode.
    var isInline = false
  }

  /// Consecutive blocks of a directory's contents, or a hole in it. A few bytes of a hostile map can
  /// stand for billions of blocks, so they are not listed one by one.
  struct Run: Sendable {
    var inode: InodeNumber
    /// Within the directory, in blocks.
    var logical: UInt64
    /// 0 for a hole.
    var address: BlockAddress
    /// In blocks.
    var count: UInt64
  }

  /// Ascending by inode.
  private(set) var directories: [Directory] = []
  var runs: [Run] = []

  /// Its place in `directories`.
  func index(of inode: InodeNumber) -> Int? {
    let place = lowerBound(inode)
    guard place < directories.count, directories[place].inode == inode else { return nil }
    return place
  }

  subscript(index: Int) -> Directory {
    get { directories[index] }
    set {
      precondition(newValue.inode == directories[index].inode)
      directories[index] = newValue
    }
  }

  /// Adds a directory unless it is there. Cheap in ascending order.
  mutating func add(_ directory: Directory) {
    let place = lowerBound(directory.inode)
    guard place == directories.count || directories[place].inode != directory.inode else { return }
    directories.insert(directory, at: place)
  }

  mutating func remove(_ inode: InodeNumber) {
    guard let place = index(of: inode) else { return }
    directories.remove(at: place)
    runs.removeAll { $0.inode == inode }
  }

  /// Removes many at once.
  mutating func remove(_ inodes: Set<InodeNumber>) {
    guard !inodes.isEmpty else { return }
    directories.removeAll { inodes.contains($0.inode) }
    runs.removeAll { inodes.contains($0.inode) }
  }

  /// Removes a directory that pass 1 has just added, and all runs but the first `count`.
  mutating func forget(_ inode: InodeNumber, keepingRuns count: Int) {
    if let place = index(of: inode) { directories.remove(at: place) }
    if runs.count > count { runs.removeLast(runs.count - count) }
  }

  private func lowerBound(_ inode: InodeNumber) -> Int {
    if let last = directories.last, last.inode < inode { return directories.count }
    var low = 0
    var high = directories.count
    while low < high {
      let middle = (low + high) / 2
      if directories[middle].inode < inode { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
