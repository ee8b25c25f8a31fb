import Ext4Format
import ExtantBase
import TestSupport
import Testing

@testable import Extant

@Suite(.enabled(if: Environment.hasTools))
struct InodeAllocatorTests {
  static let recipes =
    AllocationRecipe.all + [
      AllocationRecipe(name: "lazy tables", blockSize: 1024, extended: "lazy_itable_init=1"),
      AllocationRecipe(
        name: "lazy tables, uninit_bg", blockSize: 1024,
        options: ["-O", "^metadata_csum,uninit_bg"], extended: "lazy_itable_init=1"),
    ]

  @Test(arguments: recipes)
  func bitmapsOnTheImageAreWhatASetSays(_ recipe: AllocationRecipe) throws {
    var random = SeededGenerator(seed: Seed.take())
    let directory = try TemporaryDirectory()
    let bench = try Workbench(recipe.make(in: directory), loadedGroupLimit: 16)
    var free = try bench.listedFree().inodes
    var owned: [(inode: InodeNumber, isDirectory: Bool)] = []
    for _ in 0..<1500 {
      switch random.below(100) {
      case 0..<65:
        let isDirectory = random.chance(30)
        let parent = random.chance(30) ? .root : owned.isEmpty ? .root : random.pick(owned).inode
        let inode = try bench.inodes.allocate(
          kind: isDirectory ? .directory : .regular, parent: parent, handle: bench.store)
        #expect(free.remove(UInt64(inode.rawValue)) != nil, "\(inode) was not free")
        #expect(inode.rawValue >= bench.superblock.firstInode)
        let place = try bench.inodes.location(of: inode)
        let slot = try bench.store.read(place.block) { (_) throws(FileSystemError) in }
        let range = place.offset..<place.offset + bench.superblock.inodeSize
        let isZero = slot.bytes.isZero(range)
        #expect(isZero)
        owned.append((inode, isDirectory))
      case 65..<97:
        guard !owned.isEmpty else { continue }
        let (inode, isDirectory) = owned.remove(at: random.below(owned.count))
        try bench.inodes.free(
          inode, wasDirectory: isDirectory, transaction: bench.transaction, handle: bench.store)
        free.insert(UInt64(inode.rawValue))
      default: try bench.commit()
      }
      #expect(Int(bench.inodes.freeInodes) == free.count)
    }
    try bench.commit()
    #expect(try bench.listedFree().inodes == free)
    #expect(try bench.seriousComplaints() == [])
    for (inode, isDirectory) in owned {
      #expect(try bench.inodes.isAllocated(inode))
      try bench.inodes.free(
        inode, wasDirectory: isDirectory, transaction: bench.transaction, handle: bench.store)
    }
    try bench.commit()
    #expect(try bench.image.complaint() == nil)
    #expect(bench.inodes.faults.isEmpty)
  }

