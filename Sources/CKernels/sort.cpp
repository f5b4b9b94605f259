#include "CKernels.h"

namespace {

/// A key of up to 32 bits above a position of 32.
struct Narrow {
  uint64_t bits;
  Narrow() = default;
  Narrow(uint32_t key, ptrdiff_t at) : bits(uint64_t(key) << 32 | uint32_t(at)) {}
  uint32_t key() const { return uint32_t(bits >> 32); }
  ptrdiff_t position() const { return uint32_t(bits); }
  bool operator<(Narrow other) const { return bits < other.bits; }
  using Key = uint32_t;
};

struct Wide {
  uint64_t at, number;
  Wide() = default;
  Wide(uint64_t key, ptrdiff_t at) : at(uint64_t(at)), number(key) {}
  uint64_t key() const { return number; }
  ptrdiff_t position() const { return ptrdiff_t(at); }
  bool operator<(Wide other) const { return number < other.number || (number == other.number && at < other.at); }
  using Key = uint64_t;
};

// Keys of element types.

template <class T> struct Plain {
  using Element = T;
  static T key(T x) { return x; }
};

/// Two's complement.
template <class T, T sign> struct Signed {
  using Element = T;
  static T key(T x) { return x ^ sign; }
};

/// Sign and magnitude; `infinity` is the largest magnitude that is a number.
template <class T, T sign, T infinity> struct Floating {
  using Element = T;
  static T key(T x) {
    T magnitude = x & T(~sign);
    if (magnitude > infinity) return T(~T(0));
    if (magnitude == 0) return sign;
    return x & sign ? T(~x) : T(x | sign);
  }
};

using Half = Floating<uint16_t, 0x8000, 0x7c00>;
using Brain = Floating<uint16_t, 0x8000, 0x7f80>;
using Single = Floating<uint32_t, 0x80000000u, 0x7f800000u>;
using Double = Floating<uint64_t, 0x8000000000000000u, 0x7ff0000000000000u>;

template <class Pair, class Type>
void pack_as(Pair *pairs, const void *from, ptrdiff_t first, ptrdiff_t n, bool descending) {
  using T = typename Type::Element;
  const T *x = (const T *)from;
  T flip = descending ? T(~T(0)) : T(0);
  for (ptrdiff_t i = 0; i < n; i++) pairs[i] = Pair(typename Pair::Key(T(Type::key(x[i]) ^ flip)), first + i);
}

/// Calls `body` with the way keys are made of elements of a dtype.
template <class Body> auto with_keys(int dtype, Body body) {
  switch (dtype) {
  case fb_bool:
  case fb_uint8: return body(Plain<uint8_t>());
  case fb_int8: return body(Signed<uint8_t, 0x80>());
  case fb_int16: return body(Signed<uint16_t, 0x8000>());
  case fb_int32: return body(Signed<uint32_t, 0x80000000u>());
  case fb_int64: return body(Signed<uint64_t, 0x8000000000000000u>());
  case fb_float16: return body(Half());
  case fb_bfloat16: return body(Brain());
  case fb_float32: return body(Single());
  default: return body(Double());
  }
}

template <class Pair> void pack(void *to, int dtype, const void *from, ptrdiff_t first, ptrdiff_t n, bool descending) {
  with_keys(dtype, [=](auto type) { pack_as<Pair, decltype(type)>((Pair *)to, from, first, n, descending); });
}

template <class Type> uint64_t differing(const void *from, ptrdiff_t n) {
  const typename Type::Element *x = (const typename Type::Element *)from;
  typename Type::Element bits = 0, first = Type::key(x[0]);
  for (ptrdiff_t i = 1; i < n; i++) bits |= Type::key(x[i]) ^ first;
  return bits;
}

template <class Pair> void count(ptrdiff_t *counts, const void *p, ptrdiff_t n, int shift, int bits) {
  const Pair *pairs = (const Pair *)p;
  uint32_t mask = (1u << bits) - 1;
  __builtin_memset(counts, 0, sizeof(ptrdiff_t) << bits);
  for (ptrdiff_t i = 0; i < n; i++) counts[uint32_t(pairs[i].key() >> shift) & mask]++;
}

template <class Pair> void scatter(void *t, ptrdiff_t *places, const void *p, ptrdiff_t n, int shift, int bits) {
  Pair *to = (Pair *)t;
  const Pair *pairs = (const Pair *)p;
  uint32_t mask = (1u << bits) - 1;
  for (ptrdiff_t i = 0; i < n; i++) to[places[uint32_t(pairs[i].key() >> shift) & mask]++] = pairs[i];
}

template <class Pair> void insertion_sort(Pair *a, ptrdiff_t n) {
  for (ptrdiff_t i = 1; i < n; i++) {
    Pair x = a[i];
    ptrdiff_t j = i;
    for (; j > 0 && x < a[j - 1]; j--) a[j] = a[j - 1];
    a[j] = x;
  }
}

template <class Pair> inline void exchange(Pair &a, Pair &b) {
  Pair x = a, y = b;
  bool wrong = y < x;
  a = wrong ? y : x;
  b = wrong ? x : y;
}

/// A sorting network, after Batcher.
template <class Pair> void sort_eight(Pair *a) {
  static constexpr unsigned char pairs[19][2] = {{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {2, 3},
                                                 {4, 5}, {6, 7}, {2, 4}, {3, 5}, {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}};
  Pair x[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) x[i] = a[i];
#pragma clang loop unroll(full)
  for (auto &pair : pairs) exchange(x[pair[0]], x[pair[1]]);
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) a[i] = x[i];
}

/// Two sorted runs of one length: from the front and from the back at once, each half of the way, so that neither can run out.
template <class Pair> void merge_equal(Pair *to, const Pair *a, const Pair *b, ptrdiff_t length) {
  const Pair *a_last = b - 1, *b_last = b + length - 1;
  Pair *back = to + 2 * length - 1;
  for (ptrdiff_t i = 0; i < length; i++) {
    bool second = *b < *a;
    *to++ = *(second ? b : a);
    b += second, a += !second;
    bool first = *b_last < *a_last;
    *back-- = *(first ? a_last : b_last);
    a_last -= first, b_last -= !first;
  }
}

template <class Pair> void merge(Pair *to, const Pair *a, const Pair *a_end, const Pair *b, const Pair *b_end) {
  while (a < a_end && b < b_end) {
    bool second = *b < *a;
    *to++ = *(second ? b : a);
    b += second, a += !second;
  }
  while (a < a_end) *to++ = *a++;
  while (b < b_end) *to++ = *b++;
}

template <class Pair> void merge_sort(void *p, void *s, ptrdiff_t n) {
  constexpr ptrdiff_t run = 8;
  Pair *pairs = (Pair *)p, *from = pairs, *to = (Pair *)s;
  ptrdiff_t whole = n / run * run;
  for (ptrdiff_t i = 0; i < whole; i += run) sort_eight(from + i);
  insertion_sort(from + whole, n - whole);
  for (ptrdiff_t length = run; length < n; length *= 2) {
    for (ptrdiff_t i = 0; i < n; i += 2 * length) {
      ptrdiff_t middle = i + length < n ? i + length : n, end = i + 2 * length < n ? i + 2 * length : n;
      if (end - middle == length) {
        merge_equal(to + i, from + i, from + middle, length);
      } else {
        merge(to + i, from + i, from + middle, from + middle, from + end);
      }
    }
    Pair *swap = from;
    from = to, to = swap;
  }
  if (from != pairs) __builtin_memcpy(pairs, from, n * sizeof(Pair));
}

template <class Pair> Pair median_of_three(Pair a, Pair b, Pair c) {
  return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

template <class Pair> void swap(Pair &a, Pair &b) {
  Pair x = a;
  a = b, b = x;
}

/// Quickselect; the pivots' places come from a generator, so that no likely input is a bad one.
template <class Pair> void select(void *p, ptrdiff_t n, ptrdiff_t k) {
  Pair *a = (Pair *)p;
  uint64_t state = 0x9e3779b97f4a7c15u;
  while (n > 24) {
    ptrdiff_t at[9];
    for (ptrdiff_t &place : at) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      place = ptrdiff_t((state >> 33) % uint64_t(n));
    }
    Pair x = median_of_three(a[at[0]], a[at[1]], a[at[2]]), y = median_of_three(a[at[3]], a[at[4]], a[at[5]]);
    Pair pivot = median_of_three(x, y, median_of_three(a[at[6]], a[at[7]], a[at[8]]));
    for (ptrdiff_t place : at) {
      if (a[place].position() == pivot.position()) {
        swap(a[place], a[n - 1]);
        break;
      }
    }
    ptrdiff_t less = 0;
    for (ptrdiff_t i = 0; i < n - 1; i++) {
      Pair here = a[i];
      a[i] = a[less];
      a[less] = here;
      less += here < pivot;
    }
    swap(a[less], a[n - 1]);
    if (k == less) return;
    if (k < less) {
      n = less;
    } else {
      a += less + 1, n -= less + 1, k -= less + 1;
    }
  }
  insertion_sort(a, n);
}

/// Keeps what may be among the k first, and weeds when there is too much of it.
template <class Pair>
void top(void *p, ptrdiff_t k, int dtype, const void *from, ptrdiff_t first, ptrdiff_t n, bool descending) {
  constexpr ptrdiff_t block = 128;
  static const int sizes[fb_dtype_count] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8};
  if (k == 0) return;
  Pair *kept = (Pair *)p, here[block];
  Pair last;
  bool full = false;
  ptrdiff_t count = 0, capacity = 2 * k + 2 * block;
  for (ptrdiff_t i = 0; i < n; i += block) {
    ptrdiff_t length = n - i < block ? n - i : block;
    pack<Pair>(here, dtype, (const char *)from + i * sizes[dtype], first + i, length, descending);
    if (count + length > capacity) {
      select<Pair>(kept, count, k - 1);
      count = k, last = kept[k - 1], full = true;
    }
    if (full) {
      for (ptrdiff_t j = 0; j < length; j++) {
        kept[count] = here[j];
        count += here[j] < last;
      }
    } else {
      __builtin_memcpy(kept + count, here, length * sizeof(Pair));
      count += length;
    }
  }
  if (count > k) select<Pair>(kept, count, k - 1);
}

