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

/// Winograd's tiles of 4×4 output pixels of 3×3 convolutions at stride 1, as runs of neighbours in a row of tiles.
/// Runs are numbered over parts of a row, rows and images.
typedef struct fb_tiles {
  /// The planes that are read, or written.
  ptrdiff_t height, width;
  /// Zeros before the first row and column.
  ptrdiff_t padding_height, padding_width;
  /// Rows and columns of tiles in a plane, and the runs a row is cut into.
  ptrdiff_t rows, columns, parts;
  /// The runs that are meant, and the tiles in them.
  ptrdiff_t first, count, tiles;
  /// The ends of the tensor that is read.
  const void *begin, *end;
} fb_tiles;

enum {
  fb_winograd_planes = 36,
  /// Tiles of a run at most.
  fb_longest_run = 64
};

/// Winograd's transforms for one element type, to and from 36 planes of numbers in the compute type.
typedef struct fb_winograd_type {
  /// to[plane][channel][tile] from images, whose channels follow each other. `scratch` holds
  /// 12 × (4 × tiles + 8 vectors) numbers; up to a vector of tiles is written past the last one.
  void (*input)(void *to, ptrdiff_t to_row, ptrdiff_t to_plane, const void *images, ptrdiff_t image_stride, ptrdiff_t channels,
                const fb_tiles *tiles, void *scratch);
  /// The same of output gradients, for the gradient of the weight.
  void (*gradient)(void *to, ptrdiff_t to_row, ptrdiff_t to_plane, const void *images, ptrdiff_t image_stride,
                   ptrdiff_t channels, const fb_tiles *tiles, void *scratch);
  /// Images from products [plane][channel][tile], plus bias[channel] if there is one. `scratch` as above.
  void (*output)(void *images, ptrdiff_t image_stride, const void *from, ptrdiff_t from_row, ptrdiff_t from_plane,
                 const void *bias, ptrdiff_t channels, const fb_tiles *tiles, void *scratch);
  /// to[plane][k][tile_rows] from weights whose nine taps follow each other, turned around if asked. `end` is the weights' end.
  void (*weights)(void *to, ptrdiff_t to_plane, const void *from, ptrdiff_t row_stride, ptrdiff_t k_stride, ptrdiff_t rows,
                  ptrdiff_t k, int turned, const void *end);
  /// Gradients of nine taps for each column, from sums of products [plane][column].
  void (*weight_gradient)(void *to, const void *from, ptrdiff_t from_plane, ptrdiff_t columns);
} fb_winograd_type;

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
  /// Of types that compute in float32; the others' are null.
  fb_winograd_type winograd[fb_dtype_count];
} fb_conv_table;

static inline const fb_conv_class *fb_conv_class_of(const fb_conv_table *table, int dtype) {
  return dtype == fb_float64 ? &table->f64 : &table->f32;
}
static inline const fb_conv_type *fb_conv_type_of(const fb_conv_table *table, int dtype) { return &table->types[dtype]; }
static inline const fb_winograd_type *fb_winograd_of(const fb_conv_table *table, int dtype) { return &table->winograd[dtype]; }

/// The convolution loops of an instruction set; null where this machine or this build lacks it.
const fb_conv_table *fb_conv(fb_isa isa);

#ifdef __cplusplus
}
#endif
