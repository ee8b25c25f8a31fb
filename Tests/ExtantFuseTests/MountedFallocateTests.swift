import TestSupport
import Testing

@Suite(.enabled(if: TestMount.canRun), .serialized)
struct MountedFallocateTests {
  /// Blocks of 4 KiB, each full of one letter.
  static func letters(_ text: String) -> [UInt8] {
    text.utf8.flatMap { [UInt8](repeating: $0 == UInt8(ascii: ".") ? 0 : $0, count: 4096) }
  }

  private func file(_ mount: TestMount, _ text: String) throws -> OpenFile {
    let file = try OpenFile(mount("file"), [.write, .create, .truncate])
    try file.writeAll(Self.letters(text), at: 0)
    return file
  }

  private func text(_ file: OpenFile) throws -> String {
    let size = Int(try file.status().size)
    let bytes = try file.read(size + 4096, at: 0)
    #expect(bytes.count == size)
    return String(
      decoding: stride(from: 0, to: bytes.count, by: 4096).map {
        bytes[$0] == 0 ? UInt8(ascii: ".") : bytes[$0]
      }, as: UTF8.self)
  }

  @Test func theKernelItselfRefusesToCollapse() throws {
    let mount = try TestMount()
    let file = try file(mount, "ABCD")
    #expect(
      errno { () throws(SystemFailure) in
        try file.fallocate(mode: FallocateBits.collapse, offset: 0, length: 4096)
      } == 95)
  }

  @Test func rangesAreCutAndOpenedByIoctl() throws {
    let mount = try TestMount()
    let complaint = try mount.whileMounted {
      let file = try file(mount, "ABCDEFGH")
      try file.fallocateByIoctl(FallocateBits.collapse, 4096, 8192)
      #expect(try text(file) == "ADEFGH")
      try file.fallocateByIoctl(FallocateBits.insert, 8192, 8192)
      #expect(try text(file) == "AD..EFGH")
      try file.fallocateByIoctl(FallocateBits.punchHole, 0, 4096)
      #expect(try text(file) == ".D..EFGH")
      try file.fallocateByIoctl(FallocateBits.zeroRange, 5 * 4096, 4096)
      #expect(try text(file) == ".D..E.GH")
    }
    #expect(complaint == nil)
  }

  @Test func pagesOfMappingsMoveWithTheirBytes() throws {
    let mount = try TestMount()
    let complaint = try mount.whileMounted {
      let file = try file(mount, "ABCDEFGH")
      // All pages are cached, one is dirty, when the ground moves below them.
      _ = try file.readMapped(8 * 4096, at: 0)
      try file.writeMapped(Self.letters("x"), at: 5 * 4096)
      try file.fallocateByIoctl(FallocateBits.collapse, 4096, 8192)
      #expect(try text(file) == "ADExGH")
      #expect(try file.readMapped(6 * 4096, at: 0) == Self.letters("ADExGH"))
      try file.fallocateByIoctl(FallocateBits.insert, 0, 4096)
      #expect(try file.readMapped(7 * 4096, at: 0) == Self.letters(".ADExGH"))
    }
    #expect(complaint == nil)
  }

  @Test func theErrorsAreThoseOfFallocate() throws {
    let mount = try TestMount()
    let file = try file(mount, "ABCD")
    func result(_ file: OpenFile, _ mode: Int32, _ offset: Int64, _ length: Int64) -> Int32 {
      errno { () throws(SystemFailure) in try file.fallocateByIoctl(mode, offset, length) }
    }
    #expect(result(file, FallocateBits.collapse, 1, 4096) == 22)
    #expect(result(file, FallocateBits.collapse, 0, 4 * 4096) == 22)
    #expect(result(file, FallocateBits.insert, 4 * 4096, 4096) == 22)
    #expect(result(file, FallocateBits.collapse, -4096, 4096) == 22)
    #expect(result(file, FallocateBits.collapse, 0, 0) == 22)
    #expect(result(file, FallocateBits.collapse | 0x01, 0, 4096) == 95)
    #expect(result(file, 0x4000, 0, 4096) == 95)
    #expect(result(file, FallocateBits.insert, 0, Int64.max & ~4095) == 27)
    // The kernel does not check the mode of opening for an ioctl: the daemon does.
    #expect(result(try OpenFile(mount("file")), FallocateBits.collapse, 0, 4096) == 9)
    #expect(result(try OpenFile(mount.point, [.directory]), FallocateBits.collapse, 0, 4096) == 9)
    #expect(try text(file) == "ABCD")
  }

  @Test func anUnknownIoctlIsNotOurs() throws {
    let mount = try TestMount()
    let file = try file(mount, "A")
    #expect(
      errno { () throws(SystemFailure) in
        var nothing: [UInt8] = [0, 0, 0, 0]
        try file.control(0x4004_E4F0, &nothing)
      } == 25)
  }

  @Test func manyShiftsAtOnceDoNotStall() throws {
    // More than there are threads, each with pages that must come back first.
    let mount = try TestMount(options: "max_threads=2")
    let complaint = try mount.whileMounted {
      let files = try (0..<12).map { index in
        let file = try OpenFile(mount("file\(index)"), [.write, .create])
        try file.writeAll(Self.letters("ABCDEFGH"), at: 0)
        return file
      }
      inParallel(
        files.map { file in
          {
            for _ in 0..<20 {
              _ = try? file.writeMapped(Self.letters("z"), at: 4 * 4096)
              try? file.fallocateByIoctl(FallocateBits.insert, 4096, 4096)
              try? file.fallocateByIoctl(FallocateBits.collapse, 4096, 4096)
            }
          }
        })
      for file in files { #expect(try text(file) == "ABCDzFGH") }
    }
    #expect(complaint == nil)
  }

  @Test func shiftsAmongReadersTearNoBlock() throws {
    let mount = try TestMount()
    let complaint = try mount.whileMounted {
      let file = try file(mount, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
      let done = Flag()
      let mapped: @Sendable () -> Void = {
        while !done.isRaised { _ = try? file.readMapped(20 * 4096, at: 0) }
      }
      let plain: @Sendable () -> Void = {
        while !done.isRaised {
          guard let bytes = try? file.read(20 * 4096, at: 0) else { continue }
          let torn = stride(from: 0, to: bytes.count - 4095, by: 4096).first { start in
            bytes[start..<start + 4096] != ArraySlice(repeating: bytes[start], count: 4096)
          }
          #expect(torn == nil)
        }
      }
      let shifts: @Sendable () -> Void = {
        for _ in 0..<150 {
          try? file.fallocateByIoctl(FallocateBits.insert, 3 * 4096, 2 * 4096)
          try? file.fallocateByIoctl(FallocateBits.collapse, 3 * 4096, 2 * 4096)
        }
        done.raise()
      }
      inParallel([mapped, plain, plain, shifts])
      #expect(try text(file) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    }
    #expect(complaint == nil)
  }

  @Test func aStoreThroughAMappingNeverBringsOldBytesBack() throws {
    let mount = try TestMount()
    let complaint = try mount.whileMounted {
      let letters = (0..<40).map { UInt8($0 + 60) }
      let file = try OpenFile(mount("file"), [.write, .create])
      try file.writeAll(letters.flatMap { [UInt8](repeating: $0, count: 4096) }, at: 0)
      let done = Flag()
      // Marks byte 100 of whatever block is there, all the time.
      let mapped: @Sendable () -> Void = {
        var page: Int64 = 0
        while !done.isRaised {
          page = (page + 7) % 36
          _ = try? file.writeMapped([1], at: page * 4096 + 100)
        }
      }
      let shifts: @Sendable () -> Void = {
        for _ in 0..<300 {
          try? file.fallocateByIoctl(FallocateBits.insert, 2 * 4096, 3 * 4096)
          try? file.fallocateByIoctl(FallocateBits.collapse, 2 * 4096, 3 * 4096)
        }
        done.raise()
      }
      inParallel([mapped, mapped, shifts])
      var bytes = try file.read(41 * 4096, at: 0)
      #expect(bytes.count == 40 * 4096)
      for (index, letter) in letters.enumerated() {
        bytes[index * 4096 + 100] = letter
        #expect(bytes[index * 4096..<index * 4096 + 4096].allSatisfy { $0 == letter })
      }
    }
    #expect(complaint == nil)
  }
}

@Suite(.enabled(if: TestMount.canPreload("fallocate", "filefrag")), .serialized)
struct PreloadedProgramTests {
  private func prepare(_ mount: TestMount) throws -> OpenFile {
    let file = try OpenFile(mount("file"), [.write, .create, .truncate])
    try file.writeAll(MountedFallocateTests.letters("ABCDEFGH"), at: 0)
    return file
  }

  @Test func fallocateCollapsesAndInserts() throws {
    let mount = try TestMount()
    let file = try prepare(mount)
    let cut = try mount.preloaded(["fallocate", "-c", "-o", "4096", "-l", "8192", file.path])
    #expect(cut.status == 0, "\(cut.output)")
    #expect(try file.status().size == 6 * 4096)
    let opened = try mount.preloaded(["fallocate", "-i", "-o", "0", "-l", "4096", file.path])
    #expect(opened.status == 0, "\(opened.output)")
    #expect(try file.read(7 * 4096, at: 0) == MountedFallocateTests.letters(".ADEFGH"))
    let wrong = try mount.preloaded(["fallocate", "-c", "-o", "1", "-l", "4096", file.path])
    #expect(wrong.output.contains("Invalid argument"))
  }

  @Test func filefragListsTheExtents() throws {
    let mount = try TestMount()
    let file = try prepare(mount)
    try file.fallocate(mode: FallocateBits.punchHole, offset: 4096, length: 4096)
    try file.fallocate(mode: FallocateBits.zeroRange, offset: 4 * 4096, length: 4096)
    let list = try mount.preloaded(["filefrag", "-sv", file.path])
    #expect(list.status == 0, "\(list.output)")
    #expect(list.output.contains("unwritten"))
    #expect(list.output.contains("last,eof"))
  }

  @Test func aFileOfManyExtentsComesInPages() throws {
    let mount = try TestMount()
    let file = try OpenFile(mount("many"), [.write, .create])
    let count = 1000
    for index in 0..<count { try file.writeAll([1], at: Int64(index) * 8192) }
    let list = try mount.preloaded(["filefrag", "-sv", file.path])
    let last = list.output.split(separator: "\n").filter { $0.contains(":") }.last ?? ""
    #expect(list.output.contains("\n \(count - 1): "), "\(last)")
    #expect(!list.output.contains("\n\(count): "), "\(last)")
  }

  @Test(.enabled(if: TestMount.canPreload("xfs_io")))
  func xfsIoWorks() throws {
    let mount = try TestMount()
    let file = try prepare(mount)
    let result = try mount.preloaded([
      "xfs_io", "-c", "fcollapse 4k 4k", "-c", "finsert 8k 8k", "-c", "fpunch 20k 4k", "-c",
      "fiemap -v", file.path,
    ])
    #expect(result.status == 0, "\(result.output)")
    #expect(result.output.contains("hole"))
    #expect(try file.read(9 * 4096, at: 0) == MountedFallocateTests.letters("AC..D.FGH"))
  }

  @Test func otherFilesystemsAnswerAsBefore() throws {
    let mount = try TestMount()
    let outside = mount.directory("outside")
    try System.write([UInt8](repeating: 1, count: 8192), to: outside)
    let arguments = ["fallocate", "-c", "-o", "1", "-l", "4096", outside]
    #expect(try mount.preloaded(arguments).output == Program.run(arguments).output)
  }
}
