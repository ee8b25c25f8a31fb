import BlockIO
import ExtantBase
import SystemPackage
import TestSupport
import Testing

@Suite struct FileDeviceTests {
  let directory: TemporaryDirectory
  let path: String

  init() throws {
    directory = try TemporaryDirectory()
    path = directory("image")
  }

  @Test func aCreatedFileHasItsSizeAndReadsAsZeros() throws {
    let device = try FileDevice(path: path, access: .readWrite, create: 1 << 20)
    #expect(device.byteCount == 1 << 20)
    #expect(try device.readArray(5000, at: 123) == Array(repeating: 0, count: 5000))
    try device.flush()
    try device.close()
    #expect(try System.status(path).size == 1 << 20)
  }

  @Test func createExtendsAShorterFileAndNeverCutsALongerOne() throws {
    try System.write([1, 2, 3], to: path)
    do {
      let device = try FileDevice(path: path, access: .readWrite, create: 10)
      #expect(try device.readArray(10, at: 0) == [1, 2, 3, 0, 0, 0, 0, 0, 0, 0])
      try device.close()
    }
    let device = try FileDevice(path: path, access: .readWrite, create: 5)
    #expect(device.byteCount == 10)
  }

  @Test func whatIsWrittenIsReadAcrossOpens() throws {
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    do {
      let device = try FileDevice(path: path, access: .readWrite, create: 1 << 20)
      try device.writeArray(bytes, at: 777)
      try device.flush()
      try device.close()
    }
    let device = try FileDevice(path: path, access: .readOnly)
    #expect(device.isReadOnly)
    #expect(try device.readArray(10_000, at: 777) == bytes)
  }

  @Test(arguments: [1, 3, 1024, 1025, 3000])
  func gatherAndScatterOfAnyNumberOfBuffers(count: Int) throws {
    let device = try FileDevice(path: path, access: .readWrite, create: 4 << 20)
    try device.write((0..<count).map { buffer(UInt8($0 % 251), 512) }, at: 4096)
    let back = (0..<count).map { _ in BlockBuffer(byteCount: 512) }
    try device.read(into: back, at: 4096)
    let all = try device.readArray(count * 512, at: 4096)
    for place in 0..<count {
      let expected = [UInt8](repeating: UInt8(place % 251), count: 512)
      #expect(Array(all[place * 512..<(place + 1) * 512]) == expected)
      try device.write([back[place]], at: 0)
      #expect(try device.readArray(512, at: 0) == expected)
    }
    try device.write([], at: 0)
    try device.read(into: [] as [BlockBuffer], at: 0)
  }

