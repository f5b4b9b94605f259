// CUDA's threads on a CPU, one after the other, so that kernels can be run where no GPU is. A thread is a fiber that gives way where
// it has to wait; what no GPU would do (barriers that not all threads reach, memory outside of the operands) is reported.
#pragma once
#include <pthread.h>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define FB_INLINE inline
#define __global__
#define __launch_bounds__(...)
#define FB_SHARED(name) unsigned char *name = emulation::shared
#define FB_TOUCHES(address, bytes) emulation::touch(address, bytes)
#define FB_WARP_WORDS(own) emulation::gathered(own)
#define FB_COPY_LATER(to, from, bytes) emulation::copy_later(to, from, bytes)
#define FB_AWAIT_COPIES() emulation::await_copies()

struct emulated_launch {
  int64_t grid_x, grid_y, block_x, block_y, shared_bytes;
  // Memory that may be touched: addresses and their ends.
  const uint64_t *ranges;
  int64_t range_count;
};

struct emulated_index {
  unsigned x, y, z;
};

static emulated_index threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

enum State { runnable, at_barrier, at_warp, finished };

constexpr int most_threads = 1024, stack_bytes = 64 << 10, canary_bytes = 64, most_copies = 256;

/// To shared memory, of what `from` holds when it is made; zeros where it is null.
struct Copy {
  void *to;
  const void *from;
  int bytes;
};

struct Fiber {
  ucontext_t context;
  State state;
  emulated_index index;
  unsigned exchanges;
  int copy_count;
  Copy copies[most_copies];
};

static Fiber fibers[most_threads];
static unsigned char *stacks;
static ucontext_t scheduler;
static int current, thread_count;
static unsigned char *shared;
static int slots[2][most_threads];
static uint32_t words[2][most_threads][6];
static thread_local char failure[256];
static const emulated_launch *launch;
static void (*kernel)(const void *);
static const void *arguments;
static bool on_fibers;
static jmp_buf outside;

inline void fail(const char *what) {
  if (!failure[0]) snprintf(failure, sizeof failure, "%s (block %u %u, thread %u %u)", what, blockIdx.x, blockIdx.y, threadIdx.x, threadIdx.y);
}

/// Ends the thread before it does what it should not.
inline void abandon(const char *what) {
  fail(what);
  if (!on_fibers) longjmp(outside, 1);
  fibers[current].state = finished;
  setcontext(&scheduler);
}

inline void touch(const void *address, size_t bytes) {
  uint64_t from = (uint64_t)address, end = from + bytes;
  if (from % (bytes < 16 ? bytes : 16) != 0) abandon("an access that is not aligned");
  if (from >= (uint64_t)shared && end <= (uint64_t)shared + launch->shared_bytes) return;
  for (int64_t i = 0; i < launch->range_count; i++) {
    if (from >= launch->ranges[2 * i] && end <= launch->ranges[2 * i + 1]) return;
  }
  abandon("memory outside of the operands");
}

inline void give_way(State state) {
  Fiber &self = fibers[current];
  self.state = state;
  swapcontext(&self.context, &scheduler);
}

inline int exchange(int value, int source_lane) {
  int thread = current, warp = thread / 32 * 32;
  unsigned turn = fibers[thread].exchanges++ & 1;
  slots[turn][thread] = value;
  give_way(at_warp);
  int source = warp + source_lane;
  if (source_lane < 0 || source_lane > 31) return value;
  if (source >= thread_count) {
    fail("a lane that is not there");
    return value;
  }
  return slots[turn][source];
}

/// What all lanes of the warp have brought, lane by lane.
inline const uint32_t (*gathered(const uint32_t (&own)[6]))[6] {
  int thread = current;
  unsigned turn = fibers[thread].exchanges++ & 1;
  memcpy(words[turn][thread], own, sizeof own);
  give_way(at_warp);
  return words[turn] + thread / 32 * 32;
}

/// A copy that the thread waits for: before that nothing of it is there.
inline void copy_later(void *to, const void *from, int bytes) {
  Fiber &self = fibers[current];
  if (self.copy_count == most_copies) return abandon("more copies on their way than emulation has room for");
  self.copies[self.copy_count++] = {to, from, bytes};
}

inline void await_copies() {
  Fiber &self = fibers[current];
  for (int i = 0; i < self.copy_count; i++) {
    if (self.copies[i].from) memcpy(self.copies[i].to, self.copies[i].from, self.copies[i].bytes);
    else memset(self.copies[i].to, 0, self.copies[i].bytes);
  }
  self.copy_count = 0;
}

/// The lanes of the warp that have the same value; all of them ask.
inline uint32_t alike(int value) {
  exchange(value, current % 32);
  int warp = current / 32 * 32, turn = (fibers[current].exchanges - 1) & 1;
  uint32_t lanes = 0;
  for (int lane = 0; lane < 32 && warp + lane < thread_count; lane++) lanes |= uint32_t(slots[turn][warp + lane] == value) << lane;
  return lanes;
}

inline void entry() {
  kernel(arguments);
  if (fibers[current].copy_count > 0) fail("a copy that nobody waits for");
  fibers[current].state = finished;
  setcontext(&scheduler);
}

inline void resume(int thread) {
  current = thread;
  threadIdx = fibers[thread].index;
  swapcontext(&scheduler, &fibers[thread].context);
}

