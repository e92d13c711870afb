#include "network.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static const Layer *last_layer(const Network *net) { return &net->layers[net->count - 1]; }

/* numbers from one row of a layer's output to the next: whole cache lines, but for what
 * leaves the network */
static ptrdiff_t row_of(const Network *net, const Layer *layer)
{
    return layer == last_layer(net) || layer->kind != SNU ? layer->M : whole_lines(layer->M);
}

static ptrdiff_t layer_rows(const Layer *layer, ptrdiff_t T) { return layer->sequences ? T : 1; }

static ptrdiff_t network_rows(const Network *net) { return layer_rows(last_layer(net), net->T); }

static ptrdiff_t network_outputs(const Network *net)
{
    return network_rows(net) * last_layer(net)->M;
}

/* ---- memory ---------------------------------------------------------------- */

/* takes `count` items of a size from the block, on a cache line of their own */
static void *take(char *memory, size_t *used, ptrdiff_t count, size_t size)
{
    void *place = memory ? memory + *used : NULL;

    *used += ((size_t)count * size + 63) / 64 * 64;
    return place;
}

/* Batches that are small enough for the first kernel to go row by row: the D of a block of
 * columns stays in the core's cache, and few of a row's samples have spikes. */
enum { BY_ROW_STEPS = 2048, BY_ROW_EVENTS = 1 << 20 };

static void snu_layout(Layer *layer, const Layer *below, char *memory, size_t *used,
                       ptrdiff_t B, ptrdiff_t T, int training)
{
    const ptrdiff_t m = layer->unit.m, N = layer->N, M = layer->M;

    layer->unit.b = layer->bias = take(memory, used, m, sizeof(real));
    layer->unit.d = layer->decay = take(memory, used, m, sizeof(real));
    layer->unit.zeros = layer->zeros = take(memory, used, m, sizeof(real));
    layer->V = take(memory, used, B * T * m, sizeof(real));
    layer->y = take(memory, used, B * T * m, sizeof(real));
    layer->peak = take(memory, used, (T + 1) * B, sizeof(real));
    layer->unit.side = layer->unit.R ? take(memory, used, B * m, sizeof(real)) : NULL;
    layer->fired = NULL;
    if (layer->unit.h.f == STEP) {
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
        .db = take(memory, used, B * m, sizeof(real)),
        .pull = take(memory, used, (T + 1) * B, sizeof(real)),
        .ties = take(memory, used, (T + 1) * B, sizeof(real)),
    };
    for (int i = 0; i < KINDS_OF_WEIGHTS; i++) {
        Weights *weights = &layer->weights[i];

        weights->g = take(memory, used, weights->rows * weights->apart, sizeof(real));
    }
    layer->Wt = below ? take(memory, used, M * below->unit.m, sizeof(real)) : NULL;
    layer->wt = below ? below->unit.m : 0;
    layer->Rt = layer->unit.R ? take(memory, used, M * M, sizeof(real)) : NULL;
    layer->unit.Rt = layer->Rt;
    if (!below && B * T <= BY_ROW_STEPS && B * N <= BY_ROW_EVENTS) {
        layer->visits = take(memory, used, B * N, sizeof *layer->visits);
        layer->ends = take(memory, used, N, sizeof *layer->ends);
        layer->met = take(memory, used, N, sizeof *layer->met);
    }
}

