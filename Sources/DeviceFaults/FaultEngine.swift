import BlockIO
import Threading

/// Decides which rule hits a request: the state machine of QEMU's blkdebug, with rules that an
/// event made active kept for each thread.
final class FaultEngine: Sendable {
  struct Request {
    var kind: FaultRequestKind
    /// In bytes; empty for a flush.
    var range: Range<UInt64> = 0..<0
    /// A write that must be durable when it returns.
    var isThrough = false
  }

  struct Decision {
    /// In milliseconds.
    var delay: UInt64 = 0
    var delayedBy: Int?
    /// The place in `rules` of what hits the request, apart from delays.
    var rule: Int?
  }

  /// What the events of one thread made active, as places in `rules`.
  private struct Active {
    /// By the last event that says what the next requests are.
    var byRequest: [Int] = []
    /// By the last moment that made any active.
    var byMoment: [Int] = []
    var isCheckpoint = false
  }

  private struct State {
    var number = 1
    var usedUp: Set<Int> = []
    var counts: [FaultRequestKind: Int] = [:]
    var threads: [UInt: Active] = [:]
    var hits: [Int]
  }

  let rules: [FaultRule]
  /// Those that need no event.
  private let always: [Int]
  private let hasEvents: Bool
  private let state: Guarded<State>

  init(_ rules: FaultRules) {
    self.rules = rules.rules
    hasEvents = rules.rules.contains { $0.event != nil }
    always = rules.rules.indices.filter {
      rules.rules[$0].event == nil && rules.rules[$0].injection != nil
    }
    state = Guarded(State(hits: [Int](repeating: 0, count: rules.rules.count)), .upperDevice)
  }

  var stateNumber: Int { state.withLock { $0.number } }
  var hits: [Int] { state.withLock { $0.hits } }
  func count(of kind: FaultRequestKind) -> Int { state.withLock { $0.counts[kind] ?? 0 } }

  func note(_ event: DeviceEvent) {
    // The requests themselves are these events.
    guard event != .flush, event != .discard, hasEvents else { return }
    let thread = ThreadIdentity.current
    state.withLock { state in
      let activated = happen(event, &state)
      var active = state.threads[thread] ?? Active()
      if event.isMoment {
        if !activated.isEmpty {
          active.byMoment = activated
          active.isCheckpoint = event == .checkpoint
        }
      } else {
        active.byRequest = activated
        if active.isCheckpoint, event.isOfJournal {
          active.byMoment = []
          active.isCheckpoint = false
        }
      }
      state.threads[thread] = active.byRequest.isEmpty && active.byMoment.isEmpty ? nil : active
    }
  }

  /// The injections that an event activates. Every rule is judged by the state before the event.
  private func happen(_ event: DeviceEvent, _ state: inout State) -> [Int] {
    var activated: [Int] = []
    var next = state.number
    for (place, rule) in rules.enumerated() {
      guard rule.event == event, rule.state == 0 || rule.state == state.number else { continue }
      switch rule.effect {
      case .inject: if !state.usedUp.contains(place) { activated.append(place) }
      case .setState(let number): next = number
      }
    }
    state.number = next
    return activated
  }

  func decide(_ request: Request) -> Decision {
    let thread = ThreadIdentity.current
    return state.withLock { state in
      state.counts[request.kind, default: 0] += 1
      var candidates = always.filter {
        rules[$0].state == 0 || rules[$0].state == state.number
      }
      switch request.kind {
      case .flush: candidates += happen(.flush, &state)
      case .discard: candidates += happen(.discard, &state)
      case .read, .write: break
      }
      if let active = state.threads[thread] { candidates += active.byRequest + active.byMoment }
      candidates.sort()
      var decision = Decision()
      for place in candidates {
        guard let injection = rules[place].injection, !state.usedUp.contains(place),
          matches(injection, request, state)
        else { continue }
        if case .delay(let milliseconds) = injection.action {
          if decision.delayedBy != place { decision.delay += milliseconds }
          decision.delayedBy = place
        } else if decision.rule == nil {
          decision.rule = place
        }
      }
      if let rule = decision.rule, rules[rule].injection?.immediately == true {
        decision.delay = 0
        decision.delayedBy = nil
      }
      for place in [decision.rule, decision.delayedBy].compactMap({ $0 }) {
        state.hits[place] += 1
        if rules[place].injection?.once == true { state.usedUp.insert(place) }
      }
      return decision
    }
  }

  private func matches(
    _ injection: FaultRule.Injection, _ request: Request, _ state: State
  ) -> Bool {
    guard injection.kind == nil || injection.kind == request.kind,
      injection.action.applies(to: request.kind)
    else { return false }
    if injection.action == .lyingFlush, request.kind == .write, !request.isThrough { return false }
    if let index = injection.index {
      let number =
        injection.kind == nil
        ? state.counts.values.reduce(0, +) : state.counts[request.kind] ?? 0
      guard index.contains(number) else { return false }
    }
    guard let sector = injection.sector else { return true }
    return request.range.overlaps(sector * 512..<(sector + 1) * 512)
  }
}

extension DeviceEvent {
  /// Whether this is a step of the engine's work rather than the name of the requests that follow.
  var isMoment: Bool {
    switch self {
    case .extentSplit, .directorySplit, .checkpoint: true
    default: false
    }
  }

  var isOfJournal: Bool {
    switch self {
    case .journalSuperblockWrite, .journalDescriptorWrite, .journalBlockWrite, .journalRevokeWrite,
      .journalCommitWrite:
      true
    default: false
    }
  }
}
