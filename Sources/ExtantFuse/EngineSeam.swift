// TEMPORARY: until the engine's own extended attributes are public; then this file goes (git rm).
import Extant
import ExtantBase

extension FileSystem {
  func extendedAttribute(
    _ name: [UInt8], of inode: InodeNumber
  ) throws(FileSystemError) -> [UInt8] { throw .refused(.noData) }
  func setExtendedAttribute(
    _ name: [UInt8], _ value: [UInt8], of inode: InodeNumber, flags: ExtendedAttributeFlags
  ) throws(FileSystemError) { throw .refused(.notSupportedOnSocket) }
  func removeExtendedAttribute(
    _ name: [UInt8], of inode: InodeNumber
  ) throws(FileSystemError) { throw .refused(.noData) }
  func extendedAttributeNames(of inode: InodeNumber) throws(FileSystemError) -> [[UInt8]] { [] }
}