static size_t network_layout(Network *net, char *memory, ptrdiff_t B, ptrdiff_t T, int training)
{
    size_t used = 0;

    net->T = T;
    net->loss = take(memory, &used, B, sizeof(double));
    net->correct = take(memory, &used, B, sizeof(double));
    for (ptrdiff_t l = 0; l < net->count; l++) {
        Layer *layer = &net->layers[l];
        const ptrdiff_t out = B * layer_rows(layer, T) * row_of(net, layer);

        layer->unit.M = layer->M;
        layer->unit.m = row_of(net, layer);
        if (layer->kind == SNU) {
            snu_layout(layer, l ? layer - 1 : NULL, memory, &used, B, T, training);
        }
        layer->out = layer->kind == SNU && layer->sequences
                         ? layer->y : take(memory, &used, out, sizeof(real));
        /* a unit's gradient by a takes the place of that by its output, step by step */
        layer->dout = !training ? NULL : layer->kind == SNU && layer->sequences
                          ? layer->back.D : take(memory, &used, out, sizeof(real));
        layer->sums = take(memory, &used, B, sizeof(double));
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
                  last - first, T, layer->N);
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
            memcpy(layer->out + b * M, layer->y + (b * T + T - 1) * m, (size_t)M * sizeof(real));
        }
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

static void layers_forward(Network *net, Input x, Team *team, int rank,
                           ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    const ptrdiff_t T = net->T;

    for (ptrdiff_t l = 0; l < net->count; l++) {
        Layer *layer = &net->layers[l];
        const ptrdiff_t m = layer->unit.m;

        if (layer->kind == SNU) {
            snu_layer_forward(layer, x, team, net->alone > 0, rank, first, last, B, T);
        } else {
            average_forward(layer->out + first * m, x.values + first * T * x.n, x.n,
                            last - first, T, layer->N);
        }
        for (ptrdiff_t b = first; layer->kind == SNU && b < last; b++) {
            layer->sums[b] = layer->fired
                                 ? (double)input_fired(layer->fired, B * T, layer->y, m, b * T,
                                                       (b + 1) * T, layer->M)
                             : layer->counted ? sum_of(layer->y + b * T * m, T, m, layer->M) : 0;
        }
        x = output_of(layer, first, last, B, T);
    }
}

/* rows of y whose largest number, the first if there are several, is where target's is */
static double count_correct(const real *y, const real *target, ptrdiff_t rows, ptrdiff_t M)
{
    ptrdiff_t correct = 0;

    for (ptrdiff_t i = 0; i < rows; i++, y += M, target += M) {
        ptrdiff_t said = 0, meant = 0;

        for (ptrdiff_t j = 1; j < M; j++) {
            said = y[j] > y[said] ? j : said;
            meant = target[j] > target[meant] ? j : meant;
        }
        correct += said == meant;
    }
    return (double)correct;
}

/* loss and correct rows of the samples, and the gradient by the output */
static void network_loss(Network *net, const real *target, const ptrdiff_t *samples,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, int training)
{
    const ptrdiff_t rows = network_rows(net), P = network_outputs(net);
    const Layer *layer = last_layer(net);

    for (ptrdiff_t b = first; b < last; b++) {
        const real *y = layer->out + b * P, *wanted = target + samples[b] * P;

        mse_forward(net->loss + b, y, wanted, 1, P);
        net->correct[b] = count_correct(y, wanted, rows, layer->M);
        if (training) {
            mse_backward(layer->dout + b * P, y, wanted, B, 1, P);
        }
    }
}

/* ---- backward --------------------------------------------------------------- */

static void snu_layer_backward(Layer *layer, const Layer *below, Team *team, int alone,
                               int rank, ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const ptrdiff_t M = layer->M, m = layer->unit.m;
    const int together = layer->unit.inhibition == BATCH_INHIBITION;
    ptrdiff_t begin = first, end = last;
    const int waits = steps_share(layer, alone, rank, &begin, &end, B);
    const ptrdiff_t steps = waits ? 1 : T;
    const Upstream e = {
        .dy = layer->sequences ? layer->dout : NULL,
        .dy_T = layer->sequences ? NULL : layer->dout,
    };

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
    if (below) {
        const ptrdiff_t n = below->unit.m;

        matmul(below->dout + first * T * n, n, layer->back.D + first * T * m, m, 1, layer->Wt,
               layer->wt, (last - first) * T, M, n, 0);
    }
}

