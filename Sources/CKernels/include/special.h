// Special functions of single numbers.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// log |Γ(x)|
double fb_log_gamma(double x);
/// Σ (q + k)⁻ˢ over k from 0 on, for s > 1: ∞ at the poles q = 0, −1, …, NaN between them if s is not whole.
double fb_hurwitz_zeta(double s, double q);
/// exp(x²) · erfc(x), without overflow or underflow on the way.
double fb_scaled_erfc(double x);
/// Where the normal distribution's share below is p: −∞ at 0, ∞ at 1, NaN outside.
double fb_normal_quantile(double p);
/// The share of ∫ t^(a−1) e^−t over t from 0 on that lies below x.
double fb_gamma_below(double a, double x);
/// The share above x.
double fb_gamma_above(double a, double x);

#ifdef __cplusplus
}
#endif
