// The UCI optical digits, embedded so that a binary stands alone. Source and licence: data/README.md.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  fb_digits_pixels = 64,
  fb_digits_record = fb_digits_pixels + 1,
};

/// `fb_digits_count()` records of `fb_digits_record` bytes: 8×8 pixels of 0...16, row by row, then the label, 0...9.
const uint8_t *fb_digits(void);
size_t fb_digits_count(void);

#ifdef __cplusplus
}
#endif
