import ExtantBase
import Testing

@testable import ExtantFuse

/// An ioctl holds no lock of the kernel's, so chmod(2) may come between its look and its verdict.
@Suite struct PrivilegesTests {
  @Test func whatGainedPrivilegesMeanwhileIsNotClean() throws {
    let privileges = Privileges()
    let inode = InodeNumber(12)
    let moment = try #require(privileges.looking(at: inode))
    // chmod u+s, which tells when it is done.
    privileges.forget(inode)
    privileges.markClean(inode, since: moment)
    #expect(privileges.looking(at: inode) != nil)
  }

  @Test func whatWasLookedAtSinceIsCleanUntilItIsForgotten() throws {
    let privileges = Privileges()
    let inode = InodeNumber(12)
    privileges.forget(inode)
    privileges.markClean(inode, since: try #require(privileges.looking(at: inode)))
    #expect(privileges.looking(at: inode) == nil)
    privileges.forget(inode)
    #expect(privileges.looking(at: inode) != nil)
  }
}
