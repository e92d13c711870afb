/* Layers one behind the other, forward and backward.
 *
 * A rank takes its samples through all layers; where a step needs those of the others (a
 * maximum over the batch) all ranks wait for each other.
 */
#include "network.h"

#include <math.h>
#include <string.h>

/* ---- forward ---------------------------------------------------------------- */

static Input input_from(Input x, ptrdiff_t first, ptrdiff_t T)
{
    if (x.samples) {
        x.samples += first;
    } else {
        x.values += first * T * x.n;
        x.fired = x.fired ? x.fired + first * T : NULL;
    }
    return x;
}

/* A step of BATCH_INHIBITION needs the step before of all samples.  Below that many numbers
 * rank 0 takes all samples, as waiting for each other at every step would cost more than it
 * saves; and for some batches after one in which ranks fell asleep SLEEPS times, as where
 * others use the cores a wait may last as long as theirs do. */
enum { WORTH_WAITING = 1 << 9, SLEEPS = 4, ALONE = 64 };

/* the samples whose steps a rank takes; 1 if all ranks have to wait at every step */
static int steps_share(const Layer *layer, int alone, int rank, ptrdiff_t *first,
                       ptrdiff_t *last, ptrdiff_t B)
{
    if (layer->unit.inhibition != BATCH_INHIBITION) {
        return 0;
    }
    if (B * layer->M >= WORTH_WAITING && !alone) {
        return 1;
    }
    *first = 0;
    *last = rank == 0 ? B : 0;
    return 0;
}

static void snu_layer_forward(Layer *layer, Input x, Team *team, int alone, int rank,
                              ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const Weights *W = &layer->weights[KERNEL];
    const ptrdiff_t M = layer->M, m = layer->unit.m;
    const int together = layer->unit.inhibition == BATCH_INHIBITION;
    ptrdiff_t begin = first, end = last;
    const int waits = steps_share(layer, alone, rank, &begin, &end, B);
    const ptrdiff_t steps = waits ? 1 : T;

    input_forward(layer->V + first * T * m, m, input_from(x, first, T), W->w, W->apart,
                  last - first, T, layer->N, M);
    for (ptrdiff_t b = first; layer->backwards && b < last; b++) {
        turn(layer->V + b * T * m, T, m);
    }
    if (layer->unit.inhibition) {
        snu_peaks(layer->peak, NULL, &layer->unit, 0, first, last, B);
    }
    if (together) {
        team_barrier(team);
    }
    for (ptrdiff_t t = 0; t < T; t += steps) {
        snu_forward(layer->y, layer->V, layer->peak, &layer->unit, t, t + steps, begin, end, B, T);
        if (waits) {
            team_barrier(team);
        }
    }
    if (together && !waits) {
        team_barrier(team);
    }
    if (!layer->sequences) {
        for (ptrdiff_t b = first; b < last; b++) {
            memcpy(layer->out + b * m, layer->y + (b * T + T - 1) * m, (size_t)M * sizeof(real));
        }
    }
}

static void dense_layer_forward(Layer *layer, Input x, ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    const Weights *W = &layer->weights[KERNEL];
    const ptrdiff_t m = layer->unit.m, rows = fed_rows(layer, T), at = first * rows * m;

    input_forward(layer->V + at, m, input_from(x, first, rows), W->w, W->apart,
                  last - first, rows, layer->N, layer->M);
    dense_forward(layer->y + at, layer->V + at, layer->weights[BIAS].w ? layer->bias : NULL,
                  layer->unit.h, (last - first) * rows, m);
}

/* the noise of a layer in a run; samples are told apart by their place in it */
static Dropout noise_of(const Network *net, const Run *run, const Layer *layer)
{
    return (Dropout){layer->rate, run->key ^ (uint64_t)(layer - net->layers) << 56};
}

static void dropout_layer_forward(Layer *layer, Input x, Dropout drop, ptrdiff_t place,
                                  ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    const ptrdiff_t m = layer->unit.m, rows = fed_rows(layer, T);

    for (ptrdiff_t b = first; b < last; b++) {
        ptrdiff_t there = rows;
        const real *from = x.samples ? input_rows(x, x.samples[b], rows, &there)
                                     : x.values + b * rows * x.n;
        real *to = layer->out + b * rows * m;

        for (ptrdiff_t row = 0; row < there; row++) {
            memcpy(to + row * m, from + row * x.n, (size_t)x.n * sizeof *to);
        }
        memset(to + there * m, 0, (size_t)((rows - there) * m) * sizeof *to);
        dropout(to, to, drop, place + b, rows, m);
    }
}

