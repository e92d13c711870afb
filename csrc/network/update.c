/* The weights of a network: their gradient and their step.
 *
 * Each rank owns its share of the rows of every weight.  In general all gradients come
 * first (layers_gradient), then, if they are finite, all steps (layers_update).  Of a
 * kernel that is fed events most rows get no gradient in a small batch: there it is
 * computed row by row and the step taken at once, and a row that got none is left alone
 * where that only postpones v = rho v.
 */
#include "network.h"

/* adds to nothing but what its own row says: the sum of all rows has one order for every share */
static void rows_squares(Weights *weights, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t row = first; row < last; row++) {
        const real *g = weights->g + row * weights->apart;
        double sum = 0;

        for (ptrdiff_t j = 0; j < weights->cols; j++) {
            sum += (double)g[j] * (double)g[j];
        }
        weights->squares[row] = sum;
    }
}

/* what makes the norm of a gradient clipnorm where it is more */
static real clip_scale(const Weights *weights, const Optimizer *o)
{
    double sum = 0;

    for (ptrdiff_t row = 0; o->clipnorm > 0 && row < weights->rows; row++) {
        sum += weights->squares[row];
    }
    return o->clipnorm > 0 && sqrt(sum) > o->clipnorm ? (real)(o->clipnorm / sqrt(sum)) : 1;
}

static int is_finite(const real *g, ptrdiff_t n)
{
    int finite = 1;

    for (ptrdiff_t i = 0; i < n; i++) {
        finite &= g[i] - g[i] == 0;
    }
    return finite;
}

static int layer_is_tame(const Layer *layer, ptrdiff_t first, ptrdiff_t last,
                         ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = layer->unit.m;
    const real limit = REAL_MAX / (real)(B * T);
    int tame = 1;

    for (ptrdiff_t row = first * T; row < last * T; row++) {
        for (ptrdiff_t j = 0; j < layer->M; j++) {
            tame &= magnitude(layer->back.D[row * m + j]) < limit;
        }
    }
    return tame;
}

/* ---- all gradients, then all steps ----------------------------------------------- */

/* the gradient of the rank's rows of a layer's weights, from D of the whole batch; 0 if a
 * number of it is not finite */
static int layer_gradient(Layer *layer, Input x, const Optimizer *o, int by_row,
                          int rank, int ranks, ptrdiff_t B, ptrdiff_t T)
{
    const Unit *unit = &layer->unit;
    int finite = 1;

    for (int i = by_row ? KERNEL + 1 : KERNEL; i < KINDS_OF_WEIGHTS; i++) {
        Weights *weights = &layer->weights[i];
        const ptrdiff_t first = part_of(weights->rows, rank, ranks);
        const ptrdiff_t last = part_of(weights->rows, rank + 1, ranks);
        real *g = weights->g;

        if (first == last) {
            continue;
        }
        memset(g + first * weights->apart, 0,
               (size_t)((last - first) * weights->apart) * sizeof *g);
        if (i == KERNEL) {
            input_backward(g, weights->apart, x, layer->D, unit->m, first, last, B,
                           fed_rows(layer, T));
        } else if (i == RECURRENT_KERNEL) {
            recurrent_backward(g, layer->y, few_fired(layer, 0, B, T), layer->D,
                               layer->backwards, unit, first, last, B, T);
        } else {
            sum_samples(g, i == BIAS ? layer->back.db : layer->back.dd, unit->m, first, last, B);
        }
        if (o->clipnorm > 0) {
            rows_squares(weights, first, last);
        }
        for (ptrdiff_t row = first; row < last; row++) {
            finite &= is_finite(g + row * weights->apart, weights->cols);
        }
    }
    return finite;
}

/* keeps what is read in another form than the weights' own as they are: W^T and R^T, which
 * going backward needs, and b and d in rows of m */
static void layer_refresh(Layer *layer, int rank, int ranks)
{
    const Weights *W = &layer->weights[KERNEL];
    const ptrdiff_t M = layer->M;
    const ptrdiff_t first = part_of(M, rank, ranks), last = part_of(M, rank + 1, ranks);
    const size_t size = (size_t)(last - first) * sizeof(real);

    if (layer->weights[BIAS].w) {
        memcpy(layer->bias + first, layer->weights[BIAS].w + first, size);
    }
    if (layer->kind == SNU) {
        memcpy(layer->decay + first, layer->d + first, size);
    }
    if (layer->Wt) {
        transpose(layer->Wt, layer->wt, W->w, W->apart, part_of(W->rows, rank, ranks),
                  part_of(W->rows, rank + 1, ranks), M);
    }
    if (layer->Rt) {
        transpose(layer->Rt, M, layer->unit.R, M, first, last, M);
    }
}

