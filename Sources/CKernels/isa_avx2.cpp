#ifdef __x86_64__
#include "CKernels.h"

#define FB_ISA avx2
#define FB_NAMESPACE fb_avx2
#define FB_WIDTH 32
#define FB_HAS_FMA 1
#define FB_HAS_ROUNDING 1
#define FB_HAS_SCALE 0
#define FB_HAS_F16C 1

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "isa/kernels.inc"
#pragma clang attribute pop
#endif
