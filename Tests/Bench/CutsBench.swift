import ArgumentParser
import Extant
import ExtantBase
import TestSupport

/// How long a cut takes in a real file, by the number of its extents: our engine in process, and the
/// kernel's ext4 on the same image through a loop mount.
///
/// Cutting must not grow with what lies behind the cut: ours stays below 2.5 times at a thousand
/// times the extents, the kernel renumbers every one of them.
struct CutsBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cuts",
    abstract: "Times collapse, insert and punch at growing numbers of extents.")

  @Option(help: "Numbers of extents.") var extents: [Int] = [1_000, 10_000, 100_000, 1_000_000]
  @Option(help: "Operations of each kind; the median is shown.") var operations = 101
  @Flag(help: "Leave out the kernel (no root needed).") var withoutKernel = false

  mutating func run() throws {
    guard let least = extents.min(), let most = extents.max(), least >= 100, operations > 2 else {
      throw ValidationError("at least 100 extents and 3 operations")
    }
    let directory = try TemporaryDirectory()
    print("One operation in microseconds, the median of \(operations), at a random place.")
    print("extents".padded(9), "".padded(9), "collapse".padded(10), "insert".padded(10), "punch")
    var ours: [Int: Timings] = [:]
    for count in extents {
      let image = try Image.make(at: directory("image"), size: "16G", options: ["-N", "4096"])
      let fileSystem = try Self.open(image)
      let file = try fileSystem.open("/file", .readWrite, create: 0o644)
      try Self.fill(file, count)
      try file.sync()
      var random = SeededGenerator(seed: 1)
      let engine = try time(count, &random) { (cut, place) in
        switch cut {
        case .collapse: try file.collapse(place..<place + Self.block)
        case .insert: try file.insert(length: Self.block, at: place)
        case .punch: try file.punchHole(place..<place + Self.block)
        }
      }
      // As many blocks went out as came in: one more cut, so that the commit has a shift to encode.
      try file.collapse(0..<Self.block)
      let clock = ContinuousClock()
      let sync = try clock.measure { try file.sync() }
      ours[count] = engine
      print(String(count).padded(9), "Extant".padded(9), engine.row)
      print("".padded(9), "  the commit of a shift: \(sync.nanoseconds / 1000) us")
      file.close()
      try fileSystem.close()
      if !withoutKernel {
        let mount = try image.mountInKernel(at: directory("mount"))
        print(
          "".padded(9), "kernel".padded(9),
          try timeKernel(count, mount.point + "/file", &random).row)
        try mount.unmount()
      }
      if let complaint = try image.complaint() { print(complaint) }
      try System.unlink(image.path)
    }
    if let small = ours[least], let large = ours[most], least < most {
      print("Extant, \(most) extents against \(least): \(large.ratios(to: small))")
    }
  }

  static let block: UInt64 = 4096
  enum Cut: CaseIterable { case collapse, insert, punch }

  struct Timings {
    var nanoseconds: [Cut: Int64] = [:]

    var row: String {
      Cut.allCases.map { text(nanoseconds[$0] ?? 0).padded(10) }.joined(separator: " ")
    }

    private func text(_ value: Int64) -> String {
      let tenths = (value + 50) / 100
      return "\(tenths / 10).\(tenths % 10)"
    }

    func ratios(to small: Timings) -> String {
      Cut.allCases.map { cut in
        let hundredths =
          100 * (nanoseconds[cut] ?? 0) / max(1, small.nanoseconds[cut] ?? 1)
        let cents = String(100 + hundredths % 100).dropFirst()
        return "\(cut) \(hundredths / 100).\(cents)x"
      }.joined(separator: ", ")
    }
  }

  private func time(
    _ count: Int, _ random: inout SeededGenerator, _ operation: (Cut, UInt64) throws -> Void
  ) throws -> Timings {
    var samples: [Cut: [Int64]] = [:]
    let clock = ContinuousClock()
    // In the first half of the file, so that at least half of its extents lie behind.
    let places = UInt64(count)
    for _ in 0..<operations {
      for cut in Cut.allCases {
        let place = random.next() % places * Self.block
        let elapsed = try clock.measure { try operation(cut, place) }
        samples[cut, default: []].append(elapsed.nanoseconds)
      }
    }
    return Timings(nanoseconds: samples.mapValues { $0.sorted()[$0.count / 2] })
  }

  private func timeKernel(
    _ count: Int, _ path: String, _ random: inout SeededGenerator
  ) throws -> Timings {
    let file = try OpenFile(path, .write)
    return try time(count, &random) { (cut, place) in
      let mode: Int32 =
        switch cut {
        case .collapse: 0x08
        case .insert: 0x20
        case .punch: 0x03
        }
      try file.fallocate(mode: mode, offset: Int64(place), length: Int64(Self.block))
    }
  }

  /// Every other block is allocated: as many extents as blocks. Nothing is written to them.
  private static func fill(_ file: File, _ extents: Int) throws(FileSystemError) {
    try file.truncate(to: UInt64(extents) * 2 * block)
    for index in 0..<UInt64(extents) {
      let start = index * 2 * block
      try file.allocate(start..<start + block)
    }
  }

  private static func open(_ image: Image) throws(FileSystemError) -> FileSystem {
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    return try FileSystem.open(image.path, options)
  }
}
