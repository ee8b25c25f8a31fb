#define _GNU_SOURCE
#include "FuseTransport.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

// libfuse processes a request on the thread that read it, right after reading it.
static _Thread_local int kills_suid;
static _Thread_local uint64_t init_unique;

static const char *body(const void *buffer) {
  return (const char *)buffer + sizeof(struct fuse_in_header);
}

static void note(const void *buffer, size_t length) {
  const struct fuse_in_header *header = buffer;
  kills_suid = 0;
  if (length < sizeof *header) return;
  size_t rest = length - sizeof *header;
  switch (header->opcode) {
  case FUSE_WRITE:
    if (rest >= sizeof(struct fuse_write_in))
      kills_suid =
        (((const struct fuse_write_in *)body(buffer))->write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
    break;
  case FUSE_OPEN:
    if (rest >= sizeof(struct fuse_open_in))
      kills_suid =
        (((const struct fuse_open_in *)body(buffer))->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
    break;
  case FUSE_CREATE:
    if (rest >= sizeof(struct fuse_create_in))
      kills_suid =
        (((const struct fuse_create_in *)body(buffer))->open_flags & FUSE_OPEN_KILL_SUIDGID) != 0;
    break;
  case FUSE_SETATTR:
    if (rest >= sizeof(struct fuse_setattr_in))
      kills_suid =
        (((const struct fuse_setattr_in *)body(buffer))->valid & FATTR_KILL_SUIDGID) != 0;
    break;
  case FUSE_INIT:
    if (rest >= sizeof(uint32_t) * 4
        && (((const struct fuse_init_in *)body(buffer))->flags & FUSE_HANDLE_KILLPRIV_V2))
      init_unique = header->unique;
    break;
  }
}

ssize_t csys_fuse_read(int fd, void *buffer, size_t length, void *userdata) {
  (void)userdata;
  ssize_t n = read(fd, buffer, length);
  if (n > 0) note(buffer, (size_t)n);
  return n;
}

ssize_t csys_fuse_writev(int fd, struct iovec *iov, int count, void *userdata) {
  (void)userdata;
  if (init_unique && count >= 2 && iov[0].iov_len == sizeof(struct fuse_out_header)) {
    const struct fuse_out_header *header = iov[0].iov_base;
    if (header->unique == init_unique) {
      init_unique = 0;
      if (header->error == 0 && iov[1].iov_len >= FUSE_COMPAT_22_INIT_OUT_SIZE)
        ((struct fuse_init_out *)iov[1].iov_base)->flags |= FUSE_HANDLE_KILLPRIV_V2;
    }
  }
  return writev(fd, iov, count);
}

int csys_fuse_kills_suid(void) { return kills_suid; }

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static _Thread_local size_t scratch_length;

static void make_scratch_key(void) { pthread_key_create(&scratch_key, free); }

void *csys_thread_scratch(size_t length) {
  pthread_once(&scratch_once, make_scratch_key);
  void *scratch = pthread_getspecific(scratch_key);
  if (scratch && scratch_length >= length) return scratch;
  free(scratch);
  pthread_setspecific(scratch_key, NULL);
  size_t rounded = (length + 4095) & ~(size_t)4095;
  if (rounded < length || posix_memalign(&scratch, 4096, rounded ? rounded : 4096)) return NULL;
  scratch_length = rounded ? rounded : 4096;
  pthread_setspecific(scratch_key, scratch);
  return scratch;
}
