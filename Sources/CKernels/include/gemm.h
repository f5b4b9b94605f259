// Matrix products: packing, the micro-kernel and the loops for thin shapes, a table of them per instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "CKernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// C[m, n] = alpha A B + beta C, where rows of A are packed and columns of B are packed or in place. Counts are elements.
typedef struct fb_gemm_block {
  ptrdiff_t m, n, k;
  const void *a;
  const void *b;
  /// From one k to the next, and from one panel of columns to the next.
  ptrdiff_t b_row, b_panel;
  void *c;
  ptrdiff_t c_row;
  double alpha, beta;
} fb_gemm_block;

/// C[m, n] = alpha A B + beta C straight from strides; C's columns are adjacent.
typedef struct fb_gemm_small {
  ptrdiff_t m, n, k;
  const void *a;
  ptrdiff_t a_row, a_column;
  const void *b;
  ptrdiff_t b_row, b_column;
  void *c;
  ptrdiff_t c_row;
  double alpha, beta;
} fb_gemm_small;

/// Gathers `count` lanes over k steps into panels, widened to the compute type: to[panel][k][lane], zeros past the edge.
typedef void (*fb_pack)(void *to, const void *from, ptrdiff_t lane_stride, ptrdiff_t k_stride, ptrdiff_t count, ptrdiff_t k);

/// Products computed in one floating-point class.
typedef struct fb_gemm_class {
  int tile_rows, tile_columns;
  void (*multiply)(const fb_gemm_block *block);
  void (*small)(const fb_gemm_small *product);
  /// Adds by_row[i] and by_column[j], either of which may be null.
  void (*add_bias)(void *c, ptrdiff_t c_row, ptrdiff_t rows, ptrdiff_t columns, const void *by_row, const void *by_column);
} fb_gemm_class;

/// Products of one element type. Floating types compute in float32 or, for float64, float64; integers only have `integers`.
typedef struct fb_gemm_type {
  fb_pack pack_rows, pack_columns;
  /// to = from + beta * to, rounded to the element type.
  void (*finish)(void *to, ptrdiff_t to_row, const void *from, ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t columns,
                 double beta);
  /// Strided elements to dense ones of the compute type.
  void (*widen)(void *to, const void *from, ptrdiff_t stride, ptrdiff_t n);
  /// out[i, j] = a[i, :] · b[j, :] with a and out in the compute type and b in the element type.
  void (*dots)(void *out, ptrdiff_t out_row, const void *a, ptrdiff_t a_row, ptrdiff_t m, const void *b, ptrdiff_t b_row,
               ptrdiff_t n, ptrdiff_t k);
  /// out[i, j] += x[i, :] · b[:, j] for at most 8 rows, with x and out in the compute type and b, read row by row, in the
  /// element type.
  void (*scaled_rows)(void *out, ptrdiff_t out_row, const void *x, ptrdiff_t x_row, ptrdiff_t m, const void *b, ptrdiff_t b_row,
                      ptrdiff_t n, ptrdiff_t k);
  /// A wrapping product.
  void (*integers)(const fb_gemm_small *product);
} fb_gemm_type;

/// Products of bfloat16 that add two steps of k at a time. Packed, a pair of steps is one element of four bytes, and counts as one
/// in a block's k, b_row and b_panel; C is float32.
typedef struct fb_gemm_pairs {
  fb_pack pack_rows, pack_columns;
  void (*multiply)(const fb_gemm_block *block);
} fb_gemm_pairs;

typedef struct fb_gemm_table {
  fb_isa isa;
  fb_gemm_class f32, f64;
  fb_gemm_type types[fb_dtype_count];
} fb_gemm_table;

static inline const fb_gemm_class *fb_gemm_class_of(const fb_gemm_table *table, int dtype) {
  return dtype == fb_float64 ? &table->f64 : &table->f32;
}
static inline const fb_gemm_type *fb_gemm_type_of(const fb_gemm_table *table, int dtype) { return &table->types[dtype]; }

/// The products of an instruction set; null where this machine or this build lacks it.
const fb_gemm_table *fb_gemm(fb_isa isa);
/// Null where the processor has no instruction for them.
const fb_gemm_pairs *fb_gemm_bfloat16_pairs(fb_isa isa);

#ifdef __cplusplus
}
#endif
