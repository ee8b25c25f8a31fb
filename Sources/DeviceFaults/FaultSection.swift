import BlockIO
import SystemPackage

/// One section of a rule file as text, and what it means.
struct FaultSection {
  let name: String
  let file: String
  let line: Int
  /// By name: the value and its line.
  var settings: [String: (value: String, line: Int)] = [:]

  init(name: String, file: String, line: Int) {
    self.name = name
    self.file = file
    self.line = line
  }

  func rule() throws(FaultRulesError) -> FaultRule {
    switch name {
    case "inject-error": try injectError()
    case "set-state": try setState()
    default:
      throw failure("unknown section [\(name)]: expected [inject-error] or [set-state]")
    }
  }

  private func setState() throws(FaultRulesError) -> FaultRule {
    try allow(["event", "state", "new_state"])
    guard let event = try event() else { throw failure("[set-state] needs an event") }
    guard let new = try number("new_state", 1...Int(Int32.max)) else {
      throw failure("[set-state] needs new_state")
    }
    return FaultRule(event: event, state: try state(), .setState(new), place: place)
  }

  private func injectError() throws(FaultRulesError) -> FaultRule {
    let common = ["event", "state", "iotype", "sector", "once", "immediately", "index", "action"]
    let own = ["errno", "sectors", "offset", "milliseconds"]
    try allow(common + own)
    var injection = FaultRule.Injection()
    injection.action = try action(own)
    injection.kind = try kind()
    if let kind = injection.kind, !injection.action.applies(to: kind) {
      throw failure(
        "the action \(injection.action.name) cannot happen to a \(kind.rawValue)", of: "iotype")
    }
    injection.sector = try number("sector", 0...Int.max / 512).map { UInt64($0) }
    injection.index = try index()
    injection.once = try isOn("once")
    injection.immediately = try isOn("immediately")
    return FaultRule(
      event: try event(), state: try state(), .inject(injection), place: place)
  }

  private var place: String { "\(file):\(line)" }

  // MARK: - Values

  private func action(_ own: [String]) throws(FaultRulesError) -> FaultAction {
    let name = settings["action"]?.value ?? "error"
    let result: FaultAction
    var wanted: Set<String> = []
    switch name {
    case "error":
      wanted = ["errno"]
      result = .error(try errno() ?? .ioError)
    case "torn":
      wanted = ["errno", "sectors"]
      result = .torn(sectors: try number("sectors", 0...1 << 32), errno: try errno())
    case "lost": result = .lost
    case "misdirected":
      wanted = ["offset"]
      guard let distance = try number("offset", -(Int.max / 512)...Int.max / 512), distance != 0
      else {
        throw failure("misdirected needs offset: by how many sectors it misses, not 0")
      }
      result = .misdirected(sectors: Int64(distance))
    case "stale": result = .stale
    case "lying-flush": result = .lyingFlush
    case "delay":
      wanted = ["milliseconds"]
      guard let time = try number("milliseconds", 0...3_600_000) else {
        throw failure("delay needs milliseconds")
      }
      result = .delay(milliseconds: UInt64(time))
    default:
      throw failure(
        "unknown action \(name): expected error, torn, lost, misdirected, stale, lying-flush or delay",
        of: "action")
    }
    for key in own where settings[key] != nil && !wanted.contains(key) {
      throw failure("\(key) has no meaning for the action \(name)", of: key)
    }
    return result
  }

  private func event() throws(FaultRulesError) -> DeviceEvent? {
    guard let text = settings["event"]?.value, text != "none" else { return nil }
    if let event = DeviceEvent(rawValue: text) { return event }
    // The core events of QEMU, which every format has.
    switch text {
    case "read_aio": return .dataRead
    case "write_aio": return .dataWrite
    case "flush_to_disk": return .flush
    default:
      let known = DeviceEvent.allCases.map(\.rawValue).joined(separator: ", ")
      throw failure("unknown event \(text): expected one of \(known)", of: "event")
    }
  }

  private func state() throws(FaultRulesError) -> Int {
    try number("state", 0...Int(Int32.max)) ?? 0
  }

  private func kind() throws(FaultRulesError) -> FaultRequestKind? {
    guard let text = settings["iotype"]?.value, text != "none" else { return nil }
    guard let kind = FaultRequestKind(rawValue: text) else {
      throw failure(
        "unknown iotype \(text): expected read, write, flush, discard or none", of: "iotype")
    }
    return kind
  }

  /// `7`: the seventh request; `7+`: it and all after it.
  private func index() throws(FaultRulesError) -> FaultRule.Index? {
    guard let text = settings["index"]?.value else { return nil }
    let digits = text.hasSuffix("+") ? text.dropLast() : text[...]
    guard let number = Int(digits), number >= 1 else {
      throw failure(
        "index \(text): expected a number from 1, or one with a + behind it", of: "index")
    }
    return text.hasSuffix("+") ? .from(number) : .only(number)
  }

  private func errno() throws(FaultRulesError) -> Errno? {
    guard let text = settings["errno"]?.value else { return nil }
    if let number = Int32(text), (1...4095).contains(number) { return Errno(rawValue: number) }
    if let errno = FaultErrno.named(text) { return errno }
    throw failure(
      "unknown errno \(text): expected a number, or one of "
        + FaultErrno.names.joined(separator: ", "), of: "errno")
  }

  private func number(
    _ key: String, _ range: ClosedRange<Int>
  ) throws(FaultRulesError) -> Int? {
    guard let text = settings[key]?.value else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw failure(
        "\(key) \(text): expected a number from \(range.lowerBound) to \(range.upperBound)", of: key
      )
    }
    return number
  }

  private func isOn(_ key: String) throws(FaultRulesError) -> Bool {
    switch settings[key]?.value {
    case nil, "off": false
    case "on": true
    case let text?: throw failure("\(key) \(text): expected on or off", of: key)
    }
  }

  private func allow(_ known: [String]) throws(FaultRulesError) {
    let strange = settings.filter { !known.contains($0.key) }.min { $0.value.line < $1.value.line }
    guard let strange else { return }
    throw FaultRulesError(
      file: file, line: strange.value.line,
      problem: "[\(name)] has no setting \(strange.key): expected "
        + known.joined(separator: ", "))
  }

  private func failure(_ problem: String, of key: String? = nil) -> FaultRulesError {
    let line = key.flatMap { settings[$0]?.line } ?? line
    return FaultRulesError(file: file, line: line, problem: problem)
  }
}

/// The errnos that a device may answer with, by name.
enum FaultErrno {
  private static let table: [(name: String, errno: Errno)] = [
    ("EPERM", .notPermitted), ("EIO", .ioError), ("ENXIO", .noSuchAddressOrDevice),
    ("EAGAIN", .resourceTemporarilyUnavailable), ("ENOMEM", .noMemory),
    ("EACCES", .permissionDenied), ("EBUSY", .resourceBusy),
    ("ENODEV", .operationNotSupportedByDevice), ("EINVAL", .invalidArgument),
    ("EFBIG", .fileTooLarge), ("ENOSPC", .noSpace), ("EROFS", .readOnlyFileSystem),
    ("EOPNOTSUPP", .notSupportedOnSocket), ("ETIMEDOUT", .timedOut),
    ("ESTALE", .staleNFSFileHandle),
    ("EDQUOT", .diskQuotaExceeded), ("EILSEQ", .illegalByteSequence),
  ]

  static var names: [String] { table.map(\.name) }
  static func named(_ name: String) -> Errno? { table.first { $0.name == name }?.errno }
}
