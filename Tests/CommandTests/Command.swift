import TestSupport

/// The program under test, and images for it.
struct Command {
  static let program = Environment.products + "/extant"
  static let isBuilt = System.exists(program)

  static func run(_ arguments: String...) throws -> ProgramResult {
    try Program.run([program] + arguments)
  }

  @discardableResult
  static func succeed(_ arguments: String...) throws -> String {
    try Program.succeed([program] + arguments)
  }

  /// Bytes that differ from place to place.
  static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }
}
