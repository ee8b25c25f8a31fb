#define _GNU_SOURCE
#include "FuseTransport.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// libfuse processes a request on the thread that read it, right after reading it.
static _Thread_local int kills_suid;
static _Thread_local int acl_kills_sgid;
static _Thread_local uint64_t init_unique;
static _Thread_local uint32_t init_wishes;
static const uint32_t own_wishes = FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT;
// One kernel serves all sessions of a process, so it is the same for each.
static atomic_bool has_setxattr_ext;

static const char *body(const void *buffer) {
  return (const char *)buffer + sizeof(struct fuse_in_header);
}

static void note(const void *buffer, size_t length) {
  const struct fuse_in_header *header = buffer;
  kills_suid = 0;
  acl_kills_sgid = 0;
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
    if (rest >= sizeof(uint32_t) * 4) {
      init_wishes = ((const struct fuse_init_in *)body(buffer))->flags & own_wishes;
      init_unique = header->unique;
    }
    break;
  }
}

// Of a setxattr in FUSE_SETXATTR_EXT's form makes one in the form that libfuse knows. Returns the
// length that is left.
static size_t shorten_setxattr(void *buffer, size_t length) {
  struct fuse_in_header *header = buffer;
  const size_t start = sizeof *header + sizeof(struct fuse_setxattr_in);
  const size_t extension = sizeof(struct fuse_setxattr_in) - FUSE_COMPAT_SETXATTR_IN_SIZE;
  if (length < start || header->opcode != FUSE_SETXATTR) return length;
  char *end_of_short = (char *)buffer + start - extension;
  acl_kills_sgid = (((const struct fuse_setxattr_in *)body(buffer))->setxattr_flags
                    & FUSE_SETXATTR_ACL_KILL_SGID) != 0;
  memmove(end_of_short, end_of_short + extension, length - start);
  header->len -= extension;
  return length - extension;
}

ssize_t csys_fuse_read(int fd, void *buffer, size_t length, void *userdata) {
  (void)userdata;
  ssize_t n = read(fd, buffer, length);
  if (n <= 0) return n;
  note(buffer, (size_t)n);
  return has_setxattr_ext ? (ssize_t)shorten_setxattr(buffer, (size_t)n) : n;
}

ssize_t csys_fuse_writev(int fd, struct iovec *iov, int count, void *userdata) {
  (void)userdata;
  if (init_unique && count >= 2 && iov[0].iov_len == sizeof(struct fuse_out_header)) {
    const struct fuse_out_header *header = iov[0].iov_base;
    if (header->unique == init_unique) {
      init_unique = 0;
      if (header->error == 0 && iov[1].iov_len >= FUSE_COMPAT_22_INIT_OUT_SIZE) {
        ((struct fuse_init_out *)iov[1].iov_base)->flags |= init_wishes;
        has_setxattr_ext = (init_wishes & FUSE_SETXATTR_EXT) != 0;
      }
    }
  }
  return writev(fd, iov, count);
}

int csys_fuse_kills_suid(void) { return kills_suid; }

int csys_fuse_acl_kills_sgid(void) { return acl_kills_sgid; }

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
