import Synchronization

/// A mistake that a test switches on to see that it is found. Only debug builds contain them:
/// elsewhere ``isPlanted(_:)`` is always false.
package enum PlantedBug: Int, Sendable, CaseIterable {
  case noFlushBeforeCommitRecord = 1
  case noDurableCommitRecord
  case noRevoke
  case freedBlockReusedBeforeCommit
  case sizeBeforeData
  case leafOverwrittenInPlace
  case orphanNotRecorded
  case recoveryIgnoresChecksums
  case recoveryIgnoresRevokes
  case recoveryReplaysPastEnd
  case dataAfterCommit
  case tailMovedBeforeCheckpoint
  case checkpointNotFlushed
  case fsyncDoesNotCommit
  case fdatasyncForgetsSize
  case escapeLeftOut
  case commitChecksumLeftOut
  case halfTransaction
  case journalMarkedCleanTooEarly
  case runningBlockWritten

  package static let current = Atomic(0)
}

/// Whether the running test has switched this bug on.
@inline(__always)
package func isPlanted(_ bug: PlantedBug) -> Bool {
  #if EXTANT_PLANTED_BUGS
    return PlantedBug.current.load(ordering: .relaxed) == bug.rawValue
  #else
    return false
  #endif
}
