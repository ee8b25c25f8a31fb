import BlockIO
import Ext4Format
import ExtantBase

extension UndoFile {
  /// Saves what a repair is about to overwrite.
  final class Writer {
    private let path: String
    private let device: any BlockDevice
    private let unit: Int
    private var file: FileDevice?
    private var header: Header?

    /// - Throws: EEXIST where there is something at `path` already: it may be the undo file of an
    ///   earlier repair.
    init(path: String, device: any BlockDevice, unit: Int) throws(FileSystemError) {
      self.path = path
      self.device = device
      self.unit = unit
      var isThere = false
      do throws(FileSystemError) {
        let file = try FileDevice(path: path, access: .readOnly)
        isThere = file.byteCount > 0
        try file.close()
      } catch {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
      }
      guard !isThere else {
        throw .io(
          DeviceFailure(
            .open, .fileExists, device: path, reason: "an undo file is never written over another"))
      }
    }

    /// Saves `blocks` as they are on the device. When this returns they are durable, and writing the
    /// device may begin.
    ///
    /// - Parameters:
    ///   - repaired: what they will be.
    ///   - open: those of which that is not known, ascending.
    func save(
      _ blocks: [BlockAddress], open: [BlockAddress] = [], after repaired: any BlockDevice
    ) throws(FileSystemError) {
      var header = Header(
        state: .repairing, unit: unit, count: blocks.count, deviceByteCount: device.byteCount,
        uuidBefore: try UndoFile.uuid(of: device), uuidAfter: try UndoFile.uuid(of: repaired),
        tableChecksum: 0)
      let file = try FileDevice(path: path, access: .readWrite, create: header.byteCount)
      self.file = file
      let table = BlockBuffer(byteCount: header.tableByteCount)
      var entries = table.mutableBytes
      let buffer = BlockBuffer(byteCount: unit)
      let later = BlockBuffer(byteCount: unit)
      let openBlocks = Set(open)
      for (index, block) in blocks.enumerated() {
        let isOpen = openBlocks.contains(block)
        let offset = block.rawValue * UInt64(unit)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: offset)
        var after: UInt32 = 0
        if !isOpen {
          var laterBytes = later.mutableBytes
          try repaired.read(into: &laterBytes, at: offset)
          after = crc32c(~0, later.bytes)
        }
        let place = index * UndoFile.entryByteCount
        entries.setLE64(block.rawValue, at: place)
        entries.setLE32(crc32c(~0, buffer.bytes), at: place + 8)
        entries.setLE32(after, at: place + 12)
        entries.setLE32(isOpen ? 1 : 0, at: place + 16)
        try file.write(buffer.bytes, at: header.offset(ofBlock: index))
      }
      header.tableChecksum = crc32c(~0, table.bytes)
      try file.write(table.bytes, at: UInt64(UndoFile.headerByteCount))
      try file.flush()
      try file.writeThrough(header.encode().bytes, at: 0)
      self.header = header
    }

    /// Notes that the repair is on the device as a whole.
    func finish() throws(FileSystemError) {
      guard let file, var header else { return }
      header.state = .repaired
      try file.writeThrough(header.encode().bytes, at: 0)
      try file.close()
    }
  }
}
