import Extant
import ExtantBase
import TestSupport
import Testing

@testable import KernelKit
@testable import TortureKit

/// Files without a name that were open when the power went: whoever opens the image next gives
/// their space back, the kernel ours and we the kernel's.
@Suite(.enabled(if: Environment.hasKernelMounts), .serialized)
struct OrphanKernelTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var blockSize: Int
    var features: String
    var testDescription: String { "\(blockSize) \(features)" }
  }

  static let cases = [
    Case(blockSize: 1024, features: "^orphan_file"), Case(blockSize: 4096, features: "orphan_file"),
    Case(blockSize: 1024, features: "orphan_file,^metadata_csum"),
  ]

  private static let count = 12

  private func make(_ item: Case, _ directory: TemporaryDirectory) throws -> (Image, [UInt64]) {
    let image = try Image.make(
      at: directory("image"), size: "32M", blockSize: item.blockSize,
      options: ["-O", item.features])
    let fileSystem = try FileSystem.open(image.path, .readOnly)
    let space = try SeenTree(fileSystem, seeks: true).space
    try fileSystem.close()
    return (image, try #require(space))
  }

  /// Who replays the journal.
  enum Recovery: CaseIterable {
    /// And does no more: the orphans are left to us.
    case debugfs
    /// And deletes the orphans, but leaves their numbers in the orphan file standing, and counts
    /// what it freed twice.
    case e2fsck
  }

  @Test(arguments: cases, Recovery.allCases)
  func whatTheKernelLeftOpenIsDeletedOnce(_ item: Case, by recovery: Recovery) throws {
    let directory = try TemporaryDirectory()
    let (image, space) = try make(item, directory)
    let mount = try image.mountInKernel(at: directory("mount"))
    do {
      var files: [OpenFile] = []
      for index in 0..<Self.count {
        let file = try OpenFile(mount.point + "/\(index)", [.write, .create])
        // Some with a tree, some with a block of attributes.
        for piece in 0..<(index * 3) {
          try file.writeAll([1], at: Int64(piece * 2 * item.blockSize))
        }
        if index % 2 == 0 {
          try System.setAttribute(file.path, "user.large", Fill.bytes(1, 600))
        }
        files.append(file)
        try file.sync()
        try System.unlink(file.path)
      }
      let root = try OpenFile(mount.point, .directory)
      try root.syncFileSystem()
      try root.shutDown(2)
      #expect(files.count == Self.count)
    }
    try mount.unmount()
    // Recovery of the journal is others' business still.
    switch recovery {
    case .debugfs: try Program.succeed(["debugfs", "-w", "-R", "journal_run", image.path])
    case .e2fsck: _ = try Program.run(["e2fsck", "-y", "-E", "journal_only", image.path])
    }

    let fileSystem = try FileSystem.open(image.path)
    #expect(fileSystem.readOnlyReason == nil)
    #expect(try SeenTree(fileSystem, seeks: true).space == space)
    try fileSystem.close()
    #expect(try image.complaint() == nil)
  }

  @Test(arguments: cases) func whatWeLeftOpenIsDeletedByTheKernel(_ item: Case) throws {
    let directory = try TemporaryDirectory()
    let (image, space) = try make(item, directory)
    let copy = Image(path: directory("copy"))
    let fileSystem = try FileSystem.open(image.path)
    var files: [File] = []
    for index in 0..<Self.count {
      let file = try fileSystem.open("/\(index)", .readWrite, create: 0o644)
      for piece in 0..<(index * 3) {
        _ = try file.write([1], at: UInt64(piece * 2 * item.blockSize))
      }
      if index % 2 == 0 {
        try fileSystem.setExtendedAttribute(
          Array("user.large".utf8), Fill.bytes(1, 600), of: file.inode)
      }
      files.append(file)
      try file.sync()
      try fileSystem.unlink(try FileName("\(index)"), in: .root)
    }
    try fileSystem.sync()
    try Program.succeed(["cp", image.path, copy.path])
    for file in files { file.close() }
    try fileSystem.close()
    #expect(try image.complaint() == nil)

    let mount = try copy.mountInKernel(at: directory("mount"))
    let seen = try SeenTree(mount: mount.point, seeks: true)
    #expect(seen.space == space)
    #expect(seen.nodes.count == 1)
    try mount.unmount()
    #expect(try copy.complaint() == nil)
  }
}
