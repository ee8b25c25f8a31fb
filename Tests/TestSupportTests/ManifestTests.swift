import Foundation
import TestSupport
import Testing

/// Package.swift declares what the sources import, and nothing else: an arrow that is not declared is
/// no arrow of docs/ARCHITECTURE.md, and works only as long as another target happens to need it.
@Suite struct ManifestTests {
  /// What `swift package dump-package` prints, as far as it is needed here.
  struct Manifest: Decodable {
    struct Target: Decodable {
      /// One of its members has the name first.
      struct Dependency: Decodable {
        var byName: [String?]?
        var target: [String?]?
        var product: [String?]?

        var name: String? { (byName ?? target ?? product)?.first ?? nil }
      }
      var name: String
      var type: String
      var path: String?
      var dependencies: [Dependency]

      var folder: String { path ?? (type == "test" ? "Tests/" : "Sources/") + name }
    }
    struct Package: Decodable {
      struct SourceControl: Decodable { var identity: String }
      var sourceControl: [SourceControl]?
    }
    struct Product: Decodable {
      var name: String
      var targets: [String]
    }
    var targets: [Target]
    var dependencies: [Package]
    var products: [Product]
  }

  /// Modules that come with the toolchain.
  static let toolchain: Set = ["Foundation", "Glibc", "Synchronization", "Testing"]

  /// What may stand before `import`, attributes aside.
  static let accessLevels: Set<Substring> = [
    "public", "package", "internal", "fileprivate", "private",
  ]

  let root = Environment.packageRoot
  let manifest: Manifest

  init() throws {
    // In a folder of its own: the package's is locked by the `swift test` that runs this.
    let scratch = try TemporaryDirectory()
    let printed = try Program.succeed([
      "swift", "package", "--package-path", Environment.packageRoot,
      "--scratch-path", scratch("build"), "dump-package",
    ])
    // What the compiler has to say comes first.
    let json = printed[(printed.firstIndex(of: "{") ?? printed.startIndex)...]
    manifest = try JSONDecoder().decode(Manifest.self, from: Data(json.utf8))
  }

  @Test func eachImportIsDeclaredAndEachDeclarationImported() throws {
    let executables = Set(manifest.targets.filter { $0.type == "executable" }.map(\.name))
    var swift = 0
    for target in manifest.targets {
      let imported = try imports(of: target)
      guard !imported.isEmpty else { continue }
      swift += 1
      let declared = Set(target.dependencies.compactMap(\.name))
      #expect(
        imported.subtracting(declared).subtracting(Self.toolchain) == [],
        "\(target.name) imports what it does not declare")
      // Tests declare the programs that they run, so that those are built.
      let built = target.type == "test" ? executables : []
      #expect(
        declared.subtracting(imported).subtracting(built) == [],
        "\(target.name) declares what it does not import")
    }
    #expect(swift > 30)
  }

  @Test func eachPackageIsUsedAndNamedInTheReadme() throws {
    let readme = String(decoding: try System.contents(root + "/README.md"), as: UTF8.self)
    let line = try #require(readme.firstMatch(of: /Swift packages: ([^.]*)\./))
    let named = line.1.split(separator: ",").map {
      $0.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let packages = manifest.dependencies.compactMap { $0.sourceControl?.first?.identity }
    #expect(Set(named) == Set(packages))
    let source = String(decoding: try System.contents(root + "/Package.swift"), as: UTF8.self)
    for package in packages {
      #expect(source.contains("package: \"\(package)\""), "no product of \(package) is used")
    }
  }

  /// A target that no product, program or test needs is built for nobody.
  @Test func eachTargetIsNeeded() throws {
    var needed = Set(manifest.products.flatMap(\.targets))
    for target in manifest.targets { needed.formUnion(target.dependencies.compactMap(\.name)) }
    // A program that is no product is a tool that the Makefile builds.
    let makefile = String(decoding: try System.contents(root + "/Makefile"), as: UTF8.self)
    needed.formUnion(makefile.matches(of: /--product ([\w-]+)/).map { String($0.1) })
    let targets = manifest.targets.filter { $0.type != "test" }.map(\.name)
    #expect(Set(targets).subtracting(needed) == [])
  }

  /// Files import before they do anything else; what looks like an import further on is text.
  private func imports(of target: Manifest.Target) throws -> Set<String> {
    let folder = root + "/" + target.folder
    let files = try #require(FileManager.default.enumerator(atPath: folder))
    var modules: Set<String> = []
    for case let file as String in files where file.hasSuffix(".swift") {
      let source = String(decoding: try System.contents(folder + "/" + file), as: UTF8.self)
      for line in source.split(separator: "\n") {
        let words = line.split(separator: " ")
        guard let first = words.first, !first.hasPrefix("//"), !first.hasPrefix("#") else {
          continue
        }
        guard let keyword = words.firstIndex(of: "import"),
          words[..<keyword].allSatisfy({ $0.hasPrefix("@") || Self.accessLevels.contains($0) })
        else { break }
        // import struct Module.Name
        let module = words[words.count - 1].split(separator: ".").first
        if let module { modules.insert(String(module)) }
      }
    }
    return modules
  }
}
