#define _GNU_SOURCE
#include "CTestSupport.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t answer(int64_t result) { return result < 0 ? -(int64_t)errno : result; }

int64_t ts_open(const char *path, int flags, uint32_t mode) {
  int f = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (flags & TS_WRITE ? O_RDWR : O_RDONLY);
  if (flags & TS_CREATE) f |= O_CREAT;
  if (flags & TS_TRUNCATE) f |= O_TRUNC;
  if (flags & TS_EXCLUSIVE) f |= O_EXCL;
  if (flags & TS_APPEND) f |= O_APPEND;
  if (flags & TS_DIRECTORY) f |= O_DIRECTORY;
  return answer(open(path, f, mode));
}
int64_t ts_close(int fd) { return answer(close(fd)); }
int64_t ts_pread(int fd, void *bytes, size_t count, int64_t offset) {
  return answer(pread(fd, bytes, count, offset));
}
int64_t ts_pwrite(int fd, const void *bytes, size_t count, int64_t offset) {
  return answer(pwrite(fd, bytes, count, offset));
}
int64_t ts_append(int fd, const void *bytes, size_t count) {
  return answer(write(fd, bytes, count));
}
int64_t ts_pwrite_direct(int fd, uint8_t letter, size_t count, int64_t offset) {
  void *bytes;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -(int64_t)errno;
  if (posix_memalign(&bytes, 4096, count)) return -ENOMEM;
  memset(bytes, letter, count);
  int64_t result = answer(fcntl(fd, F_SETFL, flags | O_DIRECT));
  if (result >= 0) result = answer(pwrite(fd, bytes, count, offset));
  fcntl(fd, F_SETFL, flags);
  free(bytes);
  return result;
}
int64_t ts_aio_write_direct(int fd, uint8_t letter, size_t count, int64_t offset) {
  void *bytes;
  aio_context_t context = 0;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0) return -(int64_t)errno;
  if (posix_memalign(&bytes, 4096, count)) return -ENOMEM;
  memset(bytes, letter, count);
  int64_t result = answer(syscall(SYS_io_setup, 1, &context));
  if (result >= 0) {
    struct iocb block = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)fd,
                         .aio_buf = (uint64_t)(uintptr_t)bytes, .aio_nbytes = count, .aio_offset = offset};
    struct iocb *list[1] = {&block};
    struct io_event event = {0};
    result = answer(syscall(SYS_io_submit, context, 1, list));
    if (result >= 0) result = answer(syscall(SYS_io_getevents, context, 1, 1, &event, NULL));
    if (result >= 0) result = event.res;
    syscall(SYS_io_destroy, context);
  }
  fcntl(fd, F_SETFL, flags);
  free(bytes);
  return result;
}
int64_t ts_set_append(int fd, int appends) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -(int64_t)errno;
  return answer(fcntl(fd, F_SETFL, appends ? flags | O_APPEND : flags & ~O_APPEND));
}
int64_t ts_ftruncate(int fd, int64_t size) { return answer(ftruncate(fd, size)); }
int64_t ts_fallocate(int fd, int mode, int64_t offset, int64_t length) {
  return answer(fallocate(fd, mode, offset, length));
}
int64_t ts_lseek(int fd, int64_t offset, enum ts_whence whence) {
  return answer(lseek(fd, offset, whence == TS_SEEK_DATA ? SEEK_DATA : SEEK_HOLE));
}
int64_t ts_fsync(int fd) { return answer(fsync(fd)); }
int64_t ts_fdatasync(int fd) { return answer(fdatasync(fd)); }
int64_t ts_syncfs(int fd) { return answer(syncfs(fd)); }
int64_t ts_drop_cache(int fd) { return -(int64_t)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }
int64_t ts_copy_file_range(int from, int64_t from_offset, int to, int64_t to_offset, size_t count) {
  off64_t a = from_offset, b = to_offset;
  return answer(copy_file_range(from, &a, to, &b, count, 0));
}

// A fault inside a mapping of ours comes back here instead of ending the process.
static __thread sigjmp_buf fault_return;
static __thread volatile sig_atomic_t fault_expected;
static void on_fault(int signal_number) {
  if (fault_expected) siglongjmp(fault_return, 1);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}
// For good: several threads may be inside mappings at a time.
static pthread_once_t fault_once = PTHREAD_ONCE_INIT;
static void catch_faults(void) {
  struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
  sigaction(SIGBUS, &action, NULL);
}

