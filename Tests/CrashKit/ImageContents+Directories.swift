import BlockIO
import Ext4Format
import ExtantBase

extension ImageContents {
  // MARK: Directories

  mutating func readEntries(
    _ number: InodeNumber, _ inode: Inode, _ superblock: Superblock
  ) throws(FileSystemError) {
    let device = device
    guard var node = nodes[number.rawValue] else { return }
    let format = DirectoryBlockFormat(
      inode: number, blockSize: CrashModel.blockSize, hasFileType: true,
      checksumSeed: inode.checksumSeed(number: number, superblock: superblock),
      inodeCount: superblock.inodeCount)
    let count = Int(clamping: node.size) / CrashModel.blockSize
    guard count == node.blocks.count, Int(clamping: node.size) % CrashModel.blockSize == 0 else {
      complain("directory \(number.rawValue): \(node.size) bytes, \(node.blocks.count) blocks")
      return
    }
    let isTree = inode.flags.contains(.index)
    for (index, place) in node.blocks.enumerated() {
      guard case .written(let address) = place else {
        complain("directory \(number.rawValue): block \(index) is \(place)")
        continue
      }
      let bytes = device.bytes.extracting(Self.range(address))
      let at = BlockAddress(UInt64(address))
      if isTree && index == 0 {
        try format.verifyHashTree(bytes, .root, at: at, blockCount: UInt64(count))
        node.entries["."] = bytes.le32(0)
        node.entries[".."] = bytes.le32(12)
        continue
      }
      try format.verify(bytes, at: at)
      var twice: [String] = []
      try format.forEachRecord(bytes, block: at) { record in
        guard record.isUsed else { return true }
        let name = String(decoding: bytes.array(record.nameRange), as: UTF8.self)
        if node.entries.updateValue(record.inode, forKey: name) != nil { twice.append(name) }
        return true
      }
      for name in twice { complain("directory \(number.rawValue): \(name) is there twice") }
    }
    nodes[number.rawValue] = node
  }

  /// Follows the names from the root: every inode is reached, and has as many links as names.
  mutating func walk(_ superblock: Superblock) throws(FileSystemError) {
    var links: [UInt32: Int] = [:]
    var reached: Set<UInt32> = [InodeNumber.root.rawValue]
    var pending: [(directory: UInt32, parent: UInt32)] = [
      (InodeNumber.root.rawValue, InodeNumber.root.rawValue)
    ]
    while let (directory, parent) = pending.popLast() {
      guard var node = nodes[directory] else { continue }
      if node.entries.removeValue(forKey: ".") != directory {
        complain("directory \(directory): \".\" is another")
      }
      if node.entries.removeValue(forKey: "..") != parent {
        complain("directory \(directory): \"..\" is not \(parent)")
      }
      nodes[directory] = node
      links[directory, default: 0] += 1
      links[parent, default: 0] += 1
      for (name, number) in node.entries {
        guard let child = nodes[number] else {
          complain("directory \(directory): \(name) names free inode \(number)")
          continue
        }
        links[number, default: 0] += 1
        if child.kind == .directory {
          guard reached.insert(number).inserted else {
            complain("directory \(number) has two names")
            continue
          }
          pending.append((number, directory))
        } else {
          reached.insert(number)
        }
      }
    }
    for (number, node) in nodes {
      guard reached.contains(number) else {
        complain("inode \(number) has no name")
        continue
      }
      if node.links != links[number, default: 0] {
        complain("inode \(number) has \(node.links) links, \(links[number, default: 0]) names")
      }
    }
  }
}
