#include "network.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* numbers from one row of a layer's output to the next: whole cache lines, but for what
 * leaves the network */
static ptrdiff_t row_of(const Network *net, const Layer *layer)
{
    if (layer->kind == DROPOUT && layer != net->layers) {
        return row_of(net, layer - 1);
    }
    return net->slim || layer->kind == AVERAGE || (layer->kind == SNU && layer == last_layer(net))
               ? layer->M : whole_lines(layer->M);
}

/* the layer that a gradient by the input goes to, or NULL where nothing is trained below */
static const Layer *below_of(const Network *net, const Layer *layer)
{
    for (const Layer *other = net->layers; other < layer; other++) {
        if (has_weights(other)) {
            return layer - 1;
        }
    }
    return NULL;
}

/* ---- memory ---------------------------------------------------------------- */

/* takes `count` items of a size from the block, on a cache line of their own */
static void *take(char *memory, size_t *used, ptrdiff_t count, size_t size)
{
    void *place = memory ? memory + *used : NULL;

    *used += ((size_t)count * size + 63) / 64 * 64;
    return place;
}

/* More steps than that are kept in y, V and D alone, 12 bytes a unit and step in float32. */
enum { LONG = 4096 };

/* Batches that are small enough for the first kernel to go row by row: the D of a block of
 * columns stays in the core's cache, and few of a row's samples have spikes. */
enum { BY_ROW_STEPS = 2048, BY_ROW_EVENTS = 1 << 20 };

static void weights_layout(Layer *layer, const Layer *below, char *memory, size_t *used,
                           ptrdiff_t B)
{
    for (int i = 0; i < KINDS_OF_WEIGHTS; i++) {
        Weights *weights = &layer->weights[i];

        weights->g = take(memory, used, weights->rows * weights->apart, sizeof(real));
        weights->squares = take(memory, used, weights->rows, sizeof *weights->squares);
    }
    layer->back.db = take(memory, used, B * layer->unit.m, sizeof(real));
    layer->Wt = below ? take(memory, used, layer->M * below->unit.m, sizeof(real)) : NULL;
    layer->wt = below ? below->unit.m : 0;
}

static void dense_layout(Layer *layer, const Layer *below, char *memory, size_t *used,
                         ptrdiff_t B, ptrdiff_t T, int training)
{
    const ptrdiff_t m = layer->unit.m, rows = B * fed_rows(layer, T);

    layer->bias = take(memory, used, m, sizeof(real));
    layer->V = take(memory, used, rows * m, sizeof(real));
    layer->y = layer->unit.h.f == IDENTITY ? layer->V : take(memory, used, rows * m, sizeof(real));
    layer->Wt = NULL;
    if (training) {
        layer->back.D = layer->D = take(memory, used, rows * m, sizeof(real));
        weights_layout(layer, below, memory, used, B);
    }
}

