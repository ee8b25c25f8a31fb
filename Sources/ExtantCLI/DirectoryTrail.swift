import Glibc

/// The directories that a walk through a tree has come to, so that it ends on a tree that is none: a
/// directory that holds itself, or that stands in two places and so, n times over, in 2^n.
struct DirectoryTrail {
  /// A path that is longer is refused, as the kernel would, in bytes: what goes deeper is not walked.
  static let longestPath = Int(PATH_MAX) - 1

  private struct Step {
    let parent: UInt64?
    let name: [UInt8]
  }

  /// By what is the same for two names of one directory.
  private var steps: [UInt64: Step] = [:]

  /// - Parameters:
  ///   - parent: nil for where the walk begins, whose `name` is its path.
  /// - Returns: the path by which the walk has come to it before; nil for one that is new.
  mutating func enter(_ directory: UInt64, from parent: UInt64?, as name: [UInt8]) -> [UInt8]? {
    guard steps[directory] == nil else { return path(directory) }
    steps[directory] = Step(parent: parent, name: name)
    return nil
  }

  /// Forgets one, where only what holds it is to be known again.
  mutating func leave(_ directory: UInt64) { steps[directory] = nil }

  private func path(_ directory: UInt64) -> [UInt8] {
    var path: [UInt8] = []
    var next: UInt64? = directory
    while let directory = next, let step = steps[directory] {
      path = path.isEmpty ? step.name : PathText.joined(step.name, path)
      next = step.parent
    }
    return path
  }
}
