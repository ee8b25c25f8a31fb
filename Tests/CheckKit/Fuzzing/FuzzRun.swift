import BlockIO
import Ext4Format
import Extant
import ExtantBase
import ExtantCheck
import TestSupport

/// One execution: an image is damaged as the input says, opened and read by the engine, checked and
/// repaired, checked again, opened and read again. Nothing may trap, and the repair must last.
public struct FuzzRun: Sendable {
  public let seeds: [FuzzSeed]

  public init(_ seeds: [FuzzSeed]) { self.seeds = seeds }

  /// What the short ways of pass 1 hide or add; nil where they do neither.
  private static func differenceWhenClose(
    _ image: OverlayDevice, _ options: CheckOptions
  ) -> String? {
    var options = options
    options.mode = .report
    let plain = try? Checker.check(image, options)
    options.looksClosely = true
    let close = try? Checker.check(image, options)
    guard plain?.issues != close?.issues else { return nil }
    return "looking closely finds \(close.map(RecipeRunner.text) ?? "an error"), "
      + "else \(plain.map(RecipeRunner.text) ?? "an error")"
  }

  /// An input is an image, or changes of a seed: the first byte chooses the seed, and with its two
  /// highest bits clear that the engine reads the image before and after, with the first of them alone
  /// that the short ways of pass 1 are held against the long ones. The rest are changes.
  ///
  /// - Returns: what went wrong without a trap; nil where all is well.
  public func run(_ input: [UInt8]) -> String? {
    if Self.isImage(input) {
      do { return run(try Self.overlay(ofImage: input), named: "the image", ways: 0) } catch {
        return "\(error)"
      }
    }
    guard let first = input.first, let seed = seed(of: input) else { return nil }
    do {
      return run(try seed.image(with: input.dropFirst()), named: seed.name, ways: first & 0xc0)
    } catch { return "\(error)" }
  }

  /// Whether an input is no change of a seed but an image itself: by its superblock's magic number.
  private static func isImage(_ input: [UInt8]) -> Bool {
    let start = Int(Superblock.byteOffset)
    guard input.count >= start + Superblock.byteCount else { return false }
    return input.rawBytes.le16(start + SuperblockField.magic) == 0xef53
  }

  private static func overlay(ofImage input: [UInt8]) throws(FileSystemError) -> OverlayDevice {
    OverlayDevice(base: try ImageBytes.device(input), pieceByteCount: 1024)
  }

  private func run(_ image: OverlayDevice, named name: String, ways: UInt8) -> String? {
    let reads = ways == 0
    if reads { Self.readAll(image.copy()) }
    var options = CheckOptions(.repair)
    options.isForced = true
    options.time = 1_750_000_000
    if ways == 0x80, let difference = Self.differenceWhenClose(image, options) {
      return "\(name): \(difference)"
    }
    let repaired: OverlayDevice
    do {
      let report = try Checker.check(image, options)
      guard let device = report.repaired else { return nil }
      if report.leftCount > 0, Self.lacksRoom(report) { return nil }
      guard report.leftCount == 0 else {
        return "\(name): not repaired: \(RecipeRunner.text(report))"
      }
      repaired = device
    } catch {
      // Refused by name, as what cannot be repaired is.
      return nil
    }
    do {
      let again = try Checker.check(repaired, options)
      guard again.issues.isEmpty else {
        return "\(name): after the repair: \(RecipeRunner.text(again))"
      }
    } catch {
      return "\(name): after the repair: \(error)"
    }
    if reads { Self.readAll(repaired.copy()) }
    return nil
  }

  /// Whether what is left is so because there are no blocks to put it in.
  private static func lacksRoom(_ report: CheckReport) -> Bool {
    report.blockCount &- min(report.blocksInUse, report.blockCount) < 16
      && report.issues.contains { if case .quota = $0.kind { true } else { false } }
  }

  private func seed(of input: [UInt8]) -> FuzzSeed? {
    guard let first = input.first, !seeds.isEmpty else { return nil }
    return seeds[Int(first & 0x3f) % seeds.count]
  }

