#define _GNU_SOURCE
#include "PosixCalls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

static int64_t answer(int64_t result) { return result < 0 ? -(int64_t)errno : result; }

// The raw calls change this thread alone; the C library's would change every thread.
int64_t ts_become(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count) {
  if (syscall(SYS_setgroups, count, groups) < 0) return answer(-1);
  if (syscall(SYS_setresgid, gid, gid, 0) < 0) return answer(-1);
  return answer(syscall(SYS_setresuid, uid, uid, 0));
}
int64_t ts_become_on_disk(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count) {
  if (syscall(SYS_setgroups, count, groups) < 0) return answer(-1);
  syscall(SYS_setfsgid, gid);
  syscall(SYS_setfsuid, uid);
  return 0;
}
int64_t ts_become_root(void) {
  // First, since it alone gives back the capabilities that setfsuid took.
  syscall(SYS_setfsuid, 0);
  if (syscall(SYS_setresuid, 0, 0, 0) < 0) return answer(-1);
  if (syscall(SYS_setresgid, 0, 0, 0) < 0) return answer(-1);
  // setresgid does nothing where the three are 0 already.
  syscall(SYS_setfsgid, 0);
  return answer(syscall(SYS_setgroups, (size_t)0, NULL));
}
static pthread_rwlock_t forks = PTHREAD_RWLOCK_INITIALIZER;
void ts_begin_step(int forking) {
  if (forking) pthread_rwlock_wrlock(&forks);
  else pthread_rwlock_rdlock(&forks);
}
void ts_end_step(void) { pthread_rwlock_unlock(&forks); }
int64_t ts_own_directory(void) { return answer(unshare(CLONE_FS)); }
int64_t ts_chdir(const char *path) { return answer(chdir(path)); }
uint32_t ts_umask(uint32_t mask) { return umask(mask); }

int64_t ts_open_raw(const char *path, int flags, uint32_t mode) {
  return answer(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode));
}
int64_t ts_read(int fd, void *bytes, size_t count) { return answer(read(fd, bytes, count)); }
int64_t ts_seek(int fd, int64_t offset, int whence) { return answer(lseek(fd, offset, whence)); }
int64_t ts_truncate(const char *path, int64_t size) { return answer(truncate(path, size)); }
int64_t ts_map(int fd, int writable, int shared, size_t count) {
  void *map = mmap(NULL, count, PROT_READ | (writable ? PROT_WRITE : 0),
                   shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);
  if (map == MAP_FAILED) return -(int64_t)errno;
  munmap(map, count);
  return 0;
}
// O_DIRECT wants memory as aligned as the file's offsets.
int64_t ts_direct(int fd, void *bytes, size_t count, int64_t offset, int writes) {
  void *aligned = NULL;
  if (posix_memalign(&aligned, 4096, count ? count : 1)) return -ENOMEM;
  if (writes) memcpy(aligned, bytes, count);
  int64_t result = answer(writes ? pwrite(fd, aligned, count, offset) : pread(fd, aligned, count, offset));
  if (!writes && result > 0) memcpy(bytes, aligned, (size_t)result);
  free(aligned);
  return result;
}
int64_t ts_sendfile(int to, int from, int64_t offset, size_t count) {
  off_t place = offset;
  return answer(sendfile(to, from, &place, count));
}

int64_t ts_linkat(const char *old_path, const char *new_path, int flags) {
  return answer(linkat(AT_FDCWD, old_path, AT_FDCWD, new_path, flags));
}
int64_t ts_link_descriptor(int fd, const char *new_path) {
  return answer(linkat(fd, "", AT_FDCWD, new_path, AT_EMPTY_PATH));
}
int64_t ts_bind_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -(int64_t)errno;
  int64_t result = answer(bind(fd, (struct sockaddr *)&address, sizeof address));
  close(fd);
  return result;
}

