import BlockIO
import Ext4Format
import ExtantBase

/// A journal on a device of its own: the one that the filesystem's superblock names by its UUID.
package enum ExternalJournal {
  /// Opens the device at `path`, and checks that it is the filesystem's.
  ///
  /// - Throws: `unsupported` with the UUID where there is no path; `corrupt` where it is another
  ///   filesystem's.
  package static func open(
    _ superblock: Superblock, _ uuid: [UInt8], path: String?, access: DeviceAccess
  ) throws(FileSystemError) -> JournalArea {
    guard let path else {
      throw .unsupported(
        Unsupported(
          "a journal on another device without its name",
          "this filesystem's is the one with the UUID \(text(uuid)): give its path as journal_path")
      )
    }
    let device = try DeviceOpener.open(path, access: access)
    do throws(FileSystemError) {
      return try area(device, superblock, uuid)
    } catch {
      try? device.close()
      throw error
    }
  }

  private static func area(
    _ device: any BlockDevice, _ superblock: Superblock, _ uuid: [UInt8]
  ) throws(FileSystemError) -> JournalArea {
    func broken(_ rule: String) -> FileSystemError {
      .corrupt(Corruption("journal device", "\(device.name): \(rule)"))
    }
    guard let buffer = try device.superblockBytes() else {
      throw broken("\(device.byteCount) bytes are too few")
    }
    let header = try JournalDevice(buffer.bytes)
    guard header.uuid == uuid else {
      throw broken("its UUID is \(text(header.uuid)), the filesystem's journal has \(text(uuid))")
    }
    guard header.blockSize == superblock.blockSize else {
      throw broken(
        "its block size is \(header.blockSize), the filesystem's \(superblock.blockSize)")
    }
    let run = JournalArea.Run(first: 0, offset: 0, count: header.blockCount)
    return try JournalArea(
      device: device, blockSize: header.blockSize, runs: [run],
      superblockBlock: header.superblockBlock)
  }

  /// Throws `unsupported` for a journal that several filesystems share, as the kernel does.
  package static func check(_ journal: JournalSuperblock) throws(FileSystemError) {
    guard journal.users.count == 1 else {
      throw .unsupported(
        Unsupported(
          "a journal that filesystems share", "it has \(journal.users.count) users, not one"))
    }
  }

  /// As blkid(8) shows it.
  private static func text(_ uuid: [UInt8]) -> String {
    var text = ""
    for (index, byte) in uuid.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }
}