  /// The image that is checked.
  public func image(_ input: [UInt8]) throws -> [UInt8] {
    if Self.isImage(input) { return input }
    guard let seed = seed(of: input) else { return [] }
    return try ImageBytes.contents(seed.image(with: input.dropFirst()))
  }

  /// An input of one to six changes.
  public static func randomInput(_ generator: inout SeededGenerator, seeds: Int) -> [UInt8] {
    let changes = 1 + generator.below(6)
    var input = (0..<1 + 10 * changes).map { _ in UInt8(generator.below(256)) }
    input[0] =
      UInt8(generator.below(seeds))
      | (generator.pick([0, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x80]))
    return input
  }

  /// A change of an input that somebody kept: records changed, doubled, left out or taken from another.
  public static func mutated(
    _ input: [UInt8], with other: [UInt8], _ generator: inout SeededGenerator
  ) -> [UInt8] {
    var input = input
    for _ in 0...generator.below(3) {
      let records = (input.count + 8) / 10
      let start = 1 + 10 * generator.below(max(records, 1))
      let end = min(start + 10, input.count)
      guard start < end else { break }
      switch generator.below(5) {
      case 0: input.removeSubrange(start..<end)
      case 1: input.insert(contentsOf: input[start..<end], at: start)
      case 2:
        let from = 1 + 10 * generator.below(max((other.count + 8) / 10, 1))
        let until = min(from + 10, other.count)
        if from < until { input.insert(contentsOf: other[from..<until], at: start) }
      default:
        for place in start..<end where generator.below(4) == 0 {
          input[place] = UInt8(generator.below(256))
        }
      }
      if input.count > byteLimit { input.removeSubrange(byteLimit...) }
    }
    if generator.below(8) == 0 { input[0] = UInt8(generator.below(256)) }
    return input
  }

  /// As long as an input may be that is made here.
  private static let byteLimit = 640

  /// Opens the image with the engine and reads what can be read; errors are answers.
  static func readAll(_ device: OverlayDevice) {
    var options = FileSystem.Options.readOnly
    options.cacheByteLimit = 1 << 20
    guard let fileSystem = try? FileSystem(device: device, options: options) else { return }
    var walk = Walk(fileSystem)
    walk.run()
    try? fileSystem.close()
  }

  /// All names, each directory and each file once, no more than so many of either.
  private struct Walk {
    let fileSystem: FileSystem
    private var seen: Set<InodeNumber> = [.root]
    private var waiting: [InodeNumber] = [.root]
    private static let limit = 256

    init(_ fileSystem: FileSystem) { self.fileSystem = fileSystem }

    mutating func run() {
      while let directory = waiting.popLast() {
        var entries: [DirectoryEntry] = []
        try? fileSystem.readDirectory(directory, from: 0) { entry in
          entries.append(entry)
          return entries.count < Self.limit
        }
        for entry in entries where seen.count < Self.limit && seen.insert(entry.inode).inserted {
          look(entry.inode)
        }
      }
    }

    private mutating func look(_ inode: InodeNumber) {
      guard let attributes = try? fileSystem.attributes(of: inode) else { return }
      for name in (try? fileSystem.extendedAttributeNames(of: inode)) ?? [] {
        _ = try? fileSystem.extendedAttribute(name, of: inode)
      }
      switch attributes.kind {
      case .directory: waiting.append(inode)
      case .symbolicLink: _ = try? fileSystem.readSymbolicLink(inode)
      case .regular: read(inode, attributes.size)
      default: break
      }
    }

    /// The first and the last of the file: it may say that it is as large as can be.
    private func read(_ inode: InodeNumber, _ size: UInt64) {
      guard let file = try? fileSystem.openFile(inode, .read) else { return }
      defer { file.close() }
      let buffer = BlockBuffer(byteCount: 16384)
      for offset in [0, size - min(size, 8192)] {
        var bytes = buffer.mutableBytes
        _ = try? file.read(into: &bytes, at: offset)
      }
    }
  }
}
