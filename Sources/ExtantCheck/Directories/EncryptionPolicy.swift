import BlockIO
import Ext4Format
import ExtantBase

/// How an inode is encrypted: the part of its context that inodes of one directory have in common.
///
/// Source: the kernel's Documentation/filesystems/fscrypt.rst.
enum EncryptionPolicy: Hashable {
  /// The context without its nonce.
  case known([UInt8])
  /// A version that nobody knows here.
  case unknown

  private static let nonceSize = 16
  /// Bytes of a context, by version.
  private static let sizes: [UInt8: Int] = [1: 28, 2: 40]

  init(context: [UInt8]) {
    guard let version = context.first, Self.sizes[version] == context.count else {
      self = .unknown
      return
    }
    self = .known(Array(context.dropLast(Self.nonceSize)))
  }
}

extension DirectoryPass {
  /// How the inode is encrypted; nil where it is not.
  func encryptionPolicy(
    _ number: InodeNumber, _ raw: RawInode
  ) throws(FileSystemError) -> EncryptionPolicy? {
    guard raw.flags.contains(.encrypted), superblock.features.incompat.contains(.encrypt) else {
      return nil
    }
    if let place = XattrLocator.inInode(raw, XattrLocator.encryption) {
      return EncryptionPolicy(context: Array(raw.bytes[place.value]))
    }
    let address = raw.fileACL(superblock)
    guard address.rawValue != 0, superblock.contains(address) else { return nil }
    let attributes = try round.image.block(address)
    let block = attributes.bytes.array()
    return XattrLocator.inBlock(block, XattrLocator.encryption).map {
      EncryptionPolicy(context: Array(block[$0.value]))
    }
  }

  /// An entry of an encrypted directory. False where it is gone.
  func checkEncrypted(
    _ area: EntryArea, _ offset: Int, _ number: InodeNumber, _ kind: FileKind?
  ) throws(FileSystemError) -> Bool {
    let buffer = buffer
    let place = place(area, offset)
    // Names are padded to a block of the cipher.
    if buffer.bytes.u8(offset + 6) < 16, try found(.encryptedNameTooShort, place) {
      removeEntry(at: offset)
      return false
    }
    let value = IssueValue.number(UInt64(number.rawValue))
    guard let policy = try encryptionPolicy(number, try round.readInode(number)) else {
      // Devices, pipes and sockets have no contents to encrypt.
      guard kind == .regular || kind == .directory || kind == .symbolicLink,
        try found(.unencryptedEntry, place, found: value)
      else { return true }
      removeEntry(at: offset)
      return false
    }
    guard policy != directory.policy, try found(.otherPolicy, place, found: value) else {
      return true
    }
    removeEntry(at: offset)
    return false
  }
}

/// Finding one attribute in bytes, with no more rules than are needed not to leave them.
enum XattrLocator {
  struct Place {
    /// Of the entry.
    var entry: Int
    var value: Range<Int>
  }

  /// The encryption context: index 9, "c".
  static let encryption = XattrName(index: 9, suffix: [0x63])
  /// What of inline data does not fit in i_block: system.data.
  static let inlineData = XattrName(index: 7, suffix: Array("data".utf8))

  private static let magic: UInt32 = 0xea02_0000

  static func inInode(_ raw: RawInode, _ name: XattrName) -> Place? {
    let header = Inode.baseSize + Int(raw.extraSize)
    guard raw.bytes.count > Inode.baseSize, header + 8 <= raw.bytes.count,
      raw.le32(header) == magic
    else { return nil }
    return find(name, raw.bytes, from: header + 4, valuesFrom: header + 4)
  }

  static func inBlock(_ bytes: [UInt8], _ name: XattrName) -> Place? {
    guard bytes.count >= 64, bytes.rawBytes.le32(0) == magic else { return nil }
    return find(name, bytes, from: 32, valuesFrom: 0)
  }

  private static func find(
    _ name: XattrName, _ array: [UInt8], from start: Int, valuesFrom base: Int
  ) -> Place? {
    let bytes = array.rawBytes
    var entry = start
    while entry + 16 <= bytes.byteCount, bytes.le32(entry) != 0 {
      let length = Int(bytes.u8(entry))
      guard entry + 16 + length <= bytes.byteCount else { return nil }
      if bytes.u8(entry + 1) == name.index, length == name.suffix.count,
        bytes.array(entry + 16..<entry + 16 + length) == name.suffix
      {
        let value = base + Int(bytes.le16(entry + 2))
        let size = Int(bytes.le32(entry + 8))
        guard bytes.le32(entry + 4) == 0, size <= bytes.byteCount - value else { return nil }
        return Place(entry: entry, value: value..<value + size)
      }
      entry += (16 + length + 3) & ~3
    }
    return nil
  }
}
