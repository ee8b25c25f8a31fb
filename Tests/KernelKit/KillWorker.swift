import Synchronization
import TestSupport
import Threading
import TortureKit

/// One thread that works on a mount until the daemon behind it dies: it confirms things with sync
/// calls and remembers them, and does every other operation that there is beside it.
///
/// Everything is drawn from the seed; the threads take turns as they like.
final class KillWorker: @unchecked Sendable {
  private let mount: String
  private let top: String
  private let blockSize: Int
  private let door: FuseDoor
  private let churn: SyscallParticipant<InnerDoor>
  private let done: KillCounter
  private var random: SeededGenerator
  private var generator: Generator
  private var next = 0
  /// Read when the thread has ended.
  private(set) var expectations = KillExpectations()
  private(set) var failure: String?
  private(set) var confirmations = 0
  let name: String

  init(
    seed: UInt64, index: Int, door: FuseDoor, mount: String, blockSize: Int, _ done: KillCounter
  ) throws {
    self.door = door
    self.mount = mount
    self.blockSize = blockSize
    self.done = done
    name = "/t\(index)"
    top = mount + name
    random = SeededGenerator(seed: seed &+ UInt64(index))
    generator = Generator(seed: seed &+ UInt64(index), blockSize: blockSize)
    try System.makeDirectory(top)
    try System.makeDirectory(top + "/churn")
    churn = try SyscallParticipant(InnerDoor(door, top + "/churn"))
  }

  /// Ends when the daemon is dead, or something went wrong without that.
  func run() {
    do throws(SystemFailure) {
      while true {
        try step()
        done.add()
      }
    } catch {
      // ENOTCONN, ECONNABORTED, and then EIO too: the daemon is dead. What was in hand may be there
      // or not.
      let isDead = error.errno == 107 || error.errno == 103 || error.errno == 5 && done.isOver
      if !isDead { failure = "\(name): \(error)" }
    }
  }

  private func step() throws(SystemFailure) {
    switch random.below(20) {
    case 0..<4: try keep()
    case 4..<6: try remove()
    case 6..<9: try append()
    case 9..<13: try shift()
    case 13..<15: try replace()
    default: try stir()
    }
  }

  private func path(_ name: String) -> String { "\(top)/\(name)" }
  private func inside(_ name: String) -> String { "\(self.name)/\(name)" }
  private func fill() -> UInt64 {
    next += 1
    return UInt64(next) << 8 | UInt64(top.utf8.last ?? 0)
  }

  /// Any operation of the torture, in a directory of its own; refusals are no failures.
  private func stir() throws(SystemFailure) {
    for _ in 0..<random.below(6) {
      let outcome = churn.perform(generator.next())
      if outcome.errno == 107 || outcome.errno == 103 {
        throw SystemFailure(outcome.errno, "churn")
      }
    }
  }

  /// A new file, made in some way, confirmed and then left alone.
  private func keep() throws(SystemFailure) {
    let name = "k\(next)"
    next += 1
    let file = try OpenFile(path(name), [.write, .create])
    var model: [UInt8] = []
    for _ in 0...random.below(5) { try change(file, &model) }
    var attributes: [String: [UInt8]] = [:]
    if random.chance(30) {
      let value = Fill.bytes(fill(), random.pick([5, 60, 500]))
      try System.setAttribute(path(name), "user.note", value)
      attributes["user.note"] = value
    }
    var final = name
    if random.chance(20) {
      final += "-renamed"
      try System.rename(path(name), path(final))
    }
    if random.chance(15) { try System.link(path(final), path(final + "-link")) }
    switch random.below(3) {
    // What was renamed or linked is confirmed with its directory.
    case 0 where final == name: try file.syncData()
    case 1:
      try file.sync()
      try OpenFile(top, .directory).sync()
    default: try file.sync()
    }
    confirmations += 1
    expectations.kept[inside(final)] = model
    expectations.attributes[inside(final)] = attributes
  }

  /// One change of a file's contents, here and in the model.
  private func change(_ file: OpenFile, _ model: inout [UInt8]) throws(SystemFailure) {
    let block = Int64(blockSize)
    let offset = random.below(40_000)
    let count = 1 + random.below(30_000)
    let first = Int64(random.below(6)) * block
    let length = Int64(1 + random.below(4)) * block
    do throws(SystemFailure) {
      switch random.below(10) {
      case 0..<4:
        let bytes = Fill.bytes(fill(), count)
        try file.writeAll(bytes, at: Int64(offset))
        Self.grow(&model, to: offset + count)
        model.replaceSubrange(offset..<offset + count, with: bytes)
      case 4:
        try file.truncate(to: Int64(offset))
        Self.grow(&model, to: offset)
        model.removeLast(model.count - offset)
      case 5:
        try door.fallocate(file, [], Int64(offset), Int64(count))
        Self.grow(&model, to: offset + count)
      case 6:
        try door.fallocate(file, [.punchHole, .keepSize], Int64(offset), Int64(count))
        Self.clear(&model, offset..<offset + count)
      case 7:
        try door.fallocate(file, .zeroRange, Int64(offset), Int64(count))
        Self.grow(&model, to: offset + count)
        Self.clear(&model, offset..<offset + count)
      case 8:
        try door.fallocate(file, .collapseRange, first, length)
        model.removeSubrange(Int(first)..<Int(first + length))
      default:
        try door.fallocate(file, .insertRange, first, length)
        model.insert(contentsOf: [UInt8](repeating: 0, count: Int(length)), at: Int(first))
      }
    } catch {
      // EINVAL: the range does not lie in the file.
      guard error.errno == 22 else { throw error }
    }
  }

