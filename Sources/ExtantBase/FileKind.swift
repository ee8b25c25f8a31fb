/// What an inode is: the top four bits of its mode.
public enum FileKind: UInt16, Sendable, CaseIterable {
  case fifo = 0x1000
  case characterDevice = 0x2000
  case directory = 0x4000
  case blockDevice = 0x6000
  case regular = 0x8000
  case symbolicLink = 0xA000
  case socket = 0xC000

  public static let mask: UInt16 = 0xF000

  /// The kind in `mode`, nil where the four bits name none.
  public init?(mode: UInt16) { self.init(rawValue: mode & Self.mask) }
}
