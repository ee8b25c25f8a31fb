import ArgumentParser
import BlockIO
import ExtantBase
import ExtantMake
import Glibc

/// `extant mkfs`
struct MakeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mkfs",
    abstract: "Makes an ext4 filesystem, as mke2fs does by default.",
    discussion: """
      SIZE takes K, M, G, T; a bare number counts blocks (of 1 KiB without -b). Without SIZE the \
      whole of an existing IMAGE is used. What holds a filesystem already is left alone without \
      --force.
      """)

  @Argument(help: "A file, made where it is missing, or a block device.")
  var image: String

  @Argument(help: "The size of the filesystem.")
  var size: String?

  @Option(name: .customShort("b"), help: "Block size in bytes: 1024, 2048 or 4096.")
  var blockSize: Int?

  @Option(name: .customShort("I"), help: "Inode size in bytes.")
  var inodeSize: Int?

  @Option(name: .customShort("N"), help: "Number of inodes.")
  var inodeCount: UInt64?

  @Option(name: .customShort("i"), help: "Bytes of the device for each inode.")
  var bytesPerInode: UInt64?

  @Option(
    name: .customShort("O"), parsing: .unconditional,
    help: "Features, separated by commas; ^ before what is unwanted.")
  var features: String?

  @Option(name: .customShort("L"), help: "Label, up to 16 bytes.")
  var label: String?

  @Option(name: .customShort("U"), help: "UUID; a random one if left out.")
  var uuid: String?

  @Option(name: .customShort("m"), help: "Percentage of blocks that only the superuser may take.")
  var reserved: Double?

  @Option(
    name: .customShort("E"),
    help: "root_owner: the root directory is yours; root_owner=UID:GID: it is theirs.")
  var extended: String?

  @Flag(help: "Overwrite a filesystem that is there.")
  var force = false

  func run() throws {
    var options = MakeOptions()
    options.blockSize = blockSize
    options.inodeSize = inodeSize
    options.inodeCount = inodeCount
    options.bytesPerInode = bytesPerInode
    options.features = features ?? ""
    options.label = PathText.bytes(label ?? "")
    if let reserved { options.reservedPercentage = reserved }
    if let uuid {
      guard let bytes = UUIDText.bytes(uuid) else {
        throw ValidationError("'\(uuid)' is no UUID: 32 hexadecimal digits, with or without '-'")
      }
      options.uuid = bytes
    }
    if let extended { options.rootOwner = try owner(extended) }
    let byteCount = try size.map(byteCount)
    options.byteCount = byteCount

    // Before a file is made or made longer.
    let exists = unsafe access(image, F_OK) == 0
    guard exists || byteCount != nil else {
      throw CommandFailure("\(image): does not exist: give the SIZE to make it with")
    }
    if let byteCount {
      try at(image) { () throws(FileSystemError) in
        try checkMakeOptions(options, deviceByteCount: byteCount)
      }
    }
    if exists && !force { try refuseExistingContent() }
    let device = try FileDevice(path: image, access: .readWrite, create: byteCount)
    defer { try? device.close() }
    try at(image) { () throws(FileSystemError) in
      try makeFileSystem(on: device, options)
      try device.close()
    }
  }

  private func refuseExistingContent() throws {
    let device = try FileDevice(path: image, access: .readWrite)
    defer { try? device.close() }
    let found = try at(image) { () throws(FileSystemError) in
      try detectExistingContent(on: device)
    }
    guard let found else { return }
    throw CommandFailure("\(image): holds \(found) already; --force overwrites it")
  }

  /// Of `-E root_owner[=UID:GID]`.
  private func owner(_ text: String) throws -> (uid: UInt32, gid: UInt32) {
    if text == "root_owner" { return (getuid(), getgid()) }
    let parts = text.split(separator: "=", maxSplits: 1)
    let numbers = (parts.last ?? "").split(separator: ":").compactMap { UInt32($0) }
    guard parts.count == 2, parts[0] == "root_owner", numbers.count == 2 else {
      throw ValidationError("-E \(text): what there is is root_owner or root_owner=UID:GID")
    }
    return (numbers[0], numbers[1])
  }

  private func byteCount(_ text: String) throws -> UInt64 {
    if let number = UInt64(text) {
      let (bytes, overflow) = number.multipliedReportingOverflow(by: UInt64(blockSize ?? 1024))
      guard !overflow else { throw ValidationError("'\(text)' is no size") }
      return bytes
    }
    guard let size = ByteSize(argument: text), size.bytes > 0 else {
      throw ValidationError("'\(text)' is no size: a number of blocks, or bytes as 64M or 2G")
    }
    return UInt64(size.bytes)
  }
}

/// UUIDs as people write them.
enum UUIDText {
  static func bytes(_ text: String) -> [UInt8]? {
    let digits = text.utf8.filter { $0 != UInt8(ascii: "-") }
    guard digits.count == 32 else { return nil }
    let values = digits.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    guard values.count == 32 else { return nil }
    return stride(from: 0, to: 32, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
  }

  static func text(_ bytes: [UInt8]) -> String {
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }
}
