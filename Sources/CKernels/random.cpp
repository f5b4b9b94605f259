#include "random.h"

#include <math.h>
#include <string.h>

#include <limits>

#include "CKernels.h"
#include "random_elements.inc"

static const int word_count = 624;

struct fb_random {
  uint64_t seed;
  int32_t left;   // words until the next twist, plus one
  uint32_t next;  // the word to use next
  uint32_t words[word_count];
  double kept;    // the normal number a call left for the next
  float kept_f32; // unused here, carried for torch's sake
  bool has_kept, has_kept_f32;
};

// One set of loops for machines with fused multiply-add, one for those without (the results are the same).
namespace baseline {
static const int lanes = 4;
#include "random.inc"
}
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
namespace avx2 {
static const int lanes = 8;
#include "random.inc"
}
#pragma clang attribute pop
#endif

struct Loops {
  void (*draw)(fb_random *, uint32_t *, ptrdiff_t);
  void (*uniform)(float *, const uint32_t *, ptrdiff_t, float, float, float);
  void (*normal)(float *, ptrdiff_t, float, float);
};

static const Loops &loops() {
#if defined(__x86_64__)
  static const Loops fast = {avx2::draw, avx2::uniform, avx2::normal};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return fast;
#endif
  static const Loops plain = {baseline::draw, baseline::uniform, baseline::normal};
  return plain;
}

// MARK: The stream

size_t fb_random_size(void) { return sizeof(fb_random); }

void fb_random_seed(fb_random *random, uint64_t seed) {
  memset(random, 0, sizeof *random);
  random->seed = seed;
  random->left = 1;
  uint32_t *words = random->words;
  words[0] = (uint32_t)seed;
  for (int i = 1; i < word_count; i++) words[i] = 1812433253u * (words[i - 1] ^ (words[i - 1] >> 30)) + i;
}

uint64_t fb_random_initial_seed(const fb_random *random) { return random->seed; }

uint32_t fb_random_32(fb_random *random) {
  uint32_t word;
  loops().draw(random, &word, 1);
  return word;
}

uint64_t fb_random_64(fb_random *random) {
  uint32_t words[2];
  loops().draw(random, words, 2);
  return (uint64_t)words[0] << 32 | words[1];
}

namespace {
/// Torch's layout.
struct State {
  uint64_t seed;
  int32_t left, seeded;
  uint64_t next;
  uint64_t words[word_count];
  double normal_x, normal_y, normal_rho;
  int32_t normal_is_valid, padding0;
  float normal_f32;
  uint8_t normal_f32_is_valid, padding1[3];
};
static_assert(sizeof(State) == fb_random_state_size, "torch's layout");
}  // namespace

void fb_random_get_state(const fb_random *random, uint8_t *bytes) {
  State state = {};
  state.seed = random->seed;
  state.left = random->left;
  state.seeded = 1;
  state.next = random->next;
  for (int i = 0; i < word_count; i++) state.words[i] = random->words[i];
  if (random->has_kept) state.normal_y = random->kept;
  state.normal_is_valid = random->has_kept;
  if (random->has_kept_f32) state.normal_f32 = random->kept_f32;
  state.normal_f32_is_valid = random->has_kept_f32;
  memcpy(bytes, &state, sizeof state);
}

bool fb_random_set_state(fb_random *random, const uint8_t *bytes) {
  State state;
  memcpy(&state, bytes, sizeof state);
  bool untouched = state.left == 1 && state.next == 0;
  bool valid = state.seeded == 1 && state.left >= 1 && state.left <= word_count &&
               (untouched || state.next == (uint64_t)(word_count + 1 - state.left));
  if (!valid) return false;
  random->seed = state.seed;
  random->left = state.left;
  random->next = (uint32_t)state.next;
  for (int i = 0; i < word_count; i++) random->words[i] = (uint32_t)state.words[i];
  random->kept = state.normal_y;
  random->has_kept = state.normal_is_valid != 0;
  random->kept_f32 = state.normal_f32;
  random->has_kept_f32 = state.normal_f32_is_valid != 0;
  return true;
}

// MARK: Words

static const ptrdiff_t chunk = 512;

