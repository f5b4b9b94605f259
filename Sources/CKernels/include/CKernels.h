// The loops one core runs. Every instruction set has a table of them; `fb_kernels` picks one at start.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attention.h"
#include "classes.h"
#include "device_source.h"
#include "digits.h"
#include "dimension_map.h"
#include "groups.h"
#include "optimizers.h"
#include "pages.h"
#include "pixels.h"
#include "png_files.h"
#include "primitives.h"
#include "random.h"
#include "recurrence.h"
#include "rows.h"
#include "sort.h"
#include "special.h"
#include "threads.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Instruction sets, from the one every machine has upwards.
typedef enum fb_isa { fb_isa_baseline, fb_isa_avx2, fb_isa_avx512, fb_isa_count } fb_isa;

/// Element types in memory, numbered as Swift's DType.
typedef enum fb_dtype {
  fb_bool, fb_uint8, fb_int8, fb_int16, fb_int32, fb_int64, fb_float16, fb_bfloat16, fb_float32, fb_float64, fb_dtype_count
} fb_dtype;

/// What a dense block can be reduced to. `min` and `max` give NaN if there is one; `any` and `all` give 1 or 0, NaN counting
/// as true.
typedef enum fb_reduction {
  fb_reduce_sum, fb_reduce_prod, fb_reduce_min, fb_reduce_max, fb_reduce_any, fb_reduce_all, fb_reduce_sum_squares,
  fb_reduction_count
} fb_reduction;

/// out[i] = op(a[i], b[i], c[i]) for i in 0..<n. Bit k of `scalars` set: operand k is a single value, used for every i.
/// `out` may be one of the operands. Unused operands are null.
typedef void (*fb_map)(void *out, const void *a, const void *b, const void *c, ptrdiff_t n, unsigned scalars);

/// Strided elements of one dtype to a dense block of the class, and back. Strides count elements.
typedef void (*fb_load)(void *block, const void *from, ptrdiff_t stride, ptrdiff_t n);
typedef void (*fb_store)(void *to, ptrdiff_t stride, const void *block, ptrdiff_t n);

/// *out = the reduction of a[0..<n]; the identity if n is 0. The order of operations depends on n alone.
typedef void (*fb_reduce)(void *out, const void *a, ptrdiff_t n);
/// out[r] = the reduction of n elements, for rows that are `step` bytes apart.
typedef void (*fb_reduce_rows)(void *out, const void *a, ptrdiff_t step, ptrdiff_t rows, ptrdiff_t n);
/// total[i] joined with the elements i of all rows, which are `step` bytes apart; `fresh`: only they. `n` and `rows` are not 0.
typedef void (*fb_fold_rows)(void *total, const void *from, ptrdiff_t step, ptrdiff_t rows, ptrdiff_t n, bool fresh);
/// *out = Σ a[i]·b[i].
typedef void (*fb_dot)(void *out, const void *a, const void *b, ptrdiff_t n);
/// The index of the first smallest or largest value, or of the first NaN; 0 if n is 0.
typedef ptrdiff_t (*fb_arg)(const void *a, ptrdiff_t n);

/// out[i] = exp(a[i] − *shift), and *sum = Σ out[i]. `out` may be `a`.
typedef void (*fb_exp_sum)(void *out, void *sum, const void *a, const void *shift, ptrdiff_t n);
/// *max = the largest a[i] and *sum = Σ exp(a[i] − *max), in one read; log(*sum) + *max is the logsumexp, also for rows of
/// infinities (the sum is then 0 or 1).
typedef void (*fb_max_exp_sum)(void *max, void *sum, const void *a, ptrdiff_t n);

/// n copies of one element.
typedef void (*fb_fill)(void *to, const void *value, ptrdiff_t n);
/// to[column·to_stride + row] = from[row·from_stride + column]; strides count elements.
typedef void (*fb_transpose)(void *to, ptrdiff_t to_stride, const void *from, ptrdiff_t from_stride, ptrdiff_t rows,
                             ptrdiff_t columns);
/// A copy that goes past the caches: for results too big to be read again soon.
typedef void (*fb_stream_copy)(void *to, const void *from, ptrdiff_t bytes);

/// Bytes that are sums of bytes with weights in units of 2⁻ᵇⁱᵗˢ, rounded and cut to 0...255.
/// out[i] = Σ weights[k] · in[rows[k] · n + i], k in 0..<taps.
typedef void (*fb_weigh_rows)(uint8_t *out, const uint8_t *in, const ptrdiff_t *rows, const int32_t *weights, ptrdiff_t taps,
                              ptrdiff_t n, int bits);
/// In each of `rows` rows: out[i] = Σ weights[k] · in[inputs[k]], k in starts[i]..<starts[i + 1].
typedef void (*fb_weigh_columns)(uint8_t *out, ptrdiff_t out_n, const uint8_t *in, ptrdiff_t in_n, ptrdiff_t rows,
                                 const ptrdiff_t *starts, const ptrdiff_t *inputs, const int32_t *weights, int bits);

/// What a core can do at most: rounds of float32 multiplications and additions from registers, and memory that is read.
/// What they return says nothing, but makes the compiler compute it.
typedef float (*fb_arithmetic_limit)(ptrdiff_t rounds);
typedef uint64_t (*fb_read_limit)(const void *from, ptrdiff_t bytes);

