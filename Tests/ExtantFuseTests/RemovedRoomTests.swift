import TestSupport
import Testing

/// What was removed makes room for what is made next. The kernel tells by a request of its own that it
/// has forgotten an inode, and may send that after the next request.
@Suite(.enabled(if: TestMount.canRun))
struct RemovedRoomTests {
  @Test func theLastInodeIsThereAgainAtOnce() throws {
    let mount = try TestMount(size: "16M", make: ["-N", "64"])
    var count = 0
    do throws(SystemFailure) {
      while true {
        try System.write([], to: mount("\(count)"))
        count += 1
      }
    } catch {
      #expect(error.errno == 28)
    }
    try #require(count > 10)
    for round in 0..<500 {
      try System.unlink(mount("\(round % count)"))
      try System.write([], to: mount("\(round % count)"))
    }
    try mount.stop()
    #expect(try mount.image.complaint() == nil)
  }

  @Test func theLastBlocksAreThereAgainAtOnce() throws {
    let mount = try TestMount(size: "16M")
    let bytes = [UInt8](repeating: 7, count: 65_536)
    try System.write(bytes, to: mount("last"))
    try fill(mount("fill"))
    for _ in 0..<200 {
      try System.unlink(mount("last"))
      try System.write(bytes, to: mount("last"))
    }
    try mount.stop()
    #expect(try mount.image.complaint() == nil)
  }

  private func fill(_ path: String) throws {
    let file = try OpenFile(path, [.write, .create, .append])
    for size in [1 << 20, 4096] {
      let bytes = [UInt8](repeating: 1, count: size)
      do throws(SystemFailure) {
        while true { try file.append(bytes) }
      } catch {
        #expect(error.errno == 28)
      }
    }
  }
}
