/* Spiking neural units: leaky integrators that their output resets.
 *
 *     a_t = x_t W + y_{t-1} R + d V_{t-1} r_{t-1}
 *     V_t = g(a_t)                         membrane potential
 *     y_t = h(V_t - b)                     output; b is the threshold
 *     r_t = 1 - y_t                        the reset gate, unit by unit; inhibited:
 *     r_t = 1 - max(y_t)                   over the units of a sample, or of the batch
 *
 * With e_t = dL/dy_t from above, D_t = dL/da_t, D_{T+1} = 0, backpropagation
 * through time walks t from T down to 1:
 *
 *     dy_t  = e_t + D_{t+1} R^T - d V_t D_{t+1}
 *     dV_t  = dy_t h'(V_t - b) + d r_t D_{t+1}
 *     D_t   = dV_t g'(a_t)
 *     db   -= dy_t h'(V_t - b),  dd += V_{t-1} r_{t-1} D_t
 *     dW   += x_t^T D_t,  dR += y_{t-1}^T D_t,  dx_t = D_t W^T
 *
 * Inhibited, the reset's part of dy_t is -sum(d V_t D_{t+1}) over those who share
 * the maximum, in equal shares to all entries that attain it.
 *
 * S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).
 */
#include "activation.h"

/* the state that a step starts from, y_{t-1} and V_{t-1}, samples `apart` */
typedef struct {
    const real *y, *V;
    ptrdiff_t apart;
} State;

static State state_before(const real *y, const real *V, const Unit *unit, ptrdiff_t t,
                          ptrdiff_t T)
{
    const ptrdiff_t m = unit->m;

    if (t > 0) {
        return (State){y + (t - 1) * m, V + (t - 1) * m, T * m};
    }
    return unit->y_0 ? (State){unit->y_0, unit->V_0, m} : (State){unit->zeros, unit->zeros, 0};
}

/* ---- the maximum that inhibits ------------------------------------------------ */

static real maximum(const real *y, ptrdiff_t n)
{
    real lane[16];
    ptrdiff_t i = 0;

    for (ptrdiff_t k = 0; k < 16; k++) {
        lane[k] = y[0];
    }
    for (; i + 16 <= n; i += 16) {
        for (ptrdiff_t k = 0; k < 16; k++) {
            lane[k] = y[i + k] > lane[k] ? y[i + k] : lane[k];
        }
    }
    for (ptrdiff_t k = 0; i + k < n; k++) {
        lane[k] = y[i + k] > lane[k] ? y[i + k] : lane[k];
    }
    for (ptrdiff_t half = 8; half > 0; half /= 2) {
        for (ptrdiff_t k = 0; k < half; k++) {
            lane[k] = lane[k + half] > lane[k] ? lane[k + half] : lane[k];
        }
    }
    return lane[0];
}

static void snu_peaks(real *peak, const real *y, const Unit *unit, ptrdiff_t T,
                      ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    for (ptrdiff_t b = first; b < last; b++) {
        peak[b] = unit->y_0 ? maximum(unit->y_0 + b * unit->m, unit->M) : 0;
        for (ptrdiff_t t = 0; t < T; t++) {
            peak[(t + 1) * B + b] = maximum(y + (b * T + t) * unit->m, unit->M);
        }
    }
}

/* for sample b, of a step's peaks (B) */
static real inhibitor(const real *peak, const Unit *unit, ptrdiff_t b, ptrdiff_t B)
{
    return unit->inhibition == BATCH_INHIBITION ? maximum(peak, B) : peak[b];
}

/* ---- forward ------------------------------------------------------------------- */

/* whether a step of all samples comes before the next step of any: the product with R is one
 * for all of them, and inhibition over the batch needs them all */
static int goes_by_step(const Unit *unit)
{
    return unit->R || unit->inhibition == BATCH_INHIBITION;
}

