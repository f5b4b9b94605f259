#include "special.h"

#include <math.h>

// The C library's, which names the sign of Γ for every thread; some systems declare it only on demand.
extern "C" double lgamma_r(double x, int *sign);

double fb_log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

double fb_scaled_erfc(double x) {
  const double root_pi = 1.7724538509055160273;
  if (x < -27) return INFINITY;
  if (x < 25) {
    double square = x * x, rest = fma(x, x, -square);
    return exp(square) * (1 + rest) * erfc(x);
  }
  double z = 1 / (x * x);
  // Asymptotic: the factors are odd numbers over two.
  double sum = 1;
  for (double odd = 15; odd > 0; odd -= 2) sum = 1 - 0.5 * odd * z * sum;
  return sum / (x * root_pi);
}

/// The quantile of 1 − p for p < 1/4: a rational approximation, then Newton's steps on the logarithm of the tail.
static double upper_quantile(double p) {
  const double root_half = 0.70710678118654752440, root_half_pi = 1.2533141373155002512;
  double target = log(p), t = sqrt(-2 * target);
  double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 3; i++) {
    double scaled = fb_scaled_erfc(x * root_half);
    x += (log(0.5 * scaled) - 0.5 * x * x - target) * scaled * root_half_pi;
  }
  return x;
}

double fb_normal_quantile(double p) {
  if (p == 0) return -INFINITY;
  if (p == 1) return INFINITY;
  if (!(p > 0 && p < 1)) return NAN;
  if (p < 0.25) return -upper_quantile(p);
  if (p > 0.75) return upper_quantile(1 - p);
  // Newton's steps for erf from its slope at 0.
  double y = 2 * p - 1, x = y * (0.88622692545275801365 + y * y * 0.2320136665346545);
  for (int i = 0; i < 4; i++) x += (y - erf(x)) * 0.88622692545275801365 * exp(x * x);
  return x * 1.41421356237309504880;
}

/// log(1 + m) − m, also where m is small.
static double log1p_rest(double m) {
  if (fabs(m) > 0.35) return log1p(m) - m;
  // 2 artanh(r) with r = m / (2 + m).
  double r = m / (2 + m), square = r * r, power = r * square, sum = 0;
  for (int k = 3; k < 60; k += 2) {
    double term = 2 * power / k;
    sum += term;
    if (fabs(term) < 0x1p-56 * fabs(sum)) break;
    power *= square;
  }
  return sum - r * m;
}

/// log Γ(a + 1) less Stirling's (a + ½) log a − a + ½ log 2π.
static double stirling_rest(double a) {
  if (a < 10) return fb_log_gamma(a + 1) - ((a + 0.5) * log(a) - a + 0.91893853320467274178);
  double z = 1 / (a * a);
  return (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z * (1.0 / 1188 - z * (691.0 / 360360)))))) / a;
}

/// x^a e^−x / Γ(a + 1), without the cancellation of its logarithm's terms.
static double gamma_mass(double a, double x) {
  if (a < 10) return exp(a * log(x) - x - fb_log_gamma(a + 1));
  double m = (x - a) / a;
  return exp(a * log1p_rest(m) - stirling_rest(a)) / sqrt(6.2831853071795864769 * a);
}

static double gamma_series(double a, double x) {
  double term = 1, sum = 1;
  for (double n = a + 1; n < a + 100000; n++) {
    term *= x / n;
    sum += term;
    if (term < 0x1p-54 * sum) break;
  }
  return gamma_mass(a, x) * sum;
}

/// Lentz's way through the continued fraction of the upper share.
static double gamma_fraction(double a, double x) {
  const double tiny = 1e-300;
  double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
  for (int i = 1; i < 100000; i++) {
    double n = -i * (i - a);
    b += 2;
    d = n * d + b;
    if (fabs(d) < tiny) d = tiny;
    c = b + n / c;
    if (fabs(c) < tiny) c = tiny;
    d = 1 / d;
    h *= d * c;
    if (fabs(d * c - 1) < 0x1p-53) break;
  }
  return gamma_mass(a, x) * a * h;
}

/// The upper share for small a and x, where 1 less the lower one has no digits left.
static double gamma_small(double a, double x) {
  double sum = 0, term = 1;
  for (int n = 1; n < 500; n++) {
    term *= -x / n;
    sum += term / (a + n);
    if (fabs(term) < 0x1p-54 * fabs(sum)) break;
  }
  double logarithm = a * log(x);
  return -expm1(logarithm - fb_log_gamma(1 + a)) - exp(logarithm - fb_log_gamma(a)) * sum;
}

/// Temme's expansion, for a so large that two terms are all the digits there are.
static double gamma_uniform(double a, double x, double sign) {
  double m = (x - a) / a, square = -2 * log1p_rest(m), eta = m < 0 ? -sqrt(square) : sqrt(square);
  double first = fabs(eta) < 1e-2 ? -1.0 / 3 + eta * (1.0 / 12 - eta * (2.0 / 135 - eta / 864)) : 1 / m - 1 / eta;
  double rest = exp(-0.5 * a * square) / sqrt(6.2831853071795864769 * a) * (first - 1.0 / (540 * a));
  return 0.5 * erfc(sign * eta * sqrt(0.5 * a)) + sign * rest;
}

const double large_shape = 1e6;

double fb_gamma_below(double a, double x) {
  if (!(x >= 0 && a >= 0)) return NAN;
  if (a == 0) return x > 0 ? 1 : NAN;
  if (x == 0) return 0;
  if (isinf(a)) return isinf(x) ? NAN : 0;
  if (isinf(x)) return 1;
  if (a > large_shape && fabs(x - a) < 0.05 * a) return gamma_uniform(a, x, -1);
  return x > 1 && x > a ? 1 - fb_gamma_above(a, x) : gamma_series(a, x);
}

double fb_gamma_above(double a, double x) {
  if (!(x >= 0 && a >= 0)) return NAN;
  if (a == 0) return x > 0 ? 0 : NAN;
  if (x == 0) return 1;
  if (isinf(a)) return isinf(x) ? NAN : 1;
  if (isinf(x)) return 0;
  if (a > large_shape && fabs(x - a) < 0.05 * a) return gamma_uniform(a, x, 1);
  if (x > 1.1) return x < a ? 1 - gamma_series(a, x) : gamma_fraction(a, x);
  if (x > 0.5 ? x * 1.1 < a : -0.4 / log(x) < a) return 1 - gamma_series(a, x);
  return gamma_small(a, x);
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
