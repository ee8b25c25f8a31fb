import ExtantCheck

/// How to plant one defect in a sound image, and what must be found there.
public struct Recipe: Sendable {
  /// What e2fsck -fn says of the planted image.
  public enum Judgement: Sendable, Equatable {
    case broken
    /// It sees nothing wrong; why that is right or known.
    case clean(String)
    /// It gives up: nothing is repaired by it, and perhaps by us.
    case refuses
  }
  /// What becomes of it.
  public enum Outcome: Sendable, Equatable {
    /// Our repair, then e2fsck -fn finds it clean.
    case repaired
    /// The check throws an error that has these words in it, and changes nothing.
    case refused(String)
  }

  /// The kind's code, and a word more where a kind has several recipes.
  public var name: String
  public var base: BaseImage
  /// Exactly these kinds, in any order and number.
  public var expects: Set<IssueKind>
  public var e2fsck: Judgement
  public var outcome: Outcome
  public var plant: @Sendable (Planter) throws -> Void

  /// - Parameter variant: tells several recipes of one kind apart.
  public init(
    _ kind: IssueKind, _ variant: String? = nil, base: BaseImage = .ext4,
    with others: [IssueKind] = [], e2fsck: Judgement = .broken, outcome: Outcome = .repaired,
    plant: @escaping @Sendable (Planter) throws -> Void
  ) {
    name = kind.code + (variant.map { "-" + $0 } ?? "")
    self.base = base
    expects = Set([kind] + others)
    self.e2fsck = e2fsck
    self.outcome = outcome
    self.plant = plant
  }

  /// Every recipe there is.
  public static let all: [Recipe] = [
    superblockRecipes, groupRecipes, journalRecipes, orphanRecipes, inodeRecipes, mapRecipes,
    xattrRecipes, inlineRecipes, directoryRecipes, connectionRecipes, summaryRecipes, quotaRecipes,
    hurdRecipes,
  ].flatMap { $0 }
}
