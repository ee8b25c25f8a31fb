import Extant

/// The ten letters of ls -l.
enum ModeText {
  static func text(_ attributes: Attributes) -> String {
    let kind: String =
      switch attributes.kind {
      case .fifo: "p"
      case .characterDevice: "c"
      case .directory: "d"
      case .blockDevice: "b"
      case .regular: "-"
      case .symbolicLink: "l"
      case .socket: "s"
      }
    let mode = attributes.mode
    func triple(_ shift: UInt16, _ special: UInt16, _ letter: String) -> String {
      let bits = mode >> shift
      let runs = bits & 1 != 0
      let last =
        mode & special != 0 ? (runs ? letter : letter.uppercased()) : (runs ? "x" : "-")
      return (bits & 4 != 0 ? "r" : "-") + (bits & 2 != 0 ? "w" : "-") + last
    }
    return kind + triple(6, 0o4000, "s") + triple(3, 0o2000, "s") + triple(0, 0o1000, "t")
  }
}
