import TestSupport
import TortureKit

/// A filesystem that cases are asked on: makes its image and mounts it.
public struct Respondent: Sendable {
  public var name: String
  let mount: @Sendable (Stage, _ image: String, _ point: String) throws -> (Image, Mount)

  /// The kernel's ext4 on a loop device: the judge. Other options than the usual ones make it a
  /// respondent that is known to be wrong.
  public static func kernel(
    _ name: String = "kernel", options: String = "rw", make: [String] = []
  ) -> Respondent {
    Respondent(name: name) { stage, path, point in
      let image = try stage.image(at: path, make)
      return (image, try image.mountInKernel(at: point, options: options))
    }
  }

  /// Our mount. `program`: the path of `extant`.
  public static func extant(_ program: String) -> Respondent {
    Respondent(name: "extant") { stage, path, point in
      let image = try stage.image(at: path, [])
      let door = FuseDoor(
        image: image, point: point, program: program, options: "allow_other,suid,dev")
      return (image, try door.mount())
    }
  }
}

extension Stage {
  fileprivate func image(at path: String, _ make: [String]) throws -> Image {
    try Image.make(at: path, size: size, blockSize: blockSize, options: options + make)
  }
}
