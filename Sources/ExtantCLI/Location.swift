import ArgumentParser
import Glibc

/// Where a command works: a path of the host, or `IMAGE:/path` inside an image.
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
      return unsafe stat(path, &status) == 0 ? status.st_mode & S_IFMT == S_IFDIR : nil
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

  var description: String { image.map { "\($0):\(path)" } ?? path }

  /// The last component; empty for a root.
  var lastComponent: String {
    path.split(separator: "/").last.map(String.init) ?? ""
  }

  func appending(_ name: String) -> Location {
    Location(image: image, path: path.hasSuffix("/") ? path + name : path + "/" + name)
  }
}
