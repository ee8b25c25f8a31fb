/// The kinds of file that a matrix goes through, and how one of each comes to be.
enum Kind: String, CaseIterable {
  case file, directory, symlink, fifo, socket, character, block

  static let withoutSymlink = allCases.filter { $0 != .symlink }

  /// Makes one called `name`, as root, of the owner and with `mode`.
  func make(_ name: String, _ mode: Mode = 0o644, owner: Actor = .owner) -> [Step] {
    let chown = Step.root(.lchown(name, owner.uid, owner.gid))
    switch self {
    case .file: return [.root(.create(name, mode)), chown, .root(.chmod(name, mode))]
    case .directory: return [.root(.mkdir(name, mode)), chown, .root(.chmod(name, mode))]
    case .symlink: return [.root(.symlink("target", name)), chown]
    case .fifo: return [.root(.mknod(name, .fifo | mode)), chown, .root(.chmod(name, mode))]
    case .socket: return [.root(.bind(name)), chown, .root(.chmod(name, mode))]
    case .character:
      return [.root(.mknod(name, .character | mode, 1, 3)), chown, .root(.chmod(name, mode))]
    case .block:
      return [.root(.mknod(name, .block | mode, 250, 77)), chown, .root(.chmod(name, mode))]
    }
  }
}

/// Every pair, for matrices.
func pairs<A, B>(_ a: [A], _ b: [B]) -> [(A, B)] {
  a.flatMap { first in b.map { (first, $0) } }
}
