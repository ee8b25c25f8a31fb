import BlockIO
import ExtantBase
import SystemPackage

/// Requests that a fault rule tells apart: `iotype` of the rule language.
public enum FaultRequestKind: String, Sendable, CaseIterable {
  case read, write, flush, discard
}

/// What happens to a request that a rule hits.
public enum FaultAction: Sendable, Equatable {
  /// The request fails and does nothing.
  case error(Errno)
  /// Of a write, the first `sectors` sectors are written (nil: half of them). It succeeds, or fails
  /// with `errno` where there is one.
  case torn(sectors: Int?, errno: Errno?)
  /// A write succeeds and does nothing.
  case lost
  /// A read or write takes place so many sectors behind its own place, before it if negative.
  /// Outside the device, a write is lost and a read gives zeros.
  case misdirected(sectors: Int64)
  /// A read gives what each sector held before its last write through this device.
  case stale
  /// A flush succeeds, or a write through returns, without making anything durable.
  case lyingFlush
  /// The request waits, in milliseconds, and then takes place.
  case delay(milliseconds: UInt64)

  /// Its name in the rule language.
  public var name: String {
    switch self {
    case .error: "error"
    case .torn: "torn"
    case .lost: "lost"
    case .misdirected: "misdirected"
    case .stale: "stale"
    case .lyingFlush: "lying-flush"
    case .delay: "delay"
    }
  }

  /// The requests that it can happen to.
  func applies(to kind: FaultRequestKind) -> Bool {
    switch self {
    case .error, .delay: true
    case .torn, .lost: kind == .write
    case .misdirected: kind == .read || kind == .write
    case .stale: kind == .read
    case .lyingFlush: kind == .flush || kind == .write
    }
  }
}

/// One section of a rule file: as in QEMU's blkdebug, and with our own actions.
public struct FaultRule: Sendable, Equatable {
  /// Which requests by their number; the first of the device's life has the number 1. With a
  /// `kind`, only requests of that kind are counted.
  public enum Index: Sendable, Equatable {
    case only(Int)
    case from(Int)

    func contains(_ number: Int) -> Bool {
      switch self {
      case .only(let wanted): number == wanted
      case .from(let first): number >= first
      }
    }
  }

  /// `[inject-error]`
  public struct Injection: Sendable, Equatable {
    public var action = FaultAction.error(.ioError)
    /// nil: every kind.
    public var kind: FaultRequestKind?
    /// In 512 bytes: one that the request touches.
    public var sector: UInt64?
    public var index: Index?
    /// Used up by its first hit.
    public var once = false
    /// Goes before delays, which it does not wait for.
    public var immediately = false

    public init() {}
  }

  public enum Effect: Sendable, Equatable {
    case inject(Injection)
    /// `[set-state]`
    case setState(Int)
  }

  /// When the rule becomes active; nil: it always is.
  public var event: DeviceEvent?
  /// The state that the machine must be in; 0: any.
  public var state = 0
  public var effect: Effect
  /// For messages: the file and line of its section.
  public var place: String

  public init(event: DeviceEvent? = nil, state: Int = 0, _ effect: Effect, place: String) {
    self.event = event
    self.state = state
    self.effect = effect
    self.place = place
  }

  /// An injection that needs no event.
  public init(_ action: FaultAction, _ kind: FaultRequestKind? = nil, index: Index? = nil) {
    var injection = Injection()
    injection.action = action
    injection.kind = kind
    injection.index = index
    self.init(.inject(injection), place: action.name)
  }

  var injection: Injection? {
    if case .inject(let injection) = effect { injection } else { nil }
  }
}

/// The rules of one file, in its order.
public struct FaultRules: Sendable, Equatable {
  public var rules: [FaultRule]

  public init(_ rules: [FaultRule] = []) { self.rules = rules }

  func contain(_ isWanted: (FaultAction) -> Bool) -> Bool {
    rules.contains { rule in rule.injection.map { isWanted($0.action) } ?? false }
  }
}
