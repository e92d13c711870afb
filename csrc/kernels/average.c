/* Mean over time, over the T steps or the n of them that count.
 *
 *     y = (x_1 + ... + x_T) / n            dx_t = dy / n
 */
#include "neuroai.h"

#include <string.h>

static ptrdiff_t count_steps(const uint8_t *mask, ptrdiff_t T)
{
    ptrdiff_t count = mask ? 0 : T;

    for (ptrdiff_t t = 0; mask && t < T; t++) {
        count += mask[t];
    }
    return count;
}

static void average_forward(real *restrict y, const real *restrict x, ptrdiff_t n,
                            const uint8_t *mask, ptrdiff_t B, ptrdiff_t T, ptrdiff_t N)
{
    memset(y, 0, (size_t)(B * N) * sizeof *y);

    for (ptrdiff_t b = 0; b < B; b++, y += N) {
        const uint8_t *counts = mask ? mask + b * T : NULL;
        const real steps = (real)count_steps(counts, T);

        for (ptrdiff_t t = 0; t < T; t++, x += n) {
            if (counts && !counts[t]) {
                continue;
            }
            for (ptrdiff_t j = 0; j < N; j++) {
                y[j] += x[j];
            }
        }
        for (ptrdiff_t j = 0; j < N; j++) {
            y[j] /= steps;
        }
    }
}

static void average_backward(real *restrict dx, const real *restrict dy, ptrdiff_t n,
                             const uint8_t *mask, ptrdiff_t B, ptrdiff_t T, ptrdiff_t N)
{
    for (ptrdiff_t b = 0; b < B; b++, dy += N) {
        const uint8_t *counts = mask ? mask + b * T : NULL;
        const real steps = (real)count_steps(counts, T);

        for (ptrdiff_t t = 0; t < T; t++, dx += n) {
            if (counts && !counts[t]) {
                memset(dx, 0, (size_t)N * sizeof *dx);
                continue;
            }
            for (ptrdiff_t j = 0; j < N; j++) {
                dx[j] = dy[j] / steps;
            }
        }
    }
}
