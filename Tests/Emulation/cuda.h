// CUDA's threads on a CPU, one after the other, so that kernels can be run where no GPU is: what kernels call. The threads themselves are
// in threads.cpp, which is linked with them.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "launch.h"

// Clang tells of all accesses that kernels make, but not of these functions' own.
#pragma clang attribute push(__attribute__((disable_sanitizer_instrumentation)), apply_to = function)

#define FB_INLINE inline
#define __global__
#define __launch_bounds__(...)
#define FB_SHARED(name) unsigned char *name = emulation::shared
#define FB_TOUCHES(address, bytes) emulation::touch(address, bytes)
#define FB_WARP_WORDS(own) emulation::gathered(own)
#define FB_COPY_LATER(to, from, bytes) emulation::copy_later(to, from, bytes)
#define FB_AWAIT_COPIES() emulation::await_copies()

struct emulated_index {
  unsigned x, y, z;
};

extern emulated_index threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

extern unsigned char *shared;

/// The thread is about to touch memory, which has to be there.
void touch(const void *address, size_t bytes);
void touch_atomically(const void *cell, size_t bytes);

/// What all lanes of the warp have brought, lane by lane.
const uint32_t (*gathered(const uint32_t (&own)[6]))[6];

/// A copy that the thread waits for: before that nothing of it is there.
void copy_later(void *to, const void *from, int bytes);
void await_copies();

/// Runs all blocks; returns what went wrong, or null. `waits`: threads may wait for each other.
const char *run(const emulated_launch *launch, void (*kernel)(const void *), const void *arguments, bool waits);

}  // namespace emulation

void __syncthreads();
void __syncwarp();
int __shfl_xor_sync(unsigned, int value, int distance);
int __shfl_up_sync(unsigned, int value, int distance);
/// The lanes of the warp that have the same value; all of them ask.
uint32_t __match_any_sync(unsigned, uint32_t value);
inline int __popc(uint32_t bits) { return __builtin_popcount(bits); }

// Threads give way nowhere else, so that what they do in between is atomic.
template <class T> inline T atomicAdd(T *cell, T value) {
  emulation::touch_atomically(cell, sizeof(T));
  T old = *cell;
  *cell = old + value;
  return old;
}
template <class T> inline T atomicCAS(T *cell, T expected, T value) {
  emulation::touch_atomically(cell, sizeof(T));
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

#pragma clang attribute pop
