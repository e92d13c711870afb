/* snu.c against its equations in double, with all options crossed.
 *
 * Going forward each step is checked by itself, from the kernel's own state before it, so that
 * a step function at its threshold says the same for both.  Going backward the plain loops
 * below get the kernel's y and V.  With float64 and smooth g and h all gradients are checked
 * against finite differences of the forward pass, too.
 */
#include "functions.h"

typedef struct {
    ptrdiff_t B, T, M, m;
    Unit unit;
    const real *product;                /* (B, T, m) x W, no number behind M */
    real *y, *V, *peak;
    const real *dy, *dy_T, *dV_T;
} Case;

/* What is chosen at random, and what a case is told. */
typedef struct {
    int recurrent, state, masked, detached;
    Inhibition inhibition;
    Activation h, g;
} Options;

/* rows of M numbers, behind which m - M stand that go into nothing */
static real *rows_of(ptrdiff_t rows, ptrdiff_t M, ptrdiff_t m, double low, double high)
{
    real *array = not_numbers(rows * m);

    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t j = 0; j < M; j++) {
            array[row * m + j] = (real)uniform(low, high);
        }
    }
    return array;
}

/* dense, with some samples of which no step counts */
static uint8_t *mask_of(ptrdiff_t B, ptrdiff_t T)
{
    const double density = uniform(0, 1);
    uint8_t *mask = bytes_of(B * T, density);

    for (ptrdiff_t b = 0; b < B; b++) {
        if (with_chance(0.3)) {
            memset(mask + b * T, 0, (size_t)T);
        }
    }
    return mask;
}

static int is_bounded(Activation f)
{
    return f.f == SIGMOID || f.f == TANH || f.f == STEP;
}

static Case case_of(Options o, ptrdiff_t B, ptrdiff_t T, ptrdiff_t M, ptrdiff_t gap)
{
    const ptrdiff_t m = M + gap;
    /* V (1 - V) grows without an end where nothing bounds it and it is not small */
    const double size = is_bounded(o.h) || is_bounded(o.g) ? 1 : 0.2;
    const double spread = size / sqrt((double)M);
    Case c = {.B = B, .T = T, .M = M, .m = m};

    c.product = rows_of(B * T, M, m, -1.5 * size, 1.5 * size);
    c.unit.M = M;
    c.unit.m = m;
    c.unit.b = rows_of(1, M, m, -0.5 * size, 0.5 * size);
    c.unit.d = rows_of(1, M, m, 0.2 * size, size);
    c.unit.zeros = zeros_of(m);
    c.unit.h = o.h;
    c.unit.g = o.g;
    c.unit.inhibition = o.inhibition;
    c.unit.detached = o.detached;
    if (o.recurrent) {
        real *Rt = outputs(M * M);

        c.unit.R = randoms(M * M, -spread, spread);
        transpose(Rt, M, c.unit.R, M, 0, M, M);
        c.unit.Rt = Rt;
        c.unit.side = outputs(B * m);
    }
    if (o.state) {
        real *y_0 = rows_of(B, M, m, 0, 1);
        const double zeros = with_chance(0.5) ? 0.9 : 0;        /* few numbers, but no spikes */

        for (ptrdiff_t i = 0; i < B * m; i++) {
            y_0[i] = i % m < M && with_chance(zeros) ? 0 : y_0[i];
        }
        c.unit.y_0 = y_0;
        c.unit.V_0 = rows_of(B, M, m, -1, 1);
    }
    c.unit.mask = o.masked ? mask_of(B, T) : NULL;
    c.y = outputs(B * T * m);
    c.V = copy_of(c.product, B * T * m);
    c.peak = outputs((T + 1) * B);
    c.dy = with_chance(0.8) ? rows_of(B * T, M, m, -1, 1) : NULL;
    c.dy_T = with_chance(0.5) ? rows_of(B, M, m, -1, 1) : NULL;
    c.dV_T = with_chance(0.5) ? rows_of(B, M, m, -1, 1) : NULL;
    return c;
}

