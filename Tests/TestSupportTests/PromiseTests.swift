import Foundation
import TestSupport
import Testing

/// docs/DURABILITY.md names a test for each promise.
@Suite struct PromiseTests {
  @Test func eachTestThatIsNamedExists() throws {
    let root = Environment.packageRoot
    let text = String(decoding: try System.contents(root + "/docs/DURABILITY.md"), as: UTF8.self)
    let names = Set(
      text.matches(of: /`([A-Z][A-Za-z]*Tests)\.([a-z][A-Za-z0-9]*)`/).map { match in
        "\(match.1).\(match.2)"
      })
    #expect(names.count > 40)
    let files = try #require(FileManager.default.enumerator(atPath: root + "/Tests"))
    var found: Set<String> = []
    var suites: Set<String> = []
    for case let file as String in files where file.hasSuffix("Tests.swift") {
      let source = String(decoding: try System.contents(root + "/Tests/" + file), as: UTF8.self)
      // A file holds the suite of its name, and a test is an attribute and then a function.
      let suite = String(file.split(separator: "/").last?.dropLast(6) ?? "")
      #expect(suites.insert(suite).inserted, "two files are called \(suite)")
      for match in source.matches(of: /@Test[^{]*?func ([a-z][A-Za-z0-9]*)/) {
        found.insert("\(suite).\(match.1)")
      }
    }
    #expect(names.subtracting(found) == [])
  }
}
