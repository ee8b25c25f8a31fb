import TestSupport

/// The kernel's ext4 on a loop device: the judge.
public struct KernelDoor: MountDoor {
  public let name: String
  public let image: Image
  public let dirtiesWholeFolios = true
  private let point: String

  public init(image: Image, point: String, name: String = "kernel") {
    self.image = image
    self.point = point
    self.name = name
  }

  public func mount() throws -> Mount {
    try image.mountInKernel(at: point, options: "rw,nodev,noatime")
  }

  public func fallocate(
    _ file: OpenFile, _ mode: FallocateMode, _ offset: Int64, _ length: Int64
  ) throws(SystemFailure) {
    let size = try file.status().size
    do throws(SystemFailure) {
      try file.fallocate(mode: mode.rawValue, offset: offset, length: length)
    } catch {
      guard mode == .insertRange, error.errno == 22, try file.status().size != size else {
        throw error
      }
      throw SystemFailure(Outcome.failedWithTraces, "insert in \(file.path)")
    }
  }

  public func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    try Fiemap.kernel.extents(of: file)
  }

  /// A page that was read from an unwritten extent counts as data in the kernel as long as it is
  /// cached, and now and then one stays cached. The extents decide then.
  public func seek(
    _ file: OpenFile, _ offset: Int64, hole: Bool
  ) throws(SystemFailure) -> Int64 {
    let expected = answer(try extents(of: file), try file.status().size, offset, hole)
    for _ in 0..<3 {
      var found: Int64?
      do throws(SystemFailure) {
        found = try hole ? file.seekHole(from: offset) : file.seekData(from: offset)
      } catch {
        guard error.errno == 6 else { throw error }
      }
      if found == expected { break }
      try file.sync()
      try file.dropCache()
    }
    guard let expected else { throw SystemFailure(6, "seek") }
    return expected
  }

  /// What written extents say; nil for ENXIO.
  private func answer(
    _ extents: [FileMap.Run], _ size: UInt64, _ offset: Int64, _ hole: Bool
  ) -> Int64? {
    guard var place = UInt64(exactly: offset), place < size else { return nil }
    for run in extents where !run.isUnwritten && run.range.upperBound > place {
      if hole {
        guard run.range.lowerBound <= place else { break }
        place = run.range.upperBound
      } else {
        place = max(place, run.range.lowerBound)
        return place < size ? Int64(place) : nil
      }
    }
    return hole ? Int64(min(place, size)) : nil
  }
}