/* h, g and inhibited are constants where this is inlined */
INLINE void forward_row(real *y, real *V, real *peak, const Unit *unit, ptrdiff_t t, ptrdiff_t b,
                        real most, ptrdiff_t B, ptrdiff_t T,
                        const Function h, const Function g, const int inhibited)
{
    const ptrdiff_t m = unit->m;
    const State before = state_before(y, V, unit, t, T);
    const real *bias = unit->b, *d = unit->d;
    const real alpha_h = alpha_of(unit->h.f, unit->h.alpha);
    const real alpha_g = alpha_of(unit->g.f, unit->g.alpha);
    const real *y_p = before.y + b * before.apart, *V_p = before.V + b * before.apart;
    real *y_t = y + (b * T + t) * m, *V_t = V + (b * T + t) * m;

    INDEPENDENT
    for (ptrdiff_t j = 0; j < m; j++) {
        const real r = 1 - (inhibited ? most : y_p[j]);

        V_t[j] = value_of(g, alpha_g, V_t[j] + d[j] * V_p[j] * r);
        y_t[j] = value_of(h, alpha_h, V_t[j] - bias[j]);
    }
    if (inhibited) {
        peak[(t + 1) * B + b] = maximum(y_t, unit->M);
    }
}

/* The rows from first to last of `from`, which lie apart, side by side: products read many rows at
 * once, and rows that lie T m numbers apart would share a few lines of the core's cache */
static const real *side_by_side(const Unit *unit, const real *from, ptrdiff_t apart,
                                ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t b = first; b < last; b++) {
        memcpy(unit->side + b * unit->m, from + b * apart, (size_t)unit->M * sizeof *from);
    }
    return unit->side + first * unit->m;
}

static ptrdiff_t count_ones(const real *y, ptrdiff_t n)
{
    ptrdiff_t ones = 0;

    for (ptrdiff_t j = 0; j < n; j++) {
        ones += y[j] > 0;
    }
    return ones;
}

/* V_t += y_{t-1} R */
static void recurrent_forward(real *V, State before, const Unit *unit, ptrdiff_t t,
                              ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, M = unit->M;
    ptrdiff_t ones = 0;

    if (t == 0 && !unit->y_0) {
        return;
    }
    for (ptrdiff_t b = first; b < last && unit->h.f == STEP && t > 0; b++) {
        ones += count_ones(before.y + b * before.apart, M);
    }
    if (unit->h.f == STEP && t > 0 && (double)ones < FEW * (double)((last - first) * M)) {
        for (ptrdiff_t b = first; b < last; b++) {
            spikes_row_forward(V + (b * T + t) * m, M, before.y + b * before.apart, unit->R, M, M);
        }
        return;
    }
    matmul(V + (first * T + t) * m, T * m, side_by_side(unit, before.y, before.apart, first, last),
           m, 1, unit->R, M, last - first, M, M, 1);
}

/* h, g and inhibited are constants where this is inlined */
INLINE void forward_rows(real *y, real *V, real *peak, const Unit *unit,
                         ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first, ptrdiff_t last,
                         ptrdiff_t B, ptrdiff_t T,
                         const Function h, const Function g, const int inhibited)
{
    for (ptrdiff_t b = first; b < last && !goes_by_step(unit); b++) {
        for (ptrdiff_t t = begin; t < end; t++) {
            const real most = inhibited ? inhibitor(peak + t * B, unit, b, B) : 0;

            forward_row(y, V, peak, unit, t, b, most, B, T, h, g, inhibited);
        }
    }
    for (ptrdiff_t t = begin; t < end && goes_by_step(unit); t++) {
        real most = 0;

        if (unit->R) {
            recurrent_forward(V, state_before(y, V, unit, t, T), unit, t, first, last, T);
        }
        for (ptrdiff_t b = first; b < last; b++) {
            if (inhibited && (b == first || unit->inhibition == SAMPLE_INHIBITION)) {
                most = inhibitor(peak + t * B, unit, b, B);
            }
            forward_row(y, V, peak, unit, t, b, most, B, T, h, g, inhibited);
        }
    }
}

