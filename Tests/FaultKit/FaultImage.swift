import BlockIO
import Extant
import ExtantBase
import ExtantMake
import Threading

/// A small image that workloads start from. It holds *bystanders*: files that were there, durable,
/// before anything went wrong and that no workload touches.
public struct FaultImage: Sendable {
  public enum Recipe: String, Sendable, CaseIterable {
    case small1K, small4K
    /// Without a journal.
    case bare1K
    /// Without a journal, checksums and extents' friends of today.
    case plain1K
    /// Files were deleted while they were open, and the power went: orphans, and a journal that
    /// has to be recovered.
    case orphans1K
    /// The power went in the middle of much work: a long journal has to be recovered.
    case dirty1K
    case dirty4K
    /// A directory of many names and a file of many extents are there.
    case grown1K
    /// Hardly any block is free.
    case full1K
  }

  public let recipe: Recipe
  /// Copies of it are what runs work on.
  public let device: OverlayDevice
  /// Sectors of 512 bytes, each in another extent of a file that sessions write into.
  let oldBlocksSectors: [UInt64]

  public var hasJournal: Bool { recipe != .bare1K && recipe != .plain1K }

  public init(_ recipe: Recipe) throws(FileSystemError) {
    self.recipe = recipe
    let blockSize = recipe.rawValue.hasSuffix("4K") ? 4096 : 1024
    let memory = MemoryDevice(
      byteCount: blockSize == 4096 ? 10 << 20 : 3 << 20, name: "\(recipe.rawValue)")
    var options = MakeOptions()
    options.blockSize = blockSize
    options.inodeCount = 128
    options.uuid = [UInt8](repeating: 0xe4, count: 16)
    options.hashSeed = [UInt8](repeating: 0x5e, count: 16)
    options.time = Timestamp(seconds: 1_700_000_000, nanoseconds: 0)
    options.reservedPercentage = 0
    switch recipe {
    case .bare1K: options.features = "^has_journal"
    case .plain1K:
      options.features = "^has_journal,^metadata_csum,^64bit,^flex_bg"
      options.inodeSize = 128
    case .grown1K: options.inodeCount = 512
    default: break
    }
    try makeFileSystem(on: memory, options)
    let overlay = OverlayDevice(base: memory)
    device = try Self.prepare(recipe, on: overlay)
    let fs = try FileSystem(device: device.copy(), options: Session.options)
    oldBlocksSectors = try Bystanders.oldBlocksSectors(in: fs)
    try fs.close()
  }

  /// Does what the recipe says, and returns the device as it lies then.
  private static func prepare(
    _ recipe: Recipe, on overlay: OverlayDevice
  ) throws(FileSystemError) -> OverlayDevice {
    let first = overlay.copy()
    let fs = try FileSystem(device: first, options: Session.options)
    try Bystanders.make(in: fs)
    switch recipe {
    case .grown1K: try grow(fs)
    case .full1K: try fill(fs)
    default: break
    }
    try fs.close()
    guard [.orphans1K, .dirty1K, .dirty4K].contains(recipe) else { return first.copy() }
    let second = first.copy()
    let dirty = try FileSystem(device: second, options: Session.options)
    var open: [File] = []
    defer { for file in open { file.close() } }
    if recipe == .orphans1K {
      for index in 0..<3 { open.append(try leaveOrphan(index, dirty)) }
      try dirty.sync()
    } else {
      for index in 0..<6 { try work(index, dirty) }
    }
    // The power goes: what is on the device now is all there is.
    return second.copy()
  }

  private static func leaveOrphan(_ index: Int, _ fs: FileSystem) throws(FileSystemError) -> File {
    let file = try fs.open("/gone\(index)", .readWrite, create: 0o644)
    for place in 0..<20 { _ = try file.write([1, 2, 3], at: UInt64(place) * 4096) }
    try file.sync()
    try fs.unlink(try FileName("gone\(index)"), in: .root)
    return file
  }

  private static func work(_ index: Int, _ fs: FileSystem) throws(FileSystemError) {
    let directory = try fs.makeDirectory(
      try FileName("work\(index)"), in: .root, mode: 0o755
    ).inode
    for place in 0..<5 {
      let file = try fs.open("/work\(index)/f\(place)", .readWrite, create: 0o644)
      defer { file.close() }
      _ = try file.write([UInt8](repeating: UInt8(place), count: 3000), at: UInt64(place) * 1024)
      try file.sync()
    }
    try fs.unlink(try FileName("f1"), in: directory)
    try fs.sync()
  }

  private static func grow(_ fs: FileSystem) throws(FileSystemError) {
    let directory = try fs.makeDirectory(try FileName("many"), in: .root, mode: 0o755).inode
    for index in 0..<120 {
      _ = try fs.createFile(
        try FileName("a name of some length, number \(index)"), in: directory, mode: 0o600)
    }
    let file = try fs.open("/pieces", .readWrite, create: 0o644)
    defer { file.close() }
    for index in 0..<400 { _ = try file.write([7], at: UInt64(index) * 2048) }
  }

  private static func fill(_ fs: FileSystem) throws(FileSystemError) {
    let file = try fs.open("/filler", .readWrite, create: 0o644)
    defer { file.close() }
    let block = [UInt8](repeating: 0xf1, count: 1024)
    var place: UInt64 = 0
    while fs.statistics().availableBlocks > 24 {
      guard try file.write(block, at: place) == block.count else { return }
      place += 1024
      if place % (64 << 10) == 0 { try file.sync() }
    }
  }
}
