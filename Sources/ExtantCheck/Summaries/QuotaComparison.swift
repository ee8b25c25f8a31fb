import Ext4Format

/// A quota file's entries against what is used.
struct QuotaComparison {
  private let usage: QuotaUsage
  private var seen: Set<UInt32> = []
  /// Ids that it says something wrong of, the first of them.
  private(set) var wrong: [UInt32] = []
  private var limits: [UInt32: QuotaEntry.Limits] = [:]
  /// Whether the file is whole. Of another only the limits of those are kept who use something.
  var isTrusted = true

  private static let listedCount = 1000

  init(_ usage: QuotaUsage) { self.usage = usage }

  mutating func add(_ entry: QuotaEntry) {
    seen.insert(entry.id)
    let amount = usage.amounts[entry.id] ?? QuotaUsage.Amount()
    if entry.inodes != amount.inodes || entry.space != amount.space,
      wrong.count < Self.listedCount
    {
      wrong.append(entry.id)
    }
    // Of an entry that is nothing but there.
    var kept = entry.limits
    if entry.id == 0, amount == QuotaUsage.Amount() { kept.inodeTime = 0 }
    if kept.isSet { limits[entry.id] = kept }
  }

  /// Ids that use something and have no entry, the first of them.
  var missing: [UInt32] {
    guard usage.amounts.count > seen.intersection(usage.amounts.keys).count else { return [] }
    return Array(usage.amounts.keys.filter { !seen.contains($0) }.sorted().prefix(Self.listedCount))
  }

  var keptLimits: [UInt32: QuotaEntry.Limits] {
    isTrusted ? limits : limits.filter { usage.amounts[$0.key] != nil }
  }

  /// Ids as people read them.
  static func text(_ ids: [UInt32]) -> String {
    let listed = ids.prefix(12).map { "\($0)" }.joined(separator: ", ")
    return ids.count > 12 ? listed + " and \(ids.count - 12) more" : listed
  }
}
