// swift-tools-version: 6.2
import PackageDescription

/// The settings of every Swift target: Swift 6 mode, strict memory safety, no warning tolerated.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(
  name: "ArgumentParser", package: "swift-argument-parser")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

func box(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
  name: "extant",
  products: [
    .library(name: "Extant", targets: ["Extant", "ExtantBase", "BlockIO", "ExtantMake"]),
    .library(name: "ExtantFuse", targets: ["ExtantFuse", "DeviceFaults"]),
    .executable(name: "extant", targets: ["ExtantCLI"]),
    .library(name: "extant-fallocate", type: .dynamic, targets: ["ExtantFallocate"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.4.0"),
  ],
  targets: [
    // System libraries and the C that Swift cannot say.
    .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
    .systemLibrary(name: "CFuse3", pkgConfig: "fuse3", providers: [.apt(["libfuse3-dev"])]),
    .target(name: "CThreads"),
    .target(name: "CFiles"),
    .target(name: "CProcesses"),
    .target(name: "CFuseTransport"),
    .target(name: "ExtantFallocate"),

    // The boxes of docs/ARCHITECTURE.md; an arrow there is a dependency here.
    // Debug builds carry the bugs that the crash tests switch on to show that they would be found.
    .target(
      name: "ExtantBase", dependencies: [system],
      swiftSettings: strict + [.define("EXTANT_PLANTED_BUGS", .when(configuration: .debug))]),
    box("Threading", ["CThreads"]),
    box("BlockIO", ["ExtantBase", "Threading", "CFiles", system]),
    box("DeviceFaults", ["ExtantBase", "BlockIO", "Threading", system]),
    box("Ext4Format", ["ExtantBase", "CISAL", system]),
    box("ImageIO", ["ExtantBase", "BlockIO", "Ext4Format", system]),
    box("ExtentMap", ["ExtantBase"]),
    box("BlockCache", ["ExtantBase", "BlockIO", "Threading"]),
    box("Journal", ["ExtantBase", "BlockIO", "Ext4Format", "ImageIO", "Threading", system]),
    box(
      "Extant",
      [
        "ExtantBase", "Threading", "BlockIO", "Ext4Format", "ImageIO", "ExtentMap", "BlockCache",
        "Journal",
        system,
      ]),
    box("ExtantMake", ["ExtantBase", "Threading", "BlockIO", "Ext4Format", "ImageIO"]),
    box("ExtantCheck", ["ExtantBase", "Threading", "BlockIO", "Ext4Format", "ImageIO", "Journal"]),
    box(
      "ExtantFuse",
      [
        "ExtantBase", "BlockIO", "DeviceFaults", "Ext4Format", "ImageIO", "Extant", "Threading",
        "CFuse3",
        "CFuseTransport", "CFiles", "CProcesses", logging, system,
      ]),
    .executableTarget(
      name: "ExtantCLI",
      dependencies: [
        "Extant", "ExtantMake", "ExtantFuse", "ExtantCheck", "ExtantBase", "Ext4Format", "ImageIO",
        "BlockIO",
        "CFiles", "CProcesses", argumentParser, system,
      ],
      swiftSettings: strict),

    // What tests share, and the programs that judge for longer than a test may.
    .target(name: "CTestSupport", path: "Tests/CTestSupport"),
    .target(
      name: "TestSupport", dependencies: ["CTestSupport", "BlockIO", "ExtantBase"],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    .target(
      name: "TortureKit",
      dependencies: ["TestSupport", "Extant", "Ext4Format", "ExtantBase", system],
      path: "Tests/TortureKit",
      swiftSettings: strict),
    .executableTarget(
      name: "bench",
      dependencies: [
        "Extant", "ExtantBase", "ExtantCheck", "BlockIO", "ExtentMap", "TestSupport",
        argumentParser,
      ],
      path: "Tests/Bench", swiftSettings: strict),
    .target(
      name: "CrashKit",
      dependencies: [
        "TestSupport", "Extant", "ExtantMake", "BlockIO", "DeviceFaults", "Ext4Format",
        "ExtantBase", "Threading", system,
      ],
      path: "Tests/CrashKit", swiftSettings: strict),
    .target(
      name: "FaultKit",
      dependencies: [
        "TestSupport", "Extant", "ExtantMake", "BlockIO", "DeviceFaults", "Ext4Format",
        "ExtantBase", "Threading",
      ],
      path: "Tests/FaultKit", swiftSettings: strict),
    .target(
      name: "CheckKit",
      dependencies: [
        "TestSupport", "Extant", "ExtantCheck", "BlockIO", "DeviceFaults", "Ext4Format",
        "ExtantBase",
      ],
      path: "Tests/CheckKit", swiftSettings: strict),
    // Apart from judge: libFuzzer brings a main of its own, and instruments all that is linked, which
    // is to be what is fuzzed and no more.
    .executableTarget(
      name: "fuzz", dependencies: ["CheckKit", "TestSupport"], path: "Tests/Fuzz",
      exclude: ["run.sh"], swiftSettings: strict),
    .target(
      name: "PosixKit", dependencies: ["TestSupport", "CTestSupport", "TortureKit"],
      path: "Tests/PosixKit", swiftSettings: strict),
    .target(
      name: "KernelKit",
      dependencies: ["TestSupport", "TortureKit", "Extant", "ExtantBase", "Threading"],
      path: "Tests/KernelKit", swiftSettings: strict),
    .executableTarget(
      name: "judge",
      dependencies: [
        "TortureKit", "PosixKit", "CrashKit", "KernelKit", "FaultKit", "CheckKit", "TestSupport",
        "BlockIO", "ExtantBase", argumentParser,
      ],
      path: "Tests/Judge", swiftSettings: strict),
    tests(
      "CheckTests",
      [
        "CheckKit", "ExtantCheck", "BlockIO", "DeviceFaults", "Ext4Format", "ExtantBase",
        "TestSupport", "ExtantCLI",
      ]),
    tests("CrashTests", ["CrashKit", "judge", "TestSupport", "ExtantBase"]),
    tests(
      "JournalTests",
      [
        "Journal", "Ext4Format", "ImageIO", "BlockIO", "ExtantBase", "Extant", "TestSupport",
        "Threading",
        system,
      ]),
    tests(
      "FaultTests",
      ["FaultKit", "BlockIO", "ExtantBase", "TestSupport", "Threading"]),
    tests("TestSupportTests", ["TestSupport"]),
    tests("PosixTests", ["PosixKit", "TestSupport", "ExtantCLI"]),
    tests("TortureTests", ["TortureKit", "TestSupport", "ExtantCLI"]),
    tests(
      "KernelTests",
      ["Extant", "ExtantBase", "Ext4Format", "TestSupport", "TortureKit", "KernelKit", "ExtantCLI"]),
    tests("CommandTests", ["TestSupport", "ExtantCLI", "ExtantBase"]),

    tests(
      "ExtantTests",
      [
        "Extant", "ExtantBase", "Ext4Format", "ExtentMap", "BlockIO", "DeviceFaults", "Journal",
        "Threading", "TestSupport", system,
      ]),
    tests("ThreadingTests", ["Threading", "TestSupport"]),
    tests("BlockIOTests", ["BlockIO", "ExtantBase", "TestSupport", system]),
    tests(
      "DeviceFaultsTests",
      [
        "DeviceFaults", "BlockIO", "Ext4Format", "ExtantBase", "TestSupport", "Threading", system,
      ]),
    tests(
      "BlockCacheTests",
      ["BlockCache", "BlockIO", "ExtantBase", "TestSupport", "Threading", system]),
    tests(
      "ExtantAllocationTests",
      ["Extant", "Ext4Format", "BlockIO", "Threading", "ExtantBase", "TestSupport"]),
    tests(
      "ExtantFuseTests",
      ["ExtantFuse", "Extant", "ExtantBase", "CFuse3", "Threading", "TestSupport"]),
    tests("ExtentMapTests", ["ExtentMap", "ExtantBase", "TestSupport", system]),
    tests(
      "ExtantDirectoryTests",
      ["Extant", "Ext4Format", "BlockIO", "ExtantBase", "TestSupport", "Threading", system]),
    tests("Ext4FormatTests", ["Ext4Format", "ExtantBase", "TestSupport", system]),
    tests("ExtantMakeTests", ["ExtantMake", "Ext4Format", "BlockIO", "ExtantBase", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