/* Forward in pieces of time, and of samples where these may be taken apart. */
static void run_forward(const Case *c, int in_pieces)
{
    const ptrdiff_t t = in_pieces ? c->T / 3 : 0, b = in_pieces ? c->B / 2 : 0;
    const ptrdiff_t half = c->unit.inhibition == BATCH_INHIBITION ? 0 : b;

    if (c->unit.inhibition) {
        snu_peaks(c->peak, NULL, &c->unit, 0, b, c->B, c->B);
        snu_peaks(c->peak, NULL, &c->unit, 0, 0, b, c->B);
    }
    if (in_pieces) {
        snu_forward(c->y, c->V, c->peak, &c->unit, 0, t, half, c->B, c->B, c->T);
        snu_forward(c->y, c->V, c->peak, &c->unit, 0, t, 0, half, c->B, c->T);
    }
    snu_forward(c->y, c->V, c->peak, &c->unit, t, c->T, half, c->B, c->B, c->T);
    snu_forward(c->y, c->V, c->peak, &c->unit, t, c->T, 0, half, c->B, c->T);
}

/* ---- the state that each step starts from -------------------------------------------------- */

/* y and V (B, T + 1, M): entry t is what step t starts from, the last one the final state;
 * made of the kernel's own outputs */
typedef struct {
    double *y, *V;
} States;

static States states_of(const Case *c)
{
    const ptrdiff_t B = c->B, T = c->T, M = c->M, m = c->m;
    const States s = {doubles_of(NULL, B * (T + 1) * M), doubles_of(NULL, B * (T + 1) * M)};

    for (ptrdiff_t b = 0; b < B; b++) {
        for (ptrdiff_t j = 0; j < M; j++) {
            const ptrdiff_t start = b * (T + 1) * M + j;

            s.y[start] = c->unit.y_0 ? (double)c->unit.y_0[b * m + j] : 0;
            s.V[start] = c->unit.y_0 ? (double)c->unit.V_0[b * m + j] : 0;
            for (ptrdiff_t t = 0; t < T; t++) {
                const ptrdiff_t at = start + t * M, here = (b * T + t) * m + j;
                const int counts = !c->unit.mask || c->unit.mask[b * T + t];

                s.y[at + M] = counts ? (double)c->y[here] : s.y[at];
                s.V[at + M] = counts ? (double)c->V[here] : s.V[at];
            }
        }
    }
    return s;
}

/* samples that share a maximum with sample b: from *first to before *last */
static void group_of(const Case *c, ptrdiff_t b, ptrdiff_t *first, ptrdiff_t *last)
{
    *first = c->unit.inhibition == BATCH_INHIBITION ? 0 : b;
    *last = c->unit.inhibition == BATCH_INHIBITION ? c->B : b + 1;
}

/* of the y that step t starts from */
static double maximum_of(const Case *c, const States *s, ptrdiff_t b, ptrdiff_t t)
{
    double most = -HUGE_VAL;
    ptrdiff_t first, last;

    group_of(c, b, &first, &last);
    for (ptrdiff_t k = first; k < last; k++) {
        for (ptrdiff_t j = 0; j < c->M; j++) {
            most = fmax(most, s->y[(k * (c->T + 1) + t) * c->M + j]);
        }
    }
    return most;
}

/* ---- forward --------------------------------------------------------------------------------- */

