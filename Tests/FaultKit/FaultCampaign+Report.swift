extension FaultCampaign.Report {
  /// For people: figures, a table of outcomes, broken promises.
  public var lines: [String] {
    var lines = [
      "\(workloadCount) workloads, \(requestCount) requests, \(runCount) runs with a fault, "
        + "\(judgedCount) of them judged by e2fsck"
    ]
    for fault in Fault.allCases {
      guard let counts = outcomes[fault] else { continue }
      let parts = FaultResult.Outcome.allCases.compactMap { outcome in
        counts[outcome].map { "\($0) \(outcome.rawValue)" }
      }
      lines.append("  \(fault.rawValue): \(parts.joined(separator: ", "))")
    }
    if let hung { lines.append("HUNG: \(hung)") }
    lines.append("\(violations.count) broken promises")
    lines += violations.prefix(60).map { "  " + $0 }
    return lines
  }
}
