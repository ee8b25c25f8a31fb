import ArgumentParser
import Extant
import ExtantBase
import TestSupport

/// What a lookup costs in process, by how many inodes somebody refers to: through a mount the kernel
/// refers to each that it has seen, until it forgets it.
struct LookupsBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookups", abstract: "Times lookups at growing numbers of known inodes.")

  @Option(help: "Numbers of inodes known.")
  var known: [Int] = [1_000, 32_768, 200_000, 1_000_000]
  @Option(help: "Lookups of each kind.") var lookups = 20_000

  mutating func run() throws {
    guard let most = known.max(), let least = known.min(), least >= 1, lookups >= 1 else {
      throw ValidationError("at least one inode and one lookup")
    }
    let directory = try TemporaryDirectory()
    let fresh = lookups * known.count
    let count = most + fresh
    let size = "\(count / 2048 + 512)M"
    let image = try Image.make(
      at: directory("image"), size: size, options: ["-N", "\(count + 64)"])
    try fill(image, count)

    var options = FileSystem.Options()
    options.accessTimes = .never
    let fileSystem = try FileSystem.open(image.path, options)
    var random = SeededGenerator(seed: 1)
    var referred: [InodeNumber] = []
    var nextFresh = most
    print("One lookup in nanoseconds, the mean of \(lookups).")
    print("known".padded(10), "of a known one".padded(16), "of another, which is loaded")
    for count in known.sorted() {
      while referred.count < count {
        referred.append(
          try fileSystem.lookup(name(referred.count), in: .root, retaining: true).inode)
      }
      let ofKnown = try time(
        fileSystem, (0..<lookups).map { _ in Int(random.next() % UInt64(count)) })
      let ofFresh = try time(fileSystem, Array(nextFresh..<nextFresh + lookups))
      nextFresh += lookups
      print(String(count).padded(10), String(ofKnown).padded(16), ofFresh)
    }
    for inode in referred { fileSystem.forget(inode) }
    try fileSystem.close()
  }

  /// In nanoseconds for one, with the reference given back.
  private func time(_ fileSystem: FileSystem, _ files: [Int]) throws -> Int64 {
    let names = try files.map { try name($0) }
    let elapsed = try ContinuousClock().measure {
      for name in names {
        fileSystem.forget(try fileSystem.lookup(name, in: .root, retaining: true).inode)
      }
    }
    return elapsed.nanoseconds / Int64(files.count)
  }

  private func name(_ file: Int) throws -> FileName { try FileName(Array("f\(file)".utf8)) }

  private func fill(_ image: Image, _ count: Int) throws {
    let fileSystem = try FileSystem.open(image.path)
    for file in 0..<count { _ = try fileSystem.createFile(try name(file), in: .root, mode: 0o644) }
    try fileSystem.close()
  }
}