static void check_forward(const Case *c)
{
    const ptrdiff_t T = c->T, M = c->M, m = c->m;
    const States s = states_of(c);

    for (ptrdiff_t b = 0; b < c->B; b++) {
        for (ptrdiff_t t = 0; t < T; t++) {
            const double *y_p = s.y + (b * (T + 1) + t) * M, *V_p = s.V + (b * (T + 1) + t) * M;
            const double most = c->unit.inhibition ? maximum_of(c, &s, b, t) : 0;
            const ptrdiff_t here = (b * T + t) * m;
            const int counts = !c->unit.mask || c->unit.mask[b * T + t];

            for (ptrdiff_t j = 0; j < M; j++) {
                const double y = (double)c->y[here + j], V = (double)c->V[here + j];
                double a = (double)c->product[here + j], size = fabs(a);

                if (!counts) {
                    CHECK(V == V_p[j] && y == (t > 0 ? (double)c->y[here - m + j] : 0));
                    continue;
                }
                for (ptrdiff_t i = 0; c->unit.R && i < M; i++) {
                    a += y_p[i] * (double)c->unit.R[i * M + j];
                    size += fabs(y_p[i] * (double)c->unit.R[i * M + j]);
                }
                a += (double)c->unit.d[j] * V_p[j] * (1 - (c->unit.inhibition ? most : y_p[j]));
                size += fabs(V_p[j] * (1 - (c->unit.inhibition ? most : y_p[j])));
                CHECK(is_near(V, plain_value(c->unit.g, a),
                              (double)(8 + M) * (double)EPSILON * (1 + size)));
                CHECK(is_near(y, plain_value(c->unit.h, (double)(c->V[here + j] - c->unit.b[j])),
                              4 * (double)EPSILON * (1 + fabs(y))));
            }
        }
    }
}

/* ---- backward -------------------------------------------------------------------------------- */

/* all gradients; of the kernel's outputs those that the callers of snu_backward make of D, too */
typedef struct {
    double *D, *db, *dd, *dR, *dy_0, *dV_0;
} Gradients;

static Gradients gradients_of(const Case *c)
{
    const ptrdiff_t B = c->B, T = c->T, M = c->M;

    return (Gradients){doubles_of(NULL, B * T * M), doubles_of(NULL, B * M),
                       doubles_of(NULL, B * M), doubles_of(NULL, M * M),
                       doubles_of(NULL, B * M), doubles_of(NULL, B * M)};
}

/* a step of sample b that counts; dy and dV (M) are the gradients by its own y and V, and
 * by_y and by_V (B, M) get those by the state that it starts from */
static void plain_step(const Case *c, const States *s, Gradients *to, const double *dy,
                       const double *dV, double *by_y, double *by_V, ptrdiff_t b, ptrdiff_t t)
{
    const ptrdiff_t T = c->T, M = c->M, here = (b * T + t) * c->m;
    const double *y_p = s->y + (b * (T + 1) + t) * M, *V_p = s->V + (b * (T + 1) + t) * M;
    const double most = c->unit.inhibition ? maximum_of(c, s, b, t) : 0;
    double *D = to->D + (b * T + t) * M, pull = 0, ties = 0;
    ptrdiff_t first, last;

    for (ptrdiff_t j = 0; j < M; j++) {
        const real u = c->V[here + j] - c->unit.b[j];
        const double V = (double)c->V[here + j], d = (double)c->unit.d[j];
        const double r = 1 - (c->unit.inhibition ? most : y_p[j]);
        const double v = dy[j] * slope_from(c->unit.h, (double)u, (double)c->y[here + j]);

        D[j] = (v + dV[j]) * slope_from(c->unit.g, 0, V);
        to->db[b * M + j] -= v;
        to->dd[b * M + j] += V_p[j] * r * D[j];
        by_V[b * M + j] += d * r * D[j];
        pull += d * V_p[j] * D[j];
        if (!c->unit.inhibition && !c->unit.detached) {
            by_y[b * M + j] -= d * V_p[j] * D[j];
        }
    }
    for (ptrdiff_t i = 0; c->unit.R && i < M; i++) {
        for (ptrdiff_t j = 0; j < M; j++) {
            by_y[b * M + i] += D[j] * (double)c->unit.R[i * M + j];
            to->dR[i * M + j] += y_p[i] * D[j];
        }
    }
    if (!c->unit.inhibition || c->unit.detached) {
        return;
    }
    group_of(c, b, &first, &last);
    for (int pass = 0; pass < 2; pass++) {      /* count those at the maximum, then share out */
        for (ptrdiff_t k = first; k < last; k++) {
            for (ptrdiff_t j = 0; j < M; j++) {
                if (s->y[(k * (T + 1) + t) * M + j] == most) {
                    by_y[k * M + j] -= pass == 1 ? pull / ties : 0;
                    ties += pass == 0;
                }
            }
        }
    }
}

