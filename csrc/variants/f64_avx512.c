/* float64, AVX-512 (F, DQ, BW, VL) */
#define NEUROAI_FLOAT64
#if defined(__x86_64__)
#define NEUROAI_AVX512
#include "variant.h"

const Variant variant_f64_avx512 = {"f64", methods};
#else
typedef int nothing_here;               /* an empty file is no C */
#endif
