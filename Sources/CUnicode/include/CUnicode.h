// How Unicode's characters decompose, embedded so that a binary stands alone. Source and licence: data/README.md.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// `fb_decompositions_count()` little-endian 32-bit numbers, laid out as Scripts/make_decompositions.py says.
const uint8_t *fb_decompositions(void);
size_t fb_decompositions_count(void);

#ifdef __cplusplus
}
#endif
