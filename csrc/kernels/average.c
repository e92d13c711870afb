/* Mean over time.
 *
 *     y = (x_1 + ... + x_T) / T            dx_t = dy / T
 */
#include "neuroai.h"

#include <string.h>

static void average_forward(real *restrict y, const real *restrict x, ptrdiff_t n,
                            ptrdiff_t B, ptrdiff_t T, ptrdiff_t N)
{
    memset(y, 0, (size_t)(B * N) * sizeof *y);

    for (ptrdiff_t b = 0; b < B; b++, y += N) {
        for (ptrdiff_t t = 0; t < T; t++, x += n) {
            for (ptrdiff_t j = 0; j < N; j++) {
                y[j] += x[j];
            }
        }
        for (ptrdiff_t j = 0; j < N; j++) {
            y[j] /= (real)T;
        }
    }
}

static void average_backward(real *restrict dx, const real *restrict dy, ptrdiff_t n,
                             ptrdiff_t B, ptrdiff_t T, ptrdiff_t N)
{
    for (ptrdiff_t b = 0; b < B; b++, dy += N) {
        for (ptrdiff_t t = 0; t < T; t++, dx += n) {
            for (ptrdiff_t j = 0; j < N; j++) {
                dx[j] = dy[j] / (real)T;
            }
        }
    }
}
