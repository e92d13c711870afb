/* The functions g and h of one number, and their slopes.
 *
 *     step(x)       1 where x > 0, else 0; its slope is the surrogate's
 *     sigmoid(x)    1 / (1 + e^-x)            y (1 - y)
 *     tanh(x)                                 1 - y^2
 *     relu(x)       max(x, 0)                 1 where y > 0, else 0
 *     leaky_rel(x)  x where x > 0, else alpha x       1 where y > 0, else alpha
 *
 * A smooth function's slope is told from y = f(x): with alpha > 0, y > 0 means
 * x > 0.  The step's surrogates need x; of sigmoid and of tanh, with e = e^x,
 *
 *     sigmoid'(x) = e / (1 + e)^2             1 - tanh(x)^2 = 4 sigmoid'(2 x)
 *
 * identity and relu are leaky_rel with an alpha of 1 and 0, for which the same
 * slopes hold.  Each function is a constant where these are inlined, so that loops
 * over them have neither branch nor call and run on vectors (but for tanh's own
 * value, which is libm's).
 *
 * S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).
 */
#ifndef NEUROAI_ACTIVATION_H
#define NEUROAI_ACTIVATION_H

#include "neuroai.h"

#include <math.h>

INLINE real magnitude(real x) { return real_fabs(x); }

/* e^(s x) for s of 1 or 2 and |s x| <= -REAL_EXP_LOWEST, within 2 units in the last place
 * (float32: 2e-7 relative).  s x = n ln 2 + s r and e^(s x) = 2^n e^(s r): adding 1.5 2^mantissa
 * rounds to the integer n and leaves it in the lowest bits, from where it moves into the exponent;
 * e^(s r) is its Taylor series, in pairs of terms that do not wait for each other.  s is a
 * constant where this is inlined. */
INLINE real exp_scaled(real x, const real s)
{
    const real s2 = s * s, s4 = s2 * s2;
    const real round = (real)((real_bits)3 << (REAL_MANTISSA - 1));
    const real whole = x * (s * (real)1.44269504088896340736) + round;
    const real n = whole - round;
    const real r = x - n * ((real)REAL_LN2_HIGH / s) - n * ((real)REAL_LN2_LOW / s);
    const real r2 = r * r, r4 = r2 * r2;
    real sum = s4 * (real)(1.0 / 24) + s4 * s * (real)(1.0 / 120) * r +
               (s4 * s2 * (real)(1.0 / 720) + s4 * s2 * s * (real)(1.0 / 5040) * r) * r2;
    real_bits bits;
    real scale;

#ifdef NEUROAI_FLOAT64
    const real s8 = s4 * s4;

    sum += (s8 * (1.0 / 40320) + s8 * s * (1.0 / 362880) * r +
            (s8 * s2 * (1.0 / 3628800) + s8 * s2 * s * (1.0 / 39916800) * r) * r2 +
            (s8 * s4 * (1.0 / 479001600) + s8 * s4 * s * (1.0 / 6227020800) * r) * r4) * r4;
#endif
    sum = sum * r4 + (s2 * (real)(1.0 / 2) + s2 * s * (real)(1.0 / 6) * r) * r2 + s * r + 1;
    memcpy(&bits, &whole, sizeof bits);
    bits = (bits << REAL_MANTISSA) + ((real_bits)REAL_BIAS << REAL_MANTISSA);
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

/* e^z for z <= 0, not below e^REAL_EXP_LOWEST */
INLINE real exp_negative(real z)
{
    return exp_scaled(z < (real)REAL_EXP_LOWEST ? (real)REAL_EXP_LOWEST : z, 1);
}

/* sigmoid'(s x) = e / (1 + e)^2 with e = e^(s x); where |s x| is more than REAL_SLOPE_END it is
 * as there: far less than a slope can be told from 0 by 1 - tanh(x)^2 */
INLINE real sigmoid_slope(real x, const real s)
{
    const real end = (real)REAL_SLOPE_END / s;
    real e;

    x = x < -end ? -end : x;
    x = x > end ? end : x;
    e = exp_scaled(x, s);
    return e / ((1 + e) * (1 + e));
}

INLINE real value_of(const Function f, real alpha, real x)
{
    real e;

    switch (f) {
    case STEP:
        return x > 0 ? 1 : 0;
    case SIGMOID:
        e = exp_negative(-magnitude(x));
        return (x < 0 ? e : 1) / (1 + e);
    case TANH:
        return real_tanh(x);
    case RELU:
        return x < 0 ? 0 : x;
    default:
        return x > 0 ? x : alpha * x;
    }
}

/* of a smooth f, from y = f(x) */
INLINE real slope_of(const Function f, real alpha, real y)
{
    switch (f) {
    case SIGMOID:
        return y * (1 - y);
    case TANH:
        return 1 - y * y;
    default:
        return y > 0 ? 1 : alpha;
    }
}

/* that the step pretends to have */
INLINE real surrogate_slope_of(const Function surrogate, real alpha, real x)
{
    switch (surrogate) {
    case SIGMOID:
        return sigmoid_slope(x, 1);
    case TANH:
        return 4 * sigmoid_slope(x, 2);
    default:
        return x > 0 ? 1 : alpha;
    }
}

/* alpha of a function as a leaky_rel */
INLINE real alpha_of(Function f, real alpha)
{
    return f == IDENTITY ? 1 : f == RELU ? 0 : alpha;
}

#endif
