import BlockCache
import ExtantBase
import Journal

/// When dirty data goes to the device without being asked for: in time, where there is too much of it,
/// and where the cache is full of it.
extension FileSystem {
  /// What the flusher does every `writeBackInterval` seconds.
  func flushPeriodically() {
    guard journal.abortReason == nil else { return }
    // A write error stays with its file, and is told to the next fsync.
    writeBackAll()
    announceRecord()
    _ = try? journal.commit()
  }

  /// Keeps dirty data below its limit. Called by writers that hold no lock. What cannot be written,
  /// of whatever file, is for that file's fsync to tell.
  func throttle(_ contents: FileContents) throws(FileSystemError) {
    guard cache.dirtyByteCount > cache.dirtyLimit else { return }
    try contents.placeContents()
    _ = cache.writeBack(owner: contents.node.number)
    if cache.dirtyByteCount > cache.dirtyLimit { writeBackAll() }
  }

  /// Makes room in a cache full of dirty blocks. The caller may hold node locks.
  ///
  /// Throws what kept blocks, of whatever file, from leaving, if that is why nothing was gained.
  func relieveCache(of contents: FileContents) throws(FileSystemError) {
    let before = cache.dirtyByteCount
    let own = contents.writeBackUntold()
    let others = writeBackAll()
    if journal.runningBlockCount > 0 { try journal.commit() }
    try journal.checkpoint()
    if let failure = own ?? others, cache.dirtyByteCount >= before { throw failure }
  }

  /// Writes the dirty data of every file. One that fails stops none of the others: returns the first
  /// failure, of which the file's own fsync is told as well.
  @discardableResult
  func writeBackAll() -> FileSystemError? {
    var failure: FileSystemError?
    for owner in cache.dirtyOwners {
      let error = writeBack(owner: owner)
      failure = failure ?? error
    }
    return failure
  }

  private func writeBackUntold(_ node: Node) -> FileSystemError? {
    contents(of: node)?.writeBackUntold()
  }

  private func writeBack(owner: InodeNumber) -> FileSystemError? {
    if let node = nodes.retained(owner) {
      defer { release(node) }
      return writeBackUntold(node)
    }
    // A file whose inode left memory has nothing delayed. What must go through the journal is not
    // left to the cache, and only the inode says whether it must.
    guard journal.hasLog else { return cache.writeBack(owner: owner) }
    guard let node = try? acquire(owner) else { return nil }
    defer { release(node) }
    return writeBackUntold(node)
  }
}
