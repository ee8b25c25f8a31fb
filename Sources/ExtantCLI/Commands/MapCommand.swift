import ArgumentParser

/// `extant map`
struct MapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "map",
    abstract: "Shows where a file's bytes lie: as filefrag -v, or as a picture.",
    discussion: "The file is IMAGE:/path, or a path of the host: in a mount of ours, or elsewhere.")

  @Argument(help: "IMAGE:/path, or a path of the host.")
  var locations: [Location]

  @Flag(help: "A picture instead of a list.")
  var picture = false

  @Flag(help: "One JSON object for each file, in an array.")
  var json = false

  func run() throws {
    var objects: [JSON] = []
    for location in locations {
      let map = try FileMap(location)
      if json {
        objects.append(map.json(location.bytes))
      } else if picture {
        let picture = MapPicture(isColoured: Output.isTerminal)
        let count = map.extents.count
        let end = ": \(map.size) bytes, \(count) extent\(count == 1 ? "" : "s")\n"
        try Output.write(Output.name(location.bytes) + Array(end.utf8))
        try Output.write(picture.text(map) + picture.legend() + "\n")
      } else {
        try Output.write(map.table(Output.name(location.bytes)))
      }
    }
    if json { try Output.line(JSON.array(objects).text()) }
  }
}
