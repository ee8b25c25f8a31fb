import CrashKit
import Testing

@Suite struct CrashTests {
  /// Without a journal half of a commit may be there: what cannot find that finds nothing.
  @Test func withoutAJournalEverySequenceIsSeenToBreak() throws {
    let base = try Campaign.makeBase(hasJournal: false)
    var options = Campaign.Options()
    options.complete = 4
    options.samples = 8
    options.violations = .max
    let sequences = SequenceMaker(base).pairs().prefix(4)
    let result = Campaign(base, Array(sequences), options).run()
    #expect(result.violations.count == sequences.count)
  }

  @Test func sequencesAreWrittenDownAndReadBack() throws {
    let base = try Campaign.makeBase()
    for sequence in SequenceMaker(base).pairs() {
      #expect(CrashSequence(sequence.description) == sequence)
    }
    #expect(CrashSequence("write:/a:1") == nil)
    #expect(CrashSequence("jump:/a") == nil)
  }
}