/* backpropagation through time, by the chain rule and nothing else */
static Gradients plain_backward(const Case *c)
{
    const ptrdiff_t B = c->B, T = c->T, M = c->M, m = c->m;
    const States s = states_of(c);
    Gradients to = gradients_of(c);
    double *next_y = doubles_of(NULL, B * M), *next_V = doubles_of(NULL, B * M);
    double *repeated = doubles_of(NULL, B * M);         /* by the output that comes before */

    for (ptrdiff_t i = 0; i < B * M; i++) {
        const ptrdiff_t at = i / M * m + i % M;

        next_y[i] = c->dy_T ? (double)c->dy_T[at] : 0;
        next_V[i] = c->dV_T ? (double)c->dV_T[at] : 0;
    }
    for (ptrdiff_t t = T - 1; t >= 0; t--) {
        double *by_y = doubles_of(NULL, B * M), *by_V = doubles_of(NULL, B * M);

        for (ptrdiff_t b = 0; b < B; b++) {
            double *dy = doubles_of(NULL, M);

            for (ptrdiff_t j = 0; j < M; j++) {
                const double e = c->dy ? (double)c->dy[(b * T + t) * m + j] : 0;

                repeated[b * M + j] += e;
                dy[j] = next_y[b * M + j] + repeated[b * M + j];
            }
            if (!c->unit.mask || c->unit.mask[b * T + t]) {
                plain_step(c, &s, &to, dy, next_V + b * M, by_y, by_V, b, t);
                memset(repeated + b * M, 0, (size_t)M * sizeof *repeated);
                continue;
            }
            for (ptrdiff_t j = 0; j < M; j++) {         /* the state is kept */
                by_y[b * M + j] += next_y[b * M + j];
                by_V[b * M + j] += next_V[b * M + j];
            }
        }
        memcpy(next_y, by_y, (size_t)(B * M) * sizeof *by_y);
        memcpy(next_V, by_V, (size_t)(B * M) * sizeof *by_V);
    }
    memcpy(to.dy_0, next_y, (size_t)(B * M) * sizeof *next_y);
    memcpy(to.dV_0, next_V, (size_t)(B * M) * sizeof *next_V);
    return to;
}

/* the kernel's, in the same pieces as going forward; dd only where it is wanted */
static Backward run_backward(const Case *c, int in_pieces, int decay)
{
    const ptrdiff_t B = c->B, T = c->T, m = c->m;
    const ptrdiff_t t = in_pieces ? T / 3 : 0, b = in_pieces ? B / 2 : 0;
    const ptrdiff_t half = c->unit.inhibition == BATCH_INHIBITION ? 0 : b;
    const Upstream e = {c->dy, c->dy_T, c->dV_T};
    const Backward out = {
        outputs(B * T * m), outputs(B * m), decay ? outputs(B * m) : NULL,
        c->unit.y_0 ? outputs(B * m) : NULL, c->unit.y_0 ? outputs(B * m) : NULL,
        c->unit.mask ? outputs(B * m) : NULL, c->unit.mask ? outputs(B * m) : NULL,
        c->unit.inhibition ? outputs((T + 1) * B) : NULL,
        c->unit.inhibition ? outputs((T + 1) * B) : NULL,
    };

    if (c->unit.inhibition) {                   /* from y: the same as from the forward pass */
        real *peak = outputs((T + 1) * B);

        snu_peaks(peak, c->y, &c->unit, T, 0, B, B);
        CHECK_EQUAL(peak, c->peak, (T + 1) * B);
    }
    snu_backward(&out, e, c->y, c->V, c->peak, &c->unit, t, T, half, B, B, T);
    snu_backward(&out, e, c->y, c->V, c->peak, &c->unit, t, T, 0, half, B, T);
    if (in_pieces && T > 0) {
        snu_backward(&out, e, c->y, c->V, c->peak, &c->unit, 0, t, half, B, B, T);
        snu_backward(&out, e, c->y, c->V, c->peak, &c->unit, 0, t, 0, half, B, T);
    }
    if (c->unit.y_0) {
        snu_backward_finish(&out, e, c->peak, &c->unit, half, B, B, T);
        snu_backward_finish(&out, e, c->peak, &c->unit, 0, half, B, T);
    }
    return out;
}

