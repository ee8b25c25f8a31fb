// File calls that swift-system does not have. Used by BlockIO, ExtantFuse and the program.
// Each returns 0 or an errno, never -1, unless it says otherwise.
#ifndef CFILES_FILES_H
#define CFILES_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum csys_file_kind {
  CSYS_FILE_REGULAR,
  CSYS_FILE_BLOCK_DEVICE,
  CSYS_FILE_DIRECTORY,
  CSYS_FILE_OTHER
};

struct csys_file_status {
  enum csys_file_kind kind;
  uint64_t byte_count;     // of a block device: its capacity
  uint32_t device_major;   // of a block device: its own number; else that of the filesystem it is in
  uint32_t device_minor;
  uint64_t inode;
};

// Opens with O_CLOEXEC; a block device opened for writing also with O_EXCL, so that the kernel
// refuses one that is mounted or otherwise claimed (EBUSY). `create` makes a missing regular file;
// `*created` says whether it was missing. A FIFO does not block the call.
int csys_file_open(const char *path, int writable, int create, int *fd, int *created);
// A new empty file without a name, for reading and writing, in $TMPDIR, else /var/tmp: it is gone when
// it is closed.
int csys_file_open_unnamed(int *fd);
int csys_file_close(int fd);
int csys_file_status(int fd, struct csys_file_status *status);
int csys_path_status(const char *path, struct csys_file_status *status);

// Takes flock(2) and open-file-description locks on the whole file, without waiting.
// EAGAIN: somebody else holds one. Both kinds, because other tools look at the one or the other.
int csys_file_lock(int fd, int exclusive);

// Whole transfers: EINTR and short counts are handled. A read that meets the end of the file
// returns ENODATA. `*done` tells how many bytes went through in any case.
int csys_file_read(int fd, void *bytes, size_t count, uint64_t offset, size_t *done);
int csys_file_write(int fd, const void *bytes, size_t count, uint64_t offset, size_t *done);
// These bytes are durable when it returns (RWF_DSYNC, or fdatasync where the kernel has none).
int csys_file_write_through(int fd, const void *bytes, size_t count, uint64_t offset,
                            size_t *done);
// Scatter and gather; `parts` is used up.
int csys_file_readv(int fd, struct iovec *parts, size_t count, uint64_t offset, size_t *done);
int csys_file_writev(int fd, struct iovec *parts, size_t count, uint64_t offset, size_t *done);

int csys_file_sync(int fd);
int csys_file_datasync(int fd);
int csys_file_set_size(int fd, uint64_t byte_count);
// Makes the entry of `path` in its directory durable.
int csys_file_sync_directory(const char *path);

// Makes the filesystem that `fd` is of durable.
int csys_syncfs(int fd);

// Where the first byte at or after `offset` is that is in no hole; ENXIO: nowhere. Moves the
// descriptor's own place, which nothing here uses.
int csys_file_seek_data(int fd, uint64_t offset, uint64_t *found);

// Gives the range back: hole in a file (the size stays), BLKDISCARD on a block device.
int csys_file_punch(int fd, uint64_t offset, uint64_t count);
int csys_block_device_discard(int fd, uint64_t offset, uint64_t count);

int csys_fallocate(int fd, int mode, int64_t offset, int64_t length);

// ioctl(2) with a pointer argument: 0 or more, or the errno negated.
int csys_ioctl(int fd, unsigned long request, void *argument);

// Whether the kernel refuses writes to a block device, though it can be opened for them.
int csys_block_device_is_read_only(int fd);

// Whether a block device is mounted, or held by another program for itself.
int csys_block_device_is_claimed(const char *path);

// Whether the kernel has a file mounted through a loop device. `device` and `inode` are those of
// csys_file_status. 0: no. EBUSY: yes, and `name` holds the loop device's name, as "loop3".
// Anything else: it cannot be told (no /sys).
int csys_file_mounted_through_loop(uint32_t device_major, uint32_t device_minor, uint64_t inode,
                                   char *name, size_t capacity);

#endif
