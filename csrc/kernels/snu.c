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
 * the maximum, in equal shares to all entries that attain it.  Detached, there is no such part.
 *
 * At a masked step the state (y_{t-1}, V_{t-1}) is kept and the output before is repeated: 0
 * before the first step that counts, though the state is the initial one.  Going backward
 * D_t = 0, and the gradient by what is kept and repeated is held until the step that made it.
 *
 * S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).
 */
#include "activation.h"

INLINE int is_masked(const Unit *unit, ptrdiff_t t, ptrdiff_t b, ptrdiff_t T)
{
    return unit->mask && !unit->mask[b * T + t];
}

/* no step of sample b before t counts */
RARE int is_untouched(const Unit *unit, ptrdiff_t t, ptrdiff_t b, ptrdiff_t T)
{
    return t == 0 || (unit->mask && !memchr(unit->mask + b * T, 1, (size_t)t));
}

/* the state that a step of a sample starts from, y_{t-1} and V_{t-1} */
typedef struct {
    const real *y, *V;
} State;

INLINE State state_before(const real *y, const real *V, const Unit *unit, ptrdiff_t t,
                          ptrdiff_t b, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, before = (b * T + t - 1) * m;

    if (t > 0 && !(unit->y_0 && is_untouched(unit, t, b, T))) {
        return (State){y + before, V + before};
    }
    return unit->y_0 ? (State){unit->y_0 + b * m, unit->V_0 + b * m}
                     : (State){unit->zeros, unit->zeros};
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
            peak[(t + 1) * B + b] = is_masked(unit, t, b, T)
                                        ? peak[t * B + b]
                                        : maximum(y + (b * T + t) * unit->m, unit->M);
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

/* a masked step keeps V and repeats the output */
RARE void forward_masked_row(real *y_t, real *V_t, const real *V_p, const Unit *unit, ptrdiff_t t)
{
    const size_t size = (size_t)unit->m * sizeof *y_t;

    memcpy(V_t, V_p, size);
    memcpy(y_t, t > 0 ? y_t - unit->m : unit->zeros, size);
}

/* h, g, inhibited and masked are constants where this is inlined */
INLINE void forward_row(real *y, real *V, real *peak, const Unit *unit, ptrdiff_t t, ptrdiff_t b,
                        real most, ptrdiff_t B, ptrdiff_t T,
                        const Function h, const Function g, const int inhibited, const int masked)
{
    const ptrdiff_t m = unit->m;
    const State before = state_before(y, V, unit, t, b, T);
    const real *bias = unit->b, *d = unit->d, *y_p = before.y, *V_p = before.V;
    const real alpha_h = alpha_of(unit->h.f, unit->h.alpha);
    const real alpha_g = alpha_of(unit->g.f, unit->g.alpha);
    real *y_t = y + (b * T + t) * m, *V_t = V + (b * T + t) * m;

    if (masked && is_masked(unit, t, b, T)) {
        forward_masked_row(y_t, V_t, V_p, unit, t);
        if (inhibited) {
            peak[(t + 1) * B + b] = peak[t * B + b];
        }
        return;
    }
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

/* Rows of the samples, put side by side in unit->side: products read many rows at once, and rows
 * that lie T m numbers apart would share a few lines of the core's cache */
static void put_beside(const Unit *unit, const real *row, ptrdiff_t b)
{
    memcpy(unit->side + b * unit->m, row, (size_t)unit->M * sizeof *row);
}

static ptrdiff_t count_ones(const real *y, ptrdiff_t n)
{
    ptrdiff_t ones = 0;

    for (ptrdiff_t j = 0; j < n; j++) {
        ones += y[j] > 0;
    }
    return ones;
}

/* V_t += y_{t-1} R; y_{t-1} is 0 or 1 where h is the step and no initial state is among them */
static void recurrent_forward(real *V, const real *y, const Unit *unit, ptrdiff_t t,
                              ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, M = unit->M;
    const int spikes = unit->h.f == STEP && !(unit->y_0 && (t == 0 || unit->mask));
    ptrdiff_t ones = 0;

    if (t == 0 && !unit->y_0) {
        return;
    }
    for (ptrdiff_t b = first; b < last && spikes; b++) {
        ones += count_ones(state_before(y, V, unit, t, b, T).y, M);
    }
    if (spikes && (double)ones < FEW * (double)((last - first) * M)) {
        for (ptrdiff_t b = first; b < last; b++) {
            spikes_row_forward(V + (b * T + t) * m, M, state_before(y, V, unit, t, b, T).y,
                               unit->R, M, M);
        }
        return;
    }
    for (ptrdiff_t b = first; b < last; b++) {
        put_beside(unit, state_before(y, V, unit, t, b, T).y, b);
    }
    matmul(V + (first * T + t) * m, T * m, unit->side + first * m, m, 1, unit->R, M,
           last - first, M, M, 1);
}

INLINE void forward_rows(real *y, real *V, real *peak, const Unit *unit,
                         ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first, ptrdiff_t last,
                         ptrdiff_t B, ptrdiff_t T,
                         const Function h, const Function g, const int inhibited, const int masked)
{
    for (ptrdiff_t b = first; b < last && !goes_by_step(unit); b++) {
        for (ptrdiff_t t = begin; t < end; t++) {
            const real most = inhibited ? inhibitor(peak + t * B, unit, b, B) : 0;

            forward_row(y, V, peak, unit, t, b, most, B, T, h, g, inhibited, masked);
        }
    }
    for (ptrdiff_t t = begin; t < end && goes_by_step(unit); t++) {
        real most = 0;

        if (unit->R) {
            recurrent_forward(V, y, unit, t, first, last, T);
        }
        for (ptrdiff_t b = first; b < last; b++) {
            if (inhibited && (b == first || unit->inhibition == SAMPLE_INHIBITION)) {
                most = inhibitor(peak + t * B, unit, b, B);
            }
            forward_row(y, V, peak, unit, t, b, most, B, T, h, g, inhibited, masked);
        }
    }
}

static void snu_forward(real *y, real *V, real *peak, const Unit *unit,
                        ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first, ptrdiff_t last,
                        ptrdiff_t B, ptrdiff_t T)
{
    const int inhibited = unit->inhibition != NO_INHIBITION;

#define ROWS(h, g) \
    if (unit->mask) { \
        forward_rows(y, V, peak, unit, begin, end, first, last, B, T, h, g, inhibited, 1); \
    } else if (inhibited) { \
        forward_rows(y, V, peak, unit, begin, end, first, last, B, T, h, g, 1, 0); \
    } else { \
        forward_rows(y, V, peak, unit, begin, end, first, last, B, T, h, g, 0, 0); \
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

INLINE int is_prepared(Upstream e, const Unit *unit, ptrdiff_t t, ptrdiff_t T)
{
    return unit->R || unit->mask || (t == T - 1 && e.dy_T);
}

/* D_t = e_t + D_{t+1} R^T, what is held, and dy_T at the last step */
static void backward_prepare(const Backward *out, Upstream e, const Unit *unit, ptrdiff_t t,
                             ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, M = unit->M, start = (first * T + t) * m;

    for (ptrdiff_t b = first; b < last; b++) {
        const ptrdiff_t here = (b * T + t) * m;
        const int lost = is_masked(unit, t, b, T) && is_untouched(unit, t, b, T);

        copy_or_zero(out->D + here, e.dy && !lost ? e.dy + here : NULL, m);
        for (ptrdiff_t j = 0; t == T - 1 && e.dy_T && j < M; j++) {
            out->D[here + j] += e.dy_T[b * m + j];
        }
        for (ptrdiff_t j = 0; unit->mask && j < M; j++) {
            out->D[here + j] += out->held_y[b * m + j];
        }
        if (unit->R && t < T - 1) {
            put_beside(unit, out->D + here + m, b);
        }
    }
    if (unit->R && t < T - 1) {
        matmul(out->D + start, T * m, unit->side + first * m, m, 1, unit->Rt, M,
               last - first, M, M, 1);
    }
}

/* a masked step holds the gradient by the state that it kept */
RARE void backward_masked_row(const Backward *out, const real *y, const real *V,
                                const Unit *unit, ptrdiff_t t, ptrdiff_t b, real most, real each,
                                ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, here = (b * T + t) * m;
    const State kept = state_before(y, V, unit, t, b, T);
    const real *D_next = t == T - 1 ? unit->zeros : out->D + here + m;
    real *D = out->D + here, *held_y = out->held_y + b * m, *held_V = out->held_V + b * m;

    for (ptrdiff_t j = 0; j < m; j++) {
        const real r = 1 - (unit->inhibition ? most : kept.y[j]), leak = unit->d[j] * D_next[j];
        const real reset = unit->inhibition ? (kept.y[j] == most ? each : 0)
                           : unit->detached ? 0 : -(kept.V[j] * leak);

        held_y[j] = D[j] + reset;
        held_V[j] += r * leak;
        D[j] = 0;
    }
}

/* h (the surrogate, where h is the step), g, inhibited and general (with a mask, or detached) are
 * constants where this is inlined;
 * `most` is the maximum of y_t that inhibits, `each` what those that attain it get */
INLINE void backward_row(const Backward *out, Upstream e, const real *y, const real *V,
                         const Unit *unit, ptrdiff_t t, ptrdiff_t b, real most, real each,
                         ptrdiff_t T, const int is_step, const Function h, const Function g,
                         const int inhibited, const int general)
{
    const ptrdiff_t m = unit->m, here = (b * T + t) * m;
    const int is_last = t == T - 1;
    const real *bias = unit->b, *d = unit->d;
    const real alpha_h = alpha_of(is_step ? unit->h.surrogate : unit->h.f, unit->h.alpha);
    const real alpha_g = alpha_of(unit->g.f, unit->g.alpha);
    const real *y_t = y + here, *V_t = V + here;
    const real *V_reset = general && unit->detached ? unit->zeros : V_t;
    const real *D_next = is_last ? unit->zeros : out->D + here + m;
    const real *dV = general && unit->mask ? out->held_V + b * m
                     : is_last && e.dV_T ? e.dV_T + b * m : unit->zeros;
    const real *e_t = is_prepared(e, unit, t, T) ? out->D + here
                      : e.dy ? e.dy + here : unit->zeros;
    real *D = out->D + here, *db = out->db + b * m;

    if (general && is_masked(unit, t, b, T)) {
        backward_masked_row(out, y, V, unit, t, b, most, each, T);
        return;
    }

    INDEPENDENT
    for (ptrdiff_t j = 0; j < m; j++) {
        const real r = 1 - (inhibited ? most : y_t[j]), leak = d[j] * D_next[j];
        const real reset = inhibited ? (y_t[j] == most ? each : 0) : -(V_reset[j] * leak);
        const real slope = is_step ? surrogate_slope_of(h, alpha_h, V_t[j] - bias[j])
                                   : slope_of(h, alpha_h, y_t[j]);
        const real v = (e_t[j] + reset) * slope;

        db[j] -= v;
        D[j] = (v + r * leak + dV[j]) * slope_of(g, alpha_g, V_t[j]);
    }
    if (general && unit->mask) {
        memset(out->held_y + b * m, 0, (size_t)m * sizeof *D);
        memset(out->held_V + b * m, 0, (size_t)m * sizeof *D);
    }
}

INLINE void backward_rows(const Backward *out, Upstream e, const real *y, const real *V,
                          const real *peak, const Unit *unit, ptrdiff_t begin, ptrdiff_t end,
                          ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T,
                          const int is_step, const Function h, const Function g,
                          const int inhibited, const int general)
{
    const int by_step = goes_by_step(unit);
    const ptrdiff_t samples = last - first, steps = end - begin;
    real most = 0, each = 0, most_before = 0;

    for (ptrdiff_t outer = 0; outer < (by_step ? steps : samples); outer++) {
        if (by_step && is_prepared(e, unit, end - 1 - outer, T)) {
            backward_prepare(out, e, unit, end - 1 - outer, first, last, T);
        }
        for (ptrdiff_t inner = 0; inner < (by_step ? samples : steps); inner++) {
            const ptrdiff_t b = first + (by_step ? inner : outer);
            const ptrdiff_t t = end - 1 - (by_step ? outer : inner);
            const ptrdiff_t row = (t + 1) * B;      /* of peak, pull and ties: y_t's */
            const State before = state_before(y, V, unit, t, b, T);

            if (!by_step && is_prepared(e, unit, t, T)) {
                backward_prepare(out, e, unit, t, b, b + 1, T);
            }
            if (inhibited && (inner == 0 || unit->inhibition == SAMPLE_INHIBITION)) {
                most_before = inhibitor(peak + t * B, unit, b, B);
                most = t == T - 1 ? 0 : inhibitor(peak + row, unit, b, B);
                each = t == T - 1 || unit->detached
                           ? 0 : share(out->pull + row, out->ties + row, unit, b, B);
            }
            backward_row(out, e, y, V, unit, t, b, most, each, T, is_step, h, g, inhibited,
                         general);
            if (out->dd || inhibited) {
                hand_back(out, out->D + (b * T + t) * unit->m, before.y, before.V, most_before,
                          unit, t, b, B);
            }
        }
    }
}

static void snu_backward(const Backward *out, Upstream e, const real *y, const real *V,
                         const real *peak, const Unit *unit, ptrdiff_t begin, ptrdiff_t end,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m;
    const int inhibited = unit->inhibition != NO_INHIBITION;

    if (end == T) {
        copy_or_zero(out->db + first * m, NULL, (last - first) * m);
        if (out->dd) {
            copy_or_zero(out->dd + first * m, NULL, (last - first) * m);
        }
        if (unit->mask) {
            copy_or_zero(out->held_y + first * m, NULL, (last - first) * m);
            copy_or_zero(out->held_V + first * m, e.dV_T ? e.dV_T + first * m : NULL,
                         (last - first) * m);
        }
    }
#define ROWS(is_step, h, g) \
    if (unit->mask || unit->detached) { \
        backward_rows(out, e, y, V, peak, unit, begin, end, first, last, B, T, is_step, h, g, \
                      inhibited, 1); \
    } else if (inhibited) { \
        backward_rows(out, e, y, V, peak, unit, begin, end, first, last, B, T, is_step, h, g, \
                      1, 0); \
    } else { \
        backward_rows(out, e, y, V, peak, unit, begin, end, first, last, B, T, is_step, h, g, \
                      0, 0); \
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
    const ptrdiff_t m = unit->m, M = unit->M, count = (last - first) * m;
    real most = 0, each = 0;

    if (T == 0) {                       /* the initial state is the final one */
        copy_or_zero(out->dy_0 + first * m, e.dy_T ? e.dy_T + first * m : NULL, count);
        copy_or_zero(out->dV_0 + first * m, e.dV_T ? e.dV_T + first * m : NULL, count);
        return;
    }
    copy_or_zero(out->dy_0 + first * m, unit->mask ? out->held_y + first * m : NULL, count);
    copy_or_zero(out->dV_0 + first * m, unit->mask ? out->held_V + first * m : NULL, count);
    if (unit->R) {
        for (ptrdiff_t b = first; b < last; b++) {
            put_beside(unit, out->D + b * T * m, b);
        }
        matmul(out->dy_0 + first * m, m, unit->side + first * m, m, 1, unit->Rt, M,
               last - first, M, M, 1);
    }
    for (ptrdiff_t b = first; b < last; b++) {
        const real *D = out->D + b * T * m, *y_0 = unit->y_0 + b * m, *V_0 = unit->V_0 + b * m;
        real *dy_0 = out->dy_0 + b * m, *dV_0 = out->dV_0 + b * m;

        if (unit->inhibition && (b == first || unit->inhibition == SAMPLE_INHIBITION)) {
            most = inhibitor(peak, unit, b, B);
            each = unit->detached ? 0 : share(out->pull, out->ties, unit, b, B);
        }
        for (ptrdiff_t j = 0; j < M; j++) {     /* products in backward_masked_row's order */
            const real r = 1 - (unit->inhibition ? most : y_0[j]), leak = unit->d[j] * D[j];

            dy_0[j] += unit->inhibition ? (y_0[j] == most ? each : 0)
                       : unit->detached ? 0 : -(V_0[j] * leak);
            dV_0[j] += r * leak;
        }
    }
}

static void recurrent_backward(real *dR, const real *y, const uint64_t *fired, const real *all,
                               int turned, const Unit *unit, ptrdiff_t first, ptrdiff_t last,
                               ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = unit->m, M = unit->M, d = turned ? -m : m;

    for (ptrdiff_t b = 0; b < B; b++, y += T * m) {
        const real *D = all + (turned ? (b + 1) * T - 1 : b * T) * m;
        ptrdiff_t start = 0;            /* the step that starts from the initial state */

        while (unit->y_0 && start < T && is_masked(unit, start, b, T)) {
            start++;
        }
        if (unit->y_0 && start < T) {
            matmul(dR + first * M, M, unit->y_0 + b * m + first, 1, m, D + start * d, d,
                   last - first, 1, M, 1);
        }
        if (T > 1 && fired) {
            fired_backward(dR, M, fired + b * T, B * T, D + d, d, M, first, last, T - 1);
        } else if (T > 1) {
            matmul(dR + first * M, M, y + first, 1, m, D + d, d, last - first, T - 1, M, 1);
        }
    }
}

static void turn(real *x, ptrdiff_t T, ptrdiff_t m)
{
    for (ptrdiff_t t = 0; t < T / 2; t++) {
        real *from = x + t * m, *to = x + (T - 1 - t) * m;

        INDEPENDENT
        for (ptrdiff_t j = 0; j < m; j++) {
            const real swap = from[j];

            from[j] = to[j];
            to[j] = swap;
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
