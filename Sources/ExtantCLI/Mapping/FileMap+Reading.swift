import CFiles
import Extant
import ExtantBase
import ExtantFuse
import Glibc
import SystemPackage

extension FileMap {
  /// Of a file in an image, or of one that the host can open: in a mount of ours through its
  /// ioctl, elsewhere through FS_IOC_FIEMAP.
  init(_ location: Location) throws {
    if let image = location.image {
      self = try ImageSession.with(image, writing: false) { fileSystem in
        try at("\(location)") { () throws(FileSystemError) in
          try FileMap(fileSystem, location.path)
        }
      }
    } else {
      try self.init(hostPath: location.path)
    }
  }

  private init(_ fileSystem: FileSystem, _ path: String) throws(FileSystemError) {
    let file = try fileSystem.open(PathText.bytes(path), .read)
    defer { file.close() }
    self.init(
      size: file.attributes().size, blockSize: UInt64(fileSystem.superblock.blockSize),
      extents: try file.extents().map {
        MapExtent(
          logical: $0.logical, physical: $0.physical, length: $0.length,
          isUnwritten: $0.isUnwritten)
      })
  }

  init(hostPath path: String) throws {
    do {
      let file = try FileDescriptor.open(
        FilePath(platformString: PathText.c(path)), .readOnly, options: .closeOnExec)
      defer { try? file.close() }
      try self.init(file, path)
    } catch let error as Errno {
      throw CommandFailure("\(PathText.shown(path)): \(error)")
    }
  }

  init(_ file: FileDescriptor, _ path: String) throws {
    var status = stat()
    guard unsafe fstat(file.rawValue, &status) == 0 else {
      throw CommandFailure("\(PathText.shown(path)): \(Errno(rawValue: Glibc.errno))")
    }
    let identity = MountedFile.identify(file)
    let extents: [MapExtent]
    do throws(Errno) {
      extents =
        try identity == nil
        ? Fiemap.extents(file)
        : MountedFile.extents(file).map {
          MapExtent(
            logical: $0.logical, physical: $0.physical, length: $0.length,
            isUnwritten: $0.flags & Fiemap.unwritten != 0)
        }
    } catch { throw CommandFailure("\(PathText.shown(path)): \(error)") }
    self.init(
      size: UInt64(max(0, status.st_size)),
      blockSize: identity.map { UInt64($0.blockSize) } ?? UInt64(max(1, status.st_blksize)),
      extents: extents)
  }
}

/// FS_IOC_FIEMAP of linux/fiemap.h, for files that are not ours.
enum Fiemap {
  static let unwritten: UInt32 = 0x800
  private static let last: UInt32 = 1
  private static let request: UInt = 0xC020_660B
  private static let headerBytes = 32
  private static let extentBytes = 56

  static func extents(_ file: FileDescriptor) throws(Errno) -> [MapExtent] {
    var result: [MapExtent] = []
    var start: UInt64 = 0
    while true {
      let capacity: UInt32 = 256
      var page = [UInt8](repeating: 0, count: headerBytes + Int(capacity) * extentBytes)
      put(start, at: 0, &page)
      put(UInt64.max - start, at: 8, &page)
      put(UInt64(1), at: 16, &page)  // FIEMAP_FLAG_SYNC; no extents mapped yet
      put(UInt64(capacity), at: 24, &page)
      let error = unsafe page.withUnsafeMutableBytes {
        unsafe csys_ioctl(file.rawValue, request, $0.baseAddress)
      }
      guard error >= 0 else { throw Errno(rawValue: -error) }
      let count = Int(truncatingIfNeeded: get(at: 16, page) >> 32)
      guard count > 0, count <= Int(capacity) else { return result }
      for index in 0..<count {
        let place = headerBytes + index * extentBytes
        let flags = UInt32(truncatingIfNeeded: get(at: place + 40, page))
        let extent = MapExtent(
          logical: get(at: place, page), physical: get(at: place + 8, page),
          length: get(at: place + 16, page), isUnwritten: flags & unwritten != 0)
        result.append(extent)
        start = extent.logical &+ extent.length
        if flags & last != 0 { return result }
      }
    }
  }

  private static func put(_ value: UInt64, at place: Int, _ bytes: inout [UInt8]) {
    for index in 0..<8 { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  private static func get(at place: Int, _ bytes: [UInt8]) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) }
  }
}
