import Extant
import ExtantBase
import TestSupport
import Threading
import TortureKit

/// One kill: threads work on our mount, the daemon is killed in the middle, and three recover what
/// it left: we, e2fsck and the kernel. All must find the same, and all that was confirmed.
public struct Kill {
  struct Profile: Sendable {
    var name: String
    var blockSize: Int
    var options: [String] = []

    static let all = [
      Profile(name: "4 KiB blocks", blockSize: 4096),
      Profile(name: "1 KiB blocks", blockSize: 1024),
      Profile(
        name: "no metadata_csum, no 64bit", blockSize: 4096,
        options: ["-O", "^metadata_csum,^64bit"]),
      Profile(name: "1 KiB, no metadata_csum", blockSize: 1024, options: ["-O", "^metadata_csum"]),
      Profile(name: "small journal, 4 KiB", blockSize: 4096, options: ["-J", "size=4"]),
      Profile(name: "small journal, 1 KiB", blockSize: 1024, options: ["-J", "size=1"]),
      Profile(name: "1 KiB, no 64bit", blockSize: 1024, options: ["-O", "^64bit"]),
      Profile(name: "orphan_file", blockSize: 4096, options: ["-O", "orphan_file"]),
    ]
  }

  public struct Report {
    public var text: String
    var operations = 0
    public var confirmations = 0
    public var failures: [String] = []
  }

  static let program = Environment.products + "/extant"
  public static let canRun =
    Environment.hasKernelMounts && Environment.hasFuse && System.exists(program)

  private let seed: UInt64

  /// So many of seeds that follow one another, and their sum in words.
  public static func run(
    _ count: Int, from first: UInt64, report: (_ number: Int, Report) -> Void
  ) throws -> String {
    var operations = 0
    var confirmations = 0
    for index in 0..<count {
      let one = try Kill(seed: first &+ UInt64(index)).run()
      operations += one.operations
      confirmations += one.confirmations
      report(index + 1, one)
    }
    return "\(count) kills, \(operations) operations, \(confirmations) confirmed by sync calls"
  }

  private func run() throws -> Report {
    var random = SeededGenerator(seed: seed)
    let profile = Profile.all[Int(seed % UInt64(Profile.all.count))]
    let directory = try TemporaryDirectory()
    let image = try Image.make(
      at: directory("image"), size: "96M", blockSize: profile.blockSize, options: profile.options)
    let options =
      "noatime,commit=\(random.pick([1, 1, 5])),cache=\(random.pick(["2M", "64M"]))"
      + random.pick(["", "", ",data=journal", ",data=writeback"])
    let target = random.pick([20, 60, 150, 400, 800]) + random.below(100)
    let pause = UInt64(random.below(20_000_000))
    let threadCount = random.pick([1, 2, 3])

    let (workers, operations) = try work(
      image, directory, options, threadCount, until: target, pause)
    var report = Report(
      text: "seed \(Seed.text(seed)): \(profile.name), \(options), \(threadCount) threads, "
        + "killed after \(operations)")
    report.operations = operations
    report.confirmations = workers.reduce(0) { $0 + $1.confirmations }
    report.failures = workers.compactMap(\.failure)
    guard report.failures.isEmpty else { return report }
    report.failures = try compare(image, directory, workers)
    if !report.failures.isEmpty, let folder = Environment.value("EXTANT_KEEP") {
      try Program.succeed([
        "cp", "--sparse=always", image.path, "\(folder)/kill-\(Seed.text(seed)).img",
      ])
    }
    return report
  }

