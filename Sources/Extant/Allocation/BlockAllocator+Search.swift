import Ext4Format
import ExtantBase

/// Finding free runs. Runs go on across groups: with flex_bg most groups hold nothing but files.
extension BlockAllocator.State {
  /// Bitmaps that one search reads while it already has something to offer.
  private static var readsPerSearch: Int { 64 }

  func clamp(_ block: UInt64) -> UInt64 {
    superblock.contains(BlockAddress(block)) ? block : firstBlock
  }

  /// Whether anything could be available in the group.
  func isWorthLoading(_ group: Int) -> Bool {
    guard groups[group].fault == nil else { return false }
    return groups[group].isLoaded
      ? groups[group].availableCount > 0 : table.descriptor(group).freeBlocks > 0
  }

  /// A run of `need` available blocks: at `goal`, or the next behind it, round the end of the
  /// device. Failing that, what there is at the goal if it holds `least` and is not much shorter
  /// than the longest; failing that, the longest. Nil when nothing is available.
  mutating func find(near goal: UInt64, need: UInt64, least: UInt64) -> BlockAllocator.Run? {
    let goal = clamp(goal)
    let need = min(need, max(longestKnown, 1))
    let least = min(least, need)
    let atGoal = availableRun(from: goal, upTo: need)
    if atGoal.count == need { return atGoal }

    var best = pass(from: goal, need: need, least: least, isThorough: false)
    if best.count < least {
      best = pass(from: goal, need: need, least: least, isThorough: true)
    }
    guard best.count < need else { return best }
    if atGoal.count >= least, atGoal.count >= best.count / 2 { return atGoal }
    return best.count > 0 ? best : nil
  }

  /// What is available from `block` on, up to `limit` blocks.
  private mutating func availableRun(from block: UInt64, upTo limit: UInt64) -> BlockAllocator.Run {
    var run = BlockAllocator.Run(start: block, count: 0)
    var (group, bit) = place(of: block)
    while run.count < limit, group < groups.count, isWorthLoading(group) {
      do throws(FileSystemError) { try load(group) } catch { break }
      let length = groups[group].available.runLength(from: bit)
      run.count += UInt64(length)
      guard bit + length == groups[group].count else { break }
      group += 1
      bit = 0
    }
    run.count = min(run.count, limit)
    return run
  }

  /// One way round the device.
  private struct Pass {
    let need: UInt64
    /// The longest run so far, the first of them.
    var best = BlockAllocator.Run(start: 0, count: 0)
    /// Whether no group that might matter was left out.
    var isComplete = true
    /// The run that ends the last group looked at.
    var carry = BlockAllocator.Run(start: 0, count: 0)

    var isDone: Bool { best.count >= need }

    mutating func offer(_ run: BlockAllocator.Run) {
      guard run.count > best.count, !isDone else { return }
      best = BlockAllocator.Run(start: run.start, count: min(run.count, need))
    }

    /// Continues the carry by `length` blocks, of which the first is `start`.
    mutating func extendCarry(start: UInt64, by length: UInt64) {
      if carry.count == 0 { carry.start = start }
      carry.count += length
      offer(carry)
    }
  }

  /// The first run of `need` blocks from `goal` on, otherwise the longest; count 0 for none.
  ///
  /// - Parameter isThorough: read every bitmap that could matter. Otherwise only the promising,
  ///   and few of them once something that holds `least` blocks is found.
  private mutating func pass(
    from goal: UInt64, need: UInt64, least: UInt64, isThorough: Bool
  ) -> BlockAllocator.Run {
    let (first, bit) = place(of: goal)
    let total = groups.count
    var pass = Pass(need: need)
    var reads = Self.readsPerSearch
    // The goal's group comes twice: first from the goal on, at the end whole. A run that reaches
    // its end then is followed to where it ends.
    for step in 0..<(2 * total) {
      let group = (first + step) % total
      if group == 0 { pass.carry.count = 0 }
      if step > total, pass.carry.count == 0 { break }
      let from = step == 0 ? bit : 0

      guard isWorthLoading(group) else {
        pass.carry.count = 0
        continue
      }
      if !groups[group].isLoaded {
        let free = Int(table.descriptor(group).freeBlocks)
        if free == groups[group].count, from == 0 {
          // Wholly free by its descriptor: read only if it is taken.
          pass.extendCarry(start: start(of: group), by: UInt64(free))
          if pass.isDone { break }
          continue
        }
        let isDull = UInt64(free) * 2 < min(need, UInt64(groups[group].count))
        if !isThorough, isDull || (reads == 0 && pass.best.count >= least) {
          pass.carry.count = 0
          pass.isComplete = false
          continue
        }
        reads = max(reads - 1, 0)
        do throws(FileSystemError) { try load(group) } catch {
          pass.carry.count = 0
          continue
        }
      }
      visit(group, from: from, &pass)
      if pass.isDone { break }
    }
    if pass.isComplete, !pass.isDone { longestKnown = pass.best.count }
    return pass.best
  }

  /// Looks through a loaded group.
  private mutating func visit(_ group: Int, from: Int, _ pass: inout Pass) {
    let start = start(of: group)
    let count = groups[group].count
    if from == 0 {
      let head = groups[group].available.runLength(from: 0)
      if pass.carry.count > 0 || head == count {
        pass.extendCarry(start: start, by: UInt64(head))
        if pass.isDone || head == count { return }
      }
    }
    let bound = UInt64(groups[group].longestBound)
    if bound >= pass.need {
      let run = groups[group].available.firstRun(ofAtLeast: Int(pass.need), from: from)
      if let run {
        pass.offer(
          BlockAllocator.Run(start: start + UInt64(run.lowerBound), count: UInt64(run.count)))
        return
      }
    }
    if bound > pass.best.count {
      let run = groups[group].available.longestRun(from: from)
      if from == 0 { groups[group].longestBound = run.count }
      pass.offer(
        BlockAllocator.Run(start: start + UInt64(run.lowerBound), count: UInt64(run.count)))
    }
    let tail = min(groups[group].available.trailingRunLength, count - from)
    pass.carry = BlockAllocator.Run(start: start + UInt64(count - tail), count: UInt64(tail))
  }
}
