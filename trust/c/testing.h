/* What the programs of this folder share.  Each tests one file of csrc/kernels without Python:
 * it includes this, defines `test_all`, and ends with target_end.h.
 *
 *     program [FILE]      0 if all checks hold; what was recorded goes into FILE
 *
 * NEUROAI_FLOAT64, NEUROAI_AVX2 and NEUROAI_AVX512 choose the variant, as in csrc/variants/.  All
 * arrays are allocated one by one and exactly as long as the kernel says, so that a sanitizer
 * or valgrind sees the first number read or written outside.
 */
#ifndef NEUROAI_TESTING_H
#define NEUROAI_TESTING_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(NEUROAI_AVX512) || defined(NEUROAI_AVX2)
#include <immintrin.h>
#endif

#include "../../csrc/kernels/spikes.c"
#include "../../csrc/variants/target_begin.h"

/* a program uses a part of them */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "../../csrc/variants/kernels.h"

static void test_all(void);

/* ---- checks ------------------------------------------------------------------------- */

#ifdef NEUROAI_FLOAT64
#define EPSILON DBL_EPSILON
#define PRECISION "f64"
#else
#define EPSILON FLT_EPSILON
#define PRECISION "f32"
#endif

static long checks;

/* ends the program, as what comes after a wrong number says nothing more */
static void check(int holds, const char *what, const char *file, int line)
{
    checks++;
    if (!holds) {
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
        exit(1);
    }
}

#define CHECK(what) check((what) != 0, #what, __FILE__, __LINE__)

/* |actual - wanted| <= bound, or both the same infinity; false for what is not a number */
static int is_near(double actual, double wanted, double bound)
{
    return actual == wanted || fabs(actual - wanted) <= bound;
}

/* to within `roundings` of the largest of them */
static void check_near(const real *actual, const double *wanted, ptrdiff_t n, double roundings,
                       const char *what, const char *file, int line)
{
    double largest = 0;

    for (ptrdiff_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(wanted[i]));
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        checks++;
        if (!is_near((double)actual[i], wanted[i], roundings * (double)EPSILON * largest)) {
            fprintf(stderr, "%s:%d: %s[%td] of %td is %.17g, wanted %.17g (largest %.3g)\n", file,
                    line, what, i, n, (double)actual[i], wanted[i], largest);
            exit(1);
        }
    }
}

#define CHECK_NEAR(actual, wanted, n, roundings) \
    check_near(actual, wanted, n, roundings, #actual, __FILE__, __LINE__)

/* equal, up to the sign of a zero */
static void check_equal(const real *actual, const real *wanted, ptrdiff_t n,
                        const char *what, const char *file, int line)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        checks++;
        if (!(actual[i] == wanted[i])) {
            fprintf(stderr, "%s:%d: %s[%td] of %td is %.17g, wanted %.17g\n", file, line, what, i,
                    n, (double)actual[i], (double)wanted[i]);
            exit(1);
        }
    }
}

