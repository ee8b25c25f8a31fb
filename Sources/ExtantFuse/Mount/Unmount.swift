import CProcesses
import Glibc
import SystemPackage

/// How an unmount ended.
public enum UnmountOutcome: Sendable, Equatable {
  /// Everything is on the image, and the daemon is gone.
  case unmounted(image: String)
  /// The daemon had died before; its mount was taken away. What it had not written is lost.
  case daemonHadDied(image: String)
}

/// Ends the mount at `mountpoint` (or of the image of that path), and returns when everything is on
/// the image and the daemon that served it is gone.
@discardableResult
public func unmount(_ mountpoint: String) throws(MountError) -> UnmountOutcome {
  let path: String
  do { path = try SystemFile.resolvedParent(mountpoint) } catch {
    throw MountError("\(mountpoint): \(error)")
  }
  var entry = MountTable.find(path, in: MountTable.read())
  if entry == nil, let target = try? SystemFile.resolved(mountpoint) {
    entry = MountTable.find(target, in: MountTable.read())
  }
  guard let entry else { throw MountError("\(mountpoint): no image is mounted here by extant") }

  let daemon: MountedDaemon
  do { daemon = try MountedDaemon(of: entry) } catch {
    guard error == .socketNotConnected || error == .connectionAbort else {
      throw MountError("\(mountpoint): \(error)")
    }
    try detach(entry, mountpoint, lazy: true)
    return .daemonHadDied(image: entry.source)
  }
  // An error of the last writes can only be told while the mount is there to ask.
  let synced = daemon.sync()
  try detach(entry, mountpoint, lazy: false)
  daemon.waitForEnd()
  if let failure = synced {
    throw MountError(
      "\(mountpoint) is unmounted, but not everything could be written to \(entry.source): \(failure)"
    )
  }
  return .unmounted(image: entry.source)
}

private func detach(
  _ entry: MountEntry, _ mountpoint: String, lazy: Bool
) throws(MountError) {
  if let failure = KernelMount.detach(entry.mountpoint, lazy: lazy) {
    throw MountError("\(mountpoint): \(failure)")
  }
}

enum KernelMount {
  /// Takes the mount away; nil, or why not. Without `lazy` a mount in use is left as it is.
  static func detach(_ mountpoint: String, lazy: Bool) -> String? {
    if geteuid() == 0 {
      let error = unsafe csys_umount(mountpoint, lazy ? 1 : 0)
      switch error {
      case 0: return nil
      case EBUSY: return "in use: some program still has a file or directory of it open"
      default: return "\(Errno(rawValue: error))"
      }
    }
    let arguments = ["fusermount3", lazy ? "-uz" : "-u", "--", mountpoint]
    var text = [CChar](repeating: 0, count: 512)
    let status = unsafe withCStrings(arguments) { pointers in
      unsafe text.withUnsafeMutableBufferPointer { text in
        unsafe csys_run(pointers, text.baseAddress, text.count)
      }
    }
    if status == 0 { return nil }
    if status < 0 { return "cannot run fusermount3: \(Errno(rawValue: -status))" }
    let said = String(
      decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let line = said.split(separator: "\n").first.map(String.init) ?? "fusermount3 failed"
    if line.contains("busy") {
      return "in use: some program still has a file or directory of it open"
    }
    return line
  }

  private static func withCStrings<R>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R
  ) -> R {
    var copies = unsafe strings.map { unsafe UnsafePointer<CChar>(strdup($0)) }
    unsafe copies.append(nil)
    defer { unsafe copies.forEach { copy in unsafe free(UnsafeMutablePointer(mutating: copy)) } }
    return unsafe copies.withUnsafeBufferPointer { pointers in
      guard let base = pointers.baseAddress else { preconditionFailure("never empty") }
      return unsafe body(base)
    }
  }
}