/* of n weights from number `at` on */
static void weights_step(const Weights *weights, const real *g, const Optimizer *o, double step,
                         ptrdiff_t at, ptrdiff_t n)
{
    real *const *slot = weights->slot;

    optimizer_step(weights->w + at, slot[0] ? slot[0] + at : NULL,
                   slot[1] ? slot[1] + at : NULL, g, *o, step, n);
}

static void layer_update(Layer *layer, const Optimizer *o, double step, int by_row,
                         int rank, int ranks)
{
    for (int i = by_row ? KERNEL + 1 : KERNEL; i < KINDS_OF_WEIGHTS; i++) {
        const Weights *weights = &layer->weights[i];
        const ptrdiff_t first = part_of(weights->rows, rank, ranks);
        const ptrdiff_t last = part_of(weights->rows, rank + 1, ranks);
        const ptrdiff_t at = first * weights->apart, n = (last - first) * weights->apart;

        if (first == last) {
            continue;
        }                               /* what stands behind a row takes part: no harm */
        if (o->clipnorm > 0 || o->clipvalue > 0) {
            optimizer_clip(weights->g + at, *o, clip_scale(weights, o), n);
        }
        weights_step(weights, weights->g + at, o, step, at, n);
        for (ptrdiff_t j = first; i == DECAY && j < last; j++) {
            weights->w[j] = weights->w[j] < 0 ? 0 : weights->w[j] > 1 ? 1 : weights->w[j];
        }
    }
}

/* ---- row by row ---------------------------------------------------------------------- */

/* vectors at a time: they do not wait for each other */
enum { CAUGHT_UP = 4, CAUGHT_UP_NUMBERS = CAUGHT_UP * LANES };

/* v = rho v of n numbers of a row, for the steps that it has missed */
INLINE void catch_up(real *v, ptrdiff_t n, double missed, real rho)
{
    for (ptrdiff_t j = 0; missed > 0 && j < n; j += CAUGHT_UP_NUMBERS) {
        const ptrdiff_t vecs = (n - j) / LANES < CAUGHT_UP ? (n - j) / LANES : CAUGHT_UP;
        vec now[CAUGHT_UP] = {0};

        for (ptrdiff_t k = 0; k < vecs; k++) {
            now[k] = vec_load(v + j + k * LANES);
        }
        for (double left = missed; left > 0; left -= 1) {
            for (ptrdiff_t k = 0; k < CAUGHT_UP; k++) {
                now[k] *= rho;
            }
        }
        for (ptrdiff_t k = 0; k < vecs; k++) {
            vec_store(v + j + k * LANES, now[k]);
        }
    }
    for (ptrdiff_t j = n / LANES * LANES; missed > 0 && j < n; j++) {
        for (double left = missed; left > 0; left -= 1) {
            v[j] *= rho;
        }
    }
}

/* a step of n weights from number `at` on; n is a constant where this is inlined */
INLINE void row_step(const Weights *W, const real *g, const Optimizer *o, double missed,
                     ptrdiff_t at, const ptrdiff_t n)
{
    if (o->method == RMSPROP) {
        catch_up(W->slot[0] + at, n, missed, (real)o->rho);
        rmsprop_step(W->w + at, W->slot[0] + at, NULL, g, *o, n);
    } else {
        sgd_step(W->w + at, NULL, g, *o, n);
    }
}

/* asks for n weights, and what the optimizer keeps for them, from number `at` on */
static void row_prefetch(const Weights *W, ptrdiff_t at, ptrdiff_t n)
{
    for (ptrdiff_t j = at; j < at + n; j += 64 / (ptrdiff_t)sizeof *W->w) {
        __builtin_prefetch(W->w + j, 1);
        if (W->slot[0]) {
            __builtin_prefetch(W->slot[0] + j, 1);
        }
    }
}

/* Of a block of the rows from first to last that have a gradient: that, and at once their step:
 * the divider, which a step waits for, works while the next row's gradient is summed.  vecs is a
 * constant where this is inlined. */
