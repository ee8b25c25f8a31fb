// ISA-L's accelerated checksums; Ext4Format/Checksum.swift is the only user.
#include <isa-l/crc.h>
