import Foundation
import Synchronization
import TestSupport
import TortureKit

/// How an image is made and mounted whose journal the kernel leaves behind.
struct CrashRecipe: Sendable, CustomStringConvertible {
  var name: String
  var blockSize: Int
  var options: [String] = []
  var mountOptions = ""

  var description: String { name }

  /// The journal is as small as it may be, so that it wraps.
  func make(at path: String) throws -> Image {
    let journal = "size=\(max(1, blockSize / 1024))"
    return try Image.make(
      at: path, size: "48M", blockSize: blockSize, options: ["-J", journal] + options)
  }

  static let all = [
    CrashRecipe(name: "1 KiB blocks", blockSize: 1024),
    CrashRecipe(name: "2 KiB blocks", blockSize: 2048),
    CrashRecipe(name: "4 KiB blocks", blockSize: 4096),
    CrashRecipe(name: "no 64bit", blockSize: 1024, options: ["-O", "^64bit"]),
    CrashRecipe(name: "no checksums", blockSize: 1024, options: ["-O", "^metadata_csum"]),
    CrashRecipe(
      name: "no checksums, no 64bit", blockSize: 4096, options: ["-O", "^metadata_csum,^64bit"]),
    CrashRecipe(
      name: "checksums of transactions", blockSize: 1024, options: ["-O", "^metadata_csum"],
      mountOptions: "journal_checksum"),
    CrashRecipe(
      name: "checksums of transactions, 64bit off", blockSize: 4096,
      options: ["-O", "^metadata_csum,^64bit"], mountOptions: "data=writeback,journal_async_commit"),
    CrashRecipe(
      name: "asynchronous commit", blockSize: 4096,
      mountOptions: "data=writeback,journal_async_commit"),
    CrashRecipe(name: "orphan_file", blockSize: 4096, options: ["-O", "orphan_file"]),
    CrashRecipe(name: "everything journaled", blockSize: 1024, mountOptions: "data=journal"),
  ]
}

/// A mount that several participants use and nobody of them undoes.
private struct SharedDoor: MountDoor {
  let kernel: KernelDoor
  let shared: Mount
  var name: String { kernel.name }
  var image: Image { kernel.image }
  var dirtiesWholeFolios: Bool { kernel.dirtiesWholeFolios }

  func mount() -> Mount { shared }
  func fallocate(
    _ file: OpenFile, _ mode: FallocateMode, _ offset: Int64, _ length: Int64
  ) throws(SystemFailure) {
    try kernel.fallocate(file, mode, offset, length)
  }
  func seek(_ file: OpenFile, _ offset: Int64, hole: Bool) throws(SystemFailure) -> Int64 {
    try kernel.seek(file, offset, hole: hole)
  }
  func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    try kernel.extents(of: file)
  }
}

/// The kernel's ext4 stopped in the middle of random work, its journal left as it is then.
enum KernelCrash {
  /// - Parameters:
  ///   - threads: each does its own random operations on the same names.
  ///   - milliseconds: how long they work before the filesystem is shut down under them.
  static func leave(
    _ image: Image, _ recipe: CrashRecipe, at point: String, seed: UInt64, threads: Int = 2,
    milliseconds: Int
  ) throws {
    let options = "rw,nodev,noatime,commit=1"
    let mount = try image.mountInKernel(
      at: point,
      options: recipe.mountOptions.isEmpty ? options : options + "," + recipe.mountOptions)
    for directory in ["/a", "/b", "/h"] { try System.makeDirectory(point + directory) }
    let stop = Stop()
    let running = DispatchGroup()
    for index in 0..<threads {
      let seed = seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15
      DispatchQueue.global().async(group: running) {
        let door = SharedDoor(kernel: KernelDoor(image: image, point: point), shared: mount)
        guard let participant = try? SyscallParticipant(door) else { return }
        var generator = Generator(seed: seed, blockSize: recipe.blockSize)
        var random = SeededGenerator(seed: ~seed)
        while !stop.isSet {
          let operation = generator.next()
          if operation == .remount { continue }
          _ = participant.perform(operation)
          if random.chance(3) {
            try? OpenFile(point, .directory).syncFileSystem()
          }
        }
      }
    }
    var random = SeededGenerator(seed: seed)
    Thread.sleep(forTimeInterval: Double(milliseconds) / 1000)
    // 1 writes the log first, 2 leaves what was not committed.
    try OpenFile(point, .directory).shutDown(random.chance(30) ? 1 : 2)
    stop.set()
    running.wait()
    try mount.unmount()
  }

  private final class Stop: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
  }
}
