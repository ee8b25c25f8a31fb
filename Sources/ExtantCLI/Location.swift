import ArgumentParser
import ExtantBase
import Glibc

/// Where a command works: a path of the host, or `IMAGE:/path` inside an image. Both are `PathText`.
struct Location: ExpressibleByArgument, CustomStringConvertible {
  /// Nil for a path of the host.
  var image: String?
  var path: String

  init(image: String?, path: String) {
    self.image = image
    self.path = path
  }

  /// The image ends before the first ":/" that follows the name of a file or device; where there is
  /// none, before the first whose colon is not the end of a directory's name.
  init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    let bytes = Array(argument.utf8)
    func text(_ end: Int) -> String { String(decoding: bytes[..<end], as: UTF8.self) }
    func isDirectory(_ path: String) -> Bool? {
      var status = stat()
      return unsafe stat(PathText.c(path), &status) == 0
        ? status.st_mode & S_IFMT == S_IFDIR : nil
    }
    let colons = bytes.indices.dropLast().filter {
      $0 > 0 && bytes[$0] == UInt8(ascii: ":") && bytes[$0 + 1] == UInt8(ascii: "/")
    }
    let colon =
      colons.first { isDirectory(text($0)) == false }
      ?? colons.first { isDirectory(text($0 + 1)) != true }
    guard let colon else {
      self.init(image: nil, path: argument)
      return
    }
    self.init(
      image: text(colon),
      path: String(decoding: bytes[(colon + 1)...], as: UTF8.self))
  }

  /// As it was given.
  var bytes: [UInt8] {
    (image.map { PathText.bytes($0) + [UInt8(ascii: ":")] } ?? []) + PathText.bytes(path)
  }

  /// For messages.
  var description: String { NameText.shell(bytes) }

  /// The last component; empty for a root.
  var lastComponent: String {
    path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? ""
  }

  func appending(_ name: String) -> Location {
    Location(image: image, path: PathText.joined(path, name))
  }
}
