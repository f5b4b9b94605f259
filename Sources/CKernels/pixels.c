#include "pixels.h"

// The number of channels is a constant in each loop, so that the compiler can use its shuffles.
#define EVERY_COUNT(LOOP) \
  switch (channels) {     \
    case 1: LOOP(1) break; \
    case 2: LOOP(2) break; \
    case 3: LOOP(3) break; \
    case 4: LOOP(4) break; \
    default: LOOP(channels) \
  }

#define TO_PLANES(n)                     \
  for (size_t i = 0; i < count; i++)     \
    for (size_t c = 0; c < n; c++) to[c * count + i] = from[i * n + c];

#define TO_PIXELS(n)                     \
  for (size_t i = 0; i < count; i++)     \
    for (size_t c = 0; c < n; c++) to[i * n + c] = from[c * count + i];

#define MOVE(name, sample, LOOP)                                                                              \
  static void name(const sample *restrict from, sample *restrict to, size_t count, size_t channels) { \
    EVERY_COUNT(LOOP)                                                                                         \
  }

MOVE(to_planes_8, uint8_t, TO_PLANES)
MOVE(to_planes_32, uint32_t, TO_PLANES)
MOVE(to_pixels_8, uint8_t, TO_PIXELS)
MOVE(to_pixels_32, uint32_t, TO_PIXELS)

void fb_pixels_to_planes(const void *pixels, void *planes, size_t count, size_t channels, size_t bytes) {
  bytes == 1 ? to_planes_8(pixels, planes, count, channels) : to_planes_32(pixels, planes, count, channels);
}

void fb_planes_to_pixels(const void *planes, void *pixels, size_t count, size_t channels, size_t bytes) {
  bytes == 1 ? to_pixels_8(planes, pixels, count, channels) : to_pixels_32(planes, pixels, count, channels);
}
