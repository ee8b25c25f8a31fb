/// Contents of files in the model, block by block. Rules as in docs/FALLOCATE.md.
extension CrashModel.Node {
  private static var blockSize: Int { CrashModel.blockSize }
  private static let zeros = [UInt8](repeating: 0, count: CrashModel.blockSize)

  /// Everything is on the medium.
  mutating func confirm() {
    for case .cell(let cell) in blocks { cell.confirm() }
    explicitSizes = [size]
  }

  /// Without a cell that may be absent nothing keeps the size behind.
  mutating func settleSizes() {
    let lags = blocks.contains { block in
      if case .cell(let cell) = block { !cell.mustExist } else { false }
    }
    if !lags { explicitSizes = [size] }
  }

  mutating func write(_ bytes: [UInt8], at offset: Int, _ operation: Int) {
    let end = offset + bytes.count
    cover(end)
    for block in offset / Self.blockSize...(end - 1) / Self.blockSize {
      let start = block * Self.blockSize
      let part = max(offset, start)..<min(end, start + Self.blockSize)
      var contents = contents(of: block)
      contents.replaceSubrange(
        part.lowerBound - start..<part.upperBound - start,
        with: bytes[part.lowerBound - offset..<part.upperBound - offset])
      put(contents, block, operation, isOrdered: false)
    }
    size = max(size, end)
  }

  mutating func truncate(to newSize: Int, _ operation: Int) {
    let kept = (newSize + Self.blockSize - 1) / Self.blockSize
    if newSize <= size, kept < blocks.count { blocks.removeLast(blocks.count - kept) }
    if newSize < size { clear(newSize..<kept * Self.blockSize, operation) }
    size = newSize
    explicitSizes = [newSize]
  }

  mutating func allocate(_ range: Range<Int>, keepSize: Bool) {
    cover(range.upperBound)
    for block in touched(range) {
      if case .hole = blocks[block] { blocks[block] = .unwritten(nil) }
    }
    if !keepSize, range.upperBound > size {
      size = range.upperBound
      explicitSizes.insert(size)
    }
  }

  mutating func punch(_ range: Range<Int>, _ operation: Int) {
    guard range.lowerBound < size else { return }
    // A range that reaches past the end takes the rest of the last page, which has 4 KiB.
    let end = range.upperBound > size ? (size + 4095) / 4096 * 4096 : range.upperBound
    let range = range.lowerBound..<end
    cover(end)
    clearEdges(of: range, operation)
    for block in whole(range) { blocks[block] = .hole }
  }

  mutating func zero(_ range: Range<Int>, _ operation: Int) {
    cover(range.upperBound)
    clearEdges(of: range, operation)
    for block in whole(range) {
      switch blocks[block] {
      case .cell(let cell): blocks[block] = .unwritten(cell)
      case .hole: blocks[block] = .unwritten(nil)
      case .unwritten: break
      }
    }
    allocate(range, keepSize: false)
  }

  mutating func collapse(_ range: Range<Int>) {
    cover(range.upperBound)
    blocks.removeSubrange(whole(range))
    size -= range.count
    explicitSizes = Set(
      explicitSizes.map {
        $0 <= range.lowerBound ? $0 : max(range.lowerBound, $0 - range.count)
      })
  }

  mutating func insert(_ count: Int, at offset: Int) {
    cover(offset)
    blocks.insert(
      contentsOf: repeatElement(.hole, count: count / Self.blockSize), at: offset / Self.blockSize)
    size += count
    explicitSizes = Set(explicitSizes.map { $0 > offset ? $0 + count : $0 })
  }

  // MARK: Blocks

  private mutating func cover(_ end: Int) {
    let needed = (end + Self.blockSize - 1) / Self.blockSize
    if needed > blocks.count {
      blocks.append(contentsOf: repeatElement(.hole, count: needed - blocks.count))
    }
  }

  private func contents(of block: Int) -> [UInt8] {
    if case .cell(let cell) = blocks[block] { cell.current } else { Self.zeros }
  }

  private mutating func put(
    _ contents: [UInt8], _ block: Int, _ operation: Int, isOrdered: Bool
  ) {
    switch blocks[block] {
    case .cell(let cell): cell.overwrite(operation, contents, isOrdered: isOrdered)
    case .hole: blocks[block] = .cell(Cell(overUnwritten: false, operation, contents))
    case .unwritten(let beneath):
      blocks[block] = .cell(Cell(overUnwritten: true, beneath: beneath, operation, contents))
    }
  }

  /// Zeros bytes within one block, where there is data. The kernel's ext4 writes such zeros as
  /// ordered data: they are there when the operation's metadata is.
  private mutating func clear(_ range: Range<Int>, _ operation: Int) {
    guard let first = range.first, blocks.indices.contains(first / Self.blockSize),
      case .cell(let cell) = blocks[first / Self.blockSize]
    else { return }
    let start = first / Self.blockSize * Self.blockSize
    var contents = cell.current
    for place in range { contents[place - start] = 0 }
    cell.overwrite(operation, contents, isOrdered: true)
  }

  /// Zeros the parts of blocks that `range` covers in part.
  private mutating func clearEdges(of range: Range<Int>, _ operation: Int) {
    for block in touched(range) {
      let start = block * Self.blockSize
      let part = max(start, range.lowerBound)..<min(start + Self.blockSize, range.upperBound)
      if part.count < Self.blockSize { clear(part, operation) }
    }
  }

  private func touched(_ range: Range<Int>) -> Range<Int> {
    range.lowerBound / Self.blockSize..<(range.upperBound + Self.blockSize - 1) / Self.blockSize
  }

  private func whole(_ range: Range<Int>) -> Range<Int> {
    let first = (range.lowerBound + Self.blockSize - 1) / Self.blockSize
    return first..<max(first, range.upperBound / Self.blockSize)
  }
}
