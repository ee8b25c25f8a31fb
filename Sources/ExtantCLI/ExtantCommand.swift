import ArgumentParser
import ExtantBase
import ExtantFuse
import Glibc

/// The program `extant`.
@main
struct ExtantCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extant",
    abstract: "Makes, mounts, checks and edits ext4 images in user space.",
    discussion: """
      IMAGE is a file or a block device. IMAGE:/path is a path inside an image that is not mounted. \
      Where an image's journal is on a device of its own, EXTANT_JOURNAL_PATH names that.
      """,
    version: "0.1",
    subcommands: [
      MakeCommand.self, MountCommand.self, UnmountCommand.self, InfoCommand.self,
      ListCommand.self, CatCommand.self, CopyCommand.self, MapCommand.self,
      FallocateCommand.self, FsckCommand.self, UndoCommand.self, DemoCommand.self,
    ])

  /// Errors are one line. Exit codes: 1 where something failed, 64 where the command was wrong;
  /// of `fsck` those of fsck(8).
  static func main() {
    // A reader that goes away is an error of write(2): images are closed before the end.
    signal(SIGPIPE, SIG_IGN)
    let arguments = ProgramName.arguments
    let checks = arguments.first == "fsck"
    let failed = checks ? CheckStatus.failed.rawValue : 1
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
      Interruption.noted?.end()
    } catch let interruption as Interruption {
      interruption.end()
    } catch let error as CommandFailure {
      fail(error.description, failed)
    } catch let error as FileSystemError {
      fail(error.description, failed)
    } catch let error as MountError {
      fail(error.description, 1)
    } catch {
      guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
      fail(
        message(for: error),
        checks ? CheckStatus.usage.rawValue : exitCode(for: error).rawValue)
    }
  }

  private static func fail(_ text: String, _ code: Int32) -> Never {
    Interruption.noted?.end()
    Output.message(text)
    Glibc.exit(code)
  }
}

/// Why a command failed, as one line.
struct CommandFailure: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }

  /// As system tools say it: what was worked on, then the reason.
  init(_ place: String, _ error: FileSystemError) {
    // A failed device names itself.
    if case .io = error {
      description = error.description
    } else {
      description = "\(place): \(error)"
    }
  }
}

/// Does `body`, and gives its error the place it happened at.
func at<R>(_ place: String, _ body: () throws(FileSystemError) -> R) throws -> R {
  do throws(FileSystemError) { return try body() } catch { throw CommandFailure(place, error) }
}
