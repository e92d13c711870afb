/* average.c against plain loops, bit for bit: with and without a mask, rows with a rest. */
#include "testing.h"

/* each sample has a step that counts */
static uint8_t *mask_of(ptrdiff_t B, ptrdiff_t T)
{
    uint8_t *mask = bytes_of(B * T, 0.5);

    for (ptrdiff_t b = 0; b < B; b++) {
        mask[b * T + any_of(0, T - 1)] = 1;
    }
    return mask;
}

static ptrdiff_t steps_of(const uint8_t *mask, ptrdiff_t b, ptrdiff_t T)
{
    ptrdiff_t steps = mask ? 0 : T;

    for (ptrdiff_t t = 0; mask && t < T; t++) {
        steps += mask[b * T + t];
    }
    return steps;
}

static void test_sizes(ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t gap, int masked)
{
    const ptrdiff_t n = N + gap;
    const uint8_t *mask = masked ? mask_of(B, T) : NULL;
    real *x = not_numbers(B * T * n), *y = outputs(B * N), *mean = zeros_of(B * N);
    const real *dy = randoms(B * N, -1, 1);
    real *dx = randoms(B * T * n, 2, 3), *wanted = copy_of(dx, B * T * n);

    for (ptrdiff_t b = 0; b < B; b++) {
        const real steps = (real)steps_of(mask, b, T);

        for (ptrdiff_t j = 0; j < N; j++) {
            for (ptrdiff_t t = 0; t < T; t++) {
                const ptrdiff_t at = (b * T + t) * n + j;

                wanted[at] = 0;
                if (!mask || mask[b * T + t]) {         /* elsewhere x stays no number */
                    x[at] = (real)uniform(-1, 1);
                    mean[b * N + j] += x[at];
                    wanted[at] = dy[b * N + j] / steps;
                }
            }
            mean[b * N + j] /= steps;
        }
    }
    average_forward(y, x, n, mask, B, T, N);
    CHECK_EQUAL(y, mean, B * N);
    average_backward(dx, dy, n, mask, B, T, N);
    CHECK_EQUAL(dx, wanted, B * T * n);
    record("y", y, B * N, NO_LIBM);
    free_arrays();
}

static void test_all(void)
{
    for (ptrdiff_t N = 0; N <= 70; N++) {
        const ptrdiff_t B = any_of(1, 4);
        const ptrdiff_t T = any_of(1, 20);

        test_sizes(B, T, N, N % 3, 0);
        test_sizes(B, T, N, N % 3, 1);
    }
    test_sizes(0, 3, 4, 1, 0);
    test_sizes(3, 1, 4, 0, 1);
}

#include "../../csrc/variants/target_end.h"
