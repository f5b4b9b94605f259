// Special functions of single numbers.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/// log |Γ(x)|
double fb_log_gamma(double x);
/// Σ (q + k)⁻ˢ over k from 0 on, for s > 1: ∞ at the poles q = 0, −1, …, NaN between them if s is not whole.
double fb_hurwitz_zeta(double s, double q);

#ifdef __cplusplus
}
#endif
