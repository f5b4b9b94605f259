// Functions of rows, each row read from memory once: what the commonest row programs run as.
#pragma once
#include <stddef.h>

/// Which function, its inputs → its outputs; null are those in parentheses that are not wanted. `g` is the gradient that arrives.
/// Numbers (mean, scale, c) are one for each row; weight and bias are usually one row for all.
typedef enum fb_row_kernel {
  /// x → y
  fb_row_softmax,
  /// y, g → gx
  fb_row_softmax_slope,
  /// x → y
  fb_row_log_softmax,
  /// y, g → gx
  fb_row_log_softmax_slope,
  /// x, (weight), (bias) → y, (mean), scale; without a mean the row is not centred. scale = 1/√(mean of squares + eps).
  fb_row_norm,
  /// x, (mean), scale, g, (weight) → gx, (gw), (gb). The last two are sums over rows, added to what is there; gb only with a mean.
  fb_row_norm_slope,
  /// x → mean, the sum of squares about it
  fb_row_moments,
  /// x, g, c → Σ g, Σ g·(x − c)
  fb_row_slope_moments,
  fb_row_kernel_count
} fb_row_kernel;

enum { fb_row_operands = 5, fb_row_results = 3 };

typedef struct fb_rows {
  ptrdiff_t rows, width;
  const void *in[fb_row_operands];
  void *out[fb_row_results];
  /// Bytes from one row to the next.
  ptrdiff_t in_step[fb_row_operands], out_step[fb_row_results];
  double eps;
} fb_rows;

/// Rows are dense and not empty; outputs overlap neither inputs nor each other.
typedef void (*fb_row_function)(const fb_rows *rows);

// For Swift, to which C's arrays are tuples.
static inline void fb_rows_set_in(fb_rows *rows, ptrdiff_t k, const void *first, ptrdiff_t step) {
  rows->in[k] = first;
  rows->in_step[k] = step;
}
static inline void fb_rows_set_out(fb_rows *rows, ptrdiff_t k, void *first, ptrdiff_t step) {
  rows->out[k] = first;
  rows->out_step[k] = step;
}
