// Normalisation of groups of channels: a group is read from memory once.
#pragma once
#include <stddef.h>

/// One group: [channels][width], dense. Weight and bias, a number for each channel, may be null; mean and scale = 1/√(variance + eps) are
/// the group's.
typedef struct fb_group_norm {
  ptrdiff_t channels, width;
  const void *x, *weight, *bias;
  void *y, *mean, *scale;
  double eps;
} fb_group_norm;

/// The gradient of the input, and for every channel the sums of the gradient that arrives, and of its products with the normalised input.
typedef struct fb_group_slope {
  ptrdiff_t channels, width;
  const void *x, *g, *weight, *mean, *scale;
  void *gx, *sums, *along;
} fb_group_slope;
