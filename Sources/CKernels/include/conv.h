// Convolution: image patches as matrix rows and back, and depthwise loops on padded planes.
#pragma once
#include <stddef.h>

#include "CKernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// How output pixels look at input pixels. Heights before widths.
typedef struct fb_window {
  ptrdiff_t in_height, in_width, out_height, out_width;
  ptrdiff_t kernel_height, kernel_width, stride_height, stride_width;
  ptrdiff_t padding_height, padding_width, dilation_height, dilation_width;
} fb_window;

/// A plane padded with zeros, its columns sorted by their remainder modulo the horizontal stride, so that neighbouring
/// output pixels read neighbouring elements: plane[row][remainder][column].
typedef struct fb_plane {
  ptrdiff_t height, width, row;
} fb_plane;

/// Convolution of one element type; sums are in its compute type.
typedef struct fb_conv_type {
  /// to[k - k0][p - p0] = the input element that output pixel p sees through tap k (channel, row, column), 0 outside.
  void (*patch_rows)(void *to, ptrdiff_t to_row, const void *image, const fb_window *window, ptrdiff_t k0, ptrdiff_t k1,
                     ptrdiff_t p0, ptrdiff_t p1);
  /// Fills a plane from a channel of the input.
  void (*pad_plane)(void *plane, const fb_plane *size, const void *channel, const fb_window *window);
} fb_conv_type;

/// Convolution in one compute type.
typedef struct fb_conv_class {
  /// The reverse of patch_rows: adds every element to the input pixel it came from. k0 is the first tap of a channel.
  void (*add_patch_rows)(void *image, const fb_window *window, const void *from, ptrdiff_t from_row, ptrdiff_t k0, ptrdiff_t k1,
                         ptrdiff_t p0, ptrdiff_t p1);
  /// out[oh][ow] = bias + taps over the plane.
  void (*depthwise)(void *out, const void *plane, const fb_plane *size, const void *taps, double bias, const fb_window *window);
  /// taps[i][j] += sum of the output gradient times the plane.
  void (*depthwise_taps)(void *taps, const void *plane, const fb_plane *size, const void *gradient, const fb_window *window);
  /// Elements past the end of planes and gradients that the depthwise loops may read.
  ptrdiff_t slack;
} fb_conv_class;

typedef struct fb_conv_table {
  fb_conv_class f32, f64;
  fb_conv_type types[fb_dtype_count];
} fb_conv_table;

static inline const fb_conv_class *fb_conv_class_of(const fb_conv_table *table, int dtype) {
  return dtype == fb_float64 ? &table->f64 : &table->f32;
}
static inline const fb_conv_type *fb_conv_type_of(const fb_conv_table *table, int dtype) { return &table->types[dtype]; }

/// The convolution loops of an instruction set; null where this machine or this build lacks it.
const fb_conv_table *fb_conv(fb_isa isa);

#ifdef __cplusplus
}
#endif