static void snu_layout(Layer *layer, const Layer *below, char *memory, size_t *used,
                       ptrdiff_t B, ptrdiff_t T, int training, int masked)
{
    const ptrdiff_t m = layer->unit.m, N = layer->N, M = layer->M;
    const ptrdiff_t peaks = layer->unit.inhibition ? (T + 1) * B : 0;

    layer->unit.b = layer->bias = take(memory, used, m, sizeof(real));
    layer->unit.d = layer->decay = take(memory, used, m, sizeof(real));
    layer->unit.zeros = layer->zeros = take(memory, used, m, sizeof(real));
    layer->V = take(memory, used, B * T * m, sizeof(real));
    layer->y = take(memory, used, B * T * m, sizeof(real));
    layer->peak = take(memory, used, peaks, sizeof(real));
    layer->unit.side = layer->unit.R ? take(memory, used, B * m, sizeof(real)) : NULL;
    layer->turned = layer->backwards ? take(memory, used, B * T * m, sizeof(real)) : NULL;
    layer->turned_mask = layer->backwards && masked ? take(memory, used, B * T, 1) : NULL;
    layer->y_0 = layer->state_y ? take(memory, used, B * m, sizeof(real)) : NULL;
    layer->V_0 = layer->state_y ? take(memory, used, B * m, sizeof(real)) : NULL;
    layer->unit.y_0 = layer->y_0;
    layer->unit.V_0 = layer->V_0;
    layer->fired = NULL;
    if (layer->unit.h.f == STEP && T <= LONG) {
        layer->fired = take(memory, used, (M + 63) / 64 * B * T, sizeof *layer->fired);
    }
    layer->Wt = layer->Rt = NULL;
    layer->unit.Rt = NULL;              /* going backward alone reads it */
    layer->visits = NULL;
    if (!training) {
        return;
    }
    layer->back = (Backward){
        .D = take(memory, used, B * T * m, sizeof(real)),
        .dd = layer->weights[DECAY].rows ? take(memory, used, B * m, sizeof(real)) : NULL,
        .held_y = masked ? take(memory, used, B * m, sizeof(real)) : NULL,
        .held_V = masked ? take(memory, used, B * m, sizeof(real)) : NULL,
        .pull = take(memory, used, peaks, sizeof(real)),
        .ties = take(memory, used, peaks, sizeof(real)),
    };
    layer->D = layer->backwards ? layer->turned : layer->back.D;
    weights_layout(layer, below, memory, used, B);
    layer->Rt = layer->unit.R ? take(memory, used, M * M, sizeof(real)) : NULL;
    layer->unit.Rt = layer->Rt;
    if (!below && B * T <= BY_ROW_STEPS && B * N <= BY_ROW_EVENTS) {
        layer->visits = take(memory, used, B * N, sizeof *layer->visits);
        layer->ends = take(memory, used, N, sizeof *layer->ends);
        layer->met = take(memory, used, N, sizeof *layer->met);
    }
}

static size_t network_layout(Network *net, char *memory, ptrdiff_t B, ptrdiff_t T, int training,
                             int masked)
{
    size_t used = 0;

    net->slim = T > LONG;
    net->loss = take(memory, &used, B, sizeof(double));
    net->correct = take(memory, &used, B, sizeof(double));
    net->squares = take(memory, &used, B, sizeof(double));
    net->mask = masked ? take(memory, &used, B * T, 1) : NULL;
    for (ptrdiff_t l = 0; l < net->count; l++) {
        Layer *layer = &net->layers[l];
        const Layer *below = below_of(net, layer);
        const ptrdiff_t m = row_of(net, layer), out = B * out_rows(layer, T) * m;

        layer->unit.M = layer->M;
        layer->unit.m = m;
        layer->sums = take(memory, &used, B, sizeof(double));
        if (layer->kind == SNU) {
            snu_layout(layer, below, memory, &used, B, T, training, masked);
        } else if (layer->kind == DENSE) {
            dense_layout(layer, below, memory, &used, B, T, training);
        }
        layer->out = layer->kind == DENSE || (layer->kind == SNU && layer->sequences) ? layer->y
                     : layer->kind == DROPOUT && !training ? NULL
                     : take(memory, &used, out, sizeof(real));
        if (!training) {
            continue;
        }
        /* a gradient by a layer's input takes the place of that by its output, step by step */
        layer->dout = layer->kind == DENSE || (layer->kind == SNU && layer->sequences)
                          ? layer->back.D
                      : layer->kind == DROPOUT && below ? below->dout
                      : take(memory, &used, out, sizeof(real));
    }
    return used;
}

/* ---- forward ---------------------------------------------------------------- */

/* the input from sample number `first` of the batch on, of T rows each */
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

/* rows in the order of another direction */
static void turn(real *to, const real *from, ptrdiff_t T, ptrdiff_t m)
{
    for (ptrdiff_t t = 0; t < T; t++) {
        memcpy(to + t * m, from + (T - 1 - t) * m, (size_t)m * sizeof *to);
    }
}

