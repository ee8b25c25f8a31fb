import TestSupport

/// The kernel's ext4 on a loop device: the judge.
public struct KernelDoor: MountDoor {
  public let name: String
  public let image: Image
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
    try file.fallocate(mode: mode.rawValue, offset: offset, length: length)
  }

  public func extents(of file: OpenFile) throws(SystemFailure) -> [FileMap.Run] {
    try Fiemap.kernel.extents(of: file)
  }
}