template <class Pair> ptrdiff_t count_nan(const void *p, int dtype, ptrdiff_t n) {
  if (dtype < fb_float16) return 0;
  const Pair *pairs = (const Pair *)p;
  typename Pair::Key nan = dtype == fb_float64 ? ~typename Pair::Key(0) : dtype == fb_float32 ? 0xffffffffu : 0xffff;
  ptrdiff_t total = 0;
  for (ptrdiff_t i = 0; i < n; i++) total += pairs[i].key() == nan;
  return total;
}

template <class Pair, class T> void values_at(void *to, const Pair *pairs, ptrdiff_t n, const void *from) {
  for (ptrdiff_t i = 0; i < n; i++) ((T *)to)[i] = ((const T *)from)[pairs[i].position()];
}

template <class Pair>
void unpack(int64_t *positions, void *values, const void *p, ptrdiff_t n, const void *from, int element_bytes) {
  const Pair *pairs = (const Pair *)p;
  if (positions) {
    for (ptrdiff_t i = 0; i < n; i++) positions[i] = pairs[i].position();
  }
  if (!values) return;
  switch (element_bytes) {
  case 1: return values_at<Pair, uint8_t>(values, pairs, n, from);
  case 2: return values_at<Pair, uint16_t>(values, pairs, n, from);
  case 4: return values_at<Pair, uint32_t>(values, pairs, n, from);
  default: return values_at<Pair, uint64_t>(values, pairs, n, from);
  }
}

template <class Pair>
constexpr fb_sorter sorter = {sizeof(Pair), pack<Pair>,   count<Pair>, scatter<Pair>,   merge_sort<Pair>,
                              select<Pair>, top<Pair>, count_nan<Pair>, unpack<Pair>};

} // namespace

extern "C" const fb_sorter *fb_sorter_for(int key_bits, ptrdiff_t n) {
  return key_bits > 32 || n > 0xffffffff ? &sorter<Wide> : &sorter<Narrow>;
}

extern "C" uint64_t fb_differing_key_bits(int dtype, const void *from, ptrdiff_t n) {
  return with_keys(dtype, [=](auto type) -> uint64_t { return differing<decltype(type)>(from, n); });
}
