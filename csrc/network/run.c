/* A run: batch after batch, forward, backward, gradient and step. */
#include "network.h"
#include "../runtime/clock.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

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
