/* float64, AVX2 */
#define NEUROAI_FLOAT64
#if defined(__x86_64__)
#define NEUROAI_AVX2
#include "variant.h"

const Variant variant_f64_avx2 = {"f64", methods};
#else
typedef int nothing_here;               /* an empty file is no C */
#endif
