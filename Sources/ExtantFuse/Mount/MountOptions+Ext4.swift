/// Options that mount(8), fstab(5) and ext4(5) know, and that are no wish to be carried out here.
extension MountOptions {
  /// fstab's own business: who mounts, when, and what else then happens.
  private static let forOthers: Set = [
    "auto", "noauto", "nofail", "nouser", "_netdev", "loop", "silent", "loud",
  ]

  /// What may be mounted by ordinary users is mounted so that it cannot harm, as mount(8) does;
  /// options that follow may say otherwise.
  private static let impliedByUsers = [
    "user": ["noexec", "nosuid", "nodev"], "users": ["noexec", "nosuid", "nodev"],
    "owner": ["nosuid", "nodev"], "group": ["nosuid", "nodev"],
  ]

  /// How it is anyway, or a hint about speed that nobody can miss.
  private static let asItIs: Set = [
    "lazytime", "nolazytime", "iversion", "i_version", "noiversion", "nomand",
    "acl", "user_xattr", "delalloc", "nodiscard", "noquota", "bsddf", "nogrpid", "sysvgroups",
    "noauto_da_alloc", "journal_async_commit", "nombcache", "no_mbcache", "init_itable",
    "noinit_itable", "dioread_lock", "dioread_nolock", "nodioread_nolock", "block_validity",
    "noblock_validity", "prefetch_block_bitmaps", "no_prefetch_block_bitmaps", "mblk_io_submit",
    "nomblk_io_submit", "bh", "nobh", "orlov", "oldalloc", "nocheck", "warn_on_error",
    "nowarn_on_error",
  ]

  /// The same, of options with a number.
  private static let hints: Set = [
    "stripe", "inode_readahead_blks", "init_itable", "max_batch_time", "min_batch_time",
    "journal_ioprio", "mb_optimize_scan",
  ]

  /// What asks for something that is not done: to leave it away without a word would break a promise.
  static let refused = [
    "discard": "freed space is not discarded at once; fstrim(8) does it for the whole mount",
    "nodelalloc": "blocks are allocated when data is written back; `sync` has it written at once",
    "auto_da_alloc": "a file that replaces another is not flushed by itself; fsync it first",
    "data_err": "a failed write is told to its own file's fsync, and stops nothing else",
    "resuid": "who may use reserved blocks is in the superblock: tune2fs -u",
    "resgid": "who may use reserved blocks is in the superblock: tune2fs -g",
    "noacl": "access lists hold on every mount",
    "nouser_xattr": "user attributes are on every mount",
    "grpid": "new files get the group of their process, or of a set-group-ID directory",
    "bsdgroups": "new files get the group of their process, or of a set-group-ID directory",
    "minixdf": "statfs tells what files can have, as with bsddf",
    "quota": "quota is not kept here", "usrquota": "quota is not kept here",
    "grpquota": "quota is not kept here", "prjquota": "quota is not kept here",
    "usrjquota": "quota is not kept here", "grpjquota": "quota is not kept here",
    "jqfmt": "quota is not kept here",
    "sb": "extant fsck -b takes another superblock, and repairs the first",
    "dax": "a mount through FUSE has its pages in memory",
    "mand": "Linux has no mandatory locks any more",
    "max_dir_size_kb": "directories are not limited", "nouid32": "user numbers have 32 bits",
    "offset": "the filesystem begins where the file or device does: losetup -o makes such a device",
    "sizelimit": "the filesystem ends by its own size",
    "journal_dev": "name the journal with journal_path=PATH",
    "remount": "unmount it, and mount it with other options", "bind": "mount(8) binds mounts",
    "abort": "nothing here is stopped by a mount", "debug": "extant mount -d logs each request",
  ]

  /// Takes the options that change nothing; false for others.
  mutating func isWithoutEffect(_ name: String, _ value: String?) -> Bool {
    if name.hasPrefix("x-") || name.hasPrefix("X-") { return true }
    guard let value else {
      if let implied = Self.impliedByUsers[name] { kernelOptions += implied }
      return Self.impliedByUsers[name] != nil || Self.forOthers.contains(name)
        || Self.asItIs.contains(name)
    }
    switch (name, value) {
    case ("comment", _), ("uhelper", _), ("helper", _): return true
    case ("data_err", "ignore"), ("auto_da_alloc", "0"), ("dax", "never"), ("check", "none"):
      return true
    default: return Self.hints.contains(name) && UInt32(value) != nil
    }
  }
}