/* the first M of every row of m */
static real *without_rest(const real *from, ptrdiff_t rows, ptrdiff_t M, ptrdiff_t m)
{
    real *array = outputs(rows * M);

    for (ptrdiff_t row = 0; row < rows; row++) {
        memcpy(array + row * M, from + row * m, (size_t)M * sizeof *from);
    }
    return array;
}

/* dR, its rows in two parts, also from bits and from D in the other order */
static real *recurrent_gradient(const Case *c, const real *D)
{
    const ptrdiff_t B = c->B, T = c->T, M = c->M, m = c->m;
    real *dR = zeros_of(M * M), *turned = copy_of(D, B * T * m), *other = zeros_of(M * M);
    uint64_t *fired = array_of((M + 63) / 64 * B * T, sizeof *fired);
    const int spikes = c->unit.h.f == STEP;

    recurrent_backward(dR, c->y, NULL, D, 0, &c->unit, M / 2, M, B, T);
    recurrent_backward(dR, c->y, NULL, D, 0, &c->unit, 0, M / 2, B, T);
    for (ptrdiff_t b = 0; b < B; b++) {
        turn(turned + b * T * m, T, m);
    }
    if (spikes) {
        input_fired(fired, B * T, c->y, m, 0, B * T, M);
    }
    recurrent_backward(other, c->y, spikes ? fired : NULL, turned, 1, &c->unit, 0, M, B, T);
    CHECK_EQUAL(other, dR, M * M);
    return dR;
}

/* backward sums cancel, over units and steps */
static double roundings_of(const Case *c) { return 64 + 8 * (double)(c->T + c->M); }

static void check_backward(const Case *c, int in_pieces, int libm)
{
    const ptrdiff_t B = c->B, T = c->T, M = c->M, m = c->m;
    const Backward out = run_backward(c, in_pieces, 1);
    const Gradients wanted = plain_backward(c);
    const double roundings = roundings_of(c);
    const real *D = without_rest(out.D, B * T, M, m), *db = without_rest(out.db, B, M, m);
    const real *dd = without_rest(out.dd, B, M, m);

    CHECK_NEAR(D, wanted.D, B * T * M, roundings);
    if (T > 0) {
        CHECK_NEAR(db, wanted.db, B * M, roundings);
        CHECK_NEAR(dd, wanted.dd, B * M, roundings);
    }
    record("D", D, B * T * M, libm);
    record("dd", dd, B * M, libm);
    if (c->unit.y_0) {
        const real *dy_0 = without_rest(out.dy_0, B, M, m);
        const real *dV_0 = without_rest(out.dV_0, B, M, m);

        CHECK_NEAR(dy_0, wanted.dy_0, B * M, roundings);
        CHECK_NEAR(dV_0, wanted.dV_0, B * M, roundings);
        record("dy_0", dy_0, B * M, libm);
    }
    if (c->unit.R) {
        const real *dR = recurrent_gradient(c, out.D);

        CHECK_NEAR(dR, wanted.dR, M * M, roundings);
        record("dR", dR, M * M, libm);
    }
    CHECK_EQUAL(without_rest(run_backward(c, !in_pieces, 0).D, B * T, M, m), D, B * T * M);
}

/* ---- finite differences ---------------------------------------------------------------------- */

#ifdef NEUROAI_FLOAT64