static void layers_backward(Network *net, Team *team, int rank,
                            ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    const ptrdiff_t T = net->T;

    for (ptrdiff_t l = net->count - 1; l >= 0; l--) {
        Layer *layer = &net->layers[l], *below = l > 0 ? layer - 1 : NULL;

        if (layer->kind == SNU) {
            snu_layer_backward(layer, below, team, net->alone > 0, rank, first, last, B, T);
        } else {
            average_backward(below->dout + first * T * below->unit.m,
                             layer->dout + first * layer->M, below->unit.m,
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
    }
    sums += 2;
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
static void run_look_ahead(const Run *run, ptrdiff_t P, ptrdiff_t sample)
{
    input_prefetch(run->x, sample, run->samples);
    if (run->target && sample < run->samples) {
        const real *target = run->target + run->x.samples[sample] * P;

        __builtin_prefetch(target);
        __builtin_prefetch(target + P - 1);
    }
}

static void run_samples(Network *net, Run *run, Input x, ptrdiff_t start, Team *team, int rank,
                        ptrdiff_t first, ptrdiff_t last, ptrdiff_t B)
{
    const int training = run->optimizer != NULL;
    const ptrdiff_t P = network_outputs(net);

    layers_forward(net, x, team, rank, first, last, B);
    if (run->output) {
        memcpy(run->output + (start + first) * P, last_layer(net)->out + first * P,
               (size_t)((last - first) * P) * sizeof(real));
    }
    if (run->target) {
        network_loss(net, run->target, x.samples, first, last, B, training);
    }
    if (training) {
        layers_backward(net, team, rank, first, last, B);
    }
}

static void run_rank(void *argument, Team *team, int rank, int ranks)
{
    Job *job = argument;
    Network *net = job->net;
    Run *run = job->run;
    const int training = run->optimizer != NULL;
    const ptrdiff_t tile = samples_at_once(net, run->batch), P = network_outputs(net);
    const int by_row = can_go_by_row(net, run);
    const uint64_t subnormals = subnormals_off();
    double step = run->step;

    for (ptrdiff_t l = 0; l < net->count; l++) {
        if (net->layers[l].kind == SNU) {
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
        double loss = 0;

        for (ptrdiff_t begin = first, end; begin < last || begin == first; begin = end) {
            end = begin + tile < last ? begin + tile : last;
            run_look_ahead(run, P, start + (end < last ? end : B + first));
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

            if (!isfinite(loss) || !layers_gradient(net, x, rows, rank, ranks, B)) {
                atomic_store(&job->unfit, 1);
            }
            team_barrier(team);
            if (atomic_load(&job->unfit)) {
                break;
            }
            if (by_row && !rows) {
                kernel_catch_up(net->layers, run->optimizer, step, rank, ranks);
            }
            step += 1;
            layers_update(net, x, run->optimizer, step, rows, rank, ranks, B);
            if (by_row && !rows) {      /* they have all made this step */
                kernel_met(net->layers, step, rank, ranks);
            }
        }
        if (rank == 0) {
            atomic_store(&job->wild, 0);
            net->alone = team_slept(team) >= SLEEPS ? ALONE : net->alone - (net->alone > 0);
            run_add(run, net, B);
            run->done = start + B;
            run->step = step;
            job->stop = now() >= job->end;
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

static void network_run(Network *net, Run *run, int ranks)
{
    Job job = {net, run, now() + run->seconds, 0, 0, 0};

    for (ptrdiff_t l = 0; l < net->count; l++) {
        const Layer *layer = &net->layers[l];

        if (layer->kind == SNU) {       /* another layout may have been here before */
            memset(layer->zeros, 0, (size_t)layer->unit.m * sizeof(real));
            memset(layer->bias, 0, (size_t)layer->unit.m * sizeof(real));
            memset(layer->decay, 0, (size_t)layer->unit.m * sizeof(real));
        }
    }
    ranks = ranks < run->batch ? ranks : (int)run->batch;
    run->done = 0;
    team_run(run_rank, &job, ranks);
    run->diverged = atomic_load(&job.unfit);
}
