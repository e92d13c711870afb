/* float32, AVX-512 (F, DQ, BW, VL) */
#if defined(__x86_64__)
#define NEUROAI_AVX512
#include "variant.h"

const Variant variant_f32_avx512 = {"f32", methods};
#else
typedef int nothing_here;               /* an empty file is no C */
#endif