/// body(i, word) for every i, with a fresh 32-bit word.
template <class Body> static void each_32(fb_random *random, ptrdiff_t n, Body body) {
  uint32_t words[chunk];
  for (ptrdiff_t i = 0; i < n; i += chunk) {
    ptrdiff_t count = n - i < chunk ? n - i : chunk;
    loops().draw(random, words, count);
    for (ptrdiff_t k = 0; k < count; k++) body(i + k, words[k]);
  }
}

/// body(i, word) for every i, with a fresh 64-bit word.
template <class Body> static void each_64(fb_random *random, ptrdiff_t n, Body body) {
  uint32_t words[2 * chunk];
  for (ptrdiff_t i = 0; i < n; i += chunk) {
    ptrdiff_t count = n - i < chunk ? n - i : chunk;
    loops().draw(random, words, 2 * count);
    for (ptrdiff_t k = 0; k < count; k++) body(i + k, (uint64_t)words[2 * k] << 32 | words[2 * k + 1]);
  }
}

static inline float unit_f32(uint32_t word) { return (float)(int32_t)(word & 0xffffff) * 0x1p-24f; }
static inline double unit_f64(uint64_t word) { return (double)(int64_t)(word & 0x1fffffffffffff) * 0x1p-53; }

// MARK: Distributions

static void uniform_f32(fb_random *random, float *out, ptrdiff_t n, float from, float to) {
  uint32_t words[chunk];
  for (ptrdiff_t i = 0; i < n; i += chunk) {
    ptrdiff_t count = n - i < chunk ? n - i : chunk;
    loops().draw(random, words, count);
    loops().uniform(out + i, words, count, from, to - from, to);
  }
}

template <class Element> static void uniform_half(fb_random *random, Element *out, ptrdiff_t n, float from, float to) {
  const Element low(from), high(to);
  each_32(random, n, [=](ptrdiff_t i, uint32_t word) {
    Element value(fmaf(unit_f32(word), to - from, from));
    out[i] = value.bits == high.bits ? low : value;
  });
}

void fb_random_uniform(fb_random *random, int dtype, void *out, ptrdiff_t n, double from, double to) {
  switch (dtype) {
  case fb_float16: return uniform_half(random, (Half *)out, n, (float)from, (float)to);
  case fb_bfloat16: return uniform_half(random, (BFloat *)out, n, (float)from, (float)to);
  case fb_float32: return uniform_f32(random, (float *)out, n, (float)from, (float)to);
  case fb_float64:
    each_64(random, n, [=](ptrdiff_t i, uint64_t word) {
      double value = fma(unit_f64(word), to - from, from);
      ((double *)out)[i] = value == to ? from : value;
    });
  }
}

/// One normal number by Box and Muller; its sibling is kept for the next call.
static double next_normal(fb_random *random) {
  if (random->has_kept) {
    random->has_kept = false;
    return random->kept;
  }
  double u1 = unit_f64(fb_random_64(random)), u2 = unit_f64(fb_random_64(random));
  double radius = sqrt(-2 * log1p(-u2)), angle = 2 * M_PI * u1;
  random->kept = radius * sin(angle);
  random->has_kept = true;
  return radius * cos(angle);
}

/// Element types that are computed in float32. For the last n % 16 elements float32 draws numbers it does not use;
/// the half types do not.
template <class Element> static void normal_blocks(fb_random *random, Element *out, ptrdiff_t n, float mean, float std) {
  float values[chunk];
  for (ptrdiff_t i = 0; i < n; i += chunk) {
    ptrdiff_t count = n - i < chunk ? n - i : chunk;
    uniform_f32(random, values, sizeof(Element) == 2 ? count & ~15 : count, 0, 1);
    loops().normal(values, count / 16, mean, std);
    for (ptrdiff_t k = 0; k < (count & ~15); k++) out[i + k] = Element(values[k]);
  }
  if (n % 16 != 0) {
    uniform_f32(random, values, 16, 0, 1);
    loops().normal(values, 1, mean, std);
    for (ptrdiff_t k = 0; k < 16; k++) out[n - 16 + k] = Element(values[k]);
  }
}

static void normal_block_f64(double *data, double mean, double std) {
  for (int j = 0; j < 8; j++) {
    double radius = sqrt(-2 * log(1 - data[j])), angle = 2 * M_PI * data[j + 8];
    data[j] = fma(radius * cos(angle), std, mean);
    data[j + 8] = fma(radius * sin(angle), std, mean);
  }
}

