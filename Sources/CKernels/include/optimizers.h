// Steps of optimizers over dense elements of a floating-point dtype. Each is torch's sequence of operations on one tensor, with its
// roundings, in one pass; where torch multiplies and adds in one operation the hardware's fma does, if there is one. Half
// types are computed in float32 and rounded when stored.
#pragma once
#include <stdbool.h>
#include <stddef.h>

typedef struct fb_sgd {
  double lr, weight_decay, momentum;
  /// What the gradient counts in the momentum buffer: 1 − dampening.
  double fresh;
  /// `first`: the buffer is written, not read.
  bool first, nesterov, maximize;
} fb_sgd;

/// `buffer` is null without momentum.
typedef void (*fb_sgd_step)(void *parameter, const void *gradient, void *buffer, ptrdiff_t n, const fb_sgd *options);

typedef struct fb_adam {
  /// lr / (1 − β1ᵗ)
  double step_size;
  /// Added to the gradient, times the parameter.
  double weight_decay;
  /// The parameter is multiplied with it: 1 − lr · decay where the decay is decoupled, else 1.
  double kept;
  /// 1 − β1
  double fresh1;
  double beta2;
  /// 1 − β2
  double fresh2;
  /// √(1 − β2ᵗ)
  double correction2;
  double eps;
  bool maximize;
} fb_adam;

/// `largest`, the maximum of `square` over all steps, is null without amsgrad.
typedef void (*fb_adam_step)(void *parameter, const void *gradient, void *mean, void *square, void *largest, ptrdiff_t n,
                             const fb_adam *options);
