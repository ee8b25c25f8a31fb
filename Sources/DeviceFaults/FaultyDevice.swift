import BlockIO
import ExtantBase
import Synchronization
import SystemPackage
import Threading

/// A device that fails, or lies, where its rules say so: docs/FAULTS.md.
///
/// What a rule makes fail carries the rule's place in its message; of what goes wrong silently,
/// `report` is told, as of everything else that rules do.
public final class FaultyDevice: BlockDevice {
  public let base: any BlockDevice
  private let engine: FaultEngine
  private let memory: FaultMemory?
  private let losesUnflushed: Bool
  private let report: @Sendable (String) -> Void
  private let isCut = Atomic(false)
  public let listensToEvents: Bool

  /// `modelsCache`: also where no rule tells lies about flushes, what is not flushed is lost by
  /// `powerCut`. Costs a read before every write. `memoryByteLimit`: of what was overwritten, for
  /// stale reads, and again for power cuts; see `FaultMemory`.
  public init(
    base: any BlockDevice, rules: FaultRules, modelsCache: Bool = false,
    memoryByteLimit: Int = 64 << 20,
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.base = base
    self.report = report
    engine = FaultEngine(rules)
    let isStale = rules.contain { $0 == .stale }
    losesUnflushed = rules.contain { $0 == .lyingFlush }
    let keepsUnflushed = losesUnflushed || modelsCache
    memory =
      isStale || keepsUnflushed
      ? FaultMemory(
        base, keepsHistory: isStale, keepsUnflushed: keepsUnflushed,
        sectorLimit: memoryByteLimit / 512) : nil
    listensToEvents =
      base.listensToEvents
      || rules.rules.contains { rule in
        rule.event.map { $0 != .flush && $0 != .discard } ?? false
      }
  }

  public var name: String { base.name }
  public var byteCount: UInt64 { base.byteCount }
  public var isReadOnly: Bool { base.isReadOnly }

  // MARK: Figures

  /// How often each rule hit a request, in the order of the rules.
  public var hits: [Int] { engine.hits }
  /// The machine's state: 1 at first.
  public var state: Int { engine.stateNumber }
  /// How many requests of a kind there were.
  public func requestCount(of kind: FaultRequestKind) -> Int { engine.count(of: kind) }

  // MARK: Requests

  public func note(_ event: DeviceEvent) {
    engine.note(event)
    base.note(event)
  }

  public func read(into bytes: inout MutableRawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkRange(.read, at: offset, count: bytes.byteCount)
    let range = offset..<offset + UInt64(bytes.byteCount)
    guard let rule = try decide(FaultEngine.Request(kind: .read, range: range)) else {
      return try base.read(into: &bytes, at: offset)
    }
    try read(into: &bytes, at: offset, hitBy: rule)
  }

  public func read(into buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    let range = try range(of: buffers, .read, at: offset)
    guard let rule = try decide(FaultEngine.Request(kind: .read, range: range)) else {
      return try base.read(into: buffers, at: offset)
    }
    let whole = BlockBuffer(byteCount: Int(range.upperBound - range.lowerBound))
    var bytes = whole.mutableBytes
    try read(into: &bytes, at: offset, hitBy: rule)
    var start = 0
    for buffer in buffers {
      var target = buffer.mutableBytes
      target.overwrite(at: 0, with: whole.bytes.extracting(start..<start + buffer.byteCount))
      start += buffer.byteCount
    }
  }

  public func write(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkRange(.write, at: offset, count: bytes.byteCount)
    let range = offset..<offset + UInt64(bytes.byteCount)
    guard let rule = try decide(FaultEngine.Request(kind: .write, range: range)) else {
      return try pass(bytes, at: offset)
    }
    try write(bytes, at: offset, hitBy: rule, isThrough: false)
  }

  public func write(_ buffers: [BlockBuffer], at offset: UInt64) throws(FileSystemError) {
    let range = try range(of: buffers, .write, at: offset)
    guard let rule = try decide(FaultEngine.Request(kind: .write, range: range)) else {
      guard let memory else { return try base.write(buffers, at: offset) }
      return try memory.write(range) { () throws(FileSystemError) in
        try base.write(buffers, at: offset)
      }
    }
    let whole = BlockBuffer(byteCount: Int(range.upperBound - range.lowerBound))
    var bytes = whole.mutableBytes
    var start = 0
    for buffer in buffers {
      bytes.overwrite(at: start, with: buffer.bytes)
      start += buffer.byteCount
    }
    try write(whole.bytes, at: offset, hitBy: rule, isThrough: false)
  }

  /// One request, of the kind write.
  public func writeThrough(_ bytes: RawSpan, at offset: UInt64) throws(FileSystemError) {
    try checkRange(.write, at: offset, count: bytes.byteCount)
    let range = offset..<offset + UInt64(bytes.byteCount)
    let request = FaultEngine.Request(kind: .write, range: range, isThrough: true)
    guard let rule = try decide(request) else {
      return try pass(bytes, at: offset, isThrough: true)
    }
    try write(bytes, at: offset, hitBy: rule, isThrough: true)
  }

  public func flush() throws(FileSystemError) {
    if let rule = try decide(FaultEngine.Request(kind: .flush)) {
      guard case .error(let errno) = action(of: rule) else { return }
      throw failure(.flush, errno, nil, rule)
    }
    if let memory { try memory.flush() } else { try base.flush() }
  }