/* sum of y (rows, m), of the first M of m; in lanes: one fixed order that runs on vectors */
static double sum_of(const real *y, ptrdiff_t rows, ptrdiff_t m, ptrdiff_t M)
{
    double lane[16] = {0};

    for (ptrdiff_t i = 0; i < rows; i++, y += m) {
        ptrdiff_t j = 0;

        for (; j + 16 <= M; j += 16) {
            for (ptrdiff_t k = 0; k < 16; k++) {
                lane[k] += (double)y[j + k];
            }
        }
        for (ptrdiff_t k = 0; j + k < M; k++) {
            lane[k] += (double)y[j + k];
        }
    }
    for (ptrdiff_t half = 8; half > 0; half /= 2) {
        for (ptrdiff_t k = 0; k < half; k++) {
            lane[k] += lane[k + half];
        }
    }
    return lane[0];
}

/* sum of |y| (T, m), of the first M of m, over the steps that count */
static double size_of(const Layer *layer, const real *y, ptrdiff_t b, ptrdiff_t T)
{
    const ptrdiff_t m = layer->unit.m;
    double sum = 0;

    for (ptrdiff_t t = 0; t < T; t++, y += m) {
        for (ptrdiff_t j = 0; !is_masked(&layer->unit, t, b, T) && j < layer->M; j++) {
            sum += fabs((double)y[j]);
        }
    }
    return sum;
}

/* the ones of a sample at steps that do not count */
static ptrdiff_t masked_ones(const Layer *layer, const real *y, ptrdiff_t b, ptrdiff_t T)
{
    ptrdiff_t ones = 0;

    for (ptrdiff_t t = 0; layer->unit.mask && t < T; t++, y += layer->unit.m) {
        ones += is_masked(&layer->unit, t, b, T) ? count_ones(y, layer->M) : 0;
    }
    return ones;
}

/* spikes as bits, where there are any, and the sums that are wanted */
static void snu_layer_count(Layer *layer, ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = layer->unit.m;

    for (ptrdiff_t b = first; b < last; b++) {
        const real *y = layer->y + b * T * m;

        if (layer->fired) {
            layer->sums[b] = (double)(input_fired(layer->fired, B * T, layer->y, m, b * T,
                                                  (b + 1) * T, layer->M) -
                                      masked_ones(layer, y, b, T));
        } else if (layer->unit.mask || layer->l1 > 0) {
            layer->sums[b] = size_of(layer, y, b, T);
        } else {
            layer->sums[b] = layer->counted ? sum_of(y, T, m, layer->M) : 0;
        }
    }
}

static const uint64_t *few_fired(const Layer *layer, ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    double ones = 0;

    for (ptrdiff_t b = first; b < last && layer->fired; b++) {
        ones += layer->sums[b];
    }
    return ones < FEW * (double)((last - first) * T * layer->M) ? layer->fired : NULL;
}

static Input output_of(const Layer *layer, ptrdiff_t first, ptrdiff_t last,
                       ptrdiff_t B, ptrdiff_t T)
{
    return (Input){
        .values = layer->out,
        .n = layer->unit.m,
        .fired = layer->kind == SNU && layer->sequences ? few_fired(layer, first, last, T) : NULL,
        .apart = B * T,
    };
}

static void layers_forward(Network *net, const Run *run, Input x, ptrdiff_t start, Team *team,
                           int rank, ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    const ptrdiff_t T = net->T;

    for (ptrdiff_t l = 0; l < net->count; l++) {
        Layer *layer = &net->layers[l];

        if (layer->kind == DROPOUT && !run->optimizer) {
            continue;                   /* there is no noise but in training */
        }
        switch (layer->kind) {
        case SNU:
            snu_layer_forward(layer, x, team, net->alone > 0, rank, first, last, B, T);
            snu_layer_count(layer, first, last, B, T);
            break;
        case DENSE:
            dense_layer_forward(layer, x, first, last, T);
            break;
        case DROPOUT:
            dropout_layer_forward(layer, x, noise_of(net, run, layer), run->place + start,
                                  first, last, T);
            break;
        default:
            average_forward(layer->out + first * layer->M, x.values + first * T * x.n, x.n,
                            layer->mask ? layer->mask + first * T : NULL, last - first, T,
                            layer->N);
        }
        x = output_of(layer, first, last, B, T);
    }
}

