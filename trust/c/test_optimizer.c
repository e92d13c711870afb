/* optimizer.c against its formulas in double, some steps in a row. */
#include "testing.h"

enum { STEPS = 5 };

/* one weight, what its optimizer keeps, and the gradient that it gets */
typedef struct {
    double w, slot[2];
} Plain;

static void plain_step(Plain *p, double g, Optimizer o, double step, int slots)
{
    const double epsilon = fmax(o.epsilon, (double)REAL_MIN);

    p->w -= o.rate * o.weight_decay * p->w;
    switch (o.method) {
    case SGD:
        p->slot[0] = o.momentum * p->slot[0] - o.rate * g;
        p->w += slots == 0 ? -o.rate * g
                : o.nesterov ? o.momentum * p->slot[0] - o.rate * g : p->slot[0];
        break;
    case RMSPROP:
        p->slot[0] = o.rho * p->slot[0] + (1 - o.rho) * g * g;
        p->slot[1] = o.momentum * p->slot[1] + o.rate * g / (sqrt(p->slot[0]) + epsilon);
        p->w -= slots == 1 ? o.rate * g / (sqrt(p->slot[0]) + epsilon) : p->slot[1];
        break;
    default:
        p->slot[0] = o.rho * p->slot[0] + (1 - o.rho) * g;
        p->slot[1] = o.beta_2 * p->slot[1] + (1 - o.beta_2) * g * g;
        p->w -= o.rate * sqrt(1 - pow(o.beta_2, step)) / (1 - pow(o.rho, step)) * p->slot[0] /
                (sqrt(p->slot[1]) + epsilon);
    }
}

static void test_steps(Optimizer o, int slots, ptrdiff_t n)
{
    real *w = randoms(n, -1, 1), *slot[2] = {NULL, NULL};
    double *wanted = doubles_of(NULL, n);
    Plain *plain = array_of(n, sizeof *plain);

    for (int k = 0; k < slots; k++) {
        slot[k] = zeros_of(n);
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        plain[i] = (Plain){(double)w[i], {0, 0}};
    }
    for (int step = 1; step <= STEPS; step++) {
        const real *g = randoms(n, 0.1, 2);     /* of one sign: no sum cancels */

        optimizer_step(w, slot[0], slot[1], g, o, step, n);
        for (ptrdiff_t i = 0; i < n; i++) {
            plain_step(&plain[i], (double)g[i], o, step, slots);
            wanted[i] = plain[i].w;
        }
        CHECK_NEAR(w, wanted, n, 32);
        for (int k = 0; k < slots; k++) {
            for (ptrdiff_t i = 0; i < n; i++) {
                wanted[i] = plain[i].slot[k];
            }
            CHECK_NEAR(slot[k], wanted, n, 32);
        }
    }
    record("w", w, n, o.method == ADAM ? LIBM : NO_LIBM);
    free_arrays();
}

/* a gradient of 0 moves nothing, whatever epsilon is */
static void test_no_gradient(Optimizer o, int slots, ptrdiff_t n)
{
    real *w = randoms(n, -1, 1), *before = copy_of(w, n);

    o.weight_decay = 0;
    optimizer_step(w, slots > 0 ? zeros_of(n) : NULL, slots > 1 ? zeros_of(n) : NULL, zeros_of(n),
                   o, 1, n);
    CHECK_EQUAL(w, before, n);
    free_arrays();
}

static void test_clip(double clipvalue, ptrdiff_t n)
{
    const real scale = (real)uniform(0.1, 2);
    const Optimizer o = {.clipvalue = clipvalue};
    real *g = randoms(n, -2, 2), *wanted = outputs(n);

    for (ptrdiff_t i = 0; i < n; i++) {
        const real most = (real)clipvalue, scaled = g[i] * scale;

        wanted[i] = clipvalue > 0 && scaled > most ? most
                    : clipvalue > 0 && scaled < -most ? -most : scaled;
    }
    optimizer_clip(g, o, scale, n);
    CHECK_EQUAL(g, wanted, n);
    free_arrays();
}

static void test_all(void)
{
    for (ptrdiff_t n = 0; n <= 70; n++) {
        const double decay = n % 2 ? 0.01 : 0, epsilon = n % 3 ? 1e-7 : 0;
        const Optimizer sgd = {SGD, 0.1, 0.9, n % 4 < 2, 0, 0, 0, 0, 0, decay};
        const Optimizer rmsprop = {RMSPROP, 0.01, 0.8, 0, 0.9, 0, epsilon, 0, 0, decay};
        const Optimizer adam = {ADAM, 0.01, 0, 0, 0.9, 0.999, epsilon, 0, 0, decay};

        test_steps(sgd, 0, n);
        test_steps(sgd, 1, n);
        test_steps(rmsprop, 1, n);
        test_steps(rmsprop, 2, n);
        test_steps(adam, 2, n);
        test_no_gradient(sgd, (int)(n % 2), n);
        test_no_gradient(rmsprop, 1 + (int)(n % 2), n);
        test_no_gradient(adam, 2, n);
        test_clip(0, n);
        test_clip(0.5, n);
    }
}

#include "../../csrc/variants/target_end.h"
