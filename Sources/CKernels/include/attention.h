// Attention of a block of queries to a block of keys, so that the scores of all pairs are never in memory at once.
#pragma once
#include <stdbool.h>
#include <stddef.h>

/// Queries and keys of a block. Arrays called "by …" hold so many in a row.
enum { fb_attention_queries = 32, fb_attention_keys = 128 };

/// What of a block both directions read; everything is in the class that is computed in.
typedef struct fb_attention_block {
  /// Keys in the block, and the features of a key.
  ptrdiff_t keys, depth;
  /// The features of a key and of a value, filled up with zeros to multiples of fb_attention.granule.
  ptrdiff_t padded_depth, padded_width;
  /// [depth] by queries, times the scale; [depth] by keys.
  const void *queries, *key_columns;
  /// What is added to the scores, [keys] by queries; null for nothing.
  const void *bias;
  /// Query i sees key j only if j + later ≤ i: the first key less the first query; −fb_attention_keys where all is seen.
  ptrdiff_t later;
  /// Working memory, [keys] by queries.
  void *scores;
} fb_attention_block;

/// Takes a block of keys into the queries' running maxima, sums and weighted values.
typedef struct fb_attention_forward {
  fb_attention_block block;
  /// [keys][padded_width]
  const void *values;
  /// By queries; −∞ and 0 before the first block.
  void *maxima, *sums;
  /// [queries][padded_width], not read before the first block.
  void *result;
  bool is_first;
} fb_attention_forward;

/// Adds a block's part to the gradients.
typedef struct fb_attention_backward {
  fb_attention_block block;
  /// The features of a value.
  ptrdiff_t width;
  /// [width] by keys; the gradient of the result [width] by queries.
  const void *value_columns, *gradient_columns;
  /// The same rows by rows: [queries][padded_depth] without the scale, [keys][padded_depth], [queries][padded_width].
  const void *query_rows, *key_rows, *gradient_rows;
  /// By queries: log Σ exp(score), +∞ for a query that is not there, and Σ result · gradient.
  const void *log_sums, *along;
  /// More working memory, [keys] by queries.
  void *slopes;
  /// Sums: [queries][padded_depth] and [keys][padded_depth], both still to be scaled, [keys][padded_width].
  void *query_gradient, *key_gradient, *value_gradient;
} fb_attention_backward;

typedef struct fb_attention {
  ptrdiff_t granule;
  void (*forward)(const fb_attention_forward *step);
  void (*backward)(const fb_attention_backward *step);
  /// out[i] = Σ a[i][j]·b[i][j] for rows of n.
  void (*row_dots)(void *out, const void *a, ptrdiff_t a_row, const void *b, ptrdiff_t b_row, ptrdiff_t rows, ptrdiff_t n);
} fb_attention;
