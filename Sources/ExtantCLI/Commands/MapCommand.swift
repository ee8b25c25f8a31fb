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
        objects.append(map.json("\(location)"))
      } else if picture {
        let picture = MapPicture(isColoured: Output.isTerminal)
        let count = map.extents.count
        try Output.line(
          "\(location): \(map.size) bytes, \(count) extent\(count == 1 ? "" : "s")")
        try Output.write(picture.text(map) + picture.legend() + "\n")
      } else {
        try Output.write(map.table("\(location)"))
      }
    }
    if json { try Output.line(JSON.array(objects).text()) }
  }
}