  public func discard(_ range: Range<UInt64>) throws(FileSystemError) {
    if let rule = try decide(FaultEngine.Request(kind: .discard, range: range)),
      case .error(let errno) = action(of: rule)
    {
      throw failure(.discard, errno, range.lowerBound, rule)
    }
    guard let memory, range.upperBound <= byteCount else { return try base.discard(range) }
    try memory.write(range) { () throws(FileSystemError) in try base.discard(range) }
  }

  /// Where flushes were lied about, what no flush made durable is lost: the power goes with the
  /// device.
  public func close() throws(FileSystemError) {
    if losesUnflushed, !isCut.load(ordering: .relaxed), !isReadOnly { try memory?.dropUnflushed() }
    try base.close()
  }

  /// Takes from the base what is not durable, for devices that model a volatile cache. Every
  /// later request fails. The base stays open.
  public func powerCut() throws(FileSystemError) {
    isCut.store(true, ordering: .relaxed)
    try memory?.dropUnflushed()
  }

  // MARK: - Faults

  /// Waits where a rule says so; the rule that hits the request otherwise.
  private func decide(_ request: FaultEngine.Request) throws(FileSystemError) -> Int? {
    guard !isCut.load(ordering: .relaxed) else {
      let operation = DeviceFailure.Operation(rawValue: request.kind.rawValue) ?? .read
      throw .io(
        DeviceFailure(operation, .noSuchAddressOrDevice, device: name, reason: "the power is cut"))
    }
    let decision = engine.decide(request)
    if let rule = decision.delayedBy {
      tell(rule, request)
      Clock.sleep(
        nanoseconds: decision.delay.multipliedReportingOverflow(by: 1_000_000).partialValue)
    }
    if let rule = decision.rule { tell(rule, request) }
    return decision.rule
  }

  private func tell(_ rule: Int, _ request: FaultEngine.Request) {
    let place = request.range.isEmpty ? "" : " at byte \(request.range.lowerBound)"
    report(
      "\(name): \(request.kind.rawValue)\(place): \(action(of: rule).name), "
        + "injected by \(engine.rules[rule].place)")
  }

  private func action(of rule: Int) -> FaultAction {
    engine.rules[rule].injection?.action ?? .error(.ioError)
  }

  private func failure(
    _ operation: DeviceFailure.Operation, _ errno: Errno, _ offset: UInt64?, _ rule: Int
  ) -> FileSystemError {
    .io(
      DeviceFailure(
        operation, errno, offset: offset, device: name,
        reason: "injected by \(engine.rules[rule].place)"))
  }

  private func read(
    into bytes: inout MutableRawSpan, at offset: UInt64, hitBy rule: Int
  ) throws(FileSystemError) {
    switch action(of: rule) {
    case .error(let errno): throw failure(.read, errno, offset, rule)
    case .misdirected(let sectors):
      guard let wrong = wrongPlace(offset, bytes.byteCount, sectors) else {
        return bytes.zero(0..<bytes.byteCount)
      }
      try base.read(into: &bytes, at: wrong)
    case .stale:
      try base.read(into: &bytes, at: offset)
      memory?.makeStale(&bytes, at: offset)
    case .torn, .lost, .lyingFlush, .delay: try base.read(into: &bytes, at: offset)
    }
  }

  private func write(
    _ bytes: RawSpan, at offset: UInt64, hitBy rule: Int, isThrough: Bool
  ) throws(FileSystemError) {
    switch action(of: rule) {
    case .error(let errno): throw failure(.write, errno, offset, rule)
    case .torn(let sectors, let errno):
      let kept = min(bytes.byteCount, (sectors ?? bytes.byteCount / 1024) * 512)
      try pass(bytes.extracting(0..<kept), at: offset, isThrough: isThrough)
      if let errno { throw failure(.write, errno, offset, rule) }
    case .lost: return
    case .misdirected(let sectors):
      guard let wrong = wrongPlace(offset, bytes.byteCount, sectors) else { return }
      try pass(bytes, at: wrong, isThrough: isThrough)
    case .lyingFlush: try pass(bytes, at: offset)
    case .stale, .delay: try pass(bytes, at: offset, isThrough: isThrough)
    }
  }

  private func pass(
    _ bytes: RawSpan, at offset: UInt64, isThrough: Bool = false
  ) throws(FileSystemError) {
    let range = offset..<offset + UInt64(bytes.byteCount)
    switch (memory, isThrough) {
    case (nil, false): try base.write(bytes, at: offset)
    case (nil, true): try base.writeThrough(bytes, at: offset)
    case (let memory?, false):
      try memory.write(range) { () throws(FileSystemError) in try base.write(bytes, at: offset) }
    case (let memory?, true):
      try memory.writeThrough(range) { () throws(FileSystemError) in
        try base.writeThrough(bytes, at: offset)
      }
    }
  }

  /// nil where that is not inside the device.
  private func wrongPlace(_ offset: UInt64, _ count: Int, _ sectors: Int64) -> UInt64? {
    let distance = sectors.magnitude * 512
    let sum =
      sectors < 0
      ? offset.subtractingReportingOverflow(distance) : offset.addingReportingOverflow(distance)
    guard !sum.overflow, sum.partialValue <= byteCount,
      UInt64(count) <= byteCount - sum.partialValue
    else { return nil }
    return sum.partialValue
  }

  private func range(
    of buffers: [BlockBuffer], _ operation: DeviceFailure.Operation, at offset: UInt64
  ) throws(FileSystemError) -> Range<UInt64> {
    var count = 0
    for buffer in buffers {
      let sum = count.addingReportingOverflow(buffer.byteCount)
      count = sum.overflow ? .max : sum.partialValue
    }
    try checkRange(operation, at: offset, count: count)
    return offset..<offset + UInt64(count)
  }
}
