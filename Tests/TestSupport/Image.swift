/// Filesystem images made by mke2fs, and what the independent judges say of them.
public struct Image: Sendable {
  public let path: String

  public init(path: String) { self.path = path }

  /// Makes a filesystem with mke2fs. The UUID and the hash seed are fixed, so that two images of
  /// one recipe are alike.
  /// - Parameters:
  ///   - size: in bytes, or with mke2fs's own suffixes.
  ///   - options: further arguments: `-O`, `^metadata_csum`, `-I`, `256` ...
  public static func make(
    at path: String, size: String = "64M", blockSize: Int = 4096, options: [String] = [],
    extended: String = ""
  ) throws(SystemFailure) -> Image {
    let seed = "hash_seed=6a17c5e8-0000-4000-8000-0123456789ab,lazy_itable_init=0"
    try Program.succeed(
      ["mke2fs", "-q", "-F", "-t", "ext4", "-b", String(blockSize)]
        + ["-U", "e47a0000-0000-4000-8000-00000000e4e4"]
        + ["-E", extended.isEmpty ? seed : seed + "," + extended] + options + [path, size])
    return Image(path: path)
  }

  /// `e2fsck -fn`: what it found, nil where the image is clean.
  public func complaint() throws(SystemFailure) -> String? {
    let result = try Program.run(["e2fsck", "-fn", path])
    return result.status == 0 ? nil : "e2fsck -fn gave \(result.status):\n\(result.output)"
  }

  /// Lets e2fsck bring home what the journal holds, and do nothing else.
  public func replayJournal() throws(SystemFailure) {
    let result = try Program.run(["e2fsck", "-y", "-E", "journal_only", path])
    guard result.status <= 1 else {
      throw SystemFailure(
        Int32(truncatingIfNeeded: result.status), "e2fsck -E journal_only: \(result.output)")
    }
  }

  /// What debugfs answers to one command.
  public func debugfs(_ command: String) throws(SystemFailure) -> String {
    try Program.succeed(["debugfs", "-R", command, path])
  }

  /// Mounts it with the kernel's ext4 through a loop device.
  public func mountInKernel(
    at point: String, options: String = "rw"
  ) throws(SystemFailure) -> Mount {
    if !System.exists(point) { try System.makeDirectory(point) }
    try Program.succeed(["mount", "-t", "ext4", "-o", "loop,\(options)", path, point])
    return Mount(point: point) { (point) throws(SystemFailure) in
      try Program.succeed(["umount", point])
    }
  }
}

/// A mount that is undone with its last reference at the latest.
public final class Mount: Sendable {
  public let point: String
  private let undo: @Sendable (String) throws(SystemFailure) -> Void
  private let state = Once()

  public init(point: String, undo: @escaping @Sendable (String) throws(SystemFailure) -> Void) {
    self.point = point
    self.undo = undo
  }

  /// Unmounts; everything is on the image afterwards.
  public func unmount() throws(SystemFailure) {
    guard state.take() else { return }
    do { try undo(point) } catch {
      state.giveBack()
      throw error
    }
  }

  deinit {
    guard state.take() else { return }
    do { try undo(point) } catch { _ = try? Program.run(["umount", "-l", point]) }
  }
}
