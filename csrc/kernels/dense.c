/* Dense layers.
 *
 *     a = x W + b,  y = h(a)               D = dL/dy h'(a)
 *     dW += x^T D,  db += D summed over the rows,  dx = D W^T
 *
 * The products are the input's (input.c) and matmul's.
 */
#include "activation.h"

/* h is a constant where this is inlined */
INLINE void dense_values(real *y, const real *V, real alpha, ptrdiff_t n, const Function h)
{
    INDEPENDENT
    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] = value_of(h, alpha, V[i]);
    }
}

static void dense_forward(real *y, real *V, const real *b, Activation h,
                          ptrdiff_t rows, ptrdiff_t m)
{
    const real alpha = alpha_of(h.f, h.alpha);

    for (ptrdiff_t row = 0; b && row < rows; row++) {
        for (ptrdiff_t j = 0; j < m; j++) {
            V[row * m + j] += b[j];
        }
    }
    switch (h.f) {
    case IDENTITY: break;
    case STEP: dense_values(y, V, alpha, rows * m, STEP); break;
    case SIGMOID: dense_values(y, V, alpha, rows * m, SIGMOID); break;
    case TANH: dense_values(y, V, alpha, rows * m, TANH); break;
    case RELU: dense_values(y, V, alpha, rows * m, RELU); break;
    default: dense_values(y, V, alpha, rows * m, LEAKY_REL);
    }
}

static real dense_slope(Activation h, real alpha, real y, real a)
{
    switch (h.f == STEP ? h.surrogate : h.f) {
    case SIGMOID:
        return h.f == STEP ? surrogate_slope_of(SIGMOID, alpha, a) : slope_of(SIGMOID, alpha, y);
    case TANH:
        return h.f == STEP ? surrogate_slope_of(TANH, alpha, a) : slope_of(TANH, alpha, y);
    default:
        return slope_of(LEAKY_REL, alpha, a);
    }
}

static void dense_backward(real *D, real *db, const real *dy, const real *y, const real *V,
                           Activation h, ptrdiff_t rows, ptrdiff_t m)
{
    const real alpha = alpha_of(h.f == STEP ? h.surrogate : h.f, h.alpha);

    memset(db, 0, (size_t)m * sizeof *db);
    for (ptrdiff_t row = 0; row < rows; row++, D += m, dy += m, y += m, V += m) {
        for (ptrdiff_t j = 0; j < m; j++) {
            D[j] = h.f == IDENTITY ? dy[j] : dy[j] * dense_slope(h, alpha, y[j], V[j]);
            db[j] += D[j];
        }
    }
}
