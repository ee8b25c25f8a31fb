import ArgumentParser

/// What Extant's own parts cost, for `make bench`.
@main
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures what must not grow with the size of things.",
    subcommands: [
      CutsBench.self, MapsBench.self, LookupsBench.self, FsckBench.self, CountsBench.self,
      CountedRun.self,
    ])
}

extension String {
  func paddedLeft(_ width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }

  func padded(_ width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}

extension Duration {
  var nanoseconds: Int64 {
    components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }
}