static void snu_forward(real *y, real *V, real *peak, const Unit *unit,
                        ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first, ptrdiff_t last,
                        ptrdiff_t B, ptrdiff_t T)
{
#define ROWS(h, g) \
    if (unit->inhibition) { \
        forward_rows(y, V, peak, unit, begin, end, first, last, B, T, h, g, 1); \
    } else { \
        forward_rows(y, V, peak, unit, begin, end, first, last, B, T, h, g, 0); \
    } \
    break;
#define FOR_EVERY_G(h) \
    switch (unit->g.f) { \
    case SIGMOID: ROWS(h, SIGMOID) \
    case TANH: ROWS(h, TANH) \
    case RELU: ROWS(h, RELU) \
    default: ROWS(h, LEAKY_REL) \
    } \
    break;

    switch (unit->h.f) {
    case STEP: FOR_EVERY_G(STEP)
    case SIGMOID: FOR_EVERY_G(SIGMOID)
    case TANH: FOR_EVERY_G(TANH)
    case RELU: FOR_EVERY_G(RELU)
    default: FOR_EVERY_G(LEAKY_REL)
    }
#undef FOR_EVERY_G
#undef ROWS
}

/* ---- backward ------------------------------------------------------------------ */

/* sum of d V D, in lanes: one fixed order that runs on vectors */
static real sum_of_products(const real *d, const real *V, const real *D, ptrdiff_t n)
{
    real lane[16] = {0};
    ptrdiff_t j = 0;

    for (; j + 16 <= n; j += 16) {
        for (ptrdiff_t k = 0; k < 16; k++) {
            lane[k] += d[j + k] * V[j + k] * D[j + k];
        }
    }
    for (ptrdiff_t k = 0; j + k < n; k++) {
        lane[k] += d[j + k] * V[j + k] * D[j + k];
    }
    for (ptrdiff_t half = 8; half > 0; half /= 2) {
        for (ptrdiff_t k = 0; k < half; k++) {
            lane[k] += lane[k + half];
        }
    }
    return lane[0];
}

/* what each entry at the maximum gets, of a step's pulls and ties (B) */
static real share(const real *pull, const real *ties, const Unit *unit, ptrdiff_t b, ptrdiff_t B)
{
    real sum = 0, count = 0;

    if (unit->inhibition == SAMPLE_INHIBITION) {
        return -pull[b] / ties[b];
    }
    for (ptrdiff_t k = 0; k < B; k++) {
        sum += pull[k];
        count += ties[k];
    }
    return -sum / count;
}

/* after D_t of sample b: dd, and what the step before is going to share out; `most` is
 * the inhibitor of y_p */
static void hand_back(const Backward *out, const real *D, const real *y_p, const real *V_p,
                      real most, const Unit *unit, ptrdiff_t t, ptrdiff_t b, ptrdiff_t B)
{
    const ptrdiff_t M = unit->M;

    if (out->dd) {
        real *dd = out->dd + b * unit->m;

        for (ptrdiff_t j = 0; j < M; j++) {
            dd[j] += V_p[j] * (1 - (unit->inhibition ? most : y_p[j])) * D[j];
        }
    }
    if (unit->inhibition) {
        ptrdiff_t ties = 0;

        for (ptrdiff_t j = 0; j < M; j++) {
            ties += y_p[j] == most;
        }
        out->ties[t * B + b] = (real)ties;
        out->pull[t * B + b] = sum_of_products(unit->d, V_p, D, M);
    }
}

/* `to` = `from`, or zeros where that is NULL */
static void copy_or_zero(real *to, const real *from, ptrdiff_t n)
{
    if (from) {
        memmove(to, from, (size_t)n * sizeof *to);      /* they may be the same */
    } else {
        memset(to, 0, (size_t)n * sizeof *to);
    }
}

/* D_t = e_t + D_{t+1} R^T, and dy_T at the last step: where there is either */
static void backward_prepare(const Backward *out, Upstream e, const Unit *unit, ptrdiff_t t,
                             ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, M = unit->M, start = (first * T + t) * m;

    if (!unit->R && !(t == T - 1 && e.dy_T)) {
        return;
    }
    for (ptrdiff_t b = first; b < last; b++) {
        const ptrdiff_t here = (b * T + t) * m;

        copy_or_zero(out->D + here, e.dy ? e.dy + here : NULL, m);
        for (ptrdiff_t j = 0; t == T - 1 && e.dy_T && j < M; j++) {
            out->D[here + j] += e.dy_T[b * m + j];
        }
    }
    if (unit->R && t < T - 1) {
        matmul(out->D + start, T * m,
               side_by_side(unit, out->D + (t + 1) * m, T * m, first, last), m, 1, unit->Rt, M,
               last - first, M, M, 1);
    }
}

