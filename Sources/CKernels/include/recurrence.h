// What a step of a recurrent layer does after its product with the weights, and that backwards.
#pragma once
#include <stddef.h>

/// The units that see their own last output, with torch's order of gates: input, forget, cell, output for LSTM; reset, update, new
/// for GRU.
typedef enum fb_recurrent_cell { fb_cell_tanh, fb_cell_relu, fb_cell_lstm, fb_cell_gru, fb_recurrent_cell_count } fb_recurrent_cell;

/// Neighbouring units, for every sequence that takes part. Arrays begin at the first unit; a row holds `size` units
/// for each of its gates, gate after gate.
typedef struct fb_recurrent_step {
  ptrdiff_t rows, units, size;
  /// The product of the last output and the weights: [rows][gates][tile], of whole vectors.
  const void *sums;
  ptrdiff_t tile;
  /// What comes from the input, by gates; and what is added to every row, or null.
  const void *input, *bias;
  /// The state, read and written; `cell` only of LSTM.
  void *hidden, *cell;
  void *output;
  /// For the way back, or null: the gates' values (GRU: and the new gate's sum from the last output), and LSTM's cells.
  void *kept, *cells;
} fb_recurrent_step;

typedef struct fb_recurrent_slope {
  ptrdiff_t rows, units, size;
  /// The gradient of the output.
  const void *gradient;
  /// What the step kept, its output and what it began with; cells only of LSTM.
  const void *kept, *output, *cells, *last_hidden, *last_cells;
  /// The gradients of the state after the step become those of the state before it, without what goes through the product.
  void *hidden, *cell;
  /// The gradients of what comes from the input, and of the product; the same array where they are equal.
  void *input_slopes, *product_slopes;
} fb_recurrent_slope;

typedef struct fb_recurrence {
  /// Gates, and the values kept of each unit.
  int gates, kept;
  void (*step)(const fb_recurrent_step *);
  void (*slope)(const fb_recurrent_slope *);
} fb_recurrence;
