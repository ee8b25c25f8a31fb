import BlockIO
import Ext4Format
import ExtantBase

/// Inodes say little to people: what was found is told with paths.
///
/// Two sweeps over the directories, and only where anything was found: the first for the names of the
/// inodes in question, the second for those of the directories above them.
extension CheckRound {
  /// A name of an inode, and the directory that has it.
  private typealias Name = (parent: InodeNumber, text: [UInt8])

  /// Enters the paths of the inodes that issues are about into the report, where they can be found.
  func notePaths() throws(FileSystemError) {
    var wanted: Set<InodeNumber> = []
    for issue in reporter.report.issues {
      if let inode = issue.place.inode, reporter.report.paths[inode] == nil { wanted.insert(inode) }
    }
    guard !wanted.isEmpty else { return }
    var names: [InodeNumber: Name] = [:]
    try collectNames(wanted, &names)
    var above: Set<InodeNumber> = []
    for number in wanted {
      var next = names[number]?.parent
      while let directory = next, directory != .root, names[directory] == nil,
        above.insert(directory).inserted
      {
        next = directories.index(of: directory).flatMap { directories[$0].parent }
      }
    }
    if !above.isEmpty { try collectNames(above, &names) }
    for number in wanted {
      if let path = Self.path(of: number, names) { reporter.report.paths[number] = path }
    }
  }

  private static func path(
    of number: InodeNumber, _ names: [InodeNumber: Name]
  ) -> [UInt8]? {
    var path: [UInt8] = []
    var next = number
    // Longer than any path that can be used: a loop, or as good as one.
    while next != .root {
      guard path.count < 4096, let name = names[next] else { return nil }
      path = [UInt8(ascii: "/")] + name.text + path
      next = name.parent
    }
    return path.isEmpty ? [UInt8(ascii: "/")] : path
  }

  private func collectNames(
    _ wanted: Set<InodeNumber>, _ names: inout [InodeNumber: Name]
  ) throws(FileSystemError) {
    let buffer = BlockBuffer(byteCount: image.blockSize)
    // What runs claim together may be more than there is, in a hostile image.
    var left = superblock.blockCount
    for run in directories.runs where run.address.rawValue != 0 && run.count <= left {
      left -= run.count
      for offset in 0..<run.count {
        do throws(FileSystemError) {
          try image.read(run.address + offset, into: buffer)
        } catch {
          guard case .corrupt = error else { throw error }
          continue
        }
        Self.collect(buffer, 0..<image.blockSize, run.inode, wanted, &names)
      }
    }
    for directory in directories.directories where directory.isInline {
      guard let (address, offset) = place(of: directory.inode) else { continue }
      try image.read(address, into: buffer)
      // i_block: the parent's number, then entries.
      let area = offset + 0x28
      Self.collect(buffer, area + 4..<area + 60, directory.inode, wanted, &names)
    }
  }

  private static func collect(
    _ buffer: BlockBuffer, _ range: Range<Int>, _ directory: InodeNumber,
    _ wanted: Set<InodeNumber>, _ names: inout [InodeNumber: Name]
  ) {
    let bytes = buffer.bytes
    guard range.upperBound <= bytes.byteCount else { return }
    var offset = range.lowerBound
    while offset + 8 < range.upperBound {
      let inode = InodeNumber(bytes.le32(offset))
      let length = Int(bytes.le16(offset + 4))
      let nameLength = Int(bytes.u8(offset + 6))
      guard length >= 8, offset + 8 + nameLength <= range.upperBound else { return }
      if nameLength > 0, wanted.contains(inode), names[inode] == nil {
        let name = bytes.array(offset + 8..<offset + 8 + nameLength)
        let isDot = name == [UInt8(ascii: ".")] || name == Array("..".utf8)
        if !isDot { names[inode] = (directory, name) }
      }
      offset += length
    }
  }
}