int64_t ts_fchmod(int fd, uint32_t mode) { return answer(fchmod(fd, mode)); }
int64_t ts_chown(const char *path, uint32_t uid, uint32_t gid) { return answer(chown(path, uid, gid)); }
int64_t ts_fchown(int fd, uint32_t uid, uint32_t gid) { return answer(fchown(fd, uid, gid)); }
int64_t ts_utimensat(const char *path, struct ts_time access, struct ts_time modification, int follow) {
  struct timespec times[2] = {{access.seconds, access.nanoseconds},
                              {modification.seconds, modification.nanoseconds}};
  return answer(utimensat(AT_FDCWD, path, times, follow ? 0 : AT_SYMLINK_NOFOLLOW));
}
int64_t ts_futimens(int fd, struct ts_time access, struct ts_time modification) {
  struct timespec times[2] = {{access.seconds, access.nanoseconds},
                              {modification.seconds, modification.nanoseconds}};
  return answer(futimens(fd, times));
}
int64_t ts_access(const char *path, int mode, int effective) {
  // The C library's AT_EACCESS may decide by itself; the kernel is to be asked.
  return answer(effective ? syscall(SYS_faccessat2, AT_FDCWD, path, mode, AT_EACCESS)
                          : syscall(SYS_faccessat, AT_FDCWD, path, mode));
}
int64_t ts_statfs(const char *path, uint64_t *values) {
  struct statfs s;
  if (statfs(path, &s) < 0) return -(int64_t)errno;
  values[0] = (uint64_t)s.f_bsize;
  values[1] = s.f_blocks;
  values[2] = s.f_bfree;
  values[3] = s.f_bavail;
  values[4] = s.f_files;
  values[5] = (uint64_t)s.f_namelen;
  return 0;
}
int64_t ts_mode_now(const char *path) {
  struct statx s;
  if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC, STATX_MODE, &s) < 0)
    return -(int64_t)errno;
  return s.stx_mode;
}

// What chattr does: a descriptor that only reads.
static int open_for_ioctl(const char *path) {
  return open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}
int64_t ts_path_ioctl(const char *path, uint64_t request, void *argument) {
  int fd = open_for_ioctl(path);
  if (fd < 0) return -(int64_t)errno;
  int64_t result = answer(ioctl(fd, request, argument));
  close(fd);
  return result;
}
int64_t ts_path_flags(const char *path) {
  long flags = 0;
  int64_t result = ts_path_ioctl(path, FS_IOC_GETFLAGS, &flags);
  return result < 0 ? result : (int64_t)(uint32_t)flags;
}
int64_t ts_set_path_flags(const char *path, uint32_t flags) {
  long value = flags;
  return ts_path_ioctl(path, FS_IOC_SETFLAGS, &value);
}

int64_t ts_fset_xattr(int fd, const char *name, const void *value, size_t count, int flags) {
  return answer(fsetxattr(fd, name, value, count, flags));
}
int64_t ts_get_xattr_size(const char *path, const char *name) {
  return answer(lgetxattr(path, name, NULL, 0));
}

int64_t ts_name_to_handle(const char *path, void *handle, size_t capacity) {
  struct file_handle *h = handle;
  int mount;
  h->handle_bytes = (unsigned)(capacity - sizeof *h);
  if (name_to_handle_at(AT_FDCWD, path, h, &mount, 0) < 0) return -(int64_t)errno;
  return (int64_t)(sizeof *h + h->handle_bytes);
}
int64_t ts_open_by_handle(void *handle, int flags) {
  return answer(open_by_handle_at(AT_FDCWD, handle, flags | O_CLOEXEC));
}

int64_t ts_flock(int fd, int operation) { return answer(flock(fd, operation | LOCK_NB)); }
static struct flock range_of(int type, int64_t start, int64_t length) {
  return (struct flock){.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}
int64_t ts_lock(int fd, int open_description, int type, int64_t start, int64_t length) {
  struct flock range = range_of(type, start, length);
  return answer(fcntl(fd, open_description ? F_OFD_SETLK : F_SETLK, &range));
}
int64_t ts_lock_holder(int fd, int open_description, int type, int64_t start, int64_t length) {
  struct flock range = range_of(type, start, length);
  if (fcntl(fd, open_description ? F_OFD_GETLK : F_GETLK, &range) < 0) return -(int64_t)errno;
  return range.l_type;
}
static int64_t end_of(pid_t child) {
  int status;
  if (child < 0) return -(int64_t)errno;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -(int64_t)errno;
  return WIFEXITED(status) ? -(int64_t)WEXITSTATUS(status) : -EINTR;
}
// A child inherits descriptors, but none of the process's locks.
int64_t ts_lock_in_child(int fd, int open_description, int type, int64_t start, int64_t length) {
  ts_begin_birth();
  pid_t child = fork();
  if (child == 0) _exit((int)-ts_lock(fd, open_description, type, start, length));
  int64_t result = end_of(child);
  ts_end_birth();
  return result;
}
int64_t ts_flock_in_child(int fd, int operation) {
  ts_begin_birth();
  pid_t child = fork();
  if (child == 0) _exit((int)-ts_flock(fd, operation));
  int64_t result = end_of(child);
  ts_end_birth();
  return result;
}
int64_t ts_descriptor_flags(int fd, int set, int flags) {
  return answer(set ? fcntl(fd, F_SETFL, flags) : fcntl(fd, F_GETFL));
}

int64_t ts_list_typed(const char *path, char *names, size_t capacity) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
  if (fd < 0) fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (!directory) return -(int64_t)errno;
  size_t used = 0;
  int64_t result = 0;
  for (;;) {
    errno = 0;
    struct dirent *entry = readdir(directory);
    if (!entry) {
      result = errno ? -(int64_t)errno : (int64_t)used;
      break;
    }
    size_t count = strlen(entry->d_name) + 2;
    if (count > capacity - used) {
      result = -ERANGE;
      break;
    }
    names[used] = (char)('a' + entry->d_type);
    memcpy(names + used + 1, entry->d_name, count - 1);
    used += count;
  }
  closedir(directory);
  return result;
}

