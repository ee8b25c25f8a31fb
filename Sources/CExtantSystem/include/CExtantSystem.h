// The system calls and pthread objects that Swift's own libraries do not wrap.
// Everything here is a thin static inline function; anything Linux-only stands in this target.
#ifndef CEXTANTSYSTEM_H
#define CEXTANTSYSTEM_H

#include "Threads.h"
#include "Files.h"
#include "ExtendedAttributes.h"
#include "FuseTransport.h"
#include "Processes.h"

#endif
