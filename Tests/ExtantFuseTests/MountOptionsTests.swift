import Testing

@testable import ExtantFuse

@Suite struct MountOptionsTests {
  @Test func everyOptionIsUnderstood() throws {
    let options = try MountOptions(parsing: [
      "ro,allow_other,cache=2M", "noatime,commit=30,max_threads=3,dev,default_permissions",
    ])
    #expect(options.isReadOnly)
    #expect(options.allowsOtherUsers)
    #expect(options.cacheByteLimit == 2 << 20)
    #expect(options.accessTimes == .never)
    #expect(options.writeBackSeconds == 30)
    #expect(options.threadCount == 3)
    #expect(options.kernelOptions == ["dev"])
    #expect(try MountOptions(parsing: ["journal_path=/dev/sdb"]).journalPath == "/dev/sdb")
  }

  @Test(arguments: [
    ("rw,sloppy", "'sloppy'"), ("cache", "cache=..."), ("cache=lots", "cache=lots"),
    ("cache=-1", "cache=-1"), ("cache=99999999999999999999G", "cache=9999"),
    ("max_threads=1", "max_threads=1"), ("commit=-1", "commit=-1"), ("ro=1", "'ro=1'"),
    ("errors=ignore", "errors=ignore"), ("errors", "errors=..."), ("data=none", "data=none"),
    ("barrier=2", "barrier=2"), ("nobarrier=1", "'nobarrier=1'"),
    ("norecovery=1", "'norecovery=1'"), ("journal_path=", "journal_path=..."),
  ])
  func aWrongOptionIsRefusedByItsName(_ list: String, _ name: String) throws {
    let error = #expect(throws: MountError.self) { try MountOptions(parsing: [list]) }
    #expect(error?.description.contains(name) == true)
  }

  @Test func whatIsForOthersOrHowItIsAnywayChangesNothing() throws {
    let plain = try MountOptions(parsing: [])
    for option in [
      "defaults", "auto", "noauto", "nofail", "nouser", "_netdev", "loop", "comment=a word",
      "x-systemd.automount", "x-gvfs-show", "X-mount.mkdir=0755", "uhelper=udisks2", "lazytime",
      "nolazytime", "async", "iversion", "noiversion", "diratime", "relatime", "norelatime",
      "atime", "user_xattr", "acl", "delalloc", "nodiscard", "stripe=128", "nombcache",
      "inode_readahead_blks=32", "max_batch_time=100", "init_itable=10", "noinit_itable",
      "data_err=ignore", "auto_da_alloc=0", "noauto_da_alloc", "nojournal_checksum",
      "journal_async_commit", "noquota", "dax=never", "nogrpid", "block_validity", "silent",
    ] {
      #expect(try MountOptions(parsing: [option]) == plain, "\(option)")
    }
  }

