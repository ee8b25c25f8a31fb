import DeviceFaults
import BlockIO
@testable import Extant
import ExtantBase
import TestSupport
import Testing

/// What keeps an operation from starting is told as what it is.
@Suite struct LostReasonTests {
  @Test func anOperationTooLargeForTheJournalSaysSo() throws {
    let image = try EngineImage(size: "16M")
    try image.use { fs in
      #expect {
        try fs.perform(credits: 4 * fs.journal.maximumCredits) { (_) throws(FileSystemError) in }
      } throws: { error in
        if case .unsupported? = error as? FileSystemError { true } else { false }
      }
    }
  }

  @Test func anOperationThatHasToCommitFirstTellsWhyThatFailed() throws {
    let image = try EngineImage(size: "16M")
    let rules = """
      [inject-error]
      event = "journal_commit_write"
      iotype = "write"
      """
    let device = FaultyDevice(
      base: try FileDevice(path: image.image.path, access: .readWrite),
      rules: try FaultRules(parsing: rules, file: "rules"))
    var options = FileSystem.Options()
    options.writeBackInterval = 0
    let fs = try FileSystem(device: device, options: options)
    let most = fs.journal.maximumCredits
    func fill(_ credits: Int) throws(FileSystemError) {
      try fs.perform(credits: credits) { (operation) throws(FileSystemError) in
        operation.handle.noteChange()
        operation.charge(credits)
      }
    }
    try fill(most)
    try fill(8)
    #expect {
      try fill(most)
    } throws: { error in
      if case .io? = error as? FileSystemError { true } else { false }
    }
    // From then on it is read-only, and that is all that others need to know.
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) { try fs.create("/late") }
    #expect(throws: FileSystemError.refused(.readOnlyFileSystem)) { try fill(most) }
    try? fs.close()
  }
}