  @Test func everyLastInodeCanBeAllocatedAndNotOneMore() throws {
    let directory = try TemporaryDirectory()
    let recipe = AllocationRecipe(
      name: "few inodes", size: "20M", blockSize: 1024, options: ["-N", "200"],
      extended: "lazy_itable_init=1")
    let bench = try Workbench(recipe.make(in: directory))
    let free = try bench.listedFree().inodes
    var got: Set<UInt64> = []
    for _ in free {
      got.insert(
        UInt64(
          try bench.inodes.allocate(kind: .regular, parent: .root, handle: bench.store).rawValue))
    }
    #expect(got == free)
    #expect(throws: FileSystemError.refused(.noSpace)) {
      try bench.inodes.allocate(kind: .directory, parent: .root, handle: bench.store)
    }
    // With nothing else left, one freed a moment ago will do.
    try bench.inodes.free(
      InodeNumber(15), wasDirectory: false, transaction: bench.transaction, handle: bench.store)
    let again = try bench.inodes.allocate(kind: .regular, parent: .root, handle: bench.store)
    #expect(again == InodeNumber(15))
    try bench.commit()
    #expect(try bench.listedFree().inodes.isEmpty)
    #expect(try bench.seriousComplaints() == [])
  }

  @Test func aTableNeverZeroedIsZeroedWhereItComesIntoUse() throws {
    let directory = try TemporaryDirectory()
    let recipe = AllocationRecipe(
      name: "lazy", size: "20M", blockSize: 1024, extended: "lazy_itable_init=1")
    let image = try recipe.make(in: directory)
    do {
      // What mke2fs did not write is old data.
      let bench = try Workbench(image)
      let garbage = [UInt8](repeating: 0x5A, count: 1024)
      for group in 0..<bench.groups.count {
        let descriptor = bench.groups.descriptor(group)
        #expect(!descriptor.flags.contains(.inodeZeroed))
        let used = bench.superblock.inodesPerGroup - descriptor.unusedInodes
        let perBlock = bench.superblock.inodesPerBlock
        let first = (used + perBlock - 1) / perBlock
        for block in first..<bench.superblock.inodeTableBlockCount {
          try bench.device.write(
            garbage.rawBytes, at: (descriptor.inodeTable + UInt64(block)).rawValue * 1024)
        }
      }
      try bench.device.close()
    }
    let bench = try Workbench(image)
    for index in 0..<300 {
      _ = try bench.inodes.allocate(
        kind: index % 3 == 0 ? .directory : .regular, parent: .root, handle: bench.store)
      if index % 50 == 0 { try bench.commit() }
    }
    try bench.commit()
    #expect(try bench.seriousComplaints() == [])
  }

  @Test func freeingAnInodeTwiceOrAReservedOneIsCorruptAndChangesNothing() throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(AllocationRecipe(name: "4 KiB").make(in: directory))
    let inode = try bench.inodes.allocate(kind: .regular, parent: .root, handle: bench.store)
    try bench.inodes.free(
      inode, wasDirectory: false, transaction: bench.transaction, handle: bench.store)
    try bench.commit()
    let wrong = [inode.rawValue, 0, 1, 2, 8, 10, bench.superblock.inodeCount + 1, .max]
    for number in wrong {
      #expect(throws: FileSystemError.self) {
        try bench.inodes.free(
          InodeNumber(number), wasDirectory: false, transaction: bench.transaction,
          handle: bench.store)
      }
    }
    #expect(bench.store.changedCount == 0)
    #expect(throws: FileSystemError.self) { try bench.inodes.location(of: InodeNumber(0)) }
    #expect(throws: FileSystemError.self) {
      try bench.inodes.location(of: InodeNumber(bench.superblock.inodeCount + 1))
    }
    #expect(try bench.image.complaint() == nil)
  }

  @Test func aFreedInodeIsNotPreferredBeforeItsTransactionCommits() throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(AllocationRecipe(name: "4 KiB").make(in: directory))
    func make() throws -> InodeNumber {
      try bench.inodes.allocate(kind: .regular, parent: .root, handle: bench.store)
    }
    let inode = try make()
    try bench.inodes.free(
      inode, wasDirectory: false, transaction: bench.transaction, handle: bench.store)
    #expect(try make() != inode)
    try bench.commit()
    #expect(try make() == inode)
  }

  @Test func filesStayInTheirDirectorysGroup() throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(
      AllocationRecipe(name: "many groups", size: "64M", blockSize: 1024, options: ["-G", "1"])
        .make(in: directory))
    for _ in 0..<5 {
      let parent = try bench.inodes.allocate(
        kind: .directory, parent: .root, handle: bench.store)
      let child = try bench.inodes.allocate(kind: .regular, parent: parent, handle: bench.store)
      let sub = try bench.inodes.allocate(kind: .directory, parent: parent, handle: bench.store)
      #expect(bench.superblock.group(of: child) == bench.superblock.group(of: parent))
      #expect(bench.superblock.group(of: sub) == bench.superblock.group(of: parent))
    }
  }

  @Test func directoriesOfTheRootAreSpread() throws {
    let directory = try TemporaryDirectory()
    let bench = try Workbench(
      AllocationRecipe(name: "many groups", size: "64M", blockSize: 1024, options: ["-G", "1"])
        .make(in: directory))
    var groups: Set<UInt32> = []
    for _ in 0..<6 {
      let inode = try bench.inodes.allocate(
        kind: .directory, parent: .root, handle: bench.store)
      groups.insert(try #require(bench.superblock.group(of: inode)).rawValue)
    }
    #expect(groups.count >= 4, "\(groups)")
  }

  @Test func aWrongBitmapPutsItsGroupOutOfUseAndNothingElse() throws {
    let directory = try TemporaryDirectory()
    let image = try AllocationRecipe(name: "1 KiB", blockSize: 1024).make(in: directory)
    do {
      let bench = try Workbench(image)
      let place = bench.groups.descriptor(0).inodeBitmap.rawValue * 1024
      try bench.device.write([0xA5, 0x5A].rawBytes, at: place + 100)
      try bench.device.close()
    }
    let bench = try Workbench(image)
    let inode = try bench.inodes.allocate(kind: .regular, parent: .root, handle: bench.store)
    #expect(bench.superblock.group(of: inode) != GroupIndex(0))
    #expect(bench.inodes.faults.map(\.group) == [GroupIndex(0)])
  }
}
