extension FileMap {
  /// As `filefrag -v` lists extents, in blocks.
  func table(_ name: String) -> String {
    let block = max(1, blockSize)
    let blocks = (size + block - 1) / block
    var rows: [[String]] = [
      ["ext:", "logical_offset:", "physical_offset:", "length:", "expected:", "flags:"]
    ]
    var expected: UInt64?
    for (index, extent) in extents.enumerated() {
      let logical = extent.logical / block
      let length = extent.length / block
      let isLast = index == extents.count - 1
      var flags: [String] = []
      if isLast { flags.append("last") }
      if extent.physical == nil { flags.append("delalloc") }
      if extent.isUnwritten { flags.append("unwritten") }
      if isLast && extent.logical + extent.length >= size { flags.append("eof") }
      let physical = extent.physical.map { $0 / block }
      let jump = expected != nil && physical != nil && physical != expected
      rows.append([
        "\(index):", Self.span(logical, length) + ":",
        physical.map { Self.span($0, length) + ":" } ?? "-:",
        "\(length):", jump ? expected.map { "\($0):" } ?? "" : "", flags.joined(separator: ","),
      ])
      expected = physical.map { $0 + length }
    }
    var widths = [Int](repeating: 0, count: 5)
    for row in rows { for index in 0..<5 { widths[index] = max(widths[index], row[index].count) } }
    let lines = rows.map { row in
      (0..<5).map { String(repeating: " ", count: widths[$0] - row[$0].count) + row[$0] }
        .joined(separator: " ") + " " + row[5]
    }
    return
      "File size of \(name) is \(size) (\(blocks) block\(blocks == 1 ? "" : "s") of \(block) bytes)\n"
      + lines.joined(separator: "\n")
      + "\n\(name): \(extents.count) extent\(extents.count == 1 ? "" : "s") found\n"
  }

  private static func span(_ start: UInt64, _ length: UInt64) -> String {
    "\(start)..\(start + max(1, length) - 1)"
  }

  func json(_ name: String) -> JSON {
    .object([
      ("path", .string(name)), ("size", .unsigned(size)), ("block_size", .unsigned(blockSize)),
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
