#define _GNU_SOURCE
#include "pages.h"

#ifdef __linux__
#include <sys/mman.h>

bool fb_move_pages(void *from, size_t byte_count, void *to) {
  return mremap(from, byte_count, byte_count, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
}
#else
bool fb_move_pages(void *from, size_t byte_count, void *to) { return false; }
#endif
