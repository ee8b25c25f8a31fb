// ISA-L's accelerated checksums and memory scans; Ext4Format is the only user.
#include <isa-l/crc.h>
#include <isa-l/mem_routines.h>
