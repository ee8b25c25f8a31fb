// The system calls that tests make on mounts, without errno at a distance: each call returns a
// result of 0 or more, or the errno negated.
#ifndef CTESTSUPPORT_H
#define CTESTSUPPORT_H

#include <stddef.h>
#include <stdint.h>

struct ts_time {
  int64_t seconds;
  int64_t nanoseconds;
};

struct ts_status {
  uint64_t inode;
  uint32_t mode;
  uint32_t links;
  uint32_t uid;
  uint32_t gid;
  uint64_t size;
  uint64_t blocks;  // of 512 bytes
  uint32_t device_major;
  uint32_t device_minor;
  struct ts_time access;
  struct ts_time modification;
  struct ts_time change;
};

enum ts_open_flags { TS_READ = 0, TS_WRITE = 1, TS_CREATE = 2, TS_TRUNCATE = 4, TS_EXCLUSIVE = 8, TS_APPEND = 16, TS_DIRECTORY = 32 };
int64_t ts_open(const char *path, int flags, uint32_t mode);
int64_t ts_close(int fd);
int64_t ts_pread(int fd, void *bytes, size_t count, int64_t offset);
int64_t ts_pwrite(int fd, const void *bytes, size_t count, int64_t offset);
// write(2), for descriptors opened with TS_APPEND.
int64_t ts_append(int fd, const void *bytes, size_t count);
// pwrite(2) past the kernel's cache (O_DIRECT while it lasts), from aligned memory. `count` bytes of
// `letter`; count and offset are multiples of 4,096.
int64_t ts_pwrite_direct(int fd, uint8_t letter, size_t count, int64_t offset);
// The same, asynchronously (io_submit), waited for.
int64_t ts_aio_write_direct(int fd, uint8_t letter, size_t count, int64_t offset);
// fcntl(F_SETFL): with O_APPEND or without.
int64_t ts_set_append(int fd, int appends);
int64_t ts_ftruncate(int fd, int64_t size);
int64_t ts_fallocate(int fd, int mode, int64_t offset, int64_t length);
enum ts_whence { TS_SEEK_DATA, TS_SEEK_HOLE };
int64_t ts_lseek(int fd, int64_t offset, enum ts_whence whence);
int64_t ts_fsync(int fd);
int64_t ts_fdatasync(int fd);
int64_t ts_syncfs(int fd);
// Drops the clean pages of the file from the kernel's cache.
int64_t ts_drop_cache(int fd);
int64_t ts_copy_file_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count);
// Copy through a shared mapping. A fault on a page past the end of the file gives EFAULT.
int64_t ts_mmap_read(int fd, void *bytes, size_t count, int64_t offset);
int64_t ts_mmap_write(int fd, const void *bytes, size_t count, int64_t offset);
// The first page of a file, mapped shared; NULL where it cannot be. Ends with ts_unmap_page.
void *ts_map_page(int fd);
void ts_poke(void *page, size_t offset, uint8_t byte);
void ts_unmap_page(void *page);

int64_t ts_fstat(int fd, struct ts_status *status);
// The size, mode and blocks alone, asked of the filesystem (AT_STATX_FORCE_SYNC).
int64_t ts_fstat_now(int fd, struct ts_status *status);
int64_t ts_lstat(const char *path, struct ts_status *status);
// The mode that execve(2) would go by: asked of the kernel's cache after access(2), not of the
// filesystem.
int64_t ts_cached_mode(const char *path);
// name_to_handle_at(2): the whole structure. Returns its length. ERANGE: too small.
int64_t ts_handle(const char *path, void *handle, size_t capacity);
// open_by_handle_at(2), to read. `mount_fd` is open below the mount that the handle is of.
int64_t ts_open_handle(int mount_fd, const void *handle, size_t count);
// Drops what the kernel has cached of names and inodes that nobody uses, of all filesystems.
int64_t ts_drop_inodes(void);
int64_t ts_mkdir(const char *path, uint32_t mode);
int64_t ts_rmdir(const char *path);
int64_t ts_unlink(const char *path);
int64_t ts_link(const char *old_path, const char *new_path);
int64_t ts_symlink(const char *target, const char *path);
int64_t ts_readlink(const char *path, void *bytes, size_t count);
enum ts_rename_flags { TS_RENAME_NOREPLACE = 1, TS_RENAME_EXCHANGE = 2 };
int64_t ts_rename(const char *old_path, const char *new_path, unsigned flags);
int64_t ts_mknod(const char *path, uint32_t mode, uint32_t device_major, uint32_t device_minor);
int64_t ts_chmod(const char *path, uint32_t mode);
int64_t ts_lchown(const char *path, uint32_t uid, uint32_t gid);
int64_t ts_utimens(const char *path, struct ts_time access, struct ts_time modification);
// The names in a directory without "." and "..", each ended by a zero byte. ERANGE: too small.
int64_t ts_read_directory(const char *path, char *names, size_t capacity);
enum ts_xattr_flags { TS_XATTR_CREATE = 1, TS_XATTR_REPLACE = 2 };
int64_t ts_set_xattr(const char *path, const char *name, const void *value, size_t count, int flags);
int64_t ts_get_xattr(const char *path, const char *name, void *value, size_t capacity);
int64_t ts_list_xattr(const char *path, char *names, size_t capacity);
int64_t ts_remove_xattr(const char *path, const char *name);
// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS.
int64_t ts_get_flags(int fd);
int64_t ts_set_flags(int fd, uint32_t flags);
// An ioctl whose argument is a structure.
int64_t ts_ioctl(int fd, uint64_t request, void *argument);
// XFS_IOC_GOINGDOWN, which ext4 answers too: 0 flush, 1 flush the log alone, 2 nothing.
int64_t ts_shut_down(int fd, uint32_t how);

// Runs a program; stdout and stderr go to `output` (a path). Returns the exit status, or 256 plus
// the signal's number. The environment is our own, with `extra` ("NAME=value", may be null) added.
//
// No descriptor that was closed before the call is open in any child of ours any more when the program
// starts: one program's mount is not busy because another test was just starting one.
int64_t ts_run(const char *const *arguments, const char *output, const char *extra);
// Around a fork(2), until the child has ended.
void ts_begin_birth(void);
void ts_end_birth(void);

int64_t ts_process_id(void);
int ts_is_root(void);
// Runs `body` on a thread of its own as another user, in `count` supplementary groups.
int64_t ts_as(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count, void (*body)(void *), void *argument);
// Whether a process of this number lives.
int ts_process_lives(int64_t process);
uint64_t ts_monotonic_nanoseconds(void);
uint64_t ts_random(void);

// 64 bits of `count` bytes and a seed, for telling contents apart quickly; `count` is a multiple of 32.
uint64_t ts_hash(const void *bytes, size_t count, uint64_t seed);

#include "PosixCalls.h"

#endif
