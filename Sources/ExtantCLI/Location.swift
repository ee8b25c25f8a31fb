import ArgumentParser

/// Where a command works: a path of the host, or `IMAGE:/path` inside an image.
struct Location: ExpressibleByArgument, CustomStringConvertible {
  /// Nil for a path of the host.
  var image: String?
  var path: String

  init(image: String?, path: String) {
    self.image = image
    self.path = path
  }

  /// The image ends before the first ":/". A host path with ":/" in it is written with a second
  /// slash less, or reached through its directory.
  init?(argument: String) {
    guard !argument.isEmpty else { return nil }
    let bytes = Array(argument.utf8)
    let colon = bytes.indices.dropLast().first {
      bytes[$0] == UInt8(ascii: ":") && bytes[$0 + 1] == UInt8(ascii: "/")
    }
    guard let colon, colon > 0 else {
      self.init(image: nil, path: argument)
      return
    }
    self.init(
      image: String(decoding: bytes[..<colon], as: UTF8.self),
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
