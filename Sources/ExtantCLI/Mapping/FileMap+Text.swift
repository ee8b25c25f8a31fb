extension FileMap {
  /// As `filefrag -v` prints it, in blocks, without its line about the filesystem's type.
  func table(_ name: [UInt8]) -> [UInt8] {
    let block = max(1, blockSize)
    let blocks = (size + block - 1) / block
    var rows: [String] = []
    var fragments = 0
    var previous: MapExtent?
    for (index, extent) in extents.enumerated() {
      let isLast = index == extents.count - 1
      let expected = place(expectedAfter: previous, extent)
      if expected != nil || fragments == 0 { fragments += 1 }
      let physical = extent.physical.map { Self.span($0 / block, extent.length / block, 10) }
      rows.append(
        Self.padded("\(index)", 4) + ": "
          + Self.span(extent.logical / block, extent.length / block, 8)
          + ": " + (physical ?? Self.padded("-", 22)) + ": "
          + Self.padded("\(extent.length / block)", 6) + ":"
          + Self.padded(expected.map { "\($0 / block):" } ?? "", 12)
          + flags(extent, isLast: isLast))
      previous = extent
    }
    if !rows.isEmpty {
      rows.insert(
        " ext:     logical_offset:        physical_offset: length:   expected: flags:", at: 0)
    }
    let size = " is \(size) (\(blocks) block\(Self.s(blocks)) of \(block) bytes)\n"
    let head = Array("File size of ".utf8) + name + Array(size.utf8)
    let end = name + Array(": \(fragments) extent\(Self.s(UInt64(fragments))) found\n".utf8)
    return head + Array(rows.map { $0 + "\n" }.joined().utf8) + end
  }

  /// Where `extent` would lie if it went on where `previous` ended, or as far behind its start as in
  /// the file (a hole whose blocks were freed); nil where it does lie so. A file that begins with a
  /// hole is thought to begin at the device's start.
  private func place(expectedAfter previous: MapExtent?, _ extent: MapExtent) -> UInt64? {
    guard let physical = extent.physical else { return nil }
    guard let previous else { return extent.logical == 0 ? nil : extent.logical }
    guard let before = previous.physical else { return nil }
    let expected = before + (extent.logical - previous.logical)
    return physical == expected || physical == before + previous.length ? nil : expected
  }

  private func flags(_ extent: MapExtent, isLast: Bool) -> String {
    var flags: [String] = []
    if isLast { flags.append("last") }
    if extent.physical == nil { flags += ["unknown_loc", "delalloc"] }
    if extent.isUnwritten { flags.append("unwritten") }
    let text = flags.isEmpty ? "" : " " + flags.joined(separator: ",")
    return text + (extent.logical + extent.length >= size ? ",eof" : "")
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func span(_ start: UInt64, _ length: UInt64, _ width: Int) -> String {
    padded("\(start)", width) + ".." + padded("\(start + max(1, length) - 1)", width)
  }

  private static func s(_ count: UInt64) -> String { count == 1 ? "" : "s" }

  func json(_ name: [UInt8]) -> JSON {
    .object(
      JSON.bytes("path", name) + [
        ("size", .unsigned(size)), ("block_size", .unsigned(blockSize)),
        (
          "extents",
          .array(
            extents.map { extent in
              .object([
                ("logical", .unsigned(extent.logical)),
                ("physical", extent.physical.map { .unsigned($0) } ?? .null),
                ("length", .unsigned(extent.length)), ("unwritten", .bool(extent.isUnwritten)),
              ])
            })
        ),
      ])
  }
}
