// Torch's CPU random numbers, bit for bit: MT19937 and what is made of its words.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A stream of random numbers. The caller provides the memory and keeps other threads out.
typedef struct fb_random fb_random;

/// The bytes an `fb_random` takes, aligned to 64.
size_t fb_random_size(void);
void fb_random_seed(fb_random *random, uint64_t seed);
uint64_t fb_random_initial_seed(const fb_random *random);

/// The bytes of a saved state, laid out as torch's `Generator.get_state()`.
enum { fb_random_state_size = 5056 };
void fb_random_get_state(const fb_random *random, uint8_t *bytes);
/// False, with nothing changed, if the bytes are no state.
bool fb_random_set_state(fb_random *random, const uint8_t *bytes);

uint32_t fb_random_32(fb_random *random);
uint64_t fb_random_64(fb_random *random);

// Fills of n dense elements of a dtype (fb_dtype). A dtype the distribution has no meaning for is left alone.

/// [from, to), floating-point dtypes.
void fb_random_uniform(fb_random *random, int dtype, void *out, ptrdiff_t n, double from, double to);
/// Floating-point dtypes. `blocks`: by 16 (torch's way for contiguous tensors), for n >= 16 only; otherwise one by one,
/// where every second number is kept for the next call.
void fb_random_normal(fb_random *random, int dtype, void *out, ptrdiff_t n, double mean, double std, bool blocks);
/// base ..< base + range, wrapping; a range of 0 stands for 2^64.
void fb_random_integers(fb_random *random, int dtype, void *out, ptrdiff_t n, uint64_t range, int64_t base);
/// Every non-negative integer the dtype holds exactly.
void fb_random_whole_range(fb_random *random, int dtype, void *out, ptrdiff_t n);
/// 1 with probability p, else 0.
void fb_random_bernoulli(fb_random *random, int dtype, void *out, ptrdiff_t n, double p);
/// The same with a probability for each element.
void fb_random_bernoulli_f32(fb_random *random, int dtype, void *out, ptrdiff_t n, const float *p);
void fb_random_bernoulli_f64(fb_random *random, int dtype, void *out, ptrdiff_t n, const double *p);
/// Density rate * exp(-rate * x), floating-point dtypes.
void fb_random_exponential(fb_random *random, int dtype, void *out, ptrdiff_t n, double rate);
/// Cauchy's distribution, floating-point dtypes.
void fb_random_cauchy(fb_random *random, int dtype, void *out, ptrdiff_t n, double median, double sigma);
/// exp of a normal number, floating-point dtypes.
void fb_random_log_normal(fb_random *random, int dtype, void *out, ptrdiff_t n, double mean, double std);
/// The number of the first success, which has the probability p.
void fb_random_geometric(fb_random *random, int dtype, void *out, ptrdiff_t n, double p);
/// The number of events, of which rates[i] >= 0 are expected; floating-point dtypes.
void fb_random_poisson(fb_random *random, int dtype, void *out, ptrdiff_t n, const double *rates);
/// 0 ..< n in random order.
void fb_random_permutation(fb_random *random, int64_t *out, ptrdiff_t n);
/// n positions drawn from `cumulative`, the running sums of the probabilities, whose last one is 1.
void fb_random_choices_f32(fb_random *random, int64_t *out, ptrdiff_t n, const float *cumulative, ptrdiff_t count);
void fb_random_choices_f64(fb_random *random, int64_t *out, ptrdiff_t n, const double *cumulative, ptrdiff_t count);

#ifdef __cplusplus
}
#endif