static void snu_layer_forward(Layer *layer, Input x, Team *team, int alone, int rank,
                              ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const Weights *W = &layer->weights[KERNEL];
    const ptrdiff_t M = layer->M, m = layer->unit.m;
    const int together = layer->unit.inhibition == BATCH_INHIBITION;
    real *fed = layer->backwards ? layer->turned : layer->V;
    ptrdiff_t begin = first, end = last;
    const int waits = steps_share(layer, alone, rank, &begin, &end, B);
    const ptrdiff_t steps = waits ? 1 : T;

    input_forward(fed + first * T * m, m, input_from(x, first, T), W->w, W->apart,
                  last - first, T, layer->N);
    for (ptrdiff_t b = first; layer->backwards && b < last; b++) {
        turn(layer->V + b * T * m, fed + b * T * m, T, m);
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
                  last - first, rows, layer->N);
    dense_forward(layer->y + at, layer->V + at, layer->weights[BIAS].w ? layer->bias : NULL,
                  layer->unit.h, (last - first) * rows, m);
}

/* the noise of a layer in an epoch; samples are told apart by their place in it */
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

/* the layer whose output is the network's */
static const Layer *output_layer(const Network *net, const Run *run)
{
    const Layer *layer = last_layer(net);

    while (layer->kind == DROPOUT && !run->optimizer && layer > net->layers) {
        layer--;
    }
    return layer;
}

/* Where the outputs of a sample are, and the targets for them: of a shorter sample the rows
 * that are its own. */
typedef struct {
    const real *y;                      /* (rows, m) */
    const uint8_t *mask;                /* (rows) or NULL */
    ptrdiff_t rows, m, M;
    ptrdiff_t lead, all;                /* rows of the batch before them; all rows of the batch */
    ptrdiff_t place;                    /* of the first row among all samples' */
} Outputs;

static Outputs outputs_of(const Network *net, const Run *run, ptrdiff_t s, ptrdiff_t b)
{
    const Layer *layer = output_layer(net, run);
    const ptrdiff_t all = out_rows(layer, net->T), m = layer->unit.m;
    const int some = run->starts && layer->sequences;
    const ptrdiff_t rows = some ? run->starts[s + 1] - run->starts[s] : all;
    const int turned = net->turned && some;
    const ptrdiff_t lead = turned ? all - rows : 0;

    return (Outputs){
        .y = layer->out + (b * all + lead) * m,
        .mask = net->out_mask ? net->out_mask + b * all + lead : NULL,
        .rows = rows,
        .m = m,
        .M = layer->M,
        .lead = lead,
        .all = all,
        .place = some ? run->starts[s] : s * all,
    };
}

static ptrdiff_t largest(const real *y, ptrdiff_t M)
{
    ptrdiff_t at = 0;

    for (ptrdiff_t j = 1; j < M; j++) {
        at = y[j] > y[at] ? j : at;
    }
    return at;
}

/* the fraction of rows of y that say what the target's say: whose largest number, the first if
 * there are several, is at the same place; of one output, which of two classes is meant */
static double fraction_correct(Outputs o, const real *target, Loss loss)
{
    const ptrdiff_t wanted = loss_targets(loss, o.M);
    const real half = loss.logits ? 0 : (real)0.5;
    ptrdiff_t correct = 0, count = 0;

    for (ptrdiff_t i = 0; i < o.rows; i++, o.y += o.m, target += wanted) {
        if (o.mask && !o.mask[i]) {
            continue;
        }
        count++;
        if (loss.kind == SPARSE) {
            correct += (real)largest(o.y, o.M) == target[0];
        } else if (o.M == 1) {
            correct += (o.y[0] > half) == (target[0] > (real)0.5);
        } else {
            correct += largest(o.y, o.M) == largest(target, o.M);
        }
    }
    return count ? (double)correct / (double)count : 0;
}

