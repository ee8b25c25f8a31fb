import ExtantBase
import SystemPackage
import Testing

@testable import Ext4Format

struct AccessControlListTests {
  private typealias Entry = AccessControlList.Entry

  private func list(_ entries: Entry...) throws(FileSystemError) -> AccessControlList {
    try AccessControlList(entries)
  }

  private func full() throws(FileSystemError) -> AccessControlList {
    try list(
      Entry(.userObject, 7), Entry(.user, 6, id: 1000), Entry(.user, 4, id: 7),
      Entry(.groupObject, 5), Entry(.group, 7, id: 50), Entry(.mask, 6), Entry(.other, 4))
  }

  @Test func bothFormsComeBackAsTheyWent() throws {
    for list in [AccessControlList(mode: 0o640), try full()] {
      #expect(try AccessControlList.decode(linux: list.encodeForLinux()) == list)
      #expect(try AccessControlList(disk: list.encodeForDisk(), inode: InodeNumber(12)) == list)
    }
    #expect(AccessControlList(mode: 0o640).encodeForDisk().count == 4 + 3 * 4)
    #expect(try full().encodeForDisk().count == 4 + 4 * 4 + 3 * 8)
    #expect(try AccessControlList.decode(linux: [2, 0, 0, 0]) == nil)
  }

  @Test func invalidListsAreRefused() {
    let invalid: [[Entry]] = [
      [], [Entry(.userObject, 7)],
      [Entry(.groupObject, 7), Entry(.userObject, 7), Entry(.other, 7)],
      [Entry(.userObject, 8), Entry(.groupObject, 7), Entry(.other, 7)],
      [Entry(.userObject, 7), Entry(.user, 7, id: 1), Entry(.groupObject, 7), Entry(.other, 7)],
      [
        Entry(.userObject, 7), Entry(.user, 7, id: .max), Entry(.groupObject, 7),
        Entry(.mask, 7), Entry(.other, 7),
      ],
      [Entry(.userObject, 7), Entry(.userObject, 7), Entry(.groupObject, 7), Entry(.other, 7)],
      [
        Entry(.userObject, 7), Entry(.groupObject, 7), Entry(.mask, 7), Entry(.mask, 7),
        Entry(.other, 7),
      ],
    ]
    for entries in invalid {
      #expect(throws: FileSystemError.refused(.invalidArgument)) {
        try AccessControlList(entries)
      }
    }
    #expect(throws: FileSystemError.refused(.notSupported)) {
      try AccessControlList.decode(linux: [3, 0, 0, 0])
    }
    #expect(throws: FileSystemError.refused(.invalidArgument)) {
      try AccessControlList.decode(linux: [2, 0, 0, 0, 1])
    }
    for count in 0..<44 {
      _ = try? AccessControlList(
        disk: Array((try? full().encodeForDisk())?.prefix(count) ?? []), inode: .root)
    }
  }

  @Test func listsAndModesAgree() throws {
    #expect(AccessControlList(mode: 0o751).modeBits == 0o751)
    #expect(AccessControlList(mode: 0o751).isEquivalentToMode)
    #expect(try full().modeBits == 0o764)
    #expect(try !full().isEquivalentToMode)
  }

  @Test func chmodChangesTheMaskAndNotTheOwningGroup() throws {
    let changed = try full().changingMode(to: 0o100_417)
    #expect(changed.modeBits == 0o417)
    #expect(changed.entries[3] == Entry(.groupObject, 5))
    #expect(changed.entries[1] == Entry(.user, 6, id: 1000))
    #expect(AccessControlList(mode: 0o777).changingMode(to: 0o642).modeBits == 0o642)
  }

  @Test func newFilesGetTheDefaultListCutToTheirMode() throws {
    let (access, mode) = try full().inherited(mode: 0o100_640)
    #expect(mode == 0o100_640)
    let list = try #require(access)
    #expect(list.entries[0] == Entry(.userObject, 6))
    #expect(list.entries[3] == Entry(.groupObject, 5))
    #expect(list.entries[5] == Entry(.mask, 4))
    #expect(list.entries[6] == Entry(.other, 0))

    let plain = AccessControlList(mode: 0o750).inherited(mode: 0o102_666)
    #expect(plain.access == nil)
    #expect(plain.mode == 0o102_640)
  }
}
