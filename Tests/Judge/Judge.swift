import ArgumentParser
import Foundation

/// All that finds Extant wrong and takes longer than a test may: each judge at any length, and what it
/// found again.
@main
struct Judge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Holds Extant against the kernel's ext4, e2fsck, crashes and failing disks.",
    subcommands: [
      TortureCommand.self, PosixCommand.self, CrashCommand.self, KillsCommand.self,
      FaultsCommand.self, ChecksCommand.self,
    ])
}

/// At once: long runs are watched.
func say(_ line: String) {
  print(line)
  fflush(nil)
}
