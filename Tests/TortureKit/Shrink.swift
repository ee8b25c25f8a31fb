/// Makes a failing round small: delta debugging (Zeller and Hildebrandt 2002) over its operations.
public struct Shrink {
  private let configuration: RoundConfiguration
  private let cast: Cast
  public var progress: ((Int, Operation) -> Void)?

  public init(_ configuration: RoundConfiguration, cast: @escaping Cast) {
    self.configuration = configuration
    self.cast = cast
  }

  /// - Returns: a round with operations of which none can be left out, as far as `trials` reached.
  public func run(trials: Int = 300) -> RoundConfiguration {
    var best = configuration
    var kept = configuration.indices ?? Array(0..<configuration.count)
    if let end = failure(kept)?.index { kept = kept.filter { $0 <= end } }
    var left = trials
    var pieces = 2
    while kept.count >= 2 && left > 0 {
      let size = max(1, kept.count / pieces)
      var shorter: [Int]?
      var start = 0
      while start < kept.count && left > 0 {
        left -= 1
        let without = Array(kept[..<start] + kept[min(start + size, kept.count)...])
        if let failed = failure(without) {
          shorter = failed.index.map { end in without.filter { $0 <= end } } ?? without
          break
        }
        start += size
      }
      if let shorter {
        kept = shorter
        pieces = max(2, pieces - 1)
      } else {
        if size == 1 { break }
        pieces = min(kept.count, pieces * 2)
      }
    }
    best.indices = kept
    return best
  }

  private func failure(_ indices: [Int]) -> Disagreement? {
    var trial = configuration
    trial.indices = indices
    var round = Round(trial, cast: cast)
    round.progress = progress
    return try? round.run()
  }
}