/// Frees the waiting threads from..<to if all that are not finished wait in the same way.
inline bool release(int from, int to, State state) {
  int waiting = 0;
  for (int t = from; t < to; t++) waiting += fibers[t].state == state;
  if (waiting == 0) return false;
  if (waiting != to - from) return false;
  for (int t = from; t < to; t++) fibers[t].state = runnable;
  return true;
}

inline void run_block_of_fibers() {
  for (int t = 0; t < thread_count; t++) {
    Fiber &fiber = fibers[t];
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stacks + (size_t)t * stack_bytes;
    fiber.context.uc_stack.ss_size = stack_bytes;
    fiber.context.uc_link = nullptr;
    fiber.state = runnable;
    fiber.exchanges = fiber.copy_count = 0;
    fiber.index = {unsigned(t % blockDim.x), unsigned(t / blockDim.x), 0};
    makecontext(&fiber.context, entry, 0);
  }
  while (true) {
    bool moved = false;
    int done = 0;
    for (int t = 0; t < thread_count; t++) {
      while (fibers[t].state == runnable) {
        resume(t);
        moved = true;
      }
      // A warp that has exchanged goes on while it is warm.
      if (t % 32 == 31 || t == thread_count - 1) {
        if (release(t / 32 * 32, t + 1, at_warp)) t = t / 32 * 32 - 1;
      }
    }
    for (int t = 0; t < thread_count; t++) done += fibers[t].state == finished;
    if (done == thread_count) return;
    if (release(0, thread_count, at_barrier)) continue;
    if (!moved) return fail("threads wait for others that do not come");
  }
}

inline void run_block_directly() {
  if (setjmp(outside)) return;
  for (int t = 0; t < thread_count; t++) {
    threadIdx = {unsigned(t % blockDim.x), unsigned(t / blockDim.x), 0};
    kernel(arguments);
  }
}

/// Threads of the process that run kernels of one library take turns: what a kernel's threads share is there once.
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
struct Turn {
  Turn() { pthread_mutex_lock(&turn); }
  ~Turn() { pthread_mutex_unlock(&turn); }
};

/// Runs all blocks; returns what went wrong, or null.
inline const char *run(const emulated_launch *l, void (*function)(const void *), const void *a, bool waits) {
  Turn mine;
  failure[0] = 0;
  launch = l;
  kernel = function;
  arguments = a;
  thread_count = int(l->block_x * l->block_y);
  if (thread_count > most_threads) return "a block has at most 1024 threads";
  blockDim = {unsigned(l->block_x), unsigned(l->block_y), 1};
  gridDim = {unsigned(l->grid_x), unsigned(l->grid_y), 1};
  if (!stacks) stacks = (unsigned char *)malloc((size_t)most_threads * stack_bytes);
  unsigned char *memory = (unsigned char *)aligned_alloc(64, (size_t(l->shared_bytes) + canary_bytes + 63) / 64 * 64);
  shared = memory;
  for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++) {
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
      // Shared memory begins as anything.
      memset(shared, 0xf7, l->shared_bytes + canary_bytes);
      on_fibers = waits;
      if (waits) run_block_of_fibers();
      else run_block_directly();
      for (int i = 0; i < canary_bytes; i++) {
        if (shared[l->shared_bytes + i] != 0xf7) fail("shared memory past its end");
      }
      if (failure[0]) break;
    }
    if (failure[0]) break;
  }
  free(memory);
  return failure[0] ? failure : nullptr;
}

}  // namespace emulation

inline void __syncthreads() { emulation::give_way(emulation::at_barrier); }
inline int __shfl_xor_sync(unsigned, int value, int distance) {
  return emulation::exchange(value, emulation::current % 32 ^ distance);
}
inline int __shfl_up_sync(unsigned, int value, int distance) {
  return emulation::exchange(value, emulation::current % 32 - distance);
}
inline void __syncwarp() { emulation::give_way(emulation::at_warp); }
inline uint32_t __match_any_sync(unsigned, uint32_t value) { return emulation::alike(int(value)); }
inline int __popc(uint32_t bits) { return __builtin_popcount(bits); }

// Threads give way nowhere else, so that what they do in between is atomic.
template <class T> inline T atomicAdd(T *cell, T value) {
  T old = *cell;
  *cell = old + value;
  return old;
}
template <class T> inline T atomicCAS(T *cell, T expected, T value) {
  T old = *cell;
  if (old == expected) *cell = value;
  return old;
}

inline uint32_t __umulhi(uint32_t a, uint32_t b) { return uint32_t(uint64_t(a) * b >> 32); }

inline float float_of_half_bits(uint16_t h) {
  _Float16 x;
  memcpy(&x, &h, 2);
  return (float)x;
}
inline uint16_t half_bits_of_float(float f) {
  _Float16 x = (_Float16)f;
  uint16_t h;
  memcpy(&h, &x, 2);
  return h;
}

// Functions that a GPU has only nearly. EMULATION_AT_WORST: off by a unit in the last place, up or down, where they are not exact.
inline float nearly(double exact, float argument) {
  uint32_t bits, fraction;
  float y = (float)exact;
  memcpy(&fraction, &y, 4);
  memcpy(&bits, &argument, 4);
  if (!(fabsf(y) >= 0x1p-126f)) return y == y ? copysignf(0, y) : y;
#ifdef EMULATION_AT_WORST
  if (!isinf(y) && (fraction & 0x7fffff) != 0) return nextafterf(y, bits * 2654435761u >> 31 ? INFINITY : 0);
#endif
  return y;
}
inline float quick_exp2(float x) { return nearly(exp2(x), x); }
inline float quick_inverse(float x) { return nearly(1 / (double)x, x); }
