// The loops one core runs. Every instruction set has a table of them; `fb_kernels` picks one at start.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digits.h"
#include "primitives.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Instruction sets, from the one every machine has upwards.
typedef enum fb_isa { fb_isa_baseline, fb_isa_avx2, fb_isa_avx512, fb_isa_count } fb_isa;

/// The types programs compute in. Element types are converted to one of these when a block is loaded.
typedef enum fb_class { fb_f32, fb_f64, fb_i64, fb_class_count } fb_class;

/// Element types in memory, numbered as Swift's DType.
typedef enum fb_dtype {
  fb_bool, fb_uint8, fb_int8, fb_int16, fb_int32, fb_int64, fb_float16, fb_bfloat16, fb_float32, fb_float64, fb_dtype_count
} fb_dtype;

/// out[i] = op(a[i], b[i], c[i]) for i in 0..<n. Bit k of `scalars` set: operand k is a single value, used for every i.
/// `out` may be one of the operands. Unused operands are null.
typedef void (*fb_map)(void *out, const void *a, const void *b, const void *c, ptrdiff_t n, unsigned scalars);

/// Strided elements of one dtype to a dense block of the class, and back. Strides count elements.
typedef void (*fb_load)(void *block, const void *from, ptrdiff_t stride, ptrdiff_t n);
typedef void (*fb_store)(void *to, ptrdiff_t stride, const void *block, ptrdiff_t n);

typedef struct fb_table {
  fb_isa isa;
  /// Null where the primitive has no meaning in the class (bit operations on floats, tanh of integers).
  fb_map map[fb_class_count][fb_primitive_count];
  fb_load load[fb_class_count][fb_dtype_count];
  fb_store store[fb_class_count][fb_dtype_count];
} fb_table;

/// The best instruction set this machine has.
fb_isa fb_best_isa(void);
/// The kernels of an instruction set; null where this machine or this build lacks it.
const fb_table *fb_kernels(fb_isa isa);

#ifdef __cplusplus
}
#endif
