#define _GNU_SOURCE
#include "Files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

static int open_retrying(const char *path, int flags, int *fd) {
  do *fd = open(path, flags, 0666);
  while (*fd < 0 && errno == EINTR);
  return *fd < 0 ? errno : 0;
}

int csys_file_open(const char *path, int writable, int create, int *fd, int *created) {
  // O_NONBLOCK: opening a FIFO by mistake must not hang. Without effect on what we serve.
  int flags = O_CLOEXEC | O_NONBLOCK | (writable ? O_RDWR : O_RDONLY);
  *created = 0;
  struct stat s;
  if (writable && stat(path, &s) == 0 && S_ISBLK(s.st_mode)) flags |= O_EXCL;
  int e = open_retrying(path, flags, fd);
  if (e == ENOENT && create) {
    e = open_retrying(path, flags | O_CREAT | O_EXCL, fd);
    *created = e == 0;
    if (e == EEXIST) e = open_retrying(path, flags, fd);  // somebody else made it meanwhile
  }
  return e;
}

int csys_file_open_unnamed(int *fd) {
  const char *directory = getenv("TMPDIR");
  if (!directory || !*directory) directory = "/var/tmp";
  do *fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  while (*fd < 0 && errno == EINTR);
  int e = *fd < 0 ? errno : 0;
  // EISDIR: a kernel without O_TMPFILE; EOPNOTSUPP: a filesystem without it.
  if (e != EISDIR && e != EOPNOTSUPP) return e;
  char path[4096];
  int length = snprintf(path, sizeof path, "%s/extant-XXXXXX", directory);
  if (length < 0 || (size_t)length >= sizeof path) return ENAMETOOLONG;
  *fd = mkostemp(path, O_CLOEXEC);
  if (*fd < 0) return errno;
  unlink(path);
  return 0;
}

// Linux: the descriptor is gone whatever close says; trying again could close somebody else's.
int csys_file_close(int fd) { return close(fd) < 0 && errno != EINTR ? errno : 0; }

static void fill(const struct stat *s, struct csys_file_status *status) {
  dev_t device = S_ISBLK(s->st_mode) ? s->st_rdev : s->st_dev;
  status->kind = S_ISREG(s->st_mode)   ? CSYS_FILE_REGULAR
                 : S_ISBLK(s->st_mode) ? CSYS_FILE_BLOCK_DEVICE
                 : S_ISDIR(s->st_mode) ? CSYS_FILE_DIRECTORY
                                       : CSYS_FILE_OTHER;
  status->byte_count = (uint64_t)s->st_size;
  status->device_major = major(device);
  status->device_minor = minor(device);
  status->inode = s->st_ino;
}

int csys_file_status(int fd, struct csys_file_status *status) {
  struct stat s;
  if (fstat(fd, &s) < 0) return errno;
  fill(&s, status);
  if (status->kind == CSYS_FILE_BLOCK_DEVICE && ioctl(fd, BLKGETSIZE64, &status->byte_count) < 0)
    return errno;
  return 0;
}

int csys_path_status(const char *path, struct csys_file_status *status) {
  struct stat s;
  if (stat(path, &s) < 0) return errno;
  fill(&s, status);
  return 0;
}

int csys_file_lock(int fd, int exclusive) {
  int r;
  do r = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
  while (r < 0 && errno == EINTR);
  if (r < 0) return errno;
  struct flock range = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_SETLK, &range) < 0) {
    int e = errno == EACCES ? EAGAIN : errno;
    flock(fd, LOCK_UN);
    return e;
  }
  return 0;
}

int csys_file_read(int fd, void *bytes, size_t count, uint64_t offset, size_t *done) {
  *done = 0;
  while (*done < count) {
    ssize_t n = pread(fd, (char *)bytes + *done, count - *done, (off_t)(offset + *done));
    if (n == 0) return ENODATA;
    if (n > 0) *done += (size_t)n;
    else if (errno != EINTR) return errno;
  }
  return 0;
}

