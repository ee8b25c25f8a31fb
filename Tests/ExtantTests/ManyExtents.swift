import ExtantBase
import ExtentMap

@testable import Extant

extension FileSystem {
  /// Makes a file of so many one-block extents, each with a hole of a block behind it: unwritten
  /// ones, and quickly, since the map learns of thousands in one operation.
  func makeFile(
    _ path: String, extents: Int, state: ExtentState = .unwritten
  ) throws(FileSystemError) -> File {
    let file = try open(path, .readWrite, create: 0o644)
    let node = file.node
    var done = 0
    while done < extents {
      let wanted = UInt64(min(1024, extents - done))
      let needed = node.state.withLock { nodesNeeded(node, newEntries: Int(wanted)) }
      let count = try perform(
        reserving: wanted + needed, credits: journal.maximumCredits
      ) { (operation) throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) -> UInt64 in
          guard let map = node.map else { throw .refused(.invalidArgument) }
          let first = UInt64(2 * done)
          let run = try blocks.allocate(
            goal: goal(for: node, at: LogicalBlock(first)), wanted: wanted, reserved: true,
            handle: operation)
          operation.reserved -= run.count
          for index in 0..<run.count {
            let block = LogicalBlock(first + 2 * index)
            try map.set(block..<block + 1, address: run.start + index, state: state)
          }
          node.inode.blocks512 += run.count * sectorsPerBlock
          node.inode.size = (first + 2 * run.count) * blockSize64
          node.diskSize = node.inode.size
          operation.reserved = try settleNodes(node, available: operation.reserved, operation)
          operation.changed(node)
          return run.count
        }
      }
      done += Int(count)
    }
    try file.sync()
    return file
  }

  func extentCount(of file: File) throws(FileSystemError) -> Int {
    try file.node.withState { () throws(FileSystemError) in try file.node.map?.extentCount() ?? 0 }
  }
}