/* h (the surrogate, where h is the step), g and inhibited are constants where this is inlined;
 * `most` is the maximum of y_t that inhibits, `each` what those that attain it get */
INLINE void backward_row(const Backward *out, Upstream e, const real *y, const real *V,
                         const Unit *unit, ptrdiff_t t, ptrdiff_t b, real most, real each,
                         ptrdiff_t T, const int is_step, const Function h, const Function g,
                         const int inhibited)
{
    const ptrdiff_t m = unit->m, here = (b * T + t) * m;
    const int is_last = t == T - 1, prepared = unit->R || (is_last && e.dy_T);
    const real *bias = unit->b, *d = unit->d;
    const real alpha_h = alpha_of(is_step ? unit->h.surrogate : unit->h.f, unit->h.alpha);
    const real alpha_g = alpha_of(unit->g.f, unit->g.alpha);
    const real *y_t = y + here, *V_t = V + here;
    const real *D_next = is_last ? unit->zeros : out->D + here + m;
    const real *dV = is_last && e.dV_T ? e.dV_T + b * m : unit->zeros;
    const real *e_t = prepared ? out->D + here : e.dy ? e.dy + here : unit->zeros;
    real *D = out->D + here, *db = out->db + b * m;

    INDEPENDENT
    for (ptrdiff_t j = 0; j < m; j++) {
        const real r = 1 - (inhibited ? most : y_t[j]), leak = d[j] * D_next[j];
        const real reset = inhibited ? (y_t[j] == most ? each : 0) : -(V_t[j] * leak);
        const real slope = is_step ? surrogate_slope_of(h, alpha_h, V_t[j] - bias[j])
                                   : slope_of(h, alpha_h, y_t[j]);
        const real v = (e_t[j] + reset) * slope;

        db[j] -= v;
        D[j] = (v + r * leak + dV[j]) * slope_of(g, alpha_g, V_t[j]);
    }
}

INLINE void backward_rows(const Backward *out, Upstream e, const real *y, const real *V,
                          const real *peak, const Unit *unit, ptrdiff_t begin, ptrdiff_t end,
                          ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T,
                          const int is_step, const Function h, const Function g,
                          const int inhibited)
{
    const int by_step = goes_by_step(unit);
    const ptrdiff_t samples = last - first, steps = end - begin;
    real most = 0, each = 0, most_before = 0;

    for (ptrdiff_t outer = 0; outer < (by_step ? steps : samples); outer++) {
        if (by_step) {
            backward_prepare(out, e, unit, end - 1 - outer, first, last, T);
        }
        for (ptrdiff_t inner = 0; inner < (by_step ? samples : steps); inner++) {
            const ptrdiff_t b = first + (by_step ? inner : outer);
            const ptrdiff_t t = end - 1 - (by_step ? outer : inner);
            const ptrdiff_t row = (t + 1) * B;      /* of peak, pull and ties: y_t's */
            const State before = state_before(y, V, unit, t, T);

            if (!by_step) {
                backward_prepare(out, e, unit, t, b, b + 1, T);
            }
            if (inhibited && (inner == 0 || unit->inhibition == SAMPLE_INHIBITION)) {
                most_before = inhibitor(peak + t * B, unit, b, B);
                most = t == T - 1 ? 0 : inhibitor(peak + row, unit, b, B);
                each = t == T - 1 ? 0 : share(out->pull + row, out->ties + row, unit, b, B);
            }
            backward_row(out, e, y, V, unit, t, b, most, each, T, is_step, h, g, inhibited);
            if (out->dd || inhibited) {
                hand_back(out, out->D + (b * T + t) * unit->m, before.y + b * before.apart,
                          before.V + b * before.apart, most_before, unit, t, b, B);
            }
        }
    }
}

