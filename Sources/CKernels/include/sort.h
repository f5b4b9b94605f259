// Sorting and selecting: elements become pairs of a key and a position, which are moved instead of them.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The loops for one size of pair. A key is an unsigned number in the elements' order (descending: in the opposite one): −0 and 0
/// have one key, and all NaNs the largest. Equal keys are ordered by position, so that every order is stable.
typedef struct fb_sorter {
  ptrdiff_t pair_bytes;
  /// pairs[i] = from[i] at position first + i. `dtype` is an fb_dtype, also below.
  void (*pack)(void *pairs, int dtype, const void *from, ptrdiff_t first, ptrdiff_t n, bool descending);
  /// counts[d] = how many keys have the digit d, `bits` wide, above their `shift` lowest bits.
  void (*count)(ptrdiff_t *counts, const void *pairs, ptrdiff_t n, int shift, int bits);
  /// Moves each pair to places[its digit]++.
  void (*scatter)(void *to, ptrdiff_t *places, const void *pairs, ptrdiff_t n, int shift, int bits);
  /// Sorts by merging; `spare` has room for as many.
  void (*merge_sort)(void *pairs, void *spare, ptrdiff_t n);
  /// Brings the pair that belongs at `k` there, what is less before it and what is greater behind it.
  void (*select)(void *pairs, ptrdiff_t n, ptrdiff_t k);
  /// The k first of n elements in order, in no order. `pairs` has room for 2k + 256.
  void (*top)(void *pairs, ptrdiff_t k, int dtype, const void *from, ptrdiff_t first, ptrdiff_t n, bool descending);
  /// How many are NaN, if the order is ascending.
  ptrdiff_t (*count_nan)(const void *pairs, int dtype, ptrdiff_t n);
  /// The positions of pairs, and the elements there; null for none.
  void (*unpack)(int64_t *positions, void *values, const void *pairs, ptrdiff_t n, const void *from, int element_bytes);
} fb_sorter;

/// For rows of n elements, whose keys differ at most in their lowest bits.
const fb_sorter *fb_sorter_for(int key_bits, ptrdiff_t n);
/// The bits of the keys in which some of n > 0 elements differ.
uint64_t fb_differing_key_bits(int dtype, const void *from, ptrdiff_t n);

#ifdef __cplusplus
}
#endif