  @Test func pastTheEndIsInvalidAndTouchesNothing() throws {
    let device = try FileDevice(path: path, access: .readWrite, create: 4096)
    for offset: UInt64 in [4000, 4096, 1 << 40, .max] {
      #expect(
        failure { () throws(FileSystemError) in try device.readArray(97, at: offset) }?.errno
          == .invalidArgument)
      #expect(
        failure { () throws(FileSystemError) in
          try device.writeArray(.init(repeating: 1, count: 97), at: offset)
        }?.errno == .invalidArgument)
      #expect(
        failure { () throws(FileSystemError) in try device.write([buffer(1, 512)], at: offset) }?
          .errno == .invalidArgument)
    }
    #expect(
      failure { () throws(FileSystemError) in try device.discard(0..<4097) }?.errno
        == .invalidArgument)
    #expect(try device.readArray(4096, at: 0) == Array(repeating: 0, count: 4096))
    #expect(try System.status(path).size == 4096)
  }

  @Test func aReadOnlyDeviceRefusesWrites() throws {
    try System.write(Array(repeating: 0, count: 8192), to: path)
    let device = try FileDevice(path: path, access: .readOnly)
    #expect(
      failure { () throws(FileSystemError) in try device.writeArray([1], at: 0) }?.errno
        == .readOnlyFileSystem)
    #expect(
      failure { () throws(FileSystemError) in try device.discard(0..<4096) }?.errno
        == .readOnlyFileSystem)
    try device.flush()
  }

  @Test func twoWritersOrAWriterAndAReaderNeverHoldOneImage() throws {
    let writer = try FileDevice(path: path, access: .readWrite, create: 4096)
    for access in [DeviceAccess.readOnly, .readWrite] {
      let refusal = failure { () throws(FileSystemError) in
        try FileDevice(path: path, access: access)
      }
      #expect(refusal?.operation == .lock)
      #expect(refusal?.errno == .resourceBusy)
    }
    // By another name, too.
    try System.link(path, directory("other"))
    #expect(
      failure { () throws(FileSystemError) in
        try FileDevice(path: directory("other"), access: .readWrite)
      }?.errno == .resourceBusy)
    try writer.close()
    let readers = [
      try FileDevice(path: path, access: .readOnly), try FileDevice(path: path, access: .readOnly),
    ]
    #expect(
      failure { () throws(FileSystemError) in
        try FileDevice(path: path, access: .readWrite)
      }?.text.contains("another program is using it") == true)
    for reader in readers { try reader.close() }
    try FileDevice(path: path, access: .readWrite).close()
  }

  @Test func aLockOfAnotherProgramIsRespected() throws {
    try System.write(Array(repeating: 0, count: 4096), to: path)
    // The shell's flock runs a command under the lock: here, a wait for a file.
    let go = directory("go")
    let script =
      "flock -x \(path) sh -c 'touch \(go); sleep 1.5' & "
      + "while ! [ -e \(go) ]; do sleep 0.01; done"
    try Program.succeed(["sh", "-c", script])
    #expect(
      failure { () throws(FileSystemError) in
        try FileDevice(path: path, access: .readWrite)
      }?.errno == .resourceBusy)
  }

  @Test func whatIsNoFileIsRefusedWithItsErrno() throws {
    func errno(_ path: String, _ access: DeviceAccess = .readOnly) -> Errno? {
      failure { () throws(FileSystemError) in try FileDevice(path: path, access: access) }?.errno
    }
    #expect(errno(directory("missing")) == .noSuchFileOrDirectory)
    #expect(errno(directory("missing"), .readWrite) == .noSuchFileOrDirectory)
    #expect(errno(directory.path) == .isDirectory)
    #expect(errno(directory.path, .readWrite) == .isDirectory)
    #expect(errno("/dev/null") == .notBlockDevice)
    try Program.succeed(["mkfifo", path])
    #expect(errno(path) == .notBlockDevice)
  }

  @Test func aFileCutUnderUsIsAnErrorThatSaysSo() throws {
    let device = try FileDevice(path: path, access: .readWrite, create: 8192)
    try Program.succeed(["truncate", "-s", "5000", path])
    #expect(try device.readArray(1000, at: 4000).count == 1000)
    let read = failure { () throws(FileSystemError) in try device.readArray(4096, at: 4096) }
    #expect(read?.errno == .ioError)
    #expect(read?.text.contains("byte 5000") == true)
    #expect(
      failure { () throws(FileSystemError) in try device.flush() }?.text.contains(
        "cut the file from 8192 to 5000") == true)
    // Grown: nothing changes for us.
    try Program.succeed(["truncate", "-s", "20000", path])
    #expect(device.byteCount == 8192)
    try device.flush()
  }

  @Test func discardMakesAHoleAndKeepsTheSizeAndTheEdges() throws {
    let device = try FileDevice(path: path, access: .readWrite, create: 1 << 20)
    try device.writeArray(Array(repeating: 7, count: 1 << 20), at: 0)
    try device.flush()
    let before = try System.status(path).blocks
    try device.discard(100..<(512 << 10) + 100)
    #expect(try System.status(path).size == 1 << 20)
    #expect(try System.status(path).blocks < before)
    #expect(try device.readArray(4096, at: 0) == Array(repeating: 7, count: 4096))
    #expect(try device.readArray(4096, at: 512 << 10) == Array(repeating: 7, count: 4096))
    try device.discard(10..<20)
    try device.discard(4096..<4096)
  }

  @Test func afterCloseEveryCallIsABadDescriptor() throws {
    let device = try FileDevice(path: path, access: .readWrite, create: 8192)
    try device.close()
    #expect(
      failure { () throws(FileSystemError) in try device.readArray(1, at: 0) }?.errno
        == .badFileDescriptor)
    #expect(
      failure { () throws(FileSystemError) in try device.writeArray([1], at: 0) }?.errno
        == .badFileDescriptor)
    #expect(
      failure { () throws(FileSystemError) in try device.flush() }?.errno == .badFileDescriptor)
    #expect(
      failure { () throws(FileSystemError) in try device.discard(0..<4096) }?.errno
        == .badFileDescriptor)
    #expect(
      failure { () throws(FileSystemError) in try device.close() }?.errno == .badFileDescriptor)
  }

  @Test(.enabled(if: Environment.hasKernelMounts))
  func anImageThatTheKernelHasMountedIsNotOpenedForWriting() throws {
    let image = try Image.make(at: path, size: "4M")
    let mount = try image.mountInKernel(at: directory("mnt"))
    let refusal = failure { () throws(FileSystemError) in
      try FileDevice(path: path, access: .readWrite)
    }
    #expect(refusal?.errno == .resourceBusy)
    #expect(refusal?.text.contains("mounted through /dev/loop") == true)
    try FileDevice(path: path, access: .readOnly).close()
    try mount.unmount()
    try FileDevice(path: path, access: .readWrite).close()
  }

  @Test(.enabled(if: Environment.hasKernelMounts))
  func aBlockDeviceHasItsCapacityAndIsRefusedWhileItIsMounted() throws {
    let image = try Image.make(at: path, size: "4M")
    let attached = try LoopDevice(path)
    let loop = attached.path
    defer { attached.detach() }
    do {
      let device = try FileDevice(path: loop, access: .readWrite)
      #expect(device.isBlockDevice)
      #expect(device.byteCount == 4 << 20)
      try device.writeArray(Array(repeating: 9, count: 8192), at: 2 << 20)
      try device.flush()
      #expect(
        failure { () throws(FileSystemError) in
          try FileDevice(path: loop, access: .readWrite)
        }?.errno == .resourceBusy)
      try device.discard(2 << 20..<(2 << 20) + 4096)
      #expect(try device.readArray(1, at: (2 << 20) + 4096) == [9])
      #expect(
        failure { () throws(FileSystemError) in
          try device.readArray(1, at: 4 << 20)
        }?.errno == .invalidArgument)
      try device.close()
    }
    #expect(
      failure { () throws(FileSystemError) in
        try FileDevice(path: loop, access: .readWrite, create: 8 << 20)
      }?.errno == .noSpace)
    let point = directory("mnt")
    try System.makeDirectory(point)
    try Program.succeed(["mount", loop, point])
    defer { _ = try? Program.run(["umount", point]) }
    let refusal = failure { () throws(FileSystemError) in
      try FileDevice(path: loop, access: .readWrite)
    }
    #expect(refusal?.errno == .resourceBusy)
    #expect(refusal?.text.contains("mounted") == true)
    _ = image
  }
}