static void snu_backward(const Backward *out, Upstream e, const real *y, const real *V,
                         const real *peak, const Unit *unit, ptrdiff_t begin, ptrdiff_t end,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m;

    if (end == T) {
        copy_or_zero(out->db + first * m, NULL, (last - first) * m);
        if (out->dd) {
            copy_or_zero(out->dd + first * m, NULL, (last - first) * m);
        }
    }
#define ROWS(is_step, h, g) \
    if (unit->inhibition) { \
        backward_rows(out, e, y, V, peak, unit, begin, end, first, last, B, T, is_step, h, g, 1); \
    } else { \
        backward_rows(out, e, y, V, peak, unit, begin, end, first, last, B, T, is_step, h, g, 0); \
    } \
    break;
#define FOR_EVERY_G(is_step, h) \
    switch (unit->g.f) { \
    case SIGMOID: ROWS(is_step, h, SIGMOID) \
    case TANH: ROWS(is_step, h, TANH) \
    default: ROWS(is_step, h, LEAKY_REL) \
    } \
    break;
#define FOR_EVERY_H(is_step, f) \
    switch (f) { \
    case SIGMOID: FOR_EVERY_G(is_step, SIGMOID) \
    case TANH: FOR_EVERY_G(is_step, TANH) \
    default: FOR_EVERY_G(is_step, LEAKY_REL) \
    }

    if (unit->h.f == STEP) {
        FOR_EVERY_H(1, unit->h.surrogate)
    } else {
        FOR_EVERY_H(0, unit->h.f)
    }
#undef FOR_EVERY_H
#undef FOR_EVERY_G
#undef ROWS
}

static void snu_backward_finish(const Backward *out, Upstream e, const real *peak,
                                const Unit *unit, ptrdiff_t first, ptrdiff_t last,
                                ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, M = unit->M;
    real most = 0, each = 0;

    if (T == 0) {                       /* the initial state is the final one */
        copy_or_zero(out->dy_0 + first * m, e.dy_T ? e.dy_T + first * m : NULL,
                     (last - first) * m);
        copy_or_zero(out->dV_0 + first * m, e.dV_T ? e.dV_T + first * m : NULL,
                     (last - first) * m);
        return;
    }
    copy_or_zero(out->dy_0 + first * m, NULL, (last - first) * m);
    if (unit->R) {
        matmul(out->dy_0 + first * m, m, side_by_side(unit, out->D, T * m, first, last), m, 1,
               unit->Rt, M, last - first, M, M, 1);
    }
    for (ptrdiff_t b = first; b < last; b++) {
        const real *D = out->D + b * T * m, *y_0 = unit->y_0 + b * m, *V_0 = unit->V_0 + b * m;
        real *dy_0 = out->dy_0 + b * m, *dV_0 = out->dV_0 + b * m;

        if (unit->inhibition && (b == first || unit->inhibition == SAMPLE_INHIBITION)) {
            most = inhibitor(peak, unit, b, B);
            each = share(out->pull, out->ties, unit, b, B);
        }
        for (ptrdiff_t j = 0; j < M; j++) {
            dy_0[j] += !unit->inhibition ? -(unit->d[j] * V_0[j] * D[j])
                       : y_0[j] == most ? each : 0;
            dV_0[j] = unit->d[j] * (1 - (unit->inhibition ? most : y_0[j])) * D[j];
        }
    }
}

static void recurrent_backward(real *dR, const real *y, const uint64_t *fired, const real *D,
                               const Unit *unit, ptrdiff_t first, ptrdiff_t last,
                               ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, M = unit->M;

    for (ptrdiff_t b = 0; b < B; b++, y += T * m, D += T * m) {
        if (unit->y_0 && T > 0) {
            matmul(dR + first * M, M, unit->y_0 + b * m + first, 1, m, D, m,
                   last - first, 1, M, 1);
        }
        if (T > 1 && fired) {
            fired_backward(dR, M, fired + b * T, B * T, D + m, m, M, first, last, T - 1);
        } else if (T > 1) {
            matmul(dR + first * M, M, y + first, 1, m, D + m, m, last - first, T - 1, M, 1);
        }
    }
}

static void sum_samples(real *restrict sum, const real *restrict each, ptrdiff_t m,
                        ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    for (ptrdiff_t b = 0; b < B; b++) {
        for (ptrdiff_t j = first; j < last; j++) {
            sum[j] += each[b * m + j];
        }
    }
}
