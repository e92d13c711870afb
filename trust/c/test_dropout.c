/* dropout.c: what is kept depends on nothing but the rate, the key and the place, and is as
 * much as the rate says. */
#include "testing.h"

static void test_sizes(double rate, uint64_t key, ptrdiff_t s, ptrdiff_t T, ptrdiff_t m)
{
    const Dropout drop = {rate, key};
    const ptrdiff_t n = T * m;
    const real scale = (real)(1 / (1 - rate));
    const real *x = randoms(n, 1, 2), *ones = ones_of(n, 2);
    real *y = outputs(n), *in_place = copy_of(x, n), *kept = outputs(n);
    real *wide = outputs(T * (m + 3));

    dropout(y, x, drop, s, T, m);
    dropout(in_place, in_place, drop, s, T, m);
    dropout(kept, ones, drop, s, T, m);
    dropout(wide, ones_of(T * (m + 3), 2), drop, s, T, m + 3);
    for (ptrdiff_t i = 0; i < n; i++) {
        CHECK(kept[i] == 0 || kept[i] == scale);
        CHECK(y[i] == (kept[i] > 0 ? x[i] * scale : 0) && in_place[i] == y[i]);
        CHECK(wide[i / m * (m + 3) + i % m] == kept[i]);        /* of as many units as there are */
        CHECK(rate > 0 || y[i] == x[i]);
    }
    record("kept", kept, n, NO_LIBM);
    free_arrays();
}

/* of n with the chance p each: within 5 standard deviations */
static void check_count(double count, double n, double p)
{
    CHECK(is_near(count, n * p, 5 * sqrt(n * p * (1 - p))));
}

/* how many are kept, also of two neighbours in sample, step, unit or key: none hangs on another */
static void test_chance(double rate)
{
    enum { SAMPLES = 20, STEPS = 30, UNITS = 64, SAMPLE = STEPS * UNITS, ALL = SAMPLES * SAMPLE };
    const real *ones = ones_of(SAMPLE, 2);
    real *kept = outputs(ALL), *other = outputs(ALL);
    const double both = (1 - rate) * (1 - rate);
    double count = 0, with_sample = 0, with_step = 0, with_unit = 0, with_key = 0;

    for (ptrdiff_t s = 0; s < SAMPLES; s++) {
        dropout(kept + s * SAMPLE, ones, (Dropout){rate, 7}, s, STEPS, UNITS);
        dropout(other + s * SAMPLE, ones, (Dropout){rate, 8}, s, STEPS, UNITS);
    }
    for (ptrdiff_t i = 0; i < ALL; i++) {
        count += kept[i] > 0;
        with_key += kept[i] > 0 && other[i] > 0;
        with_sample += i >= SAMPLE && kept[i] > 0 && kept[i - SAMPLE] > 0;
        with_step += i % SAMPLE >= UNITS && kept[i] > 0 && kept[i - UNITS] > 0;
        with_unit += i % UNITS >= 1 && kept[i] > 0 && kept[i - 1] > 0;
    }
    check_count(count, ALL, 1 - rate);
    check_count(with_key, ALL, both);
    check_count(with_sample, ALL - SAMPLE, both);
    check_count(with_step, ALL - SAMPLES * UNITS, both);
    check_count(with_unit, ALL - SAMPLES * STEPS, both);
    free_arrays();
}

static void test_all(void)
{
    for (ptrdiff_t m = 1; m <= 70; m++) {
        test_sizes(m % 10 / 10.0, random_bits(), m % 4, 1 + m % 20, m);
    }
    test_sizes(0.5, 1, 0, 0, 5);
    test_sizes(0.5, 1, 0, 5, 0);
    test_sizes(1 - 0x1p-53, UINT64_MAX, 1, 5, 5);               /* the largest below 1 */
    test_chance(0.1);
    test_chance(0.5);
    test_chance(0.8);
}

#include "../../csrc/variants/target_end.h"