static int64_t copy_mapped(int fd, void *to, const void *from, size_t count, int64_t offset, int sync) {
  if (count == 0) return 0;
  int64_t page = sysconf(_SC_PAGESIZE), start = offset / page * page;
  size_t length = (size_t)(offset - start) + count;
  int protection = from ? PROT_READ | PROT_WRITE : PROT_READ;
  char *map = mmap(NULL, length, protection, MAP_SHARED, fd, start);
  if (map == MAP_FAILED) return -(int64_t)errno;
  madvise(map, length, MADV_RANDOM);  // a page at a time, whatever was read before
  pthread_once(&fault_once, catch_faults);
  // Some threads are started with all signals blocked; a fault would end the process then.
  sigset_t fault;
  sigemptyset(&fault);
  sigaddset(&fault, SIGBUS);
  pthread_sigmask(SIG_UNBLOCK, &fault, NULL);
  volatile int64_t result = (int64_t)count;
  if (sigsetjmp(fault_return, 1) == 0) {
    fault_expected = 1;
    if (from) memcpy(map + (offset - start), from, count);
    else memcpy(to, map + (offset - start), count);
  } else {
    result = -EFAULT;
  }
  fault_expected = 0;
  if (sync && result >= 0 && msync(map, length, MS_SYNC) < 0) result = -(int64_t)errno;
  munmap(map, length);
  return result;
}
int64_t ts_mmap_read(int fd, void *bytes, size_t count, int64_t offset) {
  return copy_mapped(fd, bytes, NULL, count, offset, 0);
}
int64_t ts_mmap_write(int fd, const void *bytes, size_t count, int64_t offset) {
  return copy_mapped(fd, NULL, bytes, count, offset, 0);
}
int64_t ts_msync_write(int fd, const void *bytes, size_t count, int64_t offset) {
  return copy_mapped(fd, NULL, bytes, count, offset, 1);
}

void *ts_map_page(int fd) {
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? NULL : page;
}
void ts_poke(void *page, size_t offset, uint8_t byte) { ((volatile uint8_t *)page)[offset] = byte; }
void ts_unmap_page(void *page) { munmap(page, 4096); }

