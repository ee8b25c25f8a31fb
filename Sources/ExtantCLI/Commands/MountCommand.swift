import ArgumentParser
import ExtantFuse

/// `extant mount`
struct MountCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount",
    abstract: "Mounts an image through FUSE; returns when the mount is ready.",
    discussion: """
      Options for -o: ro, allow_other, cache=SIZE (64M), relatime, noatime, strictatime, \
      nodiratime, sync, dirsync, journal_checksum, \
      commit=SECONDS (5), errors=continue|remount-ro|panic, data=ordered|writeback|journal, \
      barrier=0|1, nobarrier, norecovery, noload, journal_path=PATH, max_threads=N, faults=FILE (docs/FAULTS.md), suid, nosuid, dev, nodev, exec, noexec. Those of fstab(5) and ext4(5) are taken, or refused with the reason: docs/MOUNT.md.
      """)

  @Argument(help: "The image or block device.")
  var image: String

  @Argument(help: "The directory it appears at.")
  var mountpoint: String

  @Option(name: .customShort("o"), help: "Options, separated by commas.")
  var options: [String] = []

  @Flag(name: .shortAndLong, help: "Stay in the foreground, with the log on standard error.")
  var foreground = false

  @Flag(name: .shortAndLong, help: "Log each request; implies --foreground.")
  var debug = false

  func run() throws {
    var options = try MountOptions(parsing: options)
    options.isForeground = foreground || debug
    options.logsRequests = debug
    try mount(image: image, at: mountpoint, options: options)
  }
}

/// `extant umount`
struct UnmountCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "umount",
    abstract: "Unmounts; returns when everything is on the image and the daemon is gone.")

  @Argument(help: "The directory of the mount.")
  var mountpoint: String

  func run() throws {
    if case .daemonHadDied(let image) = try unmount(mountpoint) {
      throw CommandFailure(
        "\(mountpoint): the daemon had died; the mount is taken away, but what was not yet "
          + "written to \(image) is lost")
    }
  }
}