/// Rows and columns of values, each of which belongs to the element of a table that its row, its column and a position
/// choose: table[row · table_row + column · table_column + position · step]. Strides count elements.
typedef struct fb_index_walk {
  ptrdiff_t rows, columns;
  ptrdiff_t index_row, index_column, value_row, value_column, table_row, table_column, step;
  /// Positions lie in 0 ..< limit.
  int64_t limit;
  /// Values that are read are more than the caches hold.
  bool streams;
} fb_index_walk;

/// Reads the table into the values, writes the values into the table, or joins them to it, row by row, column by column.
/// Values and table do not overlap. False as soon as a position does not lie within the limit: what belongs to it is left alone,
/// what comes before it may be done.
typedef bool (*fb_index_move)(const fb_index_walk *walk, void *value, void *table, const int64_t *index);
/// Where the first index lies that is not in low ..< high; -1 if all are.
typedef ptrdiff_t (*fb_index_check)(const int64_t *index, ptrdiff_t n, int64_t low, int64_t high);
/// offsets[i] += index[i] · stride, negative ones counted from `size`.
typedef void (*fb_index_offsets)(int64_t *offsets, const int64_t *index, ptrdiff_t n, int64_t size, int64_t stride);

/// Element sizes 1, 2, 4, 8 index their tables by their logarithm.
enum { fb_size_count = 4 };

typedef struct fb_table {
  fb_isa isa;
  /// Null where the primitive has no meaning in the class (bit operations on floats, tanh of integers).
  fb_map map[fb_class_count][fb_primitive_count];
  fb_load load[fb_class_count][fb_dtype_count];
  fb_store store[fb_class_count][fb_dtype_count];
  fb_reduce reduce[fb_class_count][fb_reduction_count];
  /// These two are null for sums of squares.
  fb_reduce_rows reduce_rows[fb_class_count][fb_reduction_count];
  fb_fold_rows fold_rows[fb_class_count][fb_reduction_count];
  fb_dot dot[fb_class_count];
  fb_arg argmin[fb_class_count];
  fb_arg argmax[fb_class_count];
  /// Null for integers.
  fb_exp_sum exp_sum[fb_class_count];
  fb_max_exp_sum max_exp_sum[fb_class_count];
  fb_row_function rows[fb_class_count][fb_row_kernel_count];
  fb_fill fill[fb_size_count];
  fb_transpose transpose[fb_size_count];
  fb_stream_copy stream_copy;
  /// Null for integers.
  fb_step steps[fb_dtype_count][fb_rule_count];
  fb_index_move index_read[fb_size_count];
  fb_index_move index_write[fb_size_count];
  /// Sums, products and extremes.
  fb_index_move index_reduce[fb_class_count][fb_reduction_count];
  fb_index_check index_check;
  fb_index_offsets index_offsets;
  /// Of floats only.
  fb_attention attention[fb_class_count];
  fb_weigh_rows weigh_rows;
  fb_weigh_columns weigh_columns;
  fb_map_dimension map_dimension[fb_class_count];
  void (*group_norm[fb_class_count])(const fb_group_norm *);
  void (*group_slope[fb_class_count])(const fb_group_slope *);
  fb_recurrence recurrences[fb_class_count][fb_recurrent_cell_count];
  fb_arithmetic_limit arithmetic_limit;
  int operations_a_round;
  fb_read_limit read_limit;
} fb_table;

/// The best instruction set this machine has.
fb_isa fb_best_isa(void);
/// The kernels of an instruction set; null where this machine or this build lacks it.
const fb_table *fb_kernels(fb_isa isa);

// A table's entries, for Swift, to which C's arrays are tuples.
static inline fb_map fb_table_map(const fb_table *t, fb_class c, fb_primitive p) { return t->map[c][p]; }
static inline fb_load fb_table_load(const fb_table *t, fb_class c, fb_dtype d) { return t->load[c][d]; }
static inline fb_store fb_table_store(const fb_table *t, fb_class c, fb_dtype d) { return t->store[c][d]; }
static inline fb_reduce fb_table_reduce(const fb_table *t, fb_class c, fb_reduction r) { return t->reduce[c][r]; }
static inline fb_dot fb_table_dot(const fb_table *t, fb_class c) { return t->dot[c]; }
static inline fb_arg fb_table_argmin(const fb_table *t, fb_class c) { return t->argmin[c]; }
static inline fb_arg fb_table_argmax(const fb_table *t, fb_class c) { return t->argmax[c]; }
static inline fb_exp_sum fb_table_exp_sum(const fb_table *t, fb_class c) { return t->exp_sum[c]; }
static inline fb_max_exp_sum fb_table_max_exp_sum(const fb_table *t, fb_class c) { return t->max_exp_sum[c]; }
static inline fb_fill fb_table_fill(const fb_table *t, int log_size) { return t->fill[log_size]; }
static inline const fb_attention *fb_table_attention(const fb_table *t, fb_class c) { return &t->attention[c]; }
static inline const fb_recurrence *fb_table_recurrence(const fb_table *t, fb_class c, fb_recurrent_cell cell) {
  return &t->recurrences[c][cell];
}
static inline fb_transpose fb_table_transpose(const fb_table *t, int log_size) { return t->transpose[log_size]; }
static inline fb_arithmetic_limit fb_table_arithmetic_limit(const fb_table *t) { return t->arithmetic_limit; }
static inline fb_read_limit fb_table_read_limit(const fb_table *t) { return t->read_limit; }

#ifdef __cplusplus
}
#endif

#include "conv.h"
#include "gemm.h"
#include "pool.h"
