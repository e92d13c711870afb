/* What one core does in a nanosecond, and what that sets as the least time for a digit of the
 * page's SNN (784-100-10, T = 20, batch 15):
 *
 *     gcc -O3 -march=native -ffp-contract=off -fno-math-errno -fno-trapping-math \
 *         -o floors benchmarks/floors.c -lm && ./floors
 *
 * Every loop is the least that its part of the work can be: no events are looked up, no
 * gradient is told from a weight, everything but D is in the first cache.
 */
#if defined(__AVX512F__)
#define NEUROAI_AVX512
#elif defined(__AVX2__)
#define NEUROAI_AVX2
#endif
#include "../csrc/kernels/activation.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROW = 112, T = 20, B = 15, ROUNDS = 200, TRIES = 50 };

/* of a digit, from the train set as transform_rate encodes it: spikes, and the rows of W that a
 * batch touches, for each of its digits */
static const double SPIKES = 612, ROWS = 390.0 / B;

static real D[B * T][ROW], V[T][ROW], e[T][ROW], y[T][ROW], w[ROW], v[ROW], g[ROW];
static volatile real sink;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}

/* sums of rows of D, which fit the first cache (T of them) or the second (a batch's) */
static void add_rows(ptrdiff_t rows)
{
    vec sum[ROW / LANES] = {0};

    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t k = 0; k < ROW / LANES; k++) {
            sum[k] += vec_load(D[i] + k * LANES);
        }
    }
    for (ptrdiff_t k = 0; k < ROW / LANES; k++) {
        vec_store(g + k * LANES, sum[k]);
    }
}

static void add_first_cache(void) { add_rows(T); }
static void add_second_cache(void) { add_rows(B * T); }

/* a product of 16 rows, a vector of columns and ROW terms, as matmul has it */
static void products(void)
{
    vec sum[16] = {0};

    for (ptrdiff_t k = 0; k < ROW; k++) {
        for (ptrdiff_t i = 0; i < 16; i++) {
            sum[i] += y[i][k] * vec_load(w);
        }
    }
    for (ptrdiff_t i = 0; i < 16; i++) {
        sink = sum[i][0];
    }
}

static void rmsprop(void)
{
    for (ptrdiff_t j = 0; j < ROW; j++) {
        v[j] = 0.9f * v[j] + 0.1f * (g[j] * g[j]);
        w[j] -= 1e-3f * g[j] / (real_sqrt(v[j]) + 1e-7f);
    }
}

/* backpropagation through time of a row: slope and recurrence */
static void backward(void)
{
    for (ptrdiff_t t = T - 2; t >= 0; t--) {
        INDEPENDENT
        for (ptrdiff_t j = 0; j < ROW; j++) {
            const real leak = 0.9f * D[t + 1][j];
            const real slope = 4 * sigmoid_slope(V[t][j] - 1, 2);
            const real part = (e[t][j] - V[t][j] * leak) * slope;

            g[j] -= part;
            D[t][j] = (part + (1 - y[t][j]) * leak) * (V[t][j] > 0 ? 1 : 0.1f);
        }
    }
}

/* nanoseconds of a vector, of `vecs` that a call goes through: the best of many tries */
static double measured(const char *what, void (*call)(void), double vecs, double number)
{
    double best = 1e9;

    for (int i = 0; i < TRIES; i++) {
        const double start = now();

        for (int round = 0; round < ROUNDS; round++) {
            call();
        }
        best = (now() - start) / ROUNDS / vecs < best ? (now() - start) / ROUNDS / vecs : best;
    }
    printf("%-52s %7.3f ns a vector x %5.0f = %5.2f us a digit\n", what, best, number,
           best * number / 1000);
    return best * number / 1000;
}

static real random_number(void) { return (real)(rand() % 2001 - 1000) * 1e-3f; }

static void fill(real *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        numbers[i] = random_number();
    }
}

int main(void)
{
    const double vecs = (double)ROW / LANES, output = 16.0 / LANES;
    double sum = 0;

    fill(D[0], sizeof D / sizeof(real));
    fill(V[0], sizeof V / sizeof(real));
    fill(e[0], sizeof e / sizeof(real));
    fill(y[0], sizeof y / sizeof(real));
    fill(w, ROW);
    fill(v, ROW);
    for (ptrdiff_t j = 0; j < ROW; j++) {
        v[j] = v[j] * v[j] + 1e-3f;
    }
    sum += measured("forward: rows of W, from the first cache", add_first_cache, T * vecs,
                    SPIKES * vecs);
    sum += measured("gradient: rows of D, from the second cache", add_second_cache, B * T * vecs,
                    SPIKES * vecs);
    fill(g, ROW);
    sum += measured("its step", rmsprop, vecs, ROWS * vecs);
    sum += measured("backpropagation through time, both layers", backward, (T - 1) * vecs,
                    T * (vecs + output));
    sum += measured("output layer: y W, D W^T, y^T D", products, 16 * ROW,
                    T * (100 * output + 10 * vecs + 100 * output));
    printf("%-52s %45.2f us a digit\n", "together", sum);
    return 0;
}
