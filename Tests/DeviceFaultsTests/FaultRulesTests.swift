import BlockIO
import DeviceFaults
import Testing

import struct SystemPackage.Errno

@Suite struct FaultRulesTests {
  private func parse(_ text: String) throws -> [FaultRule] {
    try FaultRules(parsing: text, file: "r.conf").rules
  }

  private func problem(_ text: String) -> String {
    do throws(FaultRulesError) {
      _ = try FaultRules(parsing: text, file: "r.conf")
      return "no error"
    } catch { return "\(error)" }
  }

  @Test func theExampleOfQEMUIsUnderstood() throws {
    let rules = try parse(
      """
      # QEMU's own names of the events that every format has
      [set-state]
      event = "write_aio"
      state = "1"
      new_state = "2"

      [inject-error "second write"]
        event = "write_aio"
        state = "2"
        errno = "5"
      """)
    #expect(rules.count == 2)
    #expect(
      rules[0] == FaultRule(event: .dataWrite, state: 1, .setState(2), place: "r.conf:2"))
    #expect(
      rules[1]
        == FaultRule(
          event: .dataWrite, state: 2, .inject(FaultRule.Injection()), place: "r.conf:7"))
  }

  @Test func everySettingArrives() throws {
    let rules = try parse(
      """
      [inject-error]
      event = journal_commit_write
      state = 3
      iotype = write
      sector = 16
      index = 4+
      once = on
      immediately = on
      action = torn
      sectors = 1
      errno = ENOSPC
      [inject-error]
      action = misdirected
      offset = -8
      [inject-error]
      action = delay
      milliseconds = 250
      """)
    var first = FaultRule.Injection()
    first.action = .torn(sectors: 1, errno: .noSpace)
    first.kind = .write
    first.sector = 16
    first.index = .from(4)
    first.once = true
    first.immediately = true
    #expect(
      rules[0]
        == FaultRule(event: .journalCommitWrite, state: 3, .inject(first), place: "r.conf:1"))
    var second = FaultRule.Injection()
    second.action = .misdirected(sectors: -8)
    #expect(rules[1].effect == .inject(second))
    var third = FaultRule.Injection()
    third.action = .delay(milliseconds: 250)
    #expect(rules[2].effect == .inject(third))
  }

  @Test func everyEventHasAName() throws {
    for event in DeviceEvent.allCases {
      #expect(try parse("[inject-error]\nevent = \(event.rawValue)")[0].event == event)
    }
    #expect(try parse("[inject-error]\nevent = none")[0].event == nil)
  }

  @Test(arguments: [
    ("event = x", "r.conf:1: expected [inject-error] or [set-state] before the first setting"),
    ("\n[inject-eror]", "r.conf:2: unknown section [inject-eror]: expected"),
    ("[inject-error", "r.conf:1: expected a section"),
    ("[inject-error]\nevent", "r.conf:2: expected name = \"value\""),
    ("[inject-error]\nevent = \"flush", "r.conf:2: expected name = \"value\""),
    ("[inject-error]\nevent = data write", "r.conf:2: expected name = \"value\""),
    ("[inject-error]\nevent = l1_update", "r.conf:2: unknown event l1_update: expected one of"),
    ("[inject-error]\nonce = on\nonce = off", "r.conf:3: once is there twice"),
    ("[inject-error]\nonce = yes", "r.conf:2: once yes: expected on or off"),
    ("[inject-error]\nerrno = EWHAT", "r.conf:2: unknown errno EWHAT: expected a number, or"),
    ("[inject-error]\nerrno = 0", "r.conf:2: unknown errno 0"),
    ("[inject-error]\niotype = write-zeroes", "r.conf:2: unknown iotype write-zeroes: expected"),
    ("[inject-error]\nsector = -1", "r.conf:2: sector -1: expected a number from 0"),
    ("[inject-error]\nindex = 0", "r.conf:2: index 0: expected a number from 1"),
    ("[inject-error]\naction = burn", "r.conf:2: unknown action burn: expected error, torn"),
    ("[inject-error]\naction = lost\niotype = read", "r.conf:3: the action lost cannot happen"),
    ("[inject-error]\naction = lost\nerrno = 5", "r.conf:3: errno has no meaning for"),
    ("[inject-error]\naction = misdirected", "r.conf:1: misdirected needs offset"),
    ("[inject-error]\naction = delay", "r.conf:1: delay needs milliseconds"),
    ("[inject-error]\nnew_state = 2", "r.conf:2: [inject-error] has no setting new_state"),
    ("[set-state]\nevent = flush", "r.conf:1: [set-state] needs new_state"),
    ("[set-state]\nnew_state = 2", "r.conf:1: [set-state] needs an event"),
    (
      "[set-state]\nevent = flush\nnew_state = 2\nerrno = 5", "r.conf:4: [set-state] has no setting"
    ),
  ])
  func aMistakeIsToldWithItsLine(_ text: String, _ expected: String) {
    #expect(problem(text).hasPrefix(expected))
  }

  @Test func noTextCrashesTheParser() throws {
    let words = [
      "[", "]", "inject-error", "set-state", "=", "\"", "\n", " ", "event", "flush", "index", "+",
      "-",
      "99999999999999999999", "#", "\u{0}", "é", "state", "errno", "sector", "1",
    ]
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let text = (0..<12).map { _ in words.randomElement(using: &generator) ?? "" }.joined()
      _ = try? FaultRules(parsing: text, file: "r")
    }
    #expect(throws: FaultRulesError.self) { try FaultRules(parsing: "[", file: "r") }
  }
}
