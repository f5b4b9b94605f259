// What a step of an optimizer is computed with, on a CPU or a GPU.
#pragma once
#ifndef __cplusplus
#include <stdbool.h>
#endif

/// The numbers of a step; each rule uses some.
typedef struct fb_step_numbers {
  /// What the change is multiplied with before it is taken off.
  double rate;
  /// Added to the gradient, times the parameter.
  double weight_decay;
  /// The parameter is multiplied with it: 1 − lr · decay where the decay is decoupled, else 1.
  double kept;
  /// What a momentum buffer keeps.
  double momentum;
  /// What a gradient counts in a mean of gradients or in a momentum buffer, 1 − β1, 1 − dampening; or a parameter in its mean.
  double fresh1;
  /// What a mean of squares keeps, and what a new square counts in it.
  double beta2, fresh2;
  /// What means are divided by, because they began as zeros: 1 − β1ᵗ and √(1 − β2ᵗ), NAdam's squares by 1 − β2ᵗ.
  double correction1, correction2;
  /// RAdam's rectification; 0 while variances are not to be trusted.
  double rectification;
  /// NAdam's: what the mean of gradients is multiplied with before it is taken off.
  double mean_rate;
  /// What the sum of squares begins with, or Rprop's steps.
  double initial;
  double eps;
  /// What Rprop multiplies a step with where the slope's sign has changed, and where it has not, and how small and large steps may be.
  double shrink, grow, smallest, largest;
  /// `first`: the state has not been written yet.
  bool first, nesterov, maximize;
} fb_step_numbers;
