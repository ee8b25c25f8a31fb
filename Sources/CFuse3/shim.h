// libfuse 3.14's low-level API as Swift can import it.
// _FILE_OFFSET_BITS is deliberately not defined here: it clashes with Swift's Glibc module.
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
