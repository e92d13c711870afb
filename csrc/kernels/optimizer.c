/* A step along the gradient g, for n weights w.
 *
 *     SGD       w -= rate g
 *       with u  u = momentum u - rate g,  w += u;  Nesterov: w += momentum u - rate g
 *     RMSprop   v = rho v + (1 - rho) g^2,  w -= rate g / (sqrt(v) + epsilon)
 *       with u  u = momentum u + rate g / (sqrt(v) + epsilon),  w -= u
 *     Adam      m = beta_1 m + (1 - beta_1) g,  v = beta_2 v + (1 - beta_2) g^2
 *               w -= rate_t m / (sqrt(v) + epsilon)
 *               rate_t = rate sqrt(1 - beta_2^t) / (1 - beta_1^t),  t the step, from 1
 *
 * With weight_decay (I. Loshchilov and F. Hutter, ICLR 2019) w -= rate weight_decay w before.
 *
 * As in TensorFlow 2.4, where the page's numbers come from: epsilon is added to
 * the root.  Since 2.11 Keras's RMSprop has sqrt(v + epsilon), which trains the
 * page's nets to far fewer spikes.
 */
#include "neuroai.h"

#include <math.h>

/* an epsilon of 0 is as small as a number can be: 0 / 0 would be no step */
INLINE real above_zero(double epsilon)
{
    return (real)epsilon > REAL_MIN ? (real)epsilon : REAL_MIN;
}

INLINE void sgd_step(real *restrict w, real *restrict u, const real *restrict g,
                     Optimizer o, ptrdiff_t n)
{
    const real rate = (real)o.rate, momentum = (real)o.momentum;

    if (!u) {
        for (ptrdiff_t i = 0; i < n; i++) {
            w[i] -= rate * g[i];
        }
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        const real step = rate * g[i];

        u[i] = momentum * u[i] - step;
        w[i] += o.nesterov ? momentum * u[i] - step : u[i];
    }
}

INLINE void rmsprop_step(real *restrict w, real *restrict v, real *restrict u,
                         const real *restrict g, Optimizer o, ptrdiff_t n)
{
    const real rate = (real)o.rate, momentum = (real)o.momentum;
    const real rho = (real)o.rho, rest = (real)(1 - o.rho), epsilon = above_zero(o.epsilon);

    if (!u) {
        for (ptrdiff_t i = 0; i < n; i++) {
            v[i] = rho * v[i] + rest * (g[i] * g[i]);
            w[i] -= rate * g[i] / (real_sqrt(v[i]) + epsilon);
        }
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        v[i] = rho * v[i] + rest * (g[i] * g[i]);
        u[i] = momentum * u[i] + rate * g[i] / (real_sqrt(v[i]) + epsilon);
        w[i] -= u[i];
    }
}

static void adam_step(real *restrict w, real *restrict m, real *restrict v,
                      const real *restrict g, Optimizer o, double step, ptrdiff_t n)
{
    const real rate = (real)(o.rate * sqrt(1 - pow(o.beta_2, step)) / (1 - pow(o.rho, step)));
    const real beta_1 = (real)o.rho, rest_1 = (real)(1 - o.rho);
    const real beta_2 = (real)o.beta_2, rest_2 = (real)(1 - o.beta_2);
    const real epsilon = above_zero(o.epsilon);

    for (ptrdiff_t i = 0; i < n; i++) {
        m[i] = beta_1 * m[i] + rest_1 * g[i];
        v[i] = beta_2 * v[i] + rest_2 * (g[i] * g[i]);
        w[i] -= rate * m[i] / (real_sqrt(v[i]) + epsilon);
    }
}

static void optimizer_clip(real *g, Optimizer o, real scale, ptrdiff_t n)
{
    const real most = (real)(o.clipvalue > 0 ? o.clipvalue : (double)REAL_MAX);

    for (ptrdiff_t i = 0; i < n; i++) {
        const real scaled = g[i] * scale;

        g[i] = scaled > most ? most : scaled < -most ? -most : scaled;
    }
}

static void optimizer_step(real *w, real *slot_0, real *slot_1, const real *g, Optimizer o,
                           double step, ptrdiff_t n)
{
    const real decay = (real)(o.rate * o.weight_decay);

    for (ptrdiff_t i = 0; decay > 0 && i < n; i++) {
        w[i] -= decay * w[i];
    }
    switch (o.method) {
    case RMSPROP:
        rmsprop_step(w, slot_0, slot_1, g, o, n);
        break;
    case ADAM:
        adam_step(w, slot_0, slot_1, g, o, step, n);
        break;
    default:
        sgd_step(w, slot_0, g, o, n);
    }
}
