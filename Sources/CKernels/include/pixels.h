// Pixels on their way between files, which hold a pixel's channels together, and tensors, which hold a channel's pixels together.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// `count` pixels of `channels` samples of `bytes` bytes (1 or 4) each, from one after another to plane after plane, and back.
void fb_pixels_to_planes(const void *pixels, void *planes, size_t count, size_t channels, size_t bytes);
void fb_planes_to_pixels(const void *planes, void *pixels, size_t count, size_t channels, size_t bytes);

#ifdef __cplusplus
}
#endif
