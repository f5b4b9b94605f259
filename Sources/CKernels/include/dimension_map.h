// A linear map along one dimension in which every output is a sum of few weighted inputs.
#pragma once
#include <stddef.h>

/// The terms of output i are those from starts[i] up to starts[i + 1].
typedef struct fb_dimension_map {
  /// Inputs, outputs, and how many neighbours move together.
  ptrdiff_t size, count, inner;
  const ptrdiff_t *starts, *inputs;
  const void *weights;
} fb_dimension_map;

/// y[outer][count][inner] = the map of x[outer][size][inner].
typedef void (*fb_map_dimension)(const fb_dimension_map *map, void *y, const void *x, ptrdiff_t outer);