/* loss and metrics of the samples, and the gradient by the output */
static void network_loss(Network *net, const Run *run, const ptrdiff_t *samples,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    const Layer *layer = output_layer(net, run);
    const Loss mse = {MSE, 0};

    for (ptrdiff_t b = first; b < last; b++) {
        const ptrdiff_t s = samples[b];
        const Outputs o = outputs_of(net, run, s, b);
        const real *target = run->target + o.place * loss_targets(run->loss, o.M);
        const double weight = run->weights ? run->weights[s] : 1;

        net->loss[b] = weight * loss_forward(o.y, o.m, target, o.mask, run->loss, o.rows, o.M);
        net->correct[b] = run->accuracy ? fraction_correct(o, target, run->loss) : 0;
        net->squares[b] = !run->squares ? 0
                          : loss_forward(o.y, o.m, target, o.mask, mse, o.rows, o.M);
        for (ptrdiff_t l = 0; l < net->count; l++) {
            if (net->layers[l].l1 > 0) {
                net->loss[b] += net->layers[l].l1 * net->layers[l].sums[b];
            }
        }
        if (run->optimizer) {
            real *dy = layer->dout + b * o.all * o.m;

            memset(dy, 0, (size_t)(o.lead * o.m) * sizeof *dy);
            dy += o.lead * o.m;
            loss_backward(dy, o.y, o.m, target, o.mask, run->loss, weight, B, o.rows, o.M);
            memset(dy + o.rows * o.m, 0,
                   (size_t)((o.all - o.lead - o.rows) * o.m) * sizeof *dy);
        }
    }
}