// Reads all names of a directory while something happens after `pause` of them. The names are
// numbers below `count`; each of those in 0 ..< kept must come once. Returns how many did not.
int64_t ts_walk(const char *path, unsigned pause, unsigned count, unsigned kept, int what) {
  unsigned char *seen = calloc(count + 1, 1);
  DIR *directory = opendir(path);
  if (!directory || !seen) {
    int64_t error = -(int64_t)errno;
    free(seen);
    return error;
  }
  unsigned read = 0;
  long place = -1;
  char name[4200];
  for (;;) {
    if (read == pause) {
      if (what == TS_WALK_SEEK) place = telldir(directory);
      for (unsigned i = kept; i < count && (what == TS_WALK_UNLINK || what == TS_WALK_CREATE); i++) {
        snprintf(name, sizeof name, "%s/%u", path, i);
        if (what == TS_WALK_UNLINK) unlink(name);
        else close(open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0644));
      }
      if (what == TS_WALK_REWIND) {
        memset(seen, 0, count);
        rewinddir(directory);
      }
    }
    struct dirent *entry = readdir(directory);
    if (!entry) break;
    read++;
    if (entry->d_name[0] == '.') continue;
    unsigned number = (unsigned)strtoul(entry->d_name, NULL, 10);
    if (number < count && seen[number] < 255) seen[number]++;
  }
  if (what == TS_WALK_SEEK && place >= 0) {
    // From the place that was kept, the rest comes a second time.
    unsigned again = 0;
    seekdir(directory, place);
    for (struct dirent *entry; (entry = readdir(directory));) again++;
    if (again + pause != read) {
      closedir(directory);
      free(seen);
      return 1000000 + again;
    }
  }
  closedir(directory);
  int64_t wrong = 0;
  for (unsigned i = 0; i < kept; i++) wrong += seen[i] != 1;
  free(seen);
  return wrong;
}

int64_t ts_create_many(const char *prefix, unsigned count, int how, const char *target, unsigned *made) {
  char name[4200];
  for (*made = 0; *made < count; ++*made) {
    int64_t result;
    snprintf(name, sizeof name, "%s%u", prefix, *made);
    if (how == TS_MANY_DIRECTORIES) result = mkdir(name, 0755);
    else if (how == TS_MANY_LINKS) result = link(target, name);
    else if ((result = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644)) >= 0) close((int)result);
    if (result < 0) return -(int64_t)errno;
  }
  return 0;
}

// From directory to directory: a whole path may be longer than the kernel takes.
static int remove_at(int parent, const char *name) {
  if (unlinkat(parent, name, 0) == 0) return 0;
  int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  long flags = 0;
  if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) {
    flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    ioctl(fd, FS_IOC_SETFLAGS, &flags);
  }
  DIR *directory = fd < 0 ? NULL : fdopendir(fd);
  if (!directory) {
    if (fd >= 0) close(fd);
    return unlinkat(parent, name, 0) == 0 ? 0 : errno;
  }
  int result = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    int error = remove_at(fd, entry->d_name);
    if (error) result = error;
  }
  closedir(directory);
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 ? 0 : result ? result : errno;
}
int64_t ts_remove_tree(const char *path) { return -(int64_t)remove_at(AT_FDCWD, path); }

int64_t ts_drop_all_caches(void) {
  int here = open(".", O_RDONLY | O_CLOEXEC);
  if (here < 0) return -(int64_t)errno;
  syncfs(here);
  close(here);
  int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -(int64_t)errno;
  int64_t result = answer(write(fd, "2", 1));
  close(fd);
  return result < 0 ? result : 0;
}

int64_t ts_extant_fallocate(int fd, int mode, int64_t offset, int64_t length) {
  struct {
    int64_t offset, length;
    uint32_t mode, reserved;
  } argument = {offset, length, (uint32_t)mode, 0};
  return answer(ioctl(fd, _IOW(0xE4, 1, argument), &argument));
}
void ts_sleep(uint64_t nanoseconds) {
  struct timespec t = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
  nanosleep(&t, NULL);
}
int64_t ts_clock(void) { return time(NULL); }
