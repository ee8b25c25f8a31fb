// The extended attributes of the host's files, for programs that copy them; links are not followed.
// Each returns a count of 0 or more, or the errno negated.
#ifndef CFILES_EXTENDEDATTRIBUTES_H
#define CFILES_EXTENDEDATTRIBUTES_H

#include <errno.h>
#include <stddef.h>
#include <sys/xattr.h>

// The names, each ended by a zero byte.
static inline long csys_xattr_list(const char *path, void *names, size_t capacity) {
  long count = llistxattr(path, (char *)names, capacity);
  return count < 0 ? -errno : count;
}
static inline long csys_xattr_get(const char *path, const char *name, void *value, size_t capacity) {
  long count = lgetxattr(path, name, value, capacity);
  return count < 0 ? -errno : count;
}
static inline long csys_xattr_set(const char *path, const char *name, const void *value, size_t count) {
  return lsetxattr(path, name, value, count, 0) < 0 ? -errno : 0;
}
static inline long csys_xattr_remove(const char *path, const char *name) {
  return lremovexattr(path, name) < 0 ? -errno : 0;
}

#endif