/* the samples' own rows of the outputs */
static void network_output(const Network *net, const Run *run, const ptrdiff_t *samples,
                           ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t b = first; b < last; b++) {
        const Outputs o = outputs_of(net, run, samples[b], b);

        for (ptrdiff_t row = 0; row < o.rows; row++) {
            memcpy(run->output + (o.place + row) * o.M, o.y + row * o.m,
                   (size_t)o.M * sizeof *o.y);
        }
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
        turn(layer->turned + b * T * m, layer->back.D + b * T * m, T, m);
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

/* ---- a run -------------------------------------------------------------------- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* adds the batch's sums, sample by sample: how a run is cut does not change them */
static void run_add(Run *run, const Network *net, ptrdiff_t B)
{
    double *sums = run->sums;

    for (ptrdiff_t b = 0; run->target && b < B; b++) {
        sums[0] += net->loss[b];
        sums[1] += net->correct[b];
        sums[2] += net->squares[b];
    }
    sums += 3;
    for (ptrdiff_t l = 0; l < net->count; l++) {
        if (net->layers[l].counted) {
            for (ptrdiff_t b = 0; b < B; b++) {
                *sums += net->layers[l].sums[b];
            }
            sums++;
        }
    }
}

typedef struct {
    Network *net;
    Run *run;
    double end;
    int stop;                           /* told by rank 0 */
    atomic_int unfit;                   /* told by any rank: do not step along this gradient */
    atomic_int wild;                    /* told by any rank: some sum may not be finite */
} Job;

/* Samples that a rank takes forward and backward before it turns to the next ones: few, so that
 * what they need stays in the core's second cache, but so many that a product has some blocks of
 * rows for each vector of weights that it reads; all, where a step's product or maximum needs
 * them at once. */
enum { TILE_ROWS = 100 };

static ptrdiff_t samples_at_once(const Network *net, ptrdiff_t most)
{
    for (ptrdiff_t l = 0; l < net->count; l++) {
        const Unit *unit = &net->layers[l].unit;

        if (net->layers[l].kind == SNU && (unit->R || unit->inhibition == BATCH_INHIBITION)) {
            return most;
        }
    }
    return net->T < TILE_ROWS ? TILE_ROWS / net->T : 1;
}

/* asks for what a sample that comes next needs, as its place in memory is a matter of chance */
static void run_look_ahead(const Network *net, const Run *run, ptrdiff_t sample)
{
    input_prefetch(run->x, sample, run->samples);
    if (run->target && sample < run->samples) {
        const Outputs o = outputs_of(net, run, run->x.samples[sample], 0);
        const ptrdiff_t wanted = loss_targets(run->loss, o.M);
        const real *target = run->target + o.place * wanted;

        __builtin_prefetch(target);
        __builtin_prefetch(target + o.rows * wanted - 1);
    }
}

/* the steps that count, of the samples from first to last of the batch */
static void run_masks(Network *net, const Run *run, const ptrdiff_t *samples,
                      ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t T = net->T;

    for (ptrdiff_t b = first; net->layers[0].mask && b < last; b++) {
        const ptrdiff_t s = samples[b];
        const ptrdiff_t place = run->starts ? run->starts[s] : s * T;
        const ptrdiff_t rows = run->starts ? run->starts[s + 1] - place : T;

        for (ptrdiff_t t = 0; t < T; t++) {
            net->mask[b * T + t] = t < rows && (!run->mask || run->mask[place + t]);
        }
        for (ptrdiff_t l = 0; l < net->count; l++) {
            Layer *layer = &net->layers[l];

            for (ptrdiff_t t = 0; layer->mask && layer->backwards && t < T; t++) {
                layer->turned_mask[b * T + t] = layer->mask[b * T + T - 1 - t];
            }
        }
    }
}

/* What the batch from sample `start` of the run on is like: its steps, and which masks hold */
static void run_meet(Network *net, const Run *run, ptrdiff_t start)
{
    const ptrdiff_t left = run->samples - start, B = left < run->batch ? left : run->batch;
    const uint8_t *mask = run->mask ? net->mask : NULL;

    for (ptrdiff_t b = 0; run->starts && b < B; b++) {
        const ptrdiff_t s = run->x.samples[start + b];
        const ptrdiff_t rows = run->starts[s + 1] - run->starts[s];

        mask = b > 0 && rows != net->T ? net->mask : mask;
        net->T = b == 0 || rows > net->T ? rows : net->T;
    }
    net->turned = 0;
    for (ptrdiff_t l = 0; l < net->count; l++) {
        Layer *layer = &net->layers[l];

        layer->mask = mask;
        if (layer->kind == SNU) {
            layer->unit.mask = mask && layer->backwards ? layer->turned_mask : mask;
            mask = layer->unit.mask;
            net->turned ^= layer->backwards;
        }
        mask = layer->sequences ? mask : NULL;
    }
    net->out_mask = mask;
}

/* what the next batch of a stateful layer starts from */
static void run_keep_states(Network *net, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t T = net->T;

    for (ptrdiff_t l = 0; l < net->count; l++) {
        const Layer *layer = &net->layers[l];
        const size_t size = (size_t)layer->unit.m * sizeof(real);

        for (ptrdiff_t b = first; layer->y_0 && b < last; b++) {
            const State final = state_before(layer->y, layer->V, &layer->unit, T, b, T);

            memmove(layer->y_0 + b * layer->unit.m, final.y, size);
            memmove(layer->V_0 + b * layer->unit.m, final.V, size);
        }
    }
}

static void run_samples(Network *net, Run *run, Input x, ptrdiff_t start, Team *team, int rank,
                        ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    run_masks(net, run, x.samples, first, last);
    layers_forward(net, run, x, start, team, rank, first, last, B);
    if (run->output) {
        network_output(net, run, x.samples, first, last);
    }
    if (run->target) {
        network_loss(net, run, x.samples, first, last, B);
    }
    if (run->optimizer) {
        layers_backward(net, run, start, team, rank, first, last, B);
    }
}

static void run_rank(void *argument, Team *team, int rank, int ranks)
{
    Job *job = argument;
    Network *net = job->net;
    Run *run = job->run;
    const int training = run->optimizer != NULL;
    const ptrdiff_t tile = samples_at_once(net, run->batch);
    const int by_row = can_go_by_row(net, run);
    const uint64_t subnormals = subnormals_off();
    double step = run->step;

    for (ptrdiff_t l = 0; l < net->count; l++) {
        if (has_weights(&net->layers[l])) {
            layer_refresh(&net->layers[l], rank, ranks);
        }
    }
    if (by_row) {
        kernel_met(net->layers, step, rank, ranks);
    }
    team_barrier(team);

    for (ptrdiff_t start = 0; start < run->samples; start += run->batch) {
        const ptrdiff_t left = run->samples - start, B = left < run->batch ? left : run->batch;
        const ptrdiff_t first = part_of(B, rank, ranks), last = part_of(B, rank + 1, ranks);
        const Input x = input_from(run->x, start, 0);
        Optimizer o = training ? *run->optimizer : (Optimizer){0};
        double loss = 0;

        for (ptrdiff_t begin = first, end; begin < last || begin == first; begin = end) {
            end = begin + tile < last ? begin + tile : last;
            run_look_ahead(net, run, start + (end < last ? end : B + first));
            run_samples(net, run, x, start, team, rank, begin, end, B);
            if (end == last) {
                break;
            }
        }
        if (by_row && !layer_is_tame(net->layers, first, last, B, net->T)) {
            atomic_store(&job->wild, 1);
        }
        team_barrier(team);
        for (ptrdiff_t b = 0; training && b < B; b++) {
            loss += net->loss[b];
        }
        if (training) {
            const int rows = by_row && !atomic_load(&job->wild);

            o.rate = run->rates[start / run->batch];
            if (!isfinite(loss) || !layers_gradient(net, x, &o, rows, rank, ranks, B)) {
                atomic_store(&job->unfit, 1);
            }
            team_barrier(team);
            if (atomic_load(&job->unfit)) {
                break;
            }
            if (by_row && !rows) {
                kernel_catch_up(net->layers, &o, step, rank, ranks);
            }
            step += 1;
            layers_update(net, x, &o, step, rows, rank, ranks, B);
            if (by_row && !rows) {      /* they have all made this step */
                kernel_met(net->layers, step, rank, ranks);
            }
        }
        run_keep_states(net, first, last);
        if (run->starts) {              /* all are done with this batch's steps */
            team_barrier(team);
        }
        if (rank == 0) {
            atomic_store(&job->wild, 0);
            net->alone = team_slept(team) >= SLEEPS ? ALONE : net->alone - (net->alone > 0);
            run_add(run, net, B);
            run->done = start + B;
            run->step = step;
            job->stop = now() >= job->end;
            if (run->starts && start + B < run->samples) {
                run_meet(net, run, start + B);
            }
        }
        team_barrier(team);
        if (job->stop) {
            break;
        }
    }
    if (by_row) {
        kernel_catch_up(net->layers, run->optimizer, step, rank, ranks);
    }
    subnormals_set(subnormals);
}

/* the states of stateful layers, to where a run keeps them, or from there */
static void network_states(Network *net, ptrdiff_t B, int back)
{
    for (ptrdiff_t l = 0; l < net->count; l++) {
        const Layer *layer = &net->layers[l];
        const ptrdiff_t m = layer->unit.m, M = layer->M;
        const size_t size = (size_t)M * sizeof(real);

        for (ptrdiff_t b = 0; layer->y_0 && b < B; b++) {
            memcpy(back ? layer->state_y + b * M : layer->y_0 + b * m,
                   back ? layer->y_0 + b * m : layer->state_y + b * M, size);
            memcpy(back ? layer->state_V + b * M : layer->V_0 + b * m,
                   back ? layer->V_0 + b * m : layer->state_V + b * M, size);
        }
    }
}

static void network_run(Network *net, Run *run, int ranks)
{
    Job job = {net, run, now() + run->seconds, 0, 0, 0};

    for (ptrdiff_t l = 0; l < net->count; l++) {
        const Layer *layer = &net->layers[l];
        const size_t size = (size_t)layer->unit.m * sizeof(real);

        if (has_weights(layer)) {       /* another layout may have been here before */
            memset(layer->bias, 0, size);
        }
        if (layer->kind == SNU) {
            memset(layer->zeros, 0, size);
            memset(layer->decay, 0, size);
        }
    }
    ranks = ranks < run->batch ? ranks : (int)run->batch;
    run->done = 0;
    network_states(net, run->batch, 0);
    run_meet(net, run, 0);
    team_run(run_rank, &job, ranks);
    network_states(net, run->batch, 1);
    run->diverged = atomic_load(&job.unfit);
}
