#include "CTestSupport.h"

#include <string.h>

static uint64_t mixed(uint64_t a, uint64_t b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t ts_hash(const void *bytes, size_t count, uint64_t seed) {
  const unsigned char *from = bytes;
  uint64_t a = seed ^ 0x9e3779b97f4a7c15, b = seed + 0xd1b54a32d192ed03;
  for (size_t i = 0; i + 32 <= count; i += 32) {
    uint64_t word[4];
    memcpy(word, from + i, sizeof word);
    a = mixed(word[0] ^ 0xa0761d6478bd642f, word[1] ^ a);
    b = mixed(word[2] ^ 0xe7037ed1a0b428db, word[3] ^ b);
  }
  return mixed(a ^ 0x8ebc6af09c88c6e3, b ^ seed ^ 0x589965cc75374cc3);
}
