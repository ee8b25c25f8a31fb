import ArgumentParser
import ExtantBase
import Glibc

/// `extant cp`
struct CopyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cp",
    abstract: "Copies files into, out of and within images.",
    discussion: """
      Each of SOURCE and TARGET is a path of the host or IMAGE:/path. A TARGET that is a directory \
      gets the sources into it. Holes stay holes.
      """)

  @Argument(help: "What to copy, and last where to.")
  var locations: [Location]

  @Flag(name: [.customShort("r"), .customShort("R")], help: "Directories with all below.")
  var recursive = false

  @Flag(
    name: .customShort("a"),
    help: "As -r, and keep owner, mode, times, extended attributes and links.")
  var archive = false

  func validate() throws {
    guard locations.count >= 2 else {
      throw ValidationError("needs a source and a target")
    }
    guard locations.contains(where: { $0.image != nil }) else {
      throw ValidationError("none of these is in an image: write IMAGE:/path")
    }
  }

  func run() throws {
    guard let target = locations.last else { return }
    let sources = locations.dropLast()
    var images: [String: ImageWorld] = [:]
    let host = HostWorld()
    func world(_ location: Location) throws -> any World {
      guard let image = location.image else { return host }
      if let known = images[image] { return known }
      let opened = try ImageWorld(image: image, writing: image == target.image)
      images[image] = opened
      return opened
    }
    do {
      let targetWorld = try world(target)
      let isDirectory = try targetWorld.facts(target.path, following: true)?.kind == .directory
      if target.image == nil { try refuseImages(at: target.path) }
      guard isDirectory || recursive || archive || !target.path.hasSuffix("/") else {
        throw CommandFailure("\(target): is no directory")
      }
      guard isDirectory || sources.count == 1 else {
        throw CommandFailure("\(target): is no directory, and there are several sources")
      }
      for source in sources {
        var copier = Copier(from: try world(source), to: targetWorld)
        copier.isRecursive = recursive || archive
        copier.keepsEverything = archive
        let into = isDirectory && !source.lastComponent.isEmpty
        let place = into ? target.appending(source.lastComponent) : target
        if into, target.image == nil { try refuseImages(at: place.path) }
        try copier.copy(source.path, to: place.path)
      }
    } catch {
      for image in images.values { try? image.close() }
      throw error
    }
    for image in images.values { try image.close() }
  }

  /// A slip, `cp disk.img:/file disk.img`, must not overwrite the image.
  private func refuseImages(at path: String) throws {
    func identity(_ path: String) -> [UInt64]? {
      var status = stat()
      guard unsafe stat(path, &status) == 0 else { return nil }
      return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }
    guard let place = identity(path) else { return }
    for image in locations.compactMap(\.image) where identity(image) == place {
      throw CommandFailure("\(path): is the image itself; \(path):/ is what it holds")
    }
  }
}
