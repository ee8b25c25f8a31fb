// File calls that swift-system does not have. Used by BlockIO, and by the tools for mounts.
#ifndef CEXTANTSYSTEM_FILES_H
#define CEXTANTSYSTEM_FILES_H
#endif