static void normal_blocks_f64(fb_random *random, double *out, ptrdiff_t n, double mean, double std) {
  fb_random_uniform(random, fb_float64, out, n, 0, 1);
  for (ptrdiff_t i = 0; i + 16 <= n; i += 16) normal_block_f64(out + i, mean, std);
  if (n % 16 != 0) {
    fb_random_uniform(random, fb_float64, out + n - 16, 16, 0, 1);
    normal_block_f64(out + n - 16, mean, std);
  }
}

void fb_random_normal(fb_random *random, int dtype, void *out, ptrdiff_t n, double mean, double std, bool blocks) {
  if (blocks && n >= 16) {
    switch (dtype) {
    case fb_float16: return normal_blocks(random, (Half *)out, n, (float)mean, (float)std);
    case fb_bfloat16: return normal_blocks(random, (BFloat *)out, n, (float)mean, (float)std);
    case fb_float32: return normal_blocks(random, (float *)out, n, (float)mean, (float)std);
    case fb_float64: return normal_blocks_f64(random, (double *)out, n, mean, std);
    }
  }
  with_floating(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    for (ptrdiff_t i = 0; i < n; i++) ((Element *)out)[i] = Element(fma(next_normal(random), std, mean));
  });
}

void fb_random_integers(fb_random *random, int dtype, void *out, ptrdiff_t n, uint64_t range, int64_t base) {
  with_any(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    Element *to = (Element *)out;
    if (range != 0 && range < 1 << 28) {
      uint32_t small = (uint32_t)range;
      each_32(random, n, [=](ptrdiff_t i, uint32_t word) {
        to[i] = Element((int64_t)(word % small + (uint64_t)base));
      });
    } else {
      each_64(random, n, [=](ptrdiff_t i, uint64_t word) {
        to[i] = Element((int64_t)((range == 0 ? word : word % range) + (uint64_t)base));
      });
    }
  });
}

void fb_random_whole_range(fb_random *random, int dtype, void *out, ptrdiff_t n) {
  // The number of values, and whether it takes 64-bit words.
  static const struct { uint64_t count; bool wide; } ranges[] = {
      /* bool */ {2, false}, /* uint8 */ {1 << 8, false}, /* int8 */ {1 << 7, false}, /* int16 */ {1 << 15, false},
      /* int32 */ {1u << 31, false}, /* int64 */ {1ull << 63, true}, /* float16 */ {(1 << 11) + 1, false},
      /* bfloat16 */ {(1 << 8) + 1, false}, /* float32 */ {(1 << 24) + 1, false}, /* float64 */ {(1ull << 53) + 1, true}};
  with_any(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    Element *to = (Element *)out;
    uint64_t count = ranges[dtype].count;
    if (ranges[dtype].wide) {
      each_64(random, n, [=](ptrdiff_t i, uint64_t word) { to[i] = Element((int64_t)(word % count)); });
    } else {
      each_32(random, n, [=](ptrdiff_t i, uint32_t word) { to[i] = Element((int64_t)(word % (uint32_t)count)); });
    }
  });
}

void fb_random_bernoulli(fb_random *random, int dtype, void *out, ptrdiff_t n, double p) {
  with_any(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    each_64(random, n, [=](ptrdiff_t i, uint64_t word) { ((Element *)out)[i] = Element((int64_t)(unit_f64(word) < p)); });
  });
}

void fb_random_bernoulli_f32(fb_random *random, int dtype, void *out, ptrdiff_t n, const float *p) {
  with_any(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    each_32(random, n, [=](ptrdiff_t i, uint32_t word) { ((Element *)out)[i] = Element((int64_t)(unit_f32(word) < p[i])); });
  });
}

void fb_random_bernoulli_f64(fb_random *random, int dtype, void *out, ptrdiff_t n, const double *p) {
  with_any(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    each_64(random, n, [=](ptrdiff_t i, uint64_t word) { ((Element *)out)[i] = Element((int64_t)(unit_f64(word) < p[i])); });
  });
}

void fb_random_exponential(fb_random *random, int dtype, void *out, ptrdiff_t n, double rate) {
  with_floating(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    each_64(random, n, [=](ptrdiff_t i, uint64_t word) { ((Element *)out)[i] = Element(-1 / rate * log1p(-unit_f64(word))); });
  });
}

