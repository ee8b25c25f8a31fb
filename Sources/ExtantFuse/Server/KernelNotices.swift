import CFuse3
import ExtantBase
import Synchronization

/// Takes back what the kernel was told.
///
/// Never called with a lock held that a read or write needs: dropping pages waits for those.
extension FuseServer {
  /// All pages from the one that holds `offset` (in bytes) to the end, and the attributes.
  func invalidatePages(of inode: InodeNumber, from offset: Int64) {
    guard offset >= 0 else { return }
    notices.invalidate(inode.fuse, offset: off_t(offset))
  }

  /// The pages that hold a byte of `range`, and the attributes.
  func invalidatePages(of inode: InodeNumber, _ range: Range<Int64>) {
    guard !range.isEmpty else { return }
    notices.invalidate(
      inode.fuse, offset: off_t(range.lowerBound), length: off_t(range.count))
  }

  /// The attributes alone.
  func invalidateAttributes(of inode: InodeNumber) { notices.invalidate(inode.fuse, offset: -1) }
}

/// The session as the server may use it: known only after the server is.
@safe final class KernelNotices: Sendable {
  /// The address; 0 while there is none.
  private let session = Atomic<UInt>(0)

  /// nil when the session ends; no thread may be at work then.
  func attach(_ session: OpaquePointer?) {
    self.session.store(UInt(bitPattern: session), ordering: .releasing)
  }

  /// `length` 0 is to the end; a negative offset leaves the pages alone.
  func invalidate(_ inode: fuse_ino_t, offset: off_t, length: off_t = 0) {
    let address = session.load(ordering: .acquiring)
    guard let session = unsafe OpaquePointer(bitPattern: address) else { return }
    // An inode that the kernel does not know (ENOENT) has nothing cached.
    _ = unsafe fuse_lowlevel_notify_inval_inode(session, inode, offset, length)
  }
}