int csys_file_write(int fd, const void *bytes, size_t count, uint64_t offset, size_t *done) {
  *done = 0;
  while (*done < count) {
    ssize_t n = pwrite(fd, (const char *)bytes + *done, count - *done, (off_t)(offset + *done));
    if (n == 0) return EIO;
    if (n > 0) *done += (size_t)n;
    else if (errno != EINTR) return errno;
  }
  return 0;
}

int csys_file_write_through(int fd, const void *bytes, size_t count, uint64_t offset,
                            size_t *done) {
  *done = 0;
  while (*done < count) {
    struct iovec part = {(char *)bytes + *done, count - *done};
    ssize_t n = pwritev2(fd, &part, 1, (off_t)(offset + *done), RWF_DSYNC);
    if (n == 0) return EIO;
    if (n > 0) *done += (size_t)n;
    else if (errno == EOPNOTSUPP || errno == ENOSYS) {
      int error = csys_file_write(fd, bytes, count, offset, done);
      return error ? error : csys_file_datasync(fd);
    } else if (errno != EINTR) return errno;
  }
  return 0;
}

// Drops the first `n` bytes of a list of parts.
static void advance(struct iovec **parts, size_t *count, size_t n) {
  while (*count && n >= (*parts)->iov_len) {
    n -= (*parts)->iov_len;
    (*parts)++;
    (*count)--;
  }
  if (*count && n) {
    (*parts)->iov_base = (char *)(*parts)->iov_base + n;
    (*parts)->iov_len -= n;
  }
}

int csys_file_readv(int fd, struct iovec *parts, size_t count, uint64_t offset, size_t *done) {
  *done = 0;
  for (advance(&parts, &count, 0); count;) {
    int batch = count < IOV_MAX ? (int)count : IOV_MAX;
    ssize_t n = preadv(fd, parts, batch, (off_t)(offset + *done));
    if (n == 0) return ENODATA;
    if (n > 0) {
      *done += (size_t)n;
      advance(&parts, &count, (size_t)n);
    } else if (errno != EINTR) return errno;
  }
  return 0;
}

int csys_file_writev(int fd, struct iovec *parts, size_t count, uint64_t offset, size_t *done) {
  *done = 0;
  for (advance(&parts, &count, 0); count;) {
    int batch = count < IOV_MAX ? (int)count : IOV_MAX;
    ssize_t n = pwritev(fd, parts, batch, (off_t)(offset + *done));
    if (n == 0) return EIO;
    if (n > 0) {
      *done += (size_t)n;
      advance(&parts, &count, (size_t)n);
    } else if (errno != EINTR) return errno;
  }
  return 0;
}

int csys_file_sync(int fd) {
  int r;
  do r = fsync(fd);
  while (r < 0 && errno == EINTR);
  return r < 0 ? errno : 0;
}

int csys_file_datasync(int fd) {
  int r;
  do r = fdatasync(fd);
  while (r < 0 && errno == EINTR);
  return r < 0 ? errno : 0;
}

int csys_ioctl(int fd, unsigned long request, void *argument) {
  int result = ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

int csys_fallocate(int fd, int mode, int64_t offset, int64_t length) {
  return fallocate(fd, mode, offset, length) ? errno : 0;
}

int csys_syncfs(int fd) { return syncfs(fd) ? errno : 0; }

int csys_file_set_size(int fd, uint64_t byte_count) {
  if (byte_count > INT64_MAX) return EFBIG;
  int r;
  do r = ftruncate(fd, (off_t)byte_count);
  while (r < 0 && errno == EINTR);
  return r < 0 ? errno : 0;
}

int csys_file_sync_directory(const char *path) {
  char directory[PATH_MAX];
  size_t length = strlen(path);
  if (length >= sizeof directory) return ENAMETOOLONG;
  memcpy(directory, path, length + 1);
  char *slash = strrchr(directory, '/');
  if (!slash) strcpy(directory, ".");
  else if (slash == directory) slash[1] = 0;
  else *slash = 0;
  int fd;
  int e = open_retrying(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, &fd);
  if (e) return e;
  e = csys_file_sync(fd);
  close(fd);
  return e;
}

int csys_file_seek_data(int fd, uint64_t offset, uint64_t *found) {
  off_t place = lseek(fd, (off_t)offset, SEEK_DATA);
  if (place < 0) return errno;
  *found = (uint64_t)place;
  return 0;
}

int csys_file_punch(int fd, uint64_t offset, uint64_t count) {
  int r;
  do r = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)count);
  while (r < 0 && errno == EINTR);
  return r < 0 ? errno : 0;
}

