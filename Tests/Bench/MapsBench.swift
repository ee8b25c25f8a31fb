import ArgumentParser
import ExtantBase
import ExtentMap
import Glibc
import TestSupport

/// How long one change of an extent map takes in memory, by the number of extents: what a shift
/// costs must not grow with what lies behind it. Prints nanoseconds for one operation, the median of
/// several rounds, and the ratio of the largest map to the smallest: once with each operation close
/// to the one before, as a program that edits a place in a file does, and once all over the file,
/// where the larger map's nodes are never in the processor's cache.
struct MapsBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "maps", abstract: "Times changes of extent maps in memory.")

  @Option(help: "Extents of a map, 200 or more.")
  var sizes: [Int] = [1000, 10_000, 100_000, 1_000_000]
  @Option(help: "Rounds, of which the median counts.") var rounds = 9

  func validate() throws {
    guard sizes.allSatisfy({ $0 >= 200 }), rounds >= 1 else {
      throw ValidationError("maps of 200 extents or more, and at least one round")
    }
  }

  func run() throws {
    var random = SeededGenerator(seed: 0x9E37_79B9_7F4A_7C15)

    var line = "ns/op".paddedLeft(16)
    for size in sizes { line += "\(size)".paddedLeft(12) }
    print(line + "ratio".paddedLeft(10))
    for (operation, spread) in Operation.allCases.flatMap({ operation in
      Spread.allCases.map { (operation, $0) }
    }) {
      var medians: [Double] = []
      for size in sizes {
        // Few operations at a time, so that the map keeps its size; small maps are made anew.
        let count = min(max(size / 10, 20), 2000)
        let batches = max(1, 2000 / count)
        var results: [Double] = []
        var map = try makeMap(extents: size)
        // Appending filled every leaf: let those of a large map split before the clock runs.
        if size > 10_000 {
          for _ in 0..<max(1, size / 100 / count) {
            _ = try measure(operation, spread, on: map, count: count, random: &random)
          }
        }
        for round in 0...rounds {
          var sum = 0.0
          for _ in 0..<batches {
            if size <= 10_000 { map = try makeMap(extents: size) }
            sum += try measure(operation, spread, on: map, count: count, random: &random)
          }
          if round > 0 { results.append(sum / Double(batches)) }
        }
        medians.append(results.sorted()[results.count / 2])
      }
      var line = "\(operation.rawValue) \(spread.rawValue)".paddedLeft(16)
      for median in medians { line += tenths(median).paddedLeft(12) }
      if let first = medians.first, let last = medians.last, first > 0 {
        line += tenths(last / first).paddedLeft(10)
      }
      print(line)
    }
  }
}

/// Processor time of this thread, so that other work on the machine does not count.
private func processorNanoseconds() -> Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

/// Extents of 4 blocks with a hole of 4 behind each.
private let stride: UInt64 = 8
private let extentLength: UInt64 = 4

private func makeMap(extents: Int) throws(FileSystemError) -> ExtentMap {
  let map = ExtentMap(capacities: ExtentCapacities(blockSize: 4096))
  for index in 0..<UInt64(extents) {
    let start = LogicalBlock(index * stride)
    try map.set(
      start..<start + extentLength, address: BlockAddress(1000 + index * 2 * stride),
      state: .written)
  }
  return map
}

private enum Operation: String, CaseIterable { case collapse, insert, punch, lookup }

private enum Spread: String, CaseIterable { case near, random }

/// Runs `count` operations at random places of the whole file, or of its middle 4,000 blocks; in
/// nanoseconds for one.
private func measure(
  _ operation: Operation, _ spread: Spread, on map: ExtentMap, count: Int,
  random: inout SeededGenerator
) throws(FileSystemError) -> Double {
  let end = try map.mappedEnd().rawValue - 16 - UInt64(count)
  let window = spread == .near ? min(end, 4000) : end
  var places: [LogicalBlock] = []
  for _ in 0..<count {
    places.append(LogicalBlock((end - window) / 2 + random.next() % window))
  }
  var found = 0
  let start = processorNanoseconds()
  switch operation {
  case .collapse: for place in places { found &+= try map.collapse(place..<place + 1).count }
  case .insert: for place in places { try map.insertGap(at: place, count: 1) }
  case .punch: for place in places { found &+= try map.remove(place..<place + 1).count }
  case .lookup:
    for place in places { if case .extent = try map.run(at: place) { found &+= 1 } }
  }
  let elapsed = processorNanoseconds() - start
  guard found >= 0 else { return 0 }
  return elapsed / Double(count)
}

private func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
