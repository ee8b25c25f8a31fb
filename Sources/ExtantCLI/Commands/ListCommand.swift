import ArgumentParser
import Extant
import ExtantBase

/// `extant ls`
struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "Lists a directory of an image.",
    discussion: """
      At a terminal names are quoted as a shell takes them, elsewhere they are written as they are. \
      What cannot be read is told, and the rest listed; the exit code is 1 then.
      """)

  @Argument(help: "IMAGE:/path; IMAGE alone is its root.")
  var location: Location

  @Flag(name: .customShort("l"), help: "Mode, links, owner, size and time.")
  var long = false

  @Flag(name: .customShort("a"), help: "Names that begin with a dot, too.")
  var all = false

  @Flag(name: .customShort("R"), help: "Directories below, too.")
  var recursive = false

  @Flag(exclusivity: .chooseLast)
  var style: NameStyle?

  @Flag(
    help: """
      An array of JSON objects. Where a name or target is no UTF-8, name_bytes, path_bytes or \
      target_bytes has its bytes as hexadecimal digits.
      """)
  var json = false

  func run() throws {
    let image = location.image ?? location.path
    let path = location.image == nil ? "/" : location.path
    var problems = false
    try ImageSession.with(image, writing: false) { fileSystem in
      var listing = Listing(fileSystem, image: PathText.bytes(image))
      listing.isLong = long
      listing.showsHidden = all
      listing.isJSON = json
      listing.style = style ?? .standard
      let start = try at("\(Location(image: image, path: path))") { () throws(FileSystemError) in
        try fileSystem.attributes(at: path, followLast: !long)
      }
      if start.kind == .directory {
        try listing.directory(PathText.bytes(path), start.inode, recursive: recursive)
      } else {
        let bytes = PathText.bytes(path)
        let end = bytes.lastIndex { $0 != UInt8(ascii: "/") } ?? 0
        let slash = bytes[...end].lastIndex(of: UInt8(ascii: "/")) ?? 0
        try listing.show([(Array(bytes[(slash + 1)...end]), start)], Array(bytes[...slash]))
      }
      try listing.end()
      problems = listing.hasProblems
    }
    if problems { throw ExitCode(1) }
  }
}