/* sum of dy y + dy_T y_T + dV_T V_T */
static double loss_of(const Case *c)
{
    const ptrdiff_t B = c->B, T = c->T, M = c->M, m = c->m;
    double loss = 0;
    States s;

    memcpy(c->V, c->product, (size_t)(B * T * m) * sizeof *c->V);
    run_forward(c, 0);
    s = states_of(c);
    for (ptrdiff_t b = 0; b < B; b++) {
        for (ptrdiff_t j = 0; j < M; j++) {
            const ptrdiff_t end = (b * (T + 1) + T) * M + j;

            loss += c->dy_T ? c->dy_T[b * m + j] * s.y[end] : 0;
            loss += c->dV_T ? c->dV_T[b * m + j] * s.V[end] : 0;
            for (ptrdiff_t t = 0; c->dy && t < T; t++) {
                loss += c->dy[(b * T + t) * m + j] * c->y[(b * T + t) * m + j];
            }
        }
    }
    return loss;
}

/* `gradient` by the numbers of `at` (rows, m), of which the first M count, in a random
 * direction; over `samples` > 1 it is that of each sample */
static void check_direction(const Case *c, const real *at, const real *gradient, ptrdiff_t rows,
                            ptrdiff_t m, ptrdiff_t samples, const char *what)
{
    static const double steps[] = {1e-4, -1e-4, 2e-4, -2e-4};
    const ptrdiff_t M = c->M, n = rows * m;
    real *numbers = (real *)(uintptr_t)at, *before = copy_of(at, n);    /* all were allocated here */
    const real *direction = randoms(n, -1, 1);
    double wanted = 0, loss[4], slope;

    for (int k = 0; k < 4; k++) {
        for (ptrdiff_t i = 0; i < n; i++) {
            numbers[i] = before[i] + steps[k] * direction[i];
        }
        loss[k] = loss_of(c);
    }
    memcpy(numbers, before, (size_t)n * sizeof *numbers);
    for (ptrdiff_t i = 0; i < n * samples; i++) {
        wanted += i % m < M ? gradient[i] * direction[i % n] : 0;
    }
    slope = (8 * (loss[0] - loss[1]) - (loss[2] - loss[3])) / 12e-4;
    checks++;
    if (!is_near(wanted, slope, 2e-7 * (1 + fabs(slope)))) {
        fprintf(stderr, "%s: %.12g, by finite differences %.12g\n", what, wanted, slope);
        exit(1);
    }
}

/* how far the maxima are from a tie, where the loss has a kink */
static double margin_of(const Case *c)
{
    const States s = states_of(c);
    double margin = HUGE_VAL;
    ptrdiff_t first, last;

    for (ptrdiff_t b = 0; b < c->B; b++) {
        for (ptrdiff_t t = c->unit.y_0 ? 0 : 1; t <= c->T; t++) {
            const double most = maximum_of(c, &s, b, t);
            int ties = 0;

            group_of(c, b, &first, &last);
            for (ptrdiff_t k = first; k < last; k++) {
                for (ptrdiff_t j = 0; j < c->M; j++) {
                    const double y = s.y[(k * (c->T + 1) + t) * c->M + j];

                    ties += y == most;
                    margin = y == most && ties == 1 ? margin : fmin(margin, most - y);
                }
            }
        }
    }
    return margin;
}

static void test_differences(Options o, ptrdiff_t B, ptrdiff_t T, ptrdiff_t M)
{
    Case c;
    Backward out;

    do {
        free_arrays();
        c = case_of(o, B, T, M, 0);
        run_forward(&c, 0);
    } while (o.inhibition && margin_of(&c) < 2e-3);
    out = run_backward(&c, 0, 1);
    check_direction(&c, c.product, out.D, B * T, M, 1, "dx");
    check_direction(&c, c.unit.b, out.db, 1, M, B, "db");
    check_direction(&c, c.unit.d, out.dd, 1, M, B, "dd");
    if (c.unit.R) {
        loss_of(&c);                    /* y of the numbers as they are */
        check_direction(&c, c.unit.R, recurrent_gradient(&c, out.D), M, M, 1, "dR");
    }
    if (c.unit.y_0) {
        check_direction(&c, c.unit.y_0, out.dy_0, B, M, 1, "dy_0");
        check_direction(&c, c.unit.V_0, out.dV_0, B, M, 1, "dV_0");
    }
    free_arrays();
}