static struct ts_time time_of(struct timespec t) {
  return (struct ts_time){.seconds = t.tv_sec, .nanoseconds = t.tv_nsec};
}
static int64_t fill(int result, const struct stat *s, struct ts_status *status) {
  if (result < 0) return -(int64_t)errno;
  *status = (struct ts_status){
      .inode = s->st_ino, .mode = s->st_mode, .links = (uint32_t)s->st_nlink, .uid = s->st_uid,
      .gid = s->st_gid, .size = (uint64_t)s->st_size, .blocks = (uint64_t)s->st_blocks,
      .device_major = major(s->st_rdev), .device_minor = minor(s->st_rdev),
      .access = time_of(s->st_atim), .modification = time_of(s->st_mtim),
      .change = time_of(s->st_ctim)};
  return 0;
}
int64_t ts_fstat(int fd, struct ts_status *status) {
  struct stat s;
  return fill(fstat(fd, &s), &s, status);
}
int64_t ts_fstat_now(int fd, struct ts_status *status) {
  struct statx s;
  if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &s) < 0) return -(int64_t)errno;
  *status = (struct ts_status){.inode = s.stx_ino, .mode = s.stx_mode, .size = s.stx_size,
                               .blocks = s.stx_blocks};
  return 0;
}
int64_t ts_lstat(const char *path, struct ts_status *status) {
  struct stat s;
  return fill(lstat(path, &s), &s, status);
}
int64_t ts_cached_mode(const char *path) {
  struct statx s;
  (void)!access(path, R_OK);
  return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_MODE, &s) < 0 ? -(int64_t)errno : s.stx_mode;
}
int64_t ts_handle(const char *path, void *handle, size_t capacity) {
  struct file_handle *h = handle;
  int mount;
  if (capacity < sizeof *h) return -ERANGE;
  h->handle_bytes = (unsigned)(capacity - sizeof *h);
  if (name_to_handle_at(AT_FDCWD, path, h, &mount, 0) < 0) return -(int64_t)errno;
  return (int64_t)(sizeof *h + h->handle_bytes);
}
int64_t ts_open_handle(int mount_fd, const void *handle, size_t count) {
  struct file_handle *h = malloc(count);
  if (!h) return -ENOMEM;
  memcpy(h, handle, count);
  int64_t result = answer(open_by_handle_at(mount_fd, h, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  free(h);
  return result;
}
int64_t ts_drop_inodes(void) {
  int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -(int64_t)errno;
  int64_t result = answer(write(fd, "2", 1));
  close(fd);
  return result;
}
int64_t ts_mkdir(const char *path, uint32_t mode) { return answer(mkdir(path, mode)); }
int64_t ts_rmdir(const char *path) { return answer(rmdir(path)); }
int64_t ts_unlink(const char *path) { return answer(unlink(path)); }
int64_t ts_link(const char *old_path, const char *new_path) {
  return answer(link(old_path, new_path));
}
int64_t ts_symlink(const char *target, const char *path) { return answer(symlink(target, path)); }
int64_t ts_readlink(const char *path, void *bytes, size_t count) {
  return answer(readlink(path, bytes, count));
}
int64_t ts_rename(const char *old_path, const char *new_path, unsigned flags) {
  return answer(renameat2(AT_FDCWD, old_path, AT_FDCWD, new_path, flags));
}
int64_t ts_mknod(const char *path, uint32_t mode, uint32_t device_major, uint32_t device_minor) {
  return answer(mknod(path, mode, makedev(device_major, device_minor)));
}
int64_t ts_chmod(const char *path, uint32_t mode) { return answer(chmod(path, mode)); }
int64_t ts_lchown(const char *path, uint32_t uid, uint32_t gid) {
  return answer(lchown(path, uid, gid));
}
int64_t ts_utimens(const char *path, struct ts_time access, struct ts_time modification) {
  struct timespec times[2] = {{access.seconds, access.nanoseconds},
                              {modification.seconds, modification.nanoseconds}};
  return answer(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

int64_t ts_read_directory(const char *path, char *names, size_t capacity) {
  DIR *directory = opendir(path);
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
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    size_t count = strlen(entry->d_name) + 1;
    if (count > capacity - used) {
      result = -ERANGE;
      break;
    }
    memcpy(names + used, entry->d_name, count);
    used += count;
  }
  closedir(directory);
  return result;
}

int64_t ts_set_xattr(const char *path, const char *name, const void *value, size_t count, int flags) {
  int f = (flags & TS_XATTR_CREATE ? XATTR_CREATE : 0) | (flags & TS_XATTR_REPLACE ? XATTR_REPLACE : 0);
  return answer(lsetxattr(path, name, value, count, f));
}
int64_t ts_get_xattr(const char *path, const char *name, void *value, size_t capacity) {
  return answer(lgetxattr(path, name, value, capacity));
}
int64_t ts_list_xattr(const char *path, char *names, size_t capacity) {
  return answer(llistxattr(path, names, capacity));
}
int64_t ts_remove_xattr(const char *path, const char *name) {
  return answer(lremovexattr(path, name));
}

int64_t ts_get_flags(int fd) {
  long flags = 0;
  return ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 ? -(int64_t)errno : (int64_t)(uint32_t)flags;
}
int64_t ts_set_flags(int fd, uint32_t flags) {
  long value = flags;
  return answer(ioctl(fd, FS_IOC_SETFLAGS, &value));
}
int64_t ts_ioctl(int fd, uint64_t request, void *argument) {
  return answer(ioctl(fd, request, argument));
}
int64_t ts_shut_down(int fd, uint32_t how) {
  return answer(ioctl(fd, _IOR('X', 125, uint32_t), &how));
}

static pthread_mutex_t births = PTHREAD_MUTEX_INITIALIZER;
void ts_begin_birth(void) { pthread_mutex_lock(&births); }
void ts_end_birth(void) { pthread_mutex_unlock(&births); }

int64_t ts_run(const char *const *arguments, const char *output, const char *extra) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // Not left to exec: it lets the parent go on first, and closes then.
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  char **environment = environ, **ours = NULL;
  if (extra) {
    size_t count = 0;
    while (environ[count]) count++;
    ours = calloc(count + 2, sizeof *ours);
    if (!ours) return -ENOMEM;
    memcpy(ours, environ, count * sizeof *ours);
    ours[count] = (char *)extra;
    environment = ours;
  }
  pid_t child;
  // Signals as a shell's child has them: what runs the tests may ignore or block some.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ts_begin_birth();
  int error = posix_spawnp(
    &child, arguments[0], &actions, &attributes, (char *const *)arguments, environment);
  ts_end_birth();
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  free(ours);
  if (error) return -(int64_t)error;
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -(int64_t)errno;
  return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

// The system calls themselves: libc's functions change all threads.
struct actor {
  uint32_t uid, gid;
  const uint32_t *groups;
  size_t count;
  void (*body)(void *);
  void *argument;
  int64_t result;
};
static void *act(void *argument) {
  struct actor *actor = argument;
  if (syscall(SYS_setgroups, actor->count, actor->groups) < 0
      || syscall(SYS_setresgid, actor->gid, actor->gid, actor->gid) < 0
      || syscall(SYS_setresuid, actor->uid, actor->uid, actor->uid) < 0)
    actor->result = -(int64_t)errno;
  else
    actor->body(actor->argument);
  return NULL;
}
int64_t ts_as(uint32_t uid, uint32_t gid, const uint32_t *groups, size_t count, void (*body)(void *), void *argument) {
  struct actor actor = {uid, gid, groups, count, body, argument, 0};
  pthread_t thread;
  int error = pthread_create(&thread, NULL, act, &actor);
  if (error) return -(int64_t)error;
  pthread_join(thread, NULL);
  return actor.result;
}

int64_t ts_process_id(void) { return getpid(); }
int ts_is_root(void) { return geteuid() == 0; }
int ts_process_lives(int64_t process) { return kill((pid_t)process, 0) == 0 || errno == EPERM; }
uint64_t ts_monotonic_nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
uint64_t ts_random(void) {
  uint64_t value = 0;
  while (getrandom(&value, sizeof value, 0) != sizeof value) {}
  return value;
}
