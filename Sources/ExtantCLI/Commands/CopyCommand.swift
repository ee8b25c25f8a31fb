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
      gets the sources into it. Holes stay holes. What cannot be copied is told, and the rest \
      copied; the exit code is 1 then. With -a every extended attribute is copied, security.* and \
      access lists included; one that the target does not take is told, and the exit code stays 0, \
      as of cp(1).
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
    let images = OpenImages(target: locations.last?.image)
    let hasProblems = try images.closing { try copyAll(images) }
    if hasProblems { throw ExitCode(1) }
  }

  /// - Returns: whether something was not copied, which was told.
  private func copyAll(_ images: OpenImages) throws -> Bool {
    guard let target = locations.last else { return false }
    let sources = locations.dropLast()
    let targetWorld = try images.world(target)
    let isDirectory = try targetWorld.facts(target.path, following: true)?.kind == .directory
    if target.image == nil { try refuseImages(at: target.path) }
    guard isDirectory || recursive || archive || target.path.utf8.last != UInt8(ascii: "/") else {
      throw CommandFailure("\(target): is no directory")
    }
    guard isDirectory || sources.count == 1 else {
      throw CommandFailure("\(target): is no directory, and there are several sources")
    }
    var hasProblems = false
    var losses = AttributeLosses()
    defer { losses.report() }
    for source in sources {
      do {
        var copier = Copier(from: try images.world(source), to: targetWorld)
        copier.isRecursive = recursive || archive
        copier.keepsEverything = archive
        copier.losses = losses
        let into = isDirectory && !source.lastComponent.isEmpty
        let place = into ? target.appending(source.lastComponent) : target
        if into, target.image == nil { try refuseImages(at: place.path) }
        defer { losses = copier.losses }
        try copier.copy(source.path, to: place.path)
        hasProblems = hasProblems || copier.hasProblems
      } catch let failure as CommandFailure {
        Output.message(failure.description)
        hasProblems = true
      }
    }
    return hasProblems
  }

  /// A slip, `cp disk.img:/file disk.img`, must not overwrite the image.
  private func refuseImages(at path: String) throws {
    func identity(_ path: String) -> [UInt64]? {
      var status = stat()
      guard unsafe stat(PathText.c(path), &status) == 0 else { return nil }
      return [UInt64(status.st_dev), UInt64(status.st_ino)]
    }
    guard let place = identity(path) else { return }
    for image in locations.compactMap(\.image) where identity(image) == place {
      throw CommandFailure(
        "\(PathText.shown(path)): is the image itself; "
          + "\(Location(image: path, path: "/")) is what it holds")
    }
  }
}