/* ---- backward --------------------------------------------------------------- */

/* e_t += the gradient of the sum of |y|; of a layer that puts out one step all of e_t are set.
 * At 0 it is 0, but 1 where y is a spike or none: y can only grow there, and a unit that is about
 * to spike is held back as one that does. */
static void l1_backward(Layer *layer, ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t m = layer->unit.m;
    const real each = (real)(layer->l1 / (double)B);
    const int spikes = layer->unit.h.f == STEP;

    for (ptrdiff_t b = first; b < last; b++) {
        for (ptrdiff_t t = 0; t < T; t++) {
            const real *y = layer->y + (b * T + t) * m;
            const real by = is_masked(&layer->unit, t, b, T) ? 0 : each;
            real *e = layer->back.D + (b * T + t) * m;

            for (ptrdiff_t j = 0; j < m; j++) {
                const real sign = spikes ? 1 : (real)((y[j] > 0) - (y[j] < 0));

                e[j] = (layer->sequences ? e[j] : 0) + by * sign;
            }
        }
    }
}

static void snu_layer_backward(Layer *layer, const Layer *below, Team *team, int alone,
                               int rank, ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t M = layer->M, m = layer->unit.m;
    const int together = layer->unit.inhibition == BATCH_INHIBITION;
    ptrdiff_t begin = first, end = last;
    const int waits = steps_share(layer, alone, rank, &begin, &end, B);
    const ptrdiff_t steps = waits ? 1 : T;
    const Upstream e = {
        .dy = layer->sequences || layer->l1 > 0 ? layer->back.D : NULL,
        .dy_T = layer->sequences ? NULL : layer->dout,
    };

    if (layer->l1 > 0) {
        l1_backward(layer, first, last, B, T);
    }
    if (together) {
        team_barrier(team);
    }
    for (ptrdiff_t t = T; t > 0; t -= steps) {
        snu_backward(&layer->back, e, layer->y, layer->V, layer->peak, &layer->unit,
                     t - steps, t, begin, end, B, T);
        if (waits) {
            team_barrier(team);
        }
    }
    if (together && !waits) {
        team_barrier(team);
    }
    for (ptrdiff_t b = first; layer->backwards && b < last; b++) {
        turn(layer->D + b * T * m, T, m);
    }
    if (below) {
        const ptrdiff_t n = below->unit.m;

        matmul(below->dout + first * T * n, n, layer->D + first * T * m, m, 1, layer->Wt,
               layer->wt, (last - first) * T, M, n, 0);
    }
}

static void dense_layer_backward(Layer *layer, const Layer *below,
                                 ptrdiff_t first, ptrdiff_t last, ptrdiff_t T)
{
    const ptrdiff_t m = layer->unit.m, rows = fed_rows(layer, T);

    for (ptrdiff_t b = first; b < last; b++) {
        const ptrdiff_t at = b * rows * m;

        dense_backward(layer->D + at, layer->back.db + b * m, layer->dout + at, layer->y + at,
                       layer->V + at, layer->unit.h, rows, m);
    }
    if (below) {
        const ptrdiff_t n = below->unit.m;

        matmul(below->dout + first * rows * n, n, layer->D + first * rows * m, m, 1, layer->Wt,
               layer->wt, (last - first) * rows, layer->M, n, 0);
    }
}

static void layers_backward(Network *net, const Run *run, ptrdiff_t start, Team *team, int rank,
                            ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    const ptrdiff_t T = net->T;

    for (ptrdiff_t l = net->count - 1; l >= 0; l--) {
        Layer *layer = &net->layers[l];
        const Layer *below = below_of(net, layer);
        const ptrdiff_t rows = fed_rows(layer, T), m = layer->unit.m;

        if (layer->kind == SNU) {
            snu_layer_backward(layer, below, team, net->alone > 0, rank, first, last, B, T);
        } else if (layer->kind == DENSE) {
            dense_layer_backward(layer, below, first, last, T);
        } else if (layer->kind == DROPOUT) {
            for (ptrdiff_t b = first; below && b < last; b++) {
                real *dy = layer->dout + b * rows * m;      /* and dx */

                dropout(dy, dy, noise_of(net, run, layer), run->place + start + b, rows, m);
            }
        } else {
            average_backward(below->dout + first * T * below->unit.m,
                             layer->dout + first * layer->M, below->unit.m,
                             layer->mask ? layer->mask + first * T : NULL,
                             last - first, T, layer->N);
        }
    }
}
