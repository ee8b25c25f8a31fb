import DeviceFaults
import BlockIO
import Extant
import ExtantBase
import TestSupport

extension Explorer {
  // MARK: A state

  func judge(_ image: CrashImage, _ moment: Moment, _ words: () -> String) {
    count.states += 1
    if moment.depth > 0 { count.nested += 1 }
    if moment.isLying { count.lying += 1 }
    let hash = image.hash
    hashes.insert(hash)
    let key = Key(
      hash: hash, returned: moment.returned, begun: moment.begun, isLying: moment.isLying)
    guard seen.insert(key).inserted else { return }

    let crashed = image.contents
    let isNested =
      moment.depth == 0 && !moment.isLying && random.below(1000) < options.nestedShare
    if isNested { nested.become(image) }
    let recording = isNested ? RecordingDevice(base: image) : nil
    let asks = fsck != nil && !moment.isLying && random.below(10_000) < options.fsckShare
    let left = options.keepsImages ? crashed.bytes.array() : []
    let complaint = recover(
      recording ?? image, image, moment, asks: asks)
    if let complaint {
      let nestedWords = moment.depth > 0 ? " (during the recovery of: \(moment.words))" : ""
      violations.append(
        Violation(
          sequence: sequence.description,
          place:
            "moment \(moment.number), \(moment.begun) begun, \(moment.returned) returned\(moment.isLying ? ", a flush lied" : ""): \(words())\(nestedWords)",
          text: complaint, image: left))
      return
    }
    if let recording {
      var inner = moment
      inner.depth = 1
      inner.words = words()
      walk(
        recording.takeRequests(), nested, inner, options.nestedPlan, until: violations.count)
    }
  }

  /// Opens, closes and checks. Nil where all is as it may be.
  private func recover(
    _ device: any BlockDevice, _ image: CrashImage, _ moment: Moment, asks: Bool
  ) -> String? {
    count.recoveries += 1
    do throws(FileSystemError) {
      let fileSystem = try FileSystem(device: device, options: CrashBaseImage.openOptions)
      if let reason = fileSystem.readOnlyReason {
        try fileSystem.close()
        return "it can only be read: \(reason)"
      }
      try fileSystem.close()
    } catch {
      // A device that lied may have lost anything; what is asked for is an answer.
      if moment.isLying {
        count.lyingRefused += 1
        return nil
      }
      return "it cannot be opened: \(error)"
    }
    let key = Key(
      hash: image.maskedHash, returned: moment.returned, begun: moment.begun,
      isLying: moment.isLying)
    if let known = verdicts[key], !asks { return known }
    count.verdicts += 1
    let verdict = verdict(image, moment, asks: asks)
    verdicts[key] = .some(verdict)
    return verdict
  }

  private func verdict(_ image: CrashImage, _ moment: Moment, asks: Bool) -> String? {
    let contents = ImageContents(image.contents)
    if !contents.problems.isEmpty {
      return "broken: " + contents.problems.prefix(4).joined(separator: "; ")
    }
    // What was confirmed may be lost by a device that lied, data above all.
    if !moment.isLying {
      let oracle: Oracle
      do {
        oracle = try self.oracle(returned: moment.returned)
      } catch {
        return "the model says that \(error.operation) is impossible"
      }
      if let complaint = oracle.complaint(about: contents, begun: moment.begun) {
        return complaint
      }
    }
    if asks, let fsck {
      count.fsck += 1
      return fsck.complaint(about: image.contents)
    }
    return nil
  }

  private func oracle(returned: Int) throws(CrashModel.Impossible) -> Oracle {
    if let oracle = oracles[returned] { return oracle }
    let oracle = try Oracle(base: base.model(), operations, returned: returned)
    oracles[returned] = oracle
    return oracle
  }
}