  /// Until so many operations are done, and a little longer.
  private func work(
    _ image: Image, _ directory: TemporaryDirectory, _ options: String, _ threadCount: Int,
    until target: Int, _ pause: UInt64
  ) throws -> (workers: [KillWorker], operations: Int) {
    let point = directory("mount")
    let door = FuseDoor(image: image, point: point, program: Self.program, options: options)
    let mount = try door.mount()
    let process = try daemon(of: point)
    let counter = KillCounter()
    var workers: [KillWorker] = []
    for index in 0..<threadCount {
      workers.append(
        try KillWorker(
          seed: seed, index: index, door: door, mount: point,
          blockSize: try blockSize(of: point), counter))
    }
    let left = Guarded(threadCount, .unranked)
    let threads = workers.compactMap { worker in
      WorkerThread(name: "kill") {
        worker.run()
        left.withLock { $0 -= 1 }
      }
    }
    let end = Clock.monotonicNanoseconds() + 60_000_000_000
    while counter.value < target, left.withLock({ $0 }) > 0,
      Clock.monotonicNanoseconds() < end
    {
      Clock.sleep(nanoseconds: 200_000)
    }
    Clock.sleep(nanoseconds: pause)
    counter.end()
    try Program.succeed(["kill", "-KILL", String(process)])
    for thread in threads { thread.join() }
    // The mount of a dead daemon is taken away; the command says that it had died.
    do { try mount.unmount() } catch { _ = try Program.run(["umount", "-l", point]) }
    return (workers, counter.value)
  }

  private func blockSize(of point: String) throws -> Int {
    Int(try Program.succeed(["stat", "-f", "-c", "%S", point]).split(separator: "\n")[0]) ?? 4096
  }

  private func daemon(of point: String) throws -> Int32 {
    var identity = [UInt8](repeating: 0, count: 40)
    try OpenFile(point, [.directory]).control(0x8028_E400, &identity)
    return Int32(
      bitPattern: identity[16..<20].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
  }

  // MARK: Afterwards

  private func compare(
    _ image: Image, _ directory: TemporaryDirectory, _ workers: [KillWorker]
  ) throws -> [String] {
    let ours = try copy(image, directory("ours"))
    let checked = try copy(image, directory("checked"))
    let kernels = try copy(image, directory("kernels"))

    // Reading only, in memory: the image stays as it is.
    let before = try Program.succeed(["cksum", ours.path])
    var failures = try read(ours) { fileSystem in confirmed(workers, fileSystem, "read-only") }
    if try Program.succeed(["cksum", ours.path]) != before { failures.append("reading wrote") }

    try FileSystem.open(ours.path).close()
    let replay = try Program.run(["e2fsck", "-fy", "-E", "journal_only", checked.path])
    if replay.status > 1 { failures.append("e2fsck, journal only: \(replay.output)") }
    // Orphans are what it may still find; what else it finds it says.
    let orphans = try Program.run(["e2fsck", "-fp", checked.path])
    let said = orphans.output.split(separator: "\n").filter { line in
      !["orphan", "files (", "recovering journal"].contains { line.contains($0) }
    }
    if orphans.status > 1 || !said.isEmpty { failures.append("e2fsck -fp: \(orphans.output)") }
    let mount = try kernels.mountInKernel(at: directory("kernel"), options: "rw,noatime")
    try mount.unmount()

    let trees = try [ours, checked, kernels].map { copy in
      if let complaint = try copy.complaint() { failures.append("\(copy.path): \(complaint)") }
      return try read(copy) { fileSystem in
        failures += confirmed(workers, fileSystem, copy.path)
        return try SeenTree(fileSystem, seeks: true)
      }
    }
    failures += trees[0].differences(from: trees[1], "ours", "e2fsck's")
    failures += trees[0].differences(from: trees[2], "ours", "the kernel's")
    // With the kernel's eyes, what we recovered.
    let again = try ours.mountInKernel(at: directory("kernel"), options: "ro,noatime")
    let seen = try SeenTree(mount: again.point, seeks: true)
    try again.unmount()
    failures += trees[0].differences(from: seen, "ours", "ours read by the kernel")
    return failures
  }

  private func copy(_ image: Image, _ path: String) throws -> Image {
    try Program.succeed(["cp", "--sparse=always", image.path, path])
    return Image(path: path)
  }

  private func read<R>(_ image: Image, _ body: (FileSystem) throws -> R) throws -> R {
    let fileSystem = try FileSystem.open(image.path, .readOnly)
    defer { try? fileSystem.close() }
    return try body(fileSystem)
  }

  private func confirmed(
    _ workers: [KillWorker], _ fileSystem: FileSystem, _ who: String
  ) -> [String] {
    workers.flatMap { $0.expectations.failures(in: fileSystem, $0.name) }.map { "\(who): \($0)" }
  }
}
