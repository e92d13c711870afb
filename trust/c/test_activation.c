/* activation.h against libm in double, far out and at what is no number too. */
#include "functions.h"

enum { POINTS = 20000 };

/* within 2 units in the last place; exp of libm has one of its own */
static void test_exp(real x)
{
    const double one = exp((double)x), two = exp(2 * (double)x);

    CHECK(is_near((double)exp_scaled(x, 1), one, 3 * (double)EPSILON * one));
    if (2 * (double)magnitude(x) <= -(double)REAL_EXP_LOWEST) {
        CHECK(is_near((double)exp_scaled(x, 2), two, 3 * (double)EPSILON * two));
    }
}

static void test_point(real x)
{
    const double least = exp((double)REAL_EXP_LOWEST), end = exp(-(double)REAL_SLOPE_END);
    Activation h;

    for (int number = 0; !activation_number(number, &h); number++) {
        const real alpha = alpha_of(h.f, h.alpha), y = value_of(h.f, alpha, x);
        const double wanted = plain_value(h, (double)x);
        const real slope = h.f == STEP
                               ? surrogate_slope_of(h.surrogate, alpha_of(h.surrogate, h.alpha), x)
                               : slope_of(h.f, alpha, y);

        CHECK(is_near((double)y, wanted, 8 * (double)EPSILON * fabs(wanted) + 2 * least));
        if (h.f == STEP) {
            const double exact = plain_slope(h, (double)x);

            CHECK(is_near((double)slope, exact, 16 * (double)EPSILON * exact + 5 * end));
        } else {                        /* y is rounded, and 1 - y with it */
            CHECK(is_near((double)slope, plain_slope(h, (double)x), 4 * (double)EPSILON));
        }
    }
}

#ifdef NEUROAI_FLOAT64

/* slopes are those of the values */
static void test_difference(real x)
{
    const double step = 1e-5;
    Activation h;

    for (int number = 0; number < 5 && !activation_number(number, &h); number++) {
        const real alpha = alpha_of(h.f, h.alpha);
        const double rise = value_of(h.f, alpha, x + step) - value_of(h.f, alpha, x - step);

        if (fabs(x) > 2 * step) {       /* no kink between them */
            CHECK(is_near(slope_of(h.f, alpha, value_of(h.f, alpha, x)), rise / (2 * step), 1e-9));
        }
    }
}

#endif

static void test_all(void)
{
    static const real far[] = {0, (real)-0.0, REAL_MIN, -REAL_MIN, 30, -30, 1000, -1000, REAL_MAX,
                               -REAL_MAX, (real)INFINITY, (real)-INFINITY};
    real *sigmoid = outputs(POINTS / 10), *slope = outputs(POINTS / 10);

    for (int i = 0; i < POINTS; i++) {
        const real wide = (real)uniform((double)REAL_EXP_LOWEST, -(double)REAL_EXP_LOWEST);
        const real near = (real)uniform(-6, 6);

        test_exp(wide);
        test_exp(near);
        test_point(wide);
        test_point(near);
#ifdef NEUROAI_FLOAT64
        test_difference(near);
#endif
        if (i % 10 == 0) {
            sigmoid[i / 10] = value_of(SIGMOID, 0, near);
            slope[i / 10] = surrogate_slope_of(TANH, 0, near);
        }
    }
    record("sigmoid", sigmoid, POINTS / 10, NO_LIBM);
    record("tanh'", slope, POINTS / 10, NO_LIBM);
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        test_point(far[i]);
    }
    test_exp((real)REAL_EXP_LOWEST);
    test_exp(-(real)REAL_EXP_LOWEST);
    CHECK(isnan(value_of(SIGMOID, 0, (real)NAN)) && isnan(value_of(TANH, 0, (real)NAN)));
    CHECK(isnan(value_of(RELU, 0, (real)NAN)) && isnan(value_of(IDENTITY, 1, (real)NAN)));
    CHECK(isnan(surrogate_slope_of(SIGMOID, 0, (real)NAN)));
    CHECK(isnan(surrogate_slope_of(TANH, 0, (real)NAN)));
    CHECK(alpha_of(IDENTITY, 3) == 1 && alpha_of(RELU, 3) == 0 && alpha_of(LEAKY_REL, 3) == 3);
}

#include "../../csrc/variants/target_end.h"
