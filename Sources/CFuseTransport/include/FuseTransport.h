// How FUSE requests are read and replies written: what libfuse 3.14 cannot negotiate or hides.
// Used by ExtantFuse alone.
#ifndef CFUSETRANSPORT_FUSETRANSPORT_H
#define CFUSETRANSPORT_FUSETRANSPORT_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

// Reads one request and notes, for the thread that reads it, what libfuse drops from it.
ssize_t csys_fuse_read(int fd, void *buffer, size_t length, void *userdata);

// Writes one reply; the reply to INIT also asks for FUSE_HANDLE_KILLPRIV_V2 and FUSE_SETXATTR_EXT
// where they are offered.
ssize_t csys_fuse_writev(int fd, struct iovec *iov, int count, void *userdata);

// Whether the request this thread read last (a write, an open that truncates, a setattr) must clear
// set-user-ID and set-group-ID: its caller lacks CAP_FSETID.
int csys_fuse_kills_suid(void);

// Whether the access ACL that the request this thread read last sets must clear set-group-ID: its
// caller is neither in the file's group nor has CAP_FSETID.
int csys_fuse_acl_kills_sgid(void);

// At least `length` bytes of page-aligned memory that belong to the calling thread until it calls
// again or ends; NULL when there is none.
void *csys_thread_scratch(size_t length);

#endif
