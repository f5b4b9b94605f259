#ifdef __x86_64__
#include "CKernels.h"

#define FB_ISA avx512
#define FB_NAMESPACE fb_avx512
#define FB_WIDTH 64
#define FB_HAS_FMA 1
#define FB_HAS_ROUNDING 1
#define FB_HAS_SCALE 1
#define FB_HAS_F16C 1

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#include "isa/kernels.inc"
#pragma clang attribute pop
#endif
