import ArgumentParser
import BlockIO
import ExtantBase
import ExtantCheck
import ImageIO

/// `extant undo`
struct UndoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "undo",
    abstract: "Takes a repair back: writes what `extant fsck --undo FILE` has kept.",
    discussion: """
      Refused where somebody else has written to the image since. A repair that a crash cut short is \
      taken back as well.
      """)

  @Argument(help: "What fsck --undo wrote.")
  var file: String

  @Argument(help: "The image or block device.")
  var image: String

  @Flag(help: "Also where somebody has written to the image since the repair.")
  var force = false

  @Flag(name: .shortAndLong, help: "Say what was done.")
  var verbose = false

  func run() throws {
    let device = try DeviceOpener.open(image, access: .readWrite)
    defer { try? device.close() }
    Interruption.watch()
    let count = try at(image) { () throws(FileSystemError) in
      try UndoFile.apply(file, to: device, isForced: force)
    }
    if verbose { try Output.line("\(image): \(count) blocks were put back") }
  }
}
