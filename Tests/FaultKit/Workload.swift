import BlockIO
import Extant
import ExtantBase

/// Some work on a small image, the same requests to the device each time.
public struct Workload: Sendable {
  public let name: String
  public let recipe: FaultImage.Recipe
  let body: @Sendable (Session) -> Void

  init(
    _ name: String, on recipe: FaultImage.Recipe = .small1K,
    _ body: @escaping @Sendable (Session) -> Void
  ) {
    self.name = name
    self.recipe = recipe
    self.body = body
  }

  public static let all: [Workload] =
    names + links + attributes + writes + fallocate + syncs + growth + opening + others
}
