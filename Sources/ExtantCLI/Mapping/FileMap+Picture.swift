/// A file's map as a picture: a cell for each piece of the file, lettered and coloured by where on
/// the device its bytes lie. What is cut out of a file takes its letters with it, and what stays
/// keeps them: so the picture shows that nothing moved.
struct MapPicture {
  /// Cells in a line.
  var width = 64
  /// Lines at most; a cell stands for as many bytes as that takes.
  var lines = 4
  var isColoured = false
  /// Bytes for each cell, where pictures are to be compared; else chosen by the file's size.
  var cellBytes: UInt64?
  /// The physical place of the first letter, in bytes; else the file's lowest.
  var origin: UInt64?

  private static let letters = Array(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")

  func text(_ map: FileMap) -> String {
    let end = max(map.size, map.extents.last.map { $0.logical + $0.length } ?? 0)
    let cell = cellBytes ?? cellSize(end, map.blockSize)
    let base = origin ?? map.extents.compactMap(\.physical).min() ?? 0
    let count = Int(min(UInt64(width * 64), (end + cell - 1) / cell))
    var text = ""
    var index = 0
    for number in 0..<count {
      let start = UInt64(number) * cell
      while index < map.extents.count,
        map.extents[index].logical + map.extents[index].length <= start
      {
        index += 1
      }
      if number % width == 0 {
        if number > 0 { text += "\n" }
        let label = ByteSize.text(start)
        text += String(repeating: " ", count: max(0, 8 - label.count)) + label + " "
      }
      let isPastEnd = start >= map.size
      text += draw(map.extents.dropFirst(index), start, cell, base, isPastEnd)
    }
    if count == 0 { text = "(empty)" }
    return text + "\n"
  }

  func legend() -> String {
    "a b c … data, by its place on the device   ░ unwritten   · hole"
      + (isColoured ? "   underlined: past the end" : "")
  }

  private func cellSize(_ end: UInt64, _ block: UInt64) -> UInt64 {
    var cell = max(1, block)
    while (end + cell - 1) / cell > UInt64(width * lines) { cell *= 2 }
    return cell
  }

  /// The cell that begins at `start`, drawn by the extent that has most of it.
  private func draw(
    _ extents: ArraySlice<MapExtent>, _ start: UInt64, _ cell: UInt64, _ base: UInt64,
    _ isPastEnd: Bool
  ) -> String {
    var best: (length: UInt64, extent: MapExtent)?
    for extent in extents {
      guard extent.logical < start + cell else { break }
      let from = max(start, extent.logical)
      let to = min(start + cell, extent.logical + extent.length)
      if to > from, to - from > best?.length ?? 0 { best = (to - from, extent) }
    }
    guard let extent = best?.extent else { return "·" }
    guard let physical = extent.physical else { return "?" }
    // Of the cell's own first byte, so that neighbours on the device have neighbouring letters.
    let skipped = start > extent.logical ? start - extent.logical : 0
    let place = physical &+ skipped
    let number = place >= base ? (place - base) / cell : (base - place) / cell
    let letter =
      extent.isUnwritten ? "░" : String(Self.letters[Int(number % UInt64(Self.letters.count))])
    guard isColoured else { return letter }
    // The colours of the 6 by 6 by 6 cube, without its darkest.
    let colour = 22 + Int(number * 7 % 200)
    return "\u{1b}[\(isPastEnd ? "4;" : "")38;5;\(colour)m\(letter)\u{1b}[0m"
  }
}
