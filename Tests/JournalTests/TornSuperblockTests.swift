import BlockIO
import Extant
import ExtantBase
import TestSupport
import Testing

/// The flag that asks for recovery is written past the journal: the superblock's two sectors may be
/// of two moments.
@Suite struct TornSuperblockTests {
  @Test(arguments: [false, true])
  func aSuperblockTornWhileTheFlagChangedIsMended(opening: Bool) throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "8M")
    let closed = try System.contents(image.path)
    let fs = try FileSystem.open(image.path)
    let open = try System.contents(image.path)
    try fs.close()
    let (first, second) = opening ? (open, closed) : (closed, open)
    #expect(closed[1024..<1536] != open[1024..<1536] && closed[1536..<2048] != open[1536..<2048])
    var torn = closed
    torn.replaceSubrange(1024..<1536, with: first[1024..<1536])
    torn.replaceSubrange(1536..<2048, with: second[1536..<2048])
    try System.write(torn, to: image.path)
    // Who only reads changes nothing.
    let reader = try FileSystem.open(image.path, .readOnly)
    try reader.close()
    #expect(try System.contents(image.path) == torn)
    let mended = try FileSystem.open(image.path)
    _ = try mended.makeDirectory(try FileName("new"), in: .root, mode: 0o755)
    try mended.close()
    let complaint = try image.complaint()
    #expect(complaint == nil)
  }

  @Test func aSuperblockTornInAnyOtherWayIsStillCorrupt() throws {
    let directory = try TemporaryDirectory()
    let image = try Image.make(at: directory("image"), size: "8M")
    var bytes = try System.contents(image.path)
    bytes[1024 + 0x34] ^= 1
    try System.write(bytes, to: image.path)
    #expect(throws: FileSystemError.self) { _ = try FileSystem.open(image.path) }
  }
}
