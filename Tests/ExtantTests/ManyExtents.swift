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
    let contents = try mappedContents(of: node)
    var done = 0
    while done < extents {
      let wanted = UInt64(min(1024, extents - done))
      let needed = node.state.withLock { contents.nodesNeeded(newEntries: Int(wanted)) }
      let count = try perform(
        reserving: wanted + needed, credits: journal.maximumCredits
      ) { (operation) throws(FileSystemError) in
        try node.withState { () throws(FileSystemError) -> UInt64 in
          let first = UInt64(2 * done)
          let run = try blocks.allocate(
            goal: contents.goal(at: LogicalBlock(first)), wanted: wanted, reserved: true,
            handle: operation)
          operation.reserved -= run.count
          for index in 0..<run.count {
            let block = LogicalBlock(first + 2 * index)
            try contents.map.set(block..<block + 1, address: run.start + index, state: state)
          }
          contents.charge(blocks: Int64(run.count))
          node.inode.size = (first + 2 * run.count) * blockSize64
          node.diskSize = node.inode.size
          operation.reserved = try contents.settleNodes(available: operation.reserved, operation)
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
    try file.node.withState { () throws(FileSystemError) in
      try file.node.contents.map?.extentCount() ?? 0
    }
  }
}
