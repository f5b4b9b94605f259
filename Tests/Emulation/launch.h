// What emulated kernels are told of a launch, by whoever launches them.
#pragma once
#include <stdint.h>

struct emulated_launch {
  int64_t grid_x, grid_y, block_x, block_y, shared_bytes;
  // Memory that may be touched: addresses and their ends.
  const uint64_t *ranges;
  int64_t range_count;
  // In which order blocks, warps and lanes run: the first one first (0), the last one first (1), or shuffled by this number.
  int64_t order;
  // A byte for each of some memory's, not 0 where it has been written; null where nobody asks.
  uint8_t *written;
  uint64_t written_from, written_end;
};
