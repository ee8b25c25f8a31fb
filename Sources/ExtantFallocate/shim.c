// libextant-fallocate.so: preloaded, it makes fallocate(2) with every mode, FS_IOC_FIEMAP and
// syncfs(2) work on files of Extant's mounts in programs that know nothing of us.
//
// Each call is first made as it is. Only when the kernel answers EOPNOTSUPP, and the file lies on a
// FUSE mount, is it repeated as our own ioctl; so other filesystems pay nothing, and their errors
// stay as they are. posix_fallocate(3) asks for mode 0 only, which reaches a daemon by itself.
#define _GNU_SOURCE
#include "extant_fallocate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>

#define EXPORT __attribute__((visibility("default")))

_Static_assert(
  sizeof(struct extant_fiemap_extent) == sizeof(struct fiemap_extent), "extents are copied whole");
_Static_assert(sizeof(struct extant_fiemap) < (1u << _IOC_SIZEBITS), "must fit one ioctl");

// The system call itself: no lookup of the next library's function that could fail or recurse.
static int plain_ioctl(int fd, unsigned long request, void *argument) {
  return (int)syscall(SYS_ioctl, fd, request, argument);
}

static int plain_fallocate(int fd, int mode, int64_t offset, int64_t length) {
#if __SIZEOF_LONG__ == 8
  return (int)syscall(SYS_fallocate, fd, mode, offset, length);
#else
  return (int)syscall(
    SYS_fallocate, fd, mode, (uint32_t)offset, (uint32_t)(offset >> 32), (uint32_t)length,
    (uint32_t)(length >> 32));
#endif
}

static int is_fuse(int fd) {
  struct statfs s;
  return fstatfs(fd, &s) == 0 && (unsigned long)s.f_type == FUSE_SUPER_MAGIC;
}

// A mount that is not ours, or a file it answers no ioctl for, says one of these.
static int means_not_ours(int error) {
  return error == ENOTTY || error == ENOSYS || error == EOPNOTSUPP;
}

static int any_fallocate(int fd, int mode, int64_t offset, int64_t length) {
  int saved = errno;
  if (plain_fallocate(fd, mode, offset, length) == 0) return 0;
  if (errno != EOPNOTSUPP || !is_fuse(fd)) {
    if (errno == 0) errno = EOPNOTSUPP;
    return -1;
  }
  struct extant_fallocate request = {.offset = offset, .length = length, .mode = mode};
  if (plain_ioctl(fd, EXTANT_IOC_FALLOCATE, &request) != 0) {
    if (means_not_ours(errno)) errno = EOPNOTSUPP;
    return -1;
  }
  // The kernel learns the new size from this answer.
  struct stat s;
  (void)!fstat(fd, &s);
  errno = saved;
  return 0;
}

EXPORT int fallocate(int fd, int mode, off_t offset, off_t length) {
  return any_fallocate(fd, mode, offset, length);
}

EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  return any_fallocate(fd, mode, offset, length);
}

// FS_IOC_FIEMAP, page by page into the caller's array.
static int paged_fiemap(int fd, struct fiemap *map) {
  if (map->fm_flags & ~(uint32_t)FIEMAP_FLAGS_COMPAT & ~(uint32_t)FIEMAP_FLAG_CACHE) {
    map->fm_flags &= ~(uint32_t)FIEMAP_FLAGS_COMPAT & ~(uint32_t)FIEMAP_FLAG_CACHE;
    errno = EBADR;
    return -1;
  }
  if (map->fm_extent_count > UINT32_MAX / sizeof(struct fiemap_extent)) {
    errno = EINVAL;
    return -1;
  }
  // Pages dirtied through a mapping are known to this kernel only, not to the daemon.
  if ((map->fm_flags & FIEMAP_FLAG_SYNC) && fdatasync(fd) != 0 && errno != EINVAL) return -1;

  struct extant_fiemap *page = malloc(sizeof *page);
  if (!page) { errno = ENOMEM; return -1; }
  uint64_t position = map->fm_start;
  uint64_t end = map->fm_length > UINT64_MAX - position ? UINT64_MAX : position + map->fm_length;
  uint32_t filled = 0;
  int result = 0;
  for (;;) {
    uint32_t wanted = map->fm_extent_count - filled;
    if (wanted > EXTANT_FIEMAP_PAGE) wanted = EXTANT_FIEMAP_PAGE;
    memset(page, 0, offsetof(struct extant_fiemap, extents));
    page->start = position;
    page->length = end - position;
    page->flags = map->fm_flags;
    page->extent_count = wanted;
    if (plain_ioctl(fd, EXTANT_IOC_FIEMAP, page) != 0) {
      if (means_not_ours(errno)) errno = EOPNOTSUPP;
      result = -1;
      break;
    }
    if (map->fm_extent_count == 0) {
      map->fm_mapped_extents = page->mapped_extents;
      break;
    }
    uint32_t got = page->mapped_extents < wanted ? page->mapped_extents : wanted;
    memcpy(&map->fm_extents[filled], page->extents, got * sizeof page->extents[0]);
    filled += got;
    map->fm_mapped_extents = filled;
    if (got < wanted || got == 0) break;
    const struct extant_fiemap_extent *last = &page->extents[got - 1];
    if ((last->flags & FIEMAP_EXTENT_LAST) || filled == map->fm_extent_count) break;
    uint64_t next = last->logical + last->length;
    if (next <= position || next >= end) break;
    position = next;
  }
  free(page);
  return result;
}

EXPORT int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);

  int saved = errno;
  int result = plain_ioctl(fd, request, argument);
  // Some programs pass the number as int, which arrives sign-extended.
  if (result == 0 || (uint32_t)request != (uint32_t)FS_IOC_FIEMAP) return result;
  if ((errno != EOPNOTSUPP && errno != ENOTTY) || !argument) return result;
  int plain_error = errno;
  if (!is_fuse(fd)) { errno = plain_error; return result; }
  result = paged_fiemap(fd, argument);
  if (result == 0) errno = saved;
  else if (errno == EOPNOTSUPP) errno = plain_error;
  return result;
}

// syncfs(2): the kernel sends no daemon a word of it, and says success. So where it succeeded on a
// FUSE mount, the daemon is asked to do it; what it cannot make durable is the error.
EXPORT int syncfs(int fd) {
  if (syscall(SYS_syncfs, fd) != 0) return -1;
  if (!is_fuse(fd)) return 0;
  int saved = errno;
  if (plain_ioctl(fd, EXTANT_IOC_SYNC, NULL) == 0) return 0;
  if (!means_not_ours(errno)) return -1;
  errno = saved;
  return 0;
}
