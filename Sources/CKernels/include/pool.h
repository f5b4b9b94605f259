// Pooling: every output row and column names the span of input rows and columns it sees.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "CKernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Input positions first, first + step, … below end; `size` is the factor it brings to an average's divisor.
typedef struct fb_span {
  ptrdiff_t first, end, step;
  double size;
} fb_span;

/// How a plane is pooled.
typedef struct fb_pool {
  ptrdiff_t in_height, in_width, out_height, out_width;
  const fb_span *rows, *columns;
  /// Divides every sum of an average; 0 for the product of the spans' sizes.
  double divisor;
} fb_pool;

/// Pooling of one element type, a plane at a time. `scratch` holds three input rows of 8-byte elements.
typedef struct fb_pool_type {
  /// The largest element and its position in the plane, as torch: a NaN wins, then the first of equals.
  /// A window without elements gives -inf at position -1.
  void (*max)(void *out, int64_t *positions, const void *in, const fb_pool *pool, void *scratch);
  void (*average)(void *out, const void *in, const fb_pool *pool, void *scratch);
  /// sums[position] += gradient, with sums in the compute type.
  void (*max_gradient)(void *sums, const void *gradient, const int64_t *positions, ptrdiff_t n);
  /// sums[window] += gradient / divisor, with sums in the compute type.
  void (*average_gradient)(void *sums, const void *gradient, const fb_pool *pool, void *scratch);
} fb_pool_type;

typedef struct fb_pool_table {
  fb_pool_type types[fb_dtype_count];
} fb_pool_table;

static inline const fb_pool_type *fb_pool_type_of(const fb_pool_table *table, int dtype) { return &table->types[dtype]; }

/// The pooling loops of an instruction set; null where this machine or this build lacks it.
const fb_pool_table *fb_pooling(fb_isa isa);

#ifdef __cplusplus
}
#endif
