import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// An encrypted inode has an attribute that says how it is encrypted.
  func checkEncryption(_ inode: inout ExaminedInode) throws(FileSystemError) {
    let number = inode.number
    guard inode.raw.flags.contains(.encrypted), !isReserved(number) || number == .root else {
      return
    }
    guard let context = try encryptionContext(inode.raw) else {
      if try found(.encryptedWithoutPolicy, number) {
        inode.change { $0.flags.remove(.encrypted) }
      }
      return
    }
    switch EncryptionContext(context) {
    case .policy(let policy): encryption.add(number, policy)
    case .unknownVersion: encryption.add(number, nil)
    case .broken:
      if try found(.encryptionPolicy, number) { inode.isCleared = true }
    }
  }

  /// The value of the attribute "c" of encryption; nil where there is none.
  private func encryptionContext(_ raw: RawInode) throws(FileSystemError) -> [UInt8]? {
    let start = Inode.baseSize + Int(raw.extraSize)
    if raw.extraSize > 0, start + 8 <= raw.bytes.count {
      let area = Array(raw.bytes[start...])
      if area.rawBytes.le32(0) == Self.attributeMagic,
        let value = Self.contextValue(area.rawBytes, firstEntry: 4, valueBase: 4)
      {
        return value
      }
    }
    let address = raw.fileACL(superblock)
    guard address.rawValue != 0, superblock.contains(address),
      address.rawValue < image.deviceBlockCount
    else { return nil }
    let buffer = try image.block(address)
    guard buffer.bytes.le32(0) == Self.attributeMagic else { return nil }
    return Self.contextValue(buffer.bytes, firstEntry: 32, valueBase: 0)
  }

  private static let attributeMagic: UInt32 = 0xEA02_0000
  private static let encryptionIndex: UInt8 = 9

  /// Looks for the attribute in a list of entries that may be of any bytes.
  private static func contextValue(
    _ bytes: RawSpan, firstEntry: Int, valueBase: Int
  ) -> [UInt8]? {
    var place = firstEntry
    while place + 16 <= bytes.byteCount, bytes.le32(place) != 0 {
      let nameLength = Int(bytes.u8(place))
      if nameLength == 1, bytes.u8(place + 1) == encryptionIndex, place + 17 <= bytes.byteCount,
        bytes.u8(place + 16) == UInt8(ascii: "c"), bytes.le32(place + 4) == 0
      {
        let start = valueBase + Int(bytes.le16(place + 2))
        let size = Int(clamping: bytes.le32(place + 8))
        guard start <= bytes.byteCount, size <= bytes.byteCount - start else { return [] }
        return bytes.array(start..<start + size)
      }
      place += (16 + nameLength + 3) & ~3
    }
    return nil
  }
}

/// What an encryption context, the value of the attribute, says.
///
/// Source: the kernel's Documentation/filesystems/fscrypt.rst.
private enum EncryptionContext {
  /// All but the nonce, which is the inode's own.
  case policy([UInt8])
  case unknownVersion
  case broken

  /// In bytes, at a context's end.
  private static let nonceSize = 16

  init(_ context: [UInt8]) {
    switch context.first {
    case nil, 0: self = .broken
    case 1:
      self = context.count == 28 ? .policy(Array(context.dropLast(Self.nonceSize))) : .broken
    case 2:
      self = context.count == 40 ? .policy(Array(context.dropLast(Self.nonceSize))) : .broken
    default: self = .unknownVersion
    }
  }
}
