/* float32, AVX2 */
#if defined(__x86_64__)
#define NEUROAI_AVX2
#include "variant.h"

const Variant variant_f32_avx2 = {"f32", methods};
#else
typedef int nothing_here;               /* an empty file is no C */
#endif
