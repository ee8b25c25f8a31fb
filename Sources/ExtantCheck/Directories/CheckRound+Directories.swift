import BlockIO
import Ext4Format
import ExtantBase

extension CheckRound {
  /// Pass 2: every block of every directory, its entries and its hash tree.
  func checkDirectories() throws(FileSystemError) {
    let pass = DirectoryPass(self)
    if let root = directories.index(of: .root) { directories[root].parent = .root }
    let slices = directoryRunSlices()
    for (done, slice) in slices.enumerated() {
      try pass.check(directories[slice.directory].inode, directories.runs[slice.runs])
      if done & 0xff == 0 { options.progress?(2, Double(done) / Double(slices.count)) }
    }
    options.progress?(2, 1)
    guard !mustRestart else { return }
    try pass.correctParents()
    try pass.rebuild()
  }

  /// What of `directories.runs` belongs to each directory, those first whose contents begin first on
  /// the device: where two name one directory, the first is believed.
  private func directoryRunSlices() -> [(directory: Int, runs: Range<Int>)] {
    func precedes(_ a: DirectoryList.Run, _ b: DirectoryList.Run) -> Bool {
      (a.inode.rawValue, a.logical) < (b.inode.rawValue, b.logical)
    }
    let found = directories.runs
    if !zip(found, found.dropFirst()).allSatisfy(precedes) {
      directories.runs = found.sorted(by: precedes)
    }
    let runs = directories.runs
    var slices: [(first: UInt64, directory: Int, runs: Range<Int>)] = []
    slices.reserveCapacity(directories.directories.count)
    var next = 0
    for (index, directory) in directories.directories.enumerated() {
      while next < runs.count, runs[next].inode < directory.inode { next += 1 }
      let start = next
      while next < runs.count, runs[next].inode == directory.inode { next += 1 }
      slices.append((start < next ? runs[start].address.rawValue : 0, index, start..<next))
    }
    slices.sort { ($0.first, $0.directory) < ($1.first, $1.directory) }
    return slices.map { ($0.directory, $0.runs) }
  }
}
