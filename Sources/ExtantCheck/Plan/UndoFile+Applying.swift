import BlockIO
import Ext4Format
import ExtantBase

extension UndoFile {
  /// Takes a repair back: puts everything on `device` that the undo file at `path` has, durably. May
  /// be done again where it was interrupted.
  ///
  /// - Parameter isForced: also where somebody wrote to the image since the repair.
  /// - Returns: how many blocks were put back.
  /// - Throws: `corrupt` for what is no whole undo file, or another image's, or where somebody wrote
  ///   to the image since the repair. Nothing was written then.
  @discardableResult
  public static func apply(
    _ path: String, to device: any BlockDevice, isForced: Bool = false
  ) throws(FileSystemError) -> Int {
    let file = try FileDevice(path: path, access: .readWrite)
    var result = 0
    do throws(FileSystemError) {
      result = try apply(file, device, isForced)
    } catch {
      try? file.close()
      throw error
    }
    try file.close()
    return result
  }

  private static func apply(
    _ file: FileDevice, _ device: any BlockDevice, _ isForced: Bool
  ) throws(FileSystemError) -> Int {
    var (header, entries) = try read(file)
    guard header.deviceByteCount == device.byteCount else {
      throw broken(
        "it belongs to an image of \(header.deviceByteCount) bytes, this one has "
          + "\(device.byteCount)")
    }
    guard header.state != .undone || isForced else { throw broken("it was applied already") }
    let uuid = try uuid(of: device)
    guard isForced || uuid == header.uuidBefore || uuid == header.uuidAfter else {
      throw broken("it belongs to another image: the UUID is not the same")
    }
    // What was interrupted may have left any block in part.
    let isSettled = header.state == .repaired && !isForced
    let block = BlockBuffer(byteCount: header.unit)
    for (index, entry) in entries.enumerated() {
      var bytes = block.mutableBytes
      if isSettled, !entry.isOpen {
        try device.read(into: &bytes, at: entry.block * UInt64(header.unit))
        let checksum = crc32c(~0, block.bytes)
        guard checksum == entry.before || checksum == entry.after else {
          throw broken(
            "block \(entry.block) of the image was written since the repair: what came after the "
              + "repair would be damaged")
        }
      }
      try file.read(into: &bytes, at: header.offset(ofBlock: index))
      guard crc32c(~0, block.bytes) == entry.before else {
        throw broken("what it has of block \(entry.block) does not match its checksum")
      }
    }

    header.state = .undoing
    try file.writeThrough(header.encode().bytes, at: 0)
    for (index, entry) in entries.enumerated() {
      var bytes = block.mutableBytes
      try file.read(into: &bytes, at: header.offset(ofBlock: index))
      try device.write(block.bytes, at: entry.block * UInt64(header.unit))
    }
    try device.flush()
    header.state = .undone
    try file.writeThrough(header.encode().bytes, at: 0)
    return entries.count
  }

  private static func broken(_ rule: String) -> FileSystemError {
    .corrupt(Corruption("undo file", rule))
  }

  private static func read(
    _ file: FileDevice
  ) throws(FileSystemError) -> (Header, [Entry]) {
    guard file.byteCount >= UInt64(headerByteCount) else { throw broken("it is too short") }
    let buffer = BlockBuffer(byteCount: headerByteCount)
    var bytes = buffer.mutableBytes
    try file.read(into: &bytes, at: 0)
    guard buffer.bytes.array(0..<8) == magic else {
      throw broken("it is none, or was never finished; the image was not touched then")
    }
    let stored = buffer.bytes.le32(68)
    let unit = Int(buffer.bytes.le32(12))
    guard stored == crc32c(~0, buffer.bytes.extracting(12..<68)),
      let state = State(rawValue: buffer.bytes.le32(8)),
      let count = Int(exactly: buffer.bytes.le64(16)), count >= 0, unit > 0,
      UInt64(count) <= file.byteCount / UInt64(unit)
    else { throw broken("its header is damaged") }
    let header = Header(
      state: state, unit: unit, count: count, deviceByteCount: buffer.bytes.le64(24),
      uuidBefore: buffer.bytes.array(32..<48), uuidAfter: buffer.bytes.array(48..<64),
      tableChecksum: buffer.bytes.le32(64))
    guard header.byteCount <= file.byteCount else { throw broken("it was cut short") }
    let table = BlockBuffer(byteCount: header.tableByteCount)
    var tableBytes = table.mutableBytes
    try file.read(into: &tableBytes, at: UInt64(headerByteCount))
    guard crc32c(~0, table.bytes) == header.tableChecksum else {
      throw broken("its table is damaged")
    }
    var entries: [Entry] = []
    entries.reserveCapacity(count)
    for index in 0..<count {
      let place = index * entryByteCount
      let entry = Entry(
        block: table.bytes.le64(place), before: table.bytes.le32(place + 8),
        after: table.bytes.le32(place + 12), isOpen: table.bytes.le32(place + 16) != 0)
      guard entry.block < header.deviceByteCount / UInt64(unit) else {
        throw broken("block \(entry.block) lies past the end of the image")
      }
      entries.append(entry)
    }
    return (header, entries)
  }
}
