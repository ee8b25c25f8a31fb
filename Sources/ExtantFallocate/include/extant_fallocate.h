/* Extant's public ioctls: what a FUSE mount of an ext4 image offers beyond the kernel's own calls.
 *
 * The kernel's FUSE client refuses FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
 * FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_WRITE_ZEROES and FS_IOC_FIEMAP before a request is sent, but
 * passes ioctls of a fixed size through. These are those ioctls. docs/IOCTLS.md shows each call from
 * C, Swift and Python; libextant-fallocate.so, preloaded, makes the ordinary calls work as well.
 *
 * This header needs nothing but the kernel's headers and may be used from C and C++. */
#ifndef EXTANT_FALLOCATE_H
#define EXTANT_FALLOCATE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The type byte of all ioctls below; unused in the kernel's list. */
#define EXTANT_IOC_TYPE 0xE4

/* Rises when a structure below changes; new ioctls alone do not raise it. */
#define EXTANT_IOC_VERSION 1

/* "EXTANTFS", little-endian: what struct extant_identity begins with. */
#define EXTANT_IOC_MAGIC 0x5346544e41545845ULL

/* Whose mount this is. Works on any open file or directory of the mount. */
struct extant_identity {
  __u64 magic;      /* EXTANT_IOC_MAGIC */
  __u32 version;    /* EXTANT_IOC_VERSION */
  __u32 block_size; /* in bytes: the unit of collapse and insert */
  __s32 daemon;     /* process id of the daemon that serves the mount, as it sees itself */
  __u32 read_only;  /* 1 when nothing can be written */
  __u8 uuid[16];    /* of the filesystem */
};

/* fallocate(2) with every mode. */
struct extant_fallocate {
  __s64 offset; /* in bytes */
  __s64 length; /* in bytes */
  __s32 mode;   /* FALLOC_FL_*, as fallocate(2) */
  __u32 reserved; /* 0 */
};

/* One extent, field for field struct fiemap_extent of <linux/fiemap.h>. */
struct extant_fiemap_extent {
  __u64 logical;  /* in bytes from the file's start */
  __u64 physical; /* in bytes from the image's start */
  __u64 length;   /* in bytes */
  __u64 reserved64[2];
  __u32 flags; /* FIEMAP_EXTENT_* */
  __u32 reserved[3];
};

/* As many as fit into the 16,383 bytes that an ioctl may carry. */
#define EXTANT_FIEMAP_PAGE 291

/* One page of FS_IOC_FIEMAP's answer. The next page begins where the last extent of this one ends;
 * FIEMAP_EXTENT_LAST marks the end. */
struct extant_fiemap {
  __u64 start;          /* in: the first byte asked for */
  __u64 length;         /* in: how many bytes are asked for; ~0 for all */
  __u32 flags;          /* in: FIEMAP_FLAG_SYNC or 0 */
  __u32 mapped_extents; /* out: how many extents were filled in, or, if none was asked for, exist */
  __u32 extent_count;   /* in: how many are wanted, at most EXTANT_FIEMAP_PAGE; 0 only counts */
  __u32 reserved;
  struct extant_fiemap_extent extents[EXTANT_FIEMAP_PAGE];
};

#define EXTANT_IOC_IDENTIFY _IOR(EXTANT_IOC_TYPE, 0, struct extant_identity)

/* The descriptor must be open for writing (EBADF). Errors are those of fallocate(2). A program that
 * collapsed or inserted should call fstat(2) next: only that tells the kernel the new size. */
#define EXTANT_IOC_FALLOCATE _IOW(EXTANT_IOC_TYPE, 1, struct extant_fallocate)

#define EXTANT_IOC_FIEMAP _IOWR(EXTANT_IOC_TYPE, 2, struct extant_fiemap)

/* syncfs(2), which the kernel does not pass on: everything that reached the daemon is durable when
 * this returns. Works on any open file or directory of the mount. */
#define EXTANT_IOC_SYNC _IO(EXTANT_IOC_TYPE, 3)

#ifdef __cplusplus
}
#endif

#endif
