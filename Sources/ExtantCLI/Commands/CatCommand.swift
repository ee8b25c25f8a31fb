import ArgumentParser
import Extant
import ExtantBase

/// `extant cat`
struct CatCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cat", abstract: "Writes files of images to standard output.")

  @Argument(help: "IMAGE:/path, or paths of the host.")
  var locations: [Location]

  func run() throws {
    for location in locations {
      guard let image = location.image else {
        throw ValidationError("\(location) names no file in an image: write IMAGE:/path")
      }
      try ImageSession.with(image, writing: false) { fileSystem in
        let file = try at("\(location)") { () throws(FileSystemError) in
          try fileSystem.open(PathText.bytes(location.path), .read)
        }
        defer { file.close() }
        var place: UInt64 = 0
        while true {
          let bytes = try at("\(location)") { () throws(FileSystemError) in
            try file.read(1 << 20, at: place)
          }
          if bytes.isEmpty { break }
          try Output.write(bytes)
          place += UInt64(bytes.count)
        }
      }
    }
  }
}