#endif

/* ---- all of it ------------------------------------------------------------------------------- */

/* number 0 to 47 of those that are not of g and h */
static Options options_of(int number, int h, int g)
{
    Options o = {.recurrent = number % 2, .state = number / 2 % 2, .masked = number / 4 % 2,
                 .detached = number / 8 % 2, .inhibition = (Inhibition)(number / 16)};

    activation_number(h, &o.h);
    activation_number(g, &o.g);         /* the first five are no step */
    return o;
}

static void test_case(Options o, ptrdiff_t B, ptrdiff_t T, ptrdiff_t M, ptrdiff_t gap)
{
    const Case c = case_of(o, B, T, M, gap);
    const int libm = o.h.f == TANH || o.g.f == TANH ? LIBM : NO_LIBM, in_pieces = with_chance(0.5);

    run_forward(&c, in_pieces);
    check_forward(&c);
    record("y", without_rest(c.y, B * T, M, c.m), B * T * M, libm);
    check_backward(&c, in_pieces, libm);
    free_arrays();
}

static void test_turn(ptrdiff_t T, ptrdiff_t m)
{
    real *x = randoms(T * m, -1, 1), *wanted = outputs(T * m);

    for (ptrdiff_t i = 0; i < T * m; i++) {
        wanted[i] = x[(T - 1 - i / m) * m + i % m];
    }
    turn(x, T, m);
    CHECK_EQUAL(x, wanted, T * m);
    free_arrays();
}

static void test_sum(ptrdiff_t B, ptrdiff_t m)
{
    const ptrdiff_t first = any_of(0, m), last = any_of(first, m);
    const real *each = randoms(B * m, -1, 1);
    real *sum = randoms(m, -1, 1), *wanted = copy_of(sum, m);

    for (ptrdiff_t b = 0; b < B; b++) {
        for (ptrdiff_t j = first; j < last; j++) {
            wanted[j] += each[b * m + j];
        }
    }
    sum_samples(sum, each, m, first, last, B);
    CHECK_EQUAL(sum, wanted, m);
    free_arrays();
}

static void test_all(void)
{
    for (int number = 0; number < 48; number++) {
        for (int h = 0; h < 10; h++) {
            const ptrdiff_t B = any_of(1, 4);
            const ptrdiff_t T = any_of(1, 20);
            const ptrdiff_t M = any_of(1, 12);

            test_case(options_of(number, h, (number + h) % 5), B, T, M, any_of(0, 3));
        }
    }
    for (ptrdiff_t M = 1; M <= 70; M++) {
        const int number = (int)any_of(0, 47);
        const int h = (int)any_of(0, 9);
        const int g = (int)any_of(0, 4);

        test_case(options_of(number, h, g), 1 + M % 3, 3, M, M % 4);
        test_turn(M % 21, M);
        test_sum(M % 5, M);
    }
    for (int number = 0; number < 48; number++) {               /* no steps, or no samples */
        test_case(options_of(number, 6, 4), 2, 0, 5, 0);
        if ((number / 16) != BATCH_INHIBITION) {
            test_case(options_of(number, 6, 4), 0, 3, 5, 0);
        }
#ifdef NEUROAI_FLOAT64
        test_differences(options_of(number & ~8, 1, 0), 2, number < 16 ? 20 : 5, 5);
        test_differences(options_of(number & ~8, 1, 2), 3, number < 16 ? 11 : 3, 6);
        test_differences(options_of(number & ~8, 2, 1), 2, number < 16 ? 9 : 2, 70);
#endif
    }
}

#include "../../csrc/variants/target_end.h"
