#include "special.h"

#include <math.h>

// The C library's, which names the sign of Γ for every thread; some systems declare it only on demand.
extern "C" double lgamma_r(double x, int *sign);

double fb_log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

double fb_hurwitz_zeta(double s, double q) {
  // Euler and Maclaurin: (2k)! / B₂ₖ.
  static const double factors[] = {12.0, -720.0, 30240.0, -1209600.0, 47900160.0, -1.8924375803183791606e9, 7.47242496e10,
                                   -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15,
                                   1.8152105401943546773e17, -7.1661652561756670113e18};
  const double precision = 0x1p-53;
  if (s == 1) return INFINITY;
  if (!(s > 1)) return NAN;
  if (q == INFINITY) return 0;
  if (q <= 0) {
    if (q == floor(q)) return INFINITY;
    if (s != floor(s)) return NAN;
    if (s == 2) {
      double sine = sin(M_PI * (q - floor(q)));
      return M_PI * M_PI / (sine * sine) - fb_hurwitz_zeta(2, 1 - q);
    }
  }
  double sum = pow(q, -s), last = 0;
  for (int i = 0; i < 9 || q <= 9; i++) {
    q += 1;
    last = pow(q, -s);
    sum += last;
    if (fabs(last) < precision * fabs(sum)) return sum;
  }
  sum += last * q / (s - 1) - 0.5 * last;
  double rising = 1, k = 0;
  for (double factor : factors) {
    rising *= s + k;
    last /= q;
    double term = rising * last / factor;
    sum += term;
    if (fabs(term) < precision * fabs(sum)) return sum;
    rising *= s + k + 1;
    last /= q;
    k += 2;
  }
  return sum;
}
