#include "threads.h"

#if defined(__linux__)
#include <sched.h>
#endif
#include <unistd.h>

extern "C" int fb_usable_cores(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static __thread void *thread_blocks;

extern "C" void *fb_thread_blocks(void) { return thread_blocks; }
extern "C" void fb_set_thread_blocks(void *blocks) { thread_blocks = blocks; }

static __thread double operations;

extern "C" double fb_operations_counted(void) { return operations; }
extern "C" void fb_count_operations(double more) { operations += more; }
extern "C" void *fb_thread_identity(void) { return &operations; }