#define CHECK_EQUAL(actual, wanted, n) \
    check_equal(actual, wanted, n, #actual, __FILE__, __LINE__)

/* ---- random numbers ------------------------------------------------------------------- */

/* The same on every machine, where no two are drawn between two sequence points: compilers
 * differ in the order in which they evaluate arguments. */

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t random_bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

/* from low to below high */
static double uniform(double low, double high)
{
    return low + (high - low) * ((double)(random_bits() >> 11) * 0x1p-53);
}

/* from low to high, both included */
static ptrdiff_t any_of(ptrdiff_t low, ptrdiff_t high)
{
    return low + (ptrdiff_t)(random_bits() % (uint64_t)(high - low + 1));
}

static int with_chance(double chance) { return uniform(0, 1) < chance; }

/* ---- arrays ---------------------------------------------------------------------------- */

static void *owned[1000];
static int count_owned;

static void *array_of(ptrdiff_t n, size_t size)
{
    void *array = malloc((size_t)n * size);

    if ((!array && n > 0) || count_owned == sizeof owned / sizeof *owned) {
        fprintf(stderr, "no memory\n");
        exit(2);
    }
    return owned[count_owned++] = array;
}

/* all arrays of a case, when it has ended */
static void free_arrays(void)
{
    while (count_owned > 0) {
        free(owned[--count_owned]);
    }
}

/* For an output.  A number that the kernel leaves out or reads before it writes it shows: under
 * valgrind (NEUROAI_UNSET) as it was never set, else as it is not a number. */
static real *outputs(ptrdiff_t n)
{
    real *array = array_of(n, sizeof *array);

#ifndef NEUROAI_UNSET
    memset(array, 0xff, (size_t)n * sizeof *array);
#endif
    return array;
}

/* What stands behind a row, or is masked: it may be computed with but goes into nothing. */
static real *not_numbers(ptrdiff_t n)
{
    real *array = array_of(n, sizeof *array);

    memset(array, 0xff, (size_t)n * sizeof *array);
    return array;
}

static real *zeros_of(ptrdiff_t n)
{
    real *array = array_of(n, sizeof *array);

    memset(array, 0, (size_t)n * sizeof *array);
    return array;
}

static real *randoms(ptrdiff_t n, double low, double high)
{
    real *array = array_of(n, sizeof *array);

    for (ptrdiff_t i = 0; i < n; i++) {
        array[i] = (real)uniform(low, high);
    }
    return array;
}

/* 0 and 1 */
static real *ones_of(ptrdiff_t n, double density)
{
    real *array = array_of(n, sizeof *array);

    for (ptrdiff_t i = 0; i < n; i++) {
        array[i] = with_chance(density);
    }
    return array;
}

static uint8_t *bytes_of(ptrdiff_t n, double density)
{
    uint8_t *array = array_of(n, sizeof *array);

    for (ptrdiff_t i = 0; i < n; i++) {
        array[i] = (uint8_t)with_chance(density);
    }
    return array;
}

static real *copy_of(const real *from, ptrdiff_t n)
{
    real *array = array_of(n, sizeof *array);

    memcpy(array, from, (size_t)n * sizeof *array);
    return array;
}

static double *doubles_of(const real *from, ptrdiff_t n)
{
    double *array = array_of(n, sizeof *array);

    for (ptrdiff_t i = 0; i < n; i++) {
        array[i] = from ? (double)from[i] : 0;
    }
    return array;
}

/* the events of dense (samples, T, N) */
static Spikes spikes_of(const uint8_t *dense, ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    const ptrdiff_t size = 1 + spikes_words(T);
    ptrdiff_t *first = array_of(samples + 1, sizeof *first), *place;
    uint32_t *events;

    CHECK(spikes_count(first, array_of(N, 1), dense, samples, T, N) == 0);
    events = array_of(first[samples] * size, sizeof *events);
    place = array_of(N, sizeof *place);
    memset(events, 0, (size_t)(first[samples] * size) * sizeof *events);
    spikes_pack(events, place, dense, first, samples, T, N);
    return (Spikes){events, first, samples, T, N, size - 1};
}

/* ---- what is compared between builds ------------------------------------------------------ */

static FILE *recorded;

/* One line an array.  All builds and machines have the same bits in it, up to the sign of a
 * zero; where a function of libm is `among` the operations, those that share a libm. */
enum { NO_LIBM, LIBM };

static void record(const char *name, const real *x, ptrdiff_t n, int among)
{
    if (!recorded) {
        return;
    }
    fprintf(recorded, "%s %s", name, among == LIBM ? "libm" : "same");
    for (ptrdiff_t i = 0; i < n; i++) {
        fprintf(recorded, " %a", (double)(x[i] == 0 ? 0 : x[i]));
    }
    fprintf(recorded, "\n");
}

#pragma GCC diagnostic pop

#if defined(NEUROAI_AVX512)
#define ISA_NAME "avx512"
#elif defined(NEUROAI_AVX2)
#define ISA_NAME "avx2"
#else
#define ISA_NAME "baseline"
#endif

int main(int count, char **arguments)
{
    if (count > 1 && !(recorded = fopen(arguments[1], "w"))) {
        perror(arguments[1]);
        return 2;
    }
    test_all();
    free_arrays();
    if (recorded && fclose(recorded)) {
        perror(arguments[1]);
        return 2;
    }
    printf("%s %s: %ld checks\n", PRECISION, ISA_NAME, checks);
    return 0;
}

#endif
