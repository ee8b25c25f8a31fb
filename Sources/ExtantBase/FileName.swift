import SystemPackage

/// One name in a directory: 1 to 255 bytes, any but NUL and `/`. Not necessarily UTF-8.
public struct FileName: Hashable, Sendable {
  public static let maximumLength = 255

  public let bytes: [UInt8]

  /// Throws ENAMETOOLONG past 255 bytes, ENOENT for an empty name, EINVAL for NUL or `/` in it.
  public init(_ bytes: [UInt8]) throws(FileSystemError) {
    guard !bytes.isEmpty else { throw .refused(.noSuchFileOrDirectory) }
    guard bytes.count <= Self.maximumLength else { throw .refused(.fileNameTooLong) }
    guard !bytes.contains(0), !bytes.contains(UInt8(ascii: "/")) else {
      throw .refused(.invalidArgument)
    }
    self.bytes = bytes
  }

  public init(_ string: String) throws(FileSystemError) { try self.init(Array(string.utf8)) }

  public var isDotOrDotDot: Bool { bytes == [0x2e] || bytes == [0x2e, 0x2e] }
}

extension FileName: CustomStringConvertible {
  public var description: String { NameText.shell(bytes) }
}