INLINE void rows_update(Layer *layer, ptrdiff_t words, const Optimizer *o, double step,
                        ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, Block block,
                        const ptrdiff_t vecs)
{
    const Weights *W = &layer->weights[KERNEL];
    const Visit *visits = layer->visits + first * B;
    const ptrdiff_t m = layer->unit.m;
    const int whole = block.width == vecs * LANES, ends = block.begin + block.width >= layer->M;
    real g[BLOCK_NUMBERS];
    ptrdiff_t begin = 0;

    for (ptrdiff_t row = first; row < last; begin = layer->ends[row++]) {
        const ptrdiff_t count = layer->ends[row] - begin;
        const ptrdiff_t at = row * W->apart + block.begin;
        const double missed = step - 1 - layer->met[row];

        if (count == 0) {
            continue;
        }
        if (block.width < layer->M && row + 1 < last) {     /* far away: not next in memory */
            row_prefetch(W, at + W->apart, block.width);
        }
        input_backward_row(g, visits + begin, count, words, m, block, vecs);
        if (whole) {
            row_step(W, g, o, missed, at, vecs * LANES);
        } else {
            row_step(W, g, o, missed, at, block.width);
        }
        layer->met[row] = ends ? step : layer->met[row];
    }
}

/* the rows of the rank's share */
static void kernel_update(Layer *layer, Input x, const Optimizer *o, double step,
                          int rank, int ranks, ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = layer->unit.m, M = layer->M, words = x.spikes->words;
    const ptrdiff_t first = part_of(layer->N, rank, ranks);
    const ptrdiff_t last = part_of(layer->N, rank + 1, ranks);

    input_visits(layer->visits + first * B, layer->ends + first, x, layer->D, m,
                 first, last, B, T);
    for (ptrdiff_t k = 0; k < input_blocks(M); k++) {
        const Block block = input_block(k, M, m);

        switch (block.vecs) {
#define CASE(n) \
        case n: \
            rows_update(layer, words, o, step, first, last, B, block, n); \
            break;
        CASE(0) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
        }
    }
}

static void kernel_catch_up(Layer *layer, const Optimizer *o, double step, int rank, int ranks)
{
    const Weights *W = &layer->weights[KERNEL];

    for (ptrdiff_t row = part_of(W->rows, rank, ranks);
         row < part_of(W->rows, rank + 1, ranks); row++) {
        if (o->method == RMSPROP) {
            catch_up(W->slot[0] + row * W->apart, W->apart, step - layer->met[row],
                     (real)o->rho);
        }
    }
}

static void kernel_met(Layer *layer, double step, int rank, int ranks)
{
    for (ptrdiff_t row = part_of(layer->N, rank, ranks);
         row < part_of(layer->N, rank + 1, ranks); row++) {
        layer->met[row] = step;
    }
}

/* ---- the network's ---------------------------------------------------------------------- */

/* what holds for a run: whether the first kernel can go row by row */
static int can_go_by_row(const Network *net, const Run *run)
{
    const Weights *W = &net->layers[0].weights[KERNEL];
    const Optimizer *o = run->optimizer;

    for (ptrdiff_t batch = 0; o && batch * run->batch < run->samples; batch++) {
        if (!((real)run->rates[batch] <= REAL_MAX)) {
            return 0;
        }
    }
    return o && net->layers[0].visits && run->x.spikes &&
           o->clipnorm == 0 && o->clipvalue == 0 && o->weight_decay == 0 &&
           !W->slot[1] && (!W->slot[0] || o->method == RMSPROP);     /* but v nothing is kept */
}

static int layers_gradient(Network *net, Input x, const Optimizer *o, int by_row,
                           int rank, int ranks, ptrdiff_t B)
{
    int finite = 1;

    for (ptrdiff_t l = 0; l < net->count; l++) {
        Layer *layer = &net->layers[l];

        if (has_weights(layer)) {
            finite &= layer_gradient(layer, x, o, by_row && l == 0, rank, ranks, B, net->T);
        }
        x = output_of(layer, 0, B, B, net->T);
    }
    return finite;
}

static void layers_update(Network *net, Input x, const Optimizer *o, double step, int by_row,
                          int rank, int ranks, ptrdiff_t B)
{
    for (ptrdiff_t l = 0; l < net->count; l++) {
        Layer *layer = &net->layers[l];

        if (has_weights(layer)) {
            layer_update(layer, o, step, by_row && l == 0, rank, ranks);
            if (by_row && l == 0) {
                kernel_update(layer, x, o, step, rank, ranks, B, net->T);
            }
            layer_refresh(layer, rank, ranks);
        }
    }
}
