#include "special.h"

#include <math.h>

// The C library's, which names the sign of Γ for every thread; some systems declare it only on demand.
extern "C" double lgamma_r(double x, int *sign);

double fb_log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

#include "isa/special.inc"
