// PNG files through the system's libpng 1.6, which is opened when first needed. libpng reports errors by long jumps, which must
// not pass Swift's frames: all of its calls are made here.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { fb_png_message_bytes = 128 };

/// A file that is being read, and its size as `fb_png_pixels` gives it.
typedef struct fb_png fb_png;
typedef struct {
  uint32_t width;
  uint32_t height;
  /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha: palettes and transparent colours are resolved.
  uint32_t channels;
  /// 8 or 16, the latter in the machine's byte order.
  uint32_t bits;
  /// What the file's own rows take, before anything is resolved.
  size_t stored_row_bytes;
} fb_png_size;

/// Opens the library of that name, if it is there. Not to be called by two threads at a time.
bool fb_png_open(const char *name);

/// Reads what stands before the pixels; null, and why, where that cannot be. The bytes must stay until the end.
fb_png *fb_png_begin(const uint8_t *bytes, size_t count, fb_png_size *size, char message[fb_png_message_bytes]);
/// Fills `height` × `width` × `channels` samples.
bool fb_png_pixels(fb_png *png, uint8_t *out, char message[fb_png_message_bytes]);
void fb_png_end(fb_png *png);

/// An 8-bit file of `height` × `width` × `channels` samples, to be given to `fb_png_free`; null, and why, where it cannot be made.
uint8_t *fb_png_write(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int level, size_t *count,
                      char message[fb_png_message_bytes]);
void fb_png_free(uint8_t *bytes);

#ifdef __cplusplus
}
#endif
