/* Mean squared error over the P outputs of a sample and the samples of a batch.
 *
 *     loss = mean (y - target)^2           dy = 2 (y - target) / (batch P)
 */
#include "neuroai.h"

static void mse_forward(double *loss, const real *y, const real *target,
                        ptrdiff_t B, ptrdiff_t P)
{
    for (ptrdiff_t b = 0; b < B; b++, y += P, target += P) {
        double sum = 0;

        for (ptrdiff_t j = 0; j < P; j++) {
            const double difference = (double)y[j] - (double)target[j];

            sum += difference * difference;
        }
        loss[b] = sum / (double)P;
    }
}

static void mse_backward(real *dy, const real *y, const real *target,
                         ptrdiff_t batch, ptrdiff_t B, ptrdiff_t P)
{
    const real scale = (real)(2 / ((double)batch * (double)P));

    for (ptrdiff_t i = 0; i < B * P; i++) {
        dy[i] = scale * (y[i] - target[i]);
    }
}
