/* g, h and their slopes from their formulas in double, as activation.h has them. */
#ifndef NEUROAI_FUNCTIONS_H
#define NEUROAI_FUNCTIONS_H

#include "testing.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

static double plain_value(Activation f, double x)
{
    switch (f.f) {
    case IDENTITY: return x;
    case STEP: return x > 0;
    case SIGMOID: return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    case TANH: return tanh(x);
    case RELU: return x > 0 ? x : 0;
    default: return x > 0 ? x : (double)f.alpha * x;
    }
}

/* the step's is its surrogate's */
static double plain_slope(Activation f, double x)
{
    const double e = exp(-fabs(x));

    switch (f.f == STEP ? f.surrogate : f.f) {
    case IDENTITY: return 1;
    case SIGMOID: return e / ((1 + e) * (1 + e));
    case TANH: return 4 * e * e / ((1 + e * e) * (1 + e * e));
    case RELU: return x > 0;
    default: return x > 0 ? 1 : (double)f.alpha;
    }
}

/* The slope at x where y = f(x) is known: only the step's needs x, and y loses nothing of it by
 * rounding twice. */
static double slope_from(Activation f, double x, double y)
{
    switch (f.f) {
    case SIGMOID: return y * (1 - y);
    case TANH: return 1 - y * y;
    case STEP: return plain_slope(f, x);
    default: return plain_slope(f, y);
    }
}

static int uses_libm(Activation f) { return f.f == TANH ? LIBM : NO_LIBM; }

/* all that h can be: each function, and the step with each surrogate; -1 behind the last */
static int activation_number(int number, Activation *h)
{
    static const Function smooth[] = {IDENTITY, SIGMOID, TANH, RELU, LEAKY_REL};

    if (number >= 10) {
        return -1;
    }
    *h = (Activation){number < 5 ? smooth[number] : STEP, smooth[number % 5], (real)0.125};
    return 0;
}

#pragma GCC diagnostic pop

#endif
