// libfuse 3.14's low-level API as Swift can import it, and the layouts of our own ioctls.
// _FILE_OFFSET_BITS is deliberately not defined here: it clashes with Swift's Glibc module.
#ifndef CFUSE3_SHIM_H
#define CFUSE3_SHIM_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "../ExtantFallocate/include/extant_fallocate.h"

// Numbers whose macros Swift cannot evaluate.
static const unsigned int extant_ioc_identify = EXTANT_IOC_IDENTIFY;
static const unsigned int extant_ioc_fallocate = EXTANT_IOC_FALLOCATE;
static const unsigned int extant_ioc_fiemap = EXTANT_IOC_FIEMAP;
static const unsigned int extant_ioc_sync = EXTANT_IOC_SYNC;
static const unsigned int extant_fs_ioc_getflags = (unsigned int)FS_IOC_GETFLAGS;
static const unsigned int extant_fs_ioc_setflags = (unsigned int)FS_IOC_SETFLAGS;
static const unsigned int extant_fs_ioc32_getflags = (unsigned int)FS_IOC32_GETFLAGS;
static const unsigned int extant_fs_ioc32_setflags = (unsigned int)FS_IOC32_SETFLAGS;
static const unsigned int extant_fs_ioc_getversion = (unsigned int)FS_IOC_GETVERSION;
static const unsigned int extant_fs_ioc32_getversion = (unsigned int)FS_IOC32_GETVERSION;
static const unsigned int extant_fs_ioc_fsgetxattr = (unsigned int)FS_IOC_FSGETXATTR;
static const unsigned int extant_fs_ioc_fssetxattr = (unsigned int)FS_IOC_FSSETXATTR;
static const unsigned int extant_fs_ioc_getfslabel = (unsigned int)FS_IOC_GETFSLABEL;
static const unsigned int extant_fs_ioc_setfslabel = (unsigned int)FS_IOC_SETFSLABEL;
static const unsigned int extant_fitrim = (unsigned int)FITRIM;
// XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN are one number; no installed header of Debian 12 has it.
static const unsigned int extant_ioc_shutdown = (unsigned int)_IOR('X', 125, __u32);

static inline unsigned int extant_major(dev_t device) { return gnu_dev_major(device); }
static inline unsigned int extant_minor(dev_t device) { return gnu_dev_minor(device); }
static inline dev_t extant_makedev(unsigned int major, unsigned int minor) {
  return gnu_dev_makedev(major, minor);
}

// libfuse's log function takes a va_list; Swift gets a line.
typedef void (*extant_log_line)(int level, const char *line);
// A function's own variable: Swift's importer emits no definition for one at file scope.
static inline extant_log_line *extant_log_sink(void) {
  static extant_log_line sink;
  return &sink;
}
static inline void extant_log_forward(enum fuse_log_level level, const char *format, va_list list) {
  char line[512];
  vsnprintf(line, sizeof line, format, list);
  size_t length = strlen(line);
  if (length && line[length - 1] == '\n') line[length - 1] = 0;
  extant_log_line sink = *extant_log_sink();
  if (sink) sink((int)level, line);
}
static inline void extant_set_log_sink(extant_log_line sink) {
  *extant_log_sink() = sink;
  fuse_set_log_func(sink ? extant_log_forward : NULL);
}

// A session that reads and writes its requests through the two functions given.
static inline int extant_session_use_io(
  struct fuse_session *session, ssize_t (*writev)(int, struct iovec *, int, void *),
  ssize_t (*read)(int, void *, size_t, void *)) {
  struct fuse_custom_io io = {.writev = writev, .read = read};
  return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}

#endif