  @Test func whatAsksForSomethingIsDoneOrRefusedWithAReason() throws {
    #expect(try MountOptions(parsing: ["sync"]).synchrony == .everything)
    #expect(try MountOptions(parsing: ["sync,dirsync"]).synchrony == .everything)
    #expect(try MountOptions(parsing: ["dirsync"]).synchrony == .names)
    #expect(try MountOptions(parsing: ["dirsync,async"]).synchrony == .nothing)
    #expect(try !MountOptions(parsing: ["nodiratime"]).notesDirectoryAccess)
    #expect(try MountOptions(parsing: ["journal_checksum"]).needsJournalChecksums)
    // As mount(8): what users may mount cannot harm, unless it is said so.
    #expect(try MountOptions(parsing: ["user"]).kernelOptions == ["noexec", "nosuid", "nodev"])
    #expect(
      try MountOptions(parsing: ["users,exec"]).kernelOptions
        == ["noexec", "nosuid", "nodev", "exec"])
    #expect(try MountOptions(parsing: ["owner"]).kernelOptions == ["nosuid", "nodev"])
    for (option, word) in [
      ("discard", "fstrim"), ("nodelalloc", "sync"), ("auto_da_alloc", "fsync"),
      ("data_err=abort", "fsync"), ("resuid=5", "tune2fs"), ("resgid=5", "tune2fs"),
      ("noacl", "lists"),
      ("nouser_xattr", "attributes"), ("grpid", "group"), ("usrquota", "quota"),
      ("jqfmt=vfsv1", "quota"), ("sb=8193", "fsck -b"), ("dax", "FUSE"),
      ("offset=1048576", "losetup"),
      ("remount", "unmount"), ("max_dir_size_kb=8", "limited"),
    ] {
      let error = #expect(throws: MountError.self) { try MountOptions(parsing: [option]) }
      #expect(error?.description.hasPrefix("mount option '\(option)': ") == true)
      #expect(error?.description.contains(word) == true, "\(option)")
    }
    for option in ["stripe=many", "stripe", "nofail=1", "auto_da_alloc=2", "nosymfollow"] {
      #expect(throws: MountError.self) { try MountOptions(parsing: [option]) }
    }
  }

  @Test func durabilityOptionsAreNamedAsExt4NamesThem() throws {
    let plain = try MountOptions(parsing: [])
    #expect(plain.errors == nil && plain.dataMode == nil && plain.usesBarriers == nil)
    #expect(!plain.skipsRecovery && plain.writeBackSeconds == 5)
    for (name, behavior) in MountOptions.errorBehaviors {
      #expect(try MountOptions(parsing: ["errors=\(name)"]).errors == behavior)
    }
    #expect(try MountOptions(parsing: ["data=writeback"]).dataMode == .writeback)
    #expect(try MountOptions(parsing: ["commit=0"]).writeBackSeconds == 5)
    for (option, barriers) in [
      ("barrier", true), ("barrier=1", true), ("barrier=0", false), ("nobarrier", false),
    ] {
      #expect(try MountOptions(parsing: [option]).usesBarriers == barriers)
    }
    for option in ["norecovery", "noload"] {
      #expect(try MountOptions(parsing: [option]).skipsRecovery)
    }
  }

  @Test func sizesHaveBinarySuffixes() {
    #expect(MountOptions.byteCount("4096") == 4096)
    #expect(MountOptions.byteCount("64k") == 64 << 10)
    #expect(MountOptions.byteCount("2GiB") == 2 << 30)
    #expect(MountOptions.byteCount("") == nil)
    #expect(MountOptions.byteCount("M") == nil)
    #expect(MountOptions.byteCount("1.5G") == nil)
  }

  @Test func commasInTheImagesPathDoNotSeparateOptions() {
    let list = MountOptions().kernelList(source: #"/a,b\c"#)
    #expect(list.hasPrefix(#"fsname=/a\,b\\c,subtype=extant"#))
  }
}

@Suite struct MountTableTests {
  static let text = #"""
    36 35 98:0 / / rw,noatime master:1 - ext3 /dev/root rw
    47 36 0:40 / /mnt/a\040b rw,nosuid - fuse.extant /img\134x rw,user_id=0
    48 36 0:41 / /mnt/a\040b rw shared:3 master:1 - fuse.extant /second rw
    49 36 0:42 / /mnt/c rw - fuse.sshfs host: rw
    a line that is none
    """#

  @Test func mountsAreReadWithTheirEscapes() {
    let entries = MountTable.parse(Self.text)
    #expect(entries.count == 4)
    #expect(
      entries[1] == MountEntry(mountpoint: "/mnt/a b", type: "fuse.extant", source: #"/img\x"#))
  }

  @Test func theTopmostMountOfOursIsFound() {
    let entries = MountTable.parse(Self.text)
    #expect(MountTable.find("/mnt/a b", in: entries)?.source == "/second")
    #expect(MountTable.find(#"/img\x"#, in: entries)?.mountpoint == "/mnt/a b")
    #expect(MountTable.find("/mnt/c", in: entries) == nil)
  }
}
