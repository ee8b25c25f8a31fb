// More of POSIX and Linux, as bare as the kernel has it: for tests that ask each call with each
// flag. As in CTestSupport.h each returns 0 or more, or the errno negated.
#ifndef POSIXCALLS_H
#define POSIXCALLS_H

#include "CTestSupport.h"

// Makes the calling thread, and no other, a user; root's number stays behind as the saved one, so
// that ts_become_root leads back. Capabilities go and come with it.
int64_t ts_become(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count);
// Only for filesystems (setfsuid, setfsgid).
int64_t ts_become_on_disk(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count);
int64_t ts_become_root(void);
// A child has copies of all descriptors until it ends or starts a program: a file is busy, a lock held
// as long. So a step that forks is alone among the steps of all threads.
void ts_begin_step(int forking);
void ts_end_step(void);
// A working directory and umask that are this thread's own.
int64_t ts_own_directory(void);
int64_t ts_chdir(const char *path);
uint32_t ts_umask(uint32_t mask);

int64_t ts_open_raw(const char *path, int flags, uint32_t mode);
int64_t ts_read(int fd, void *bytes, size_t count);
int64_t ts_seek(int fd, int64_t offset, int whence);
int64_t ts_truncate(const char *path, int64_t size);
// Writes through a shared mapping, then msync(MS_SYNC).
int64_t ts_msync_write(int fd, const void *bytes, size_t count, int64_t offset);
// Only makes a mapping and takes it away.
int64_t ts_map(int fd, int writable, int shared, size_t count);
int64_t ts_direct(int fd, void *bytes, size_t count, int64_t offset, int writes);
int64_t ts_sendfile(int to, int from, int64_t offset, size_t count);

int64_t ts_linkat(const char *old_path, const char *new_path, int flags);
int64_t ts_link_descriptor(int fd, const char *new_path);
int64_t ts_bind_socket(const char *path);

int64_t ts_fchmod(int fd, uint32_t mode);
int64_t ts_chown(const char *path, uint32_t uid, uint32_t gid);
int64_t ts_fchown(int fd, uint32_t uid, uint32_t gid);
int64_t ts_utimensat(const char *path, struct ts_time access, struct ts_time modification, int follow);
int64_t ts_futimens(int fd, struct ts_time access, struct ts_time modification);
int64_t ts_access(const char *path, int mode, int effective);
// f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_namelen.
int64_t ts_statfs(const char *path, uint64_t *values);
// The mode as the filesystem itself knows it, whatever the kernel keeps (AT_STATX_FORCE_SYNC).
int64_t ts_mode_now(const char *path);

// An ioctl on a descriptor opened for it.
int64_t ts_path_ioctl(const char *path, uint64_t request, void *argument);
int64_t ts_path_flags(const char *path);
int64_t ts_set_path_flags(const char *path, uint32_t flags);

int64_t ts_fset_xattr(int fd, const char *name, const void *value, size_t count, int flags);
int64_t ts_get_xattr_size(const char *path, const char *name);

// A struct file_handle in `handle`; returns its size.
int64_t ts_name_to_handle(const char *path, void *handle, size_t capacity);
// In the filesystem of the working directory.
int64_t ts_open_by_handle(void *handle, int flags);

int64_t ts_flock(int fd, int operation);
// F_SETLK and F_GETLK, or their OFD forms; the latter returns the type in the way, F_UNLCK for none.
int64_t ts_lock(int fd, int open_description, int type, int64_t start, int64_t length);
int64_t ts_lock_holder(int fd, int open_description, int type, int64_t start, int64_t length);
int64_t ts_lock_in_child(int fd, int open_description, int type, int64_t start, int64_t length);
int64_t ts_flock_in_child(int fd, int operation);
int64_t ts_descriptor_flags(int fd, int set, int flags);

// All names, each behind a letter for its d_type ('a' is 0) and ended by a zero byte.
int64_t ts_list_typed(const char *path, char *names, size_t capacity);
enum ts_walks { TS_WALK_PLAIN, TS_WALK_UNLINK, TS_WALK_CREATE, TS_WALK_REWIND, TS_WALK_SEEK };
int64_t ts_walk(const char *path, unsigned pause, unsigned count, unsigned kept, int what);
enum ts_manies { TS_MANY_FILES, TS_MANY_DIRECTORIES, TS_MANY_LINKS };
// prefix0, prefix1 ...; `made` is how many came to be before the error.
int64_t ts_create_many(const char *prefix, unsigned count, int how, const char *target, unsigned *made);
int64_t ts_remove_tree(const char *path);
// syncfs, then lets the kernel forget inodes and names that nobody uses.
int64_t ts_drop_all_caches(void);

// EXTANT_IOC_FALLOCATE.
int64_t ts_extant_fallocate(int fd, int mode, int64_t offset, int64_t length);
void ts_sleep(uint64_t nanoseconds);
// Seconds since 1970.
int64_t ts_clock(void);

#endif
