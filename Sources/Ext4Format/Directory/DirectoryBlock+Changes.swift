import ExtantBase

/// The kind's code in a directory entry (`file_type`).
extension FileKind {
  public var directoryCode: UInt8 {
    switch self {
    case .regular: 1
    case .directory: 2
    case .characterDevice: 3
    case .blockDevice: 4
    case .fifo: 5
    case .socket: 6
    case .symbolicLink: 7
    }
  }

  /// nil for 0, which says nothing, and for codes that no kind has.
  public init?(directoryCode: UInt8) {
    guard let kind = Self.allCases.first(where: { $0.directoryCode == directoryCode }) else {
      return nil
    }
    self = kind
  }
}

// Changes of a block's entries. None of them writes the checksum: `seal` does, once, at the end.
extension DirectoryBlockFormat {
  /// Makes the block one unused entry.
  public func clear(_ bytes: inout MutableRawSpan) {
    bytes.fill(0..<blockSize, with: 0)
    bytes.setLE16(encodeRecordLength(entriesEnd), at: 4)
  }

  /// Fills the first block of a new directory: "." and "..".
  public func initialise(_ bytes: inout MutableRawSpan, parent: InodeNumber) {
    bytes.fill(0..<blockSize, with: 0)
    let first = DirectoryEntryRecord.length(nameLength: 1)
    let fileType = hasFileType ? FileKind.directory.directoryCode : 0
    let dot = DirectoryEntryImage(inode: inode.rawValue, fileType: fileType, name: [0x2e])
    let dotDot = DirectoryEntryImage(
      inode: parent.rawValue, fileType: fileType, name: [0x2e, 0x2e])
    write(dot, into: &bytes, at: 0, recordLength: first)
    write(dotDot, into: &bytes, at: first, recordLength: entriesEnd - first)
  }

  /// Makes the entry at `offset` name another inode.
  public func setTarget(
    _ bytes: inout MutableRawSpan, at offset: Int, _ target: InodeNumber, _ kind: FileKind
  ) {
    bytes.setLE32(target.rawValue, at: offset)
    bytes.setU8(hasFileType ? kind.directoryCode : 0, at: offset + 7)
  }

  /// The first entry, from `start` on, that is unused or has room behind its name for one with a
  /// name of `nameLength` bytes.
  public func room(
    for nameLength: Int, in bytes: RawSpan, from start: Int = 0, block: BlockAddress? = nil
  ) throws(FileSystemError) -> DirectoryEntryRecord? {
    let needed = DirectoryEntryRecord.length(nameLength: nameLength)
    var offset = start
    while offset < entriesEnd {
      let record = try record(bytes, at: offset, end: entriesEnd, block: block)
      if record.recordLength - record.usedLength >= needed { return record }
      offset = record.end
    }
    return nil
  }

  /// Puts an entry into what `room` found.
  public func insert(
    _ bytes: inout MutableRawSpan, into room: DirectoryEntryRecord, _ image: DirectoryEntryImage
  ) {
    let used = room.usedLength
    if used > 0 { bytes.setLE16(encodeRecordLength(used), at: room.offset + 4) }
    write(
      image, into: &bytes, at: room.offset + used, recordLength: room.recordLength - used)
  }

  /// Takes the entry at `offset` away: the one before it grows over it; the block's first one
  /// stays, unused. The name's bytes are wiped.
  public func remove(
    _ bytes: inout MutableRawSpan, at offset: Int, from start: Int = 0,
    block: BlockAddress? = nil
  ) throws(FileSystemError) {
    var previous: DirectoryEntryRecord?
    var position = start
    while position < offset {
      let record = try record(bytes.bytes, at: position, end: entriesEnd, block: block)
      previous = record
      position = record.end
    }
    let removed = try record(bytes.bytes, at: offset, end: entriesEnd, block: block)
    guard position == offset else {
      throw corrupt("no entry begins at byte \(offset)", at: block)
    }
    if let previous {
      bytes.setLE16(
        encodeRecordLength(previous.recordLength + removed.recordLength), at: previous.offset + 4)
      bytes.fill(offset..<removed.end, with: 0)
    } else {
      bytes.fill(offset..<removed.end, with: 0)
      bytes.setLE16(encodeRecordLength(removed.recordLength), at: offset + 4)
    }
  }
}

/// A used entry taken out of its block, to be packed into another.
public struct DirectoryEntryImage: Sendable {
  public var inode: UInt32
  public var fileType: UInt8
  public var name: [UInt8]

  public init(inode: UInt32, fileType: UInt8, name: [UInt8]) {
    self.inode = inode
    self.fileType = fileType
    self.name = name
  }

  /// Bytes that it needs in a block.
  public var length: Int { DirectoryEntryRecord.length(nameLength: name.count) }
}

extension DirectoryBlockFormat {
  /// Every used entry from `start` on.
  public func images(
    _ bytes: RawSpan, from start: Int = 0, block: BlockAddress? = nil
  ) throws(FileSystemError) -> [DirectoryEntryImage] {
    var images: [DirectoryEntryImage] = []
    try forEachRecord(bytes, from: start, block: block) { (record) throws(FileSystemError) in
      if record.isUsed {
        images.append(
          DirectoryEntryImage(
            inode: record.inode, fileType: record.fileType, name: bytes.array(record.nameRange)))
      }
      return true
    }
    return images
  }

  /// Bytes that the used entries need when there are no gaps between them.
  public func usedByteCount(
    _ bytes: RawSpan, block: BlockAddress? = nil
  ) throws(FileSystemError) -> Int {
    var count = 0
    try forEachRecord(bytes, block: block) { (record) throws(FileSystemError) in
      count += record.usedLength
      return true
    }
    return count
  }

  /// Fills the block with `images` without gaps; what is left belongs to the last one. They must
  /// fit: the sum of their lengths is at most `entriesEnd`.
  public func pack(_ bytes: inout MutableRawSpan, _ images: some Collection<DirectoryEntryImage>) {
    clear(&bytes)
    var offset = 0
    for (position, image) in images.enumerated() {
      let isLast = position == images.count - 1
      let length = isLast ? entriesEnd - offset : image.length
      write(image, into: &bytes, at: offset, recordLength: length)
      offset += length
    }
  }
  func write(
    _ image: DirectoryEntryImage, into bytes: inout MutableRawSpan, at offset: Int,
    recordLength: Int
  ) {
    bytes.setLE32(image.inode, at: offset)
    bytes.setLE16(encodeRecordLength(recordLength), at: offset + 4)
    bytes.setU8(UInt8(image.name.count), at: offset + 6)
    bytes.setU8(image.fileType, at: offset + 7)
    bytes.copy(image.name, at: offset + DirectoryEntryRecord.headSize)
  }
}