void fb_random_cauchy(fb_random *random, int dtype, void *out, ptrdiff_t n, double median, double sigma) {
  with_floating(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    each_64(random, n, [=](ptrdiff_t i, uint64_t word) {
      ((Element *)out)[i] = Element(median + sigma * tan(M_PI * (unit_f64(word) - 0.5)));
    });
  });
}

void fb_random_log_normal(fb_random *random, int dtype, void *out, ptrdiff_t n, double mean, double std) {
  with_floating(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    for (ptrdiff_t i = 0; i < n; i++) ((Element *)out)[i] = Element(exp(fma(next_normal(random), std, mean)));
  });
}

/// What torch's conversions make of numbers, those beyond `Whole` included.
template <class Whole> static Whole whole(double x) {
  using Limits = std::numeric_limits<Whole>;
  return fabs(x) < -(double)Limits::min() ? (Whole)x : Limits::min();
}

void fb_random_geometric(fb_random *random, int dtype, void *out, ptrdiff_t n, double p) {
  with_any(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    each_64(random, n, [=](ptrdiff_t i, uint64_t word) {
      const double x = ceil(log(unit_f64(word)) / log1p(-p));
      if constexpr (!std::numeric_limits<Element>::is_integer) ((Element *)out)[i] = Element(x);
      else if constexpr (sizeof(Element) == 8) ((Element *)out)[i] = whole<int64_t>(x);
      else ((Element *)out)[i] = Element(whole<int32_t>(x));
    });
  });
}

/// Small rates count how many uniform factors keep a product above exp(-rate); large ones are drawn by transformed
/// rejection (Hörmann, 1993).
static int64_t next_poisson(fb_random *random, double rate) {
  auto unit = [=] { return unit_f64(fb_random_64(random)); };
  if (rate == 0) return 0;
  if (rate < 10) {
    const double limit = exp(-rate);
    int64_t count = 0;
    for (double product = unit(); product > limit; product *= unit()) count++;
    return count;
  }
  const double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), narrow = 0.9277 - 3.6224 / (b - 2), log_rate = log(rate);
  for (;;) {
    const double u = unit() - 0.5, v = unit(), edge = 0.5 - fabs(u);
    const double k = floor((2 * a / edge + b) * u + rate + 0.43);
    if (edge >= 0.07 && v <= narrow) return whole<int64_t>(k);
    if (k < 0 || (edge < 0.013 && v > edge)) continue;
    if (log(v) + log(inverse_alpha) - log(a / (edge * edge) + b) <= -rate + k * log_rate - fb_log_gamma(k + 1)) return whole<int64_t>(k);
  }
}

void fb_random_poisson(fb_random *random, int dtype, void *out, ptrdiff_t n, const double *rates) {
  with_floating(dtype, [=](auto as) {
    using Element = typename decltype(as)::Element;
    for (ptrdiff_t i = 0; i < n; i++) ((Element *)out)[i] = Element(next_poisson(random, rates[i]));
  });
}

void fb_random_permutation(fb_random *random, int64_t *out, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) out[i] = i;
  auto exchange = [=](ptrdiff_t i, uint64_t word) {
    ptrdiff_t other = i + (ptrdiff_t)(word % (uint64_t)(n - i));
    int64_t kept = out[i];
    out[i] = out[other];
    out[other] = kept;
  };
  if ((uint64_t)n < UINT32_MAX / 20) {
    each_32(random, n - 1, [=](ptrdiff_t i, uint32_t word) { exchange(i, word); });
  } else {
    each_64(random, n - 1, exchange);
  }
}

template <class Real>
static void choices(fb_random *random, int64_t *out, ptrdiff_t n, const Real *cumulative, ptrdiff_t count) {
  each_64(random, n, [=](ptrdiff_t i, uint64_t word) {
    double sample = unit_f64(word);
    ptrdiff_t low = 0, high = count;
    while (low < high) {
      ptrdiff_t middle = low + (high - low) / 2;
      if (cumulative[middle] < sample) low = middle + 1; else high = middle;
    }
    out[i] = low < count ? low : count - 1;
  });
}

void fb_random_choices_f32(fb_random *random, int64_t *out, ptrdiff_t n, const float *cumulative, ptrdiff_t count) {
  choices(random, out, n, cumulative, count);
}

void fb_random_choices_f64(fb_random *random, int64_t *out, ptrdiff_t n, const double *cumulative, ptrdiff_t count) {
  choices(random, out, n, cumulative, count);
}
