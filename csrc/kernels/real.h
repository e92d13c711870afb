/* The precision of a build: `real`, and what depends on it.
 *
 * Everything that counts in reals is compiled once for float32 and once for
 * float64 (csrc/variants/); NEUROAI_FLOAT64 chooses.
 */
#ifndef NEUROAI_REAL_H
#define NEUROAI_REAL_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#ifdef NEUROAI_FLOAT64

typedef double real;
typedef uint64_t real_bits;             /* as wide as a real */
#define REAL_MAX DBL_MAX
#define REAL_MIN DBL_MIN
#define REAL_MANTISSA 52                /* bits after the binary point */
#define REAL_BIAS 1023                  /* of the exponent */
#define REAL_EXP_LOWEST (-708.0)        /* exp of less is subnormal */
#define REAL_SLOPE_END 350.0
#define REAL_LN2_HIGH 0x1.62e42fefa38p-1        /* n * this is exact for |n| < 1100 */
#define REAL_LN2_LOW 0x1.ef35793c7673p-45
#define real_sqrt sqrt
#define real_fabs fabs
#define real_tanh tanh

#else

typedef float real;
typedef uint32_t real_bits;
#define REAL_MAX FLT_MAX
#define REAL_MIN FLT_MIN
#define REAL_MANTISSA 23
#define REAL_BIAS 127
#define REAL_EXP_LOWEST (-87.0f)
#define REAL_SLOPE_END 41.0f            /* e^-41 = 1.6e-18 */
#define REAL_LN2_HIGH 0x1.62e4p-1f
#define REAL_LN2_LOW 0x1.7f7d1cp-20f
#define real_sqrt sqrtf
#define real_fabs fabsf
#define real_tanh tanhf

#endif

#endif