  private static func grow(_ model: inout [UInt8], to count: Int) {
    if model.count < count { model += [UInt8](repeating: 0, count: count - model.count) }
  }

  private static func clear(_ model: inout [UInt8], _ range: Range<Int>) {
    for place in range.clamped(to: 0..<model.count) { model[place] = 0 }
  }

  /// Takes a kept file away, and mostly has that confirmed.
  private func remove() throws(SystemFailure) {
    guard let path = expectations.kept.keys.sorted().first(where: { _ in random.chance(40) })
    else { return }
    expectations.kept[path] = nil
    expectations.attributes[path] = nil
    try System.unlink(mount + path)
    guard random.chance(70) else { return }
    try OpenFile(top, .directory).sync()
    confirmations += 1
    expectations.gone.insert(path)
  }

  private func append() throws(SystemFailure) {
    let file = try OpenFile(path("log"), [.write, .create, .append])
    let bytes = Fill.bytes(fill(), 1 + random.below(9000))
    expectations.log.bytes += bytes
    try file.append(bytes)
    guard random.chance(40) else { return }
    if random.chance(50) { try file.syncData() } else { try file.sync() }
    confirmations += 1
    expectations.log.confirmed = expectations.log.bytes.count
  }

  /// Shifts, cuts and new blocks of a file of which each is there whole or not at all.
  private func shift() throws(SystemFailure) {
    let file = try OpenFile(path("shifted"), [.write, .create])
    var state = (expectations.shifted.possible.last ?? nil) ?? []
    if state.isEmpty { expectations.shifted.add([]) }
    let block = blockSize
    let blocks = state.count / block
    if blocks < 8 || random.chance(10) {
      // New blocks at the end, confirmed before anything else happens to them.
      let bytes = Fill.bytes(fill(), block * (4 + random.below(12)))
      try file.sync()
      expectations.shifted.confirm()
      // On the way any part of it may be there.
      for end in stride(from: block, through: bytes.count, by: block) {
        expectations.shifted.add(state + bytes[..<end])
      }
      try file.writeAll(bytes, at: Int64(state.count))
      try file.sync()
      expectations.shifted.confirm()
      confirmations += 1
      return
    }
    let first = random.below(blocks - 1)
    let count = 1 + random.below(min(3, blocks - 1 - first))
    let range = first * block..<(first + count) * block
    let (offset, length) = (Int64(range.lowerBound), Int64(range.count))
    let mode: FallocateMode
    switch random.below(4) {
    case 0..<2:
      mode = .collapseRange
      state.removeSubrange(range)
    case 2 where blocks < 60:
      mode = .insertRange
      state.insert(contentsOf: [UInt8](repeating: 0, count: range.count), at: range.lowerBound)
    default:
      mode = [.punchHole, .keepSize]
      Self.clear(&state, range)
    }
    expectations.shifted.add(state)
    try door.fallocate(file, mode, offset, length)
    guard random.chance(30) else { return }
    if random.chance(50) { try file.syncData() } else { try file.sync() }
    expectations.shifted.confirm()
    confirmations += 1
  }

  /// The way programs replace a file: there is always a whole one.
  private func replace() throws(SystemFailure) {
    let bytes = Fill.bytes(fill(), 1 + random.below(20_000))
    let file = try OpenFile(path("new"), [.write, .create, .truncate])
    try file.writeAll(bytes, at: 0)
    try file.sync()
    expectations.replaced.add(bytes)
    try System.rename(path("new"), path("replaced"))
    guard random.chance(50) else { return }
    try OpenFile(top, .directory).sync()
    expectations.replaced.confirm()
    confirmations += 1
  }
}

/// Counts what all threads did, until it is over.
final class KillCounter: Sendable {
  private let count = Atomic(0)
  private let over = Atomic(false)
  func end() { over.store(true, ordering: .sequentiallyConsistent) }
  var isOver: Bool { over.load(ordering: .sequentiallyConsistent) }
  func add() { count.wrappingAdd(1, ordering: .relaxed) }
  var value: Int { count.load(ordering: .relaxed) }
}

/// A directory inside a mount that is there already.
private struct InnerDoor: MountDoor {
  private let door: FuseDoor
  private let directory: String

  init(_ door: FuseDoor, _ directory: String) {
    self.door = door
    self.directory = directory
  }

  var name: String { door.name }
  var image: Image { door.image }
  var dirtiesWholeFolios: Bool { door.dirtiesWholeFolios }

  func mount() throws -> Mount { Mount(point: directory) { (_) throws(SystemFailure) in } }

  func fallocate(
    _ file: OpenFile, _ mode: FallocateMode, _ offset: Int64, _ length: Int64
  ) throws(SystemFailure) {
    try door.fallocate(file, mode, offset, length)
  }

  func seek(_ file: OpenFile, _ offset: Int64, hole: Bool) throws(SystemFailure) -> Int64 {
    try door.seek(file, offset, hole: hole)
  }

  func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    try door.extents(of: file)
  }
}
