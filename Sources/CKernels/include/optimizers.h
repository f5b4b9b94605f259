// Steps of optimizers over dense elements of a floating-point dtype. Each is torch's sequence of operations on one tensor, with its
// roundings, in one pass; where torch multiplies and adds in one operation the hardware's fma does, if there is one. Half
// types are computed in float32 and rounded when stored.
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "step_numbers.h"

/// The rules, and what `state` points to for each; a null pointer is a state that the rule does without.
typedef enum fb_rule {
  /// The momentum buffer, if there is momentum.
  fb_rule_sgd,
  /// The mean of gradients, that of their squares and, with amsgrad, the largest of the latter.
  fb_rule_adam,
  /// The mean of squares; the momentum buffer, if there is momentum; the mean of gradients, if variances are wanted.
  fb_rule_rmsprop,
  /// The sum of squares.
  fb_rule_adagrad,
  /// The mean of the gradients' squares, and that of the changes'.
  fb_rule_adadelta,
  /// The mean of gradients, and the fading largest of their magnitudes.
  fb_rule_adamax,
  /// The mean of gradients, and that of their squares.
  fb_rule_radam,
  /// The mean of gradients, and that of their squares.
  fb_rule_nadam,
  /// The mean of the parameter.
  fb_rule_asgd,
  /// The last gradient, 0 where its sign had changed, and the sizes of the steps.
  fb_rule_rprop,
  fb_rule_count
} fb_rule;

typedef void (*fb_step)(void *parameter, const void *gradient, void *const state[3], ptrdiff_t n, const fb_step_numbers *numbers);
