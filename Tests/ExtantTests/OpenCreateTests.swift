import Extant
import ExtantBase
import TestSupport
import Testing
import Threading

/// open(2) with O_CREAT and without O_EXCL: it finds or makes, whoever else is about.
@Suite struct OpenCreateTests {
  @Test func whoeverComesSecondOpensWhatTheFirstMade() throws {
    let image = try EngineImage(size: "32M")
    try image.use { fs in
      let ended = allEnd(
        withinSeconds: 120,
        (0..<4).map { _ in
          {
            for index in 0..<400 { try fs.open("/f\(index)", .readWrite, create: 0o644).close() }
          }
        })
      #expect(ended)
      let names = try fs.names(in: "/").filter { $0.hasPrefix("f") }
      #expect(names.count == 400)
    }
  }

  /// The file that was found or made is the one that is opened, though its name is gone and its
  /// number could be another's by then.
  @Test func whatIsUnlinkedMeanwhileIsOpenedAllTheSame() throws {
    let image = try EngineImage(size: "32M")
    try image.use { fs in
      let name = try FileName("contended")
      let left = Guarded(3, .unranked)
      let opener: @Sendable () throws -> Void = {
        defer { left.withLock { $0 -= 1 } }
        for _ in 0..<1500 {
          let file = try fs.open("/contended", .readWrite, create: 0o600)
          // The others' files: a number that was given out again.
          if file.attributes().mode & 0o777 != 0o600 {
            throw FileSystemError.refused(.staleNFSFileHandle)
          }
          file.close()
        }
      }
      let ended = allEnd(
        withinSeconds: 120,
        [
          opener, opener, opener,
          {
            var index = 0
            while left.withLock({ $0 }) > 0 {
              try? fs.unlink(name, in: .root)
              index += 1
              _ = try fs.createFile(FileName("other\(index)"), in: .root, mode: 0o644)
              try fs.unlink(FileName("other\(index)"), in: .root)
            }
          },
        ])
      #expect(ended)
    }
  }
}
