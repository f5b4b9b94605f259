// The primitives of the scalar-program language: one list, from which C and Swift take their enums, names and arities.
#pragma once

// X(name, arity). Comparisons, logic and tests give 1 or 0 in the compute class.
#define FB_PRIMITIVES(X) \
  X(copy, 1) X(neg, 1) X(abs, 1) X(sign, 1) X(floor, 1) X(ceil, 1) X(round, 1) X(trunc, 1) \
  X(sqrt, 1) X(rsqrt, 1) X(reciprocal, 1) X(square, 1) \
  X(exp, 1) X(expm1, 1) X(exp2, 1) X(log, 1) X(log1p, 1) X(log2, 1) X(log10, 1) \
  X(sin, 1) X(cos, 1) X(tan, 1) X(asin, 1) X(acos, 1) X(atan, 1) \
  X(sinh, 1) X(cosh, 1) X(tanh, 1) X(asinh, 1) X(acosh, 1) X(atanh, 1) \
  X(lgamma, 1) X(digamma, 1) X(erfinv, 1) X(i0, 1) X(i0e, 1) X(i1, 1) X(i1e, 1) \
  X(erfcx, 1) X(ndtri, 1) \
  X(erf, 1) X(erfc, 1) X(sigmoid, 1) X(softplus, 1) \
  X(relu, 1) X(silu, 1) X(gelu, 1) X(gelu_tanh, 1) \
  X(gelu_slope, 1) X(gelu_tanh_slope, 1) X(silu_slope, 1) \
  X(is_nan, 1) X(is_inf, 1) X(is_finite, 1) X(logical_not, 1) X(bit_not, 1) \
  X(add, 2) X(sub, 2) X(mul, 2) X(div, 2) X(min, 2) X(max, 2) X(pow, 2) X(atan2, 2) \
  X(fmod, 2) X(remainder, 2) X(floor_div, 2) X(copysign, 2) \
  X(hypot, 2) X(zeta, 2) X(igamma, 2) X(igammac, 2) X(next_after, 2) X(gcd, 2) \
  X(eq, 2) X(ne, 2) X(lt, 2) X(le, 2) X(gt, 2) X(ge, 2) \
  X(logical_and, 2) X(logical_or, 2) X(logical_xor, 2) \
  X(bit_and, 2) X(bit_or, 2) X(bit_xor, 2) X(shift_left, 2) X(shift_right, 2) \
  X(fma, 3) X(select, 3)

#define FB_X(name, arity) fb_##name,
typedef enum fb_primitive { FB_PRIMITIVES(FB_X) fb_primitive_count } fb_primitive;
#undef FB_X

typedef struct fb_primitive_info {
  const char *name;
  int arity;
} fb_primitive_info;

#ifdef __cplusplus
extern "C"
#endif
/// Name and number of operands of a primitive.
fb_primitive_info fb_primitive_describe(fb_primitive primitive);