int csys_block_device_discard(int fd, uint64_t offset, uint64_t count) {
  uint64_t range[2] = {offset, count};
  int r;
  do r = ioctl(fd, BLKDISCARD, range);
  while (r < 0 && errno == EINTR);
  return r < 0 ? errno : 0;
}

int csys_block_device_is_read_only(int fd) {
  int is_read_only = 0;
  return ioctl(fd, BLKROGET, &is_read_only) == 0 && is_read_only;
}

// Reads a small file whole, without its last newline; the length, or -1.
static ssize_t read_text(const char *path, char *text, size_t capacity) {
  int fd;
  if (open_retrying(path, O_RDONLY | O_CLOEXEC, &fd)) return -1;
  size_t n;
  int e = csys_file_read(fd, text, capacity - 1, 0, &n);
  close(fd);
  if (e && e != ENODATA) return -1;
  if (n && text[n - 1] == '\n') n--;
  text[n] = 0;
  return (ssize_t)n;
}

// Whether `number` ("7:3") is the device of a mount that this process sees.
static int is_mounted_here(const char *number) {
  FILE *mounts = fopen("/proc/self/mountinfo", "re");
  if (!mounts) return 0;
  char *line = NULL;
  size_t size = 0;
  int found = 0;
  // "36 35 98:0 /root /mount/point ...", see proc_pid_mountinfo(5)
  while (!found && getline(&line, &size, mounts) > 0) {
    char device[64];
    found = sscanf(line, "%*u %*u %63s", device) == 1 && strcmp(device, number) == 0;
  }
  free(line);
  fclose(mounts);
  return found;
}

int csys_block_device_is_claimed(const char *path) {
  int fd;
  int e = open_retrying(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK, &fd);
  if (!e) close(fd);
  return e == EBUSY;
}

// Whether the loop device is in use: claimed in the kernel's view (which sees every mount
// namespace), or, where we may not open it, mounted in ours.
static int is_in_use(const char *loop) {
  char path[300], number[64];
  snprintf(path, sizeof path, "/dev/%s", loop);
  if (csys_block_device_is_claimed(path)) return 1;
  snprintf(path, sizeof path, "/sys/block/%s/dev", loop);
  return read_text(path, number, sizeof number) > 0 && is_mounted_here(number);
}

int csys_file_mounted_through_loop(uint32_t device_major, uint32_t device_minor, uint64_t inode,
                                   char *name, size_t capacity) {
  DIR *blocks = opendir("/sys/block");
  if (!blocks) return errno;
  int result = 0;
  for (struct dirent *d; !result && (d = readdir(blocks));) {
    if (strncmp(d->d_name, "loop", 4)) continue;
    char path[300], backing[PATH_MAX];
    snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file", d->d_name);
    if (read_text(path, backing, sizeof backing) <= 0) continue;
    struct csys_file_status s;
    if (csys_path_status(backing, &s)) continue;
    if (s.inode != inode || s.device_major != device_major || s.device_minor != device_minor)
      continue;
    if (!is_in_use(d->d_name)) continue;
    snprintf(name, capacity, "%s", d->d_name);
    result = EBUSY;
  }
  closedir(blocks);
  return result;
}
