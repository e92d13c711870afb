/* The network and its threads without Python: training gives the same bits on one thread and on
 * three, from numbers and from spikes, and makes the loss smaller.  What it computes is checked
 * in Python; here it is looked at by what runs no Python. */
#define _POSIX_C_SOURCE 200809L         /* clock_gettime */

#include "../../csrc/runtime/team.c"

#include <stdatomic.h>
#include <time.h>

#include "testing.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "../../csrc/network/layout.c"
#include "../../csrc/network/layers.c"
#include "../../csrc/network/outputs.c"
#include "../../csrc/network/update.c"
#include "../../csrc/network/run.c"
#pragma GCC diagnostic pop

enum { SAMPLES = 24, BATCH = 10, BATCHES = 3, STEPS = 7, INPUTS = 20, UNITS = 9, CLASSES = 3,
       EPOCHS = 12, LAYERS = 4 };

typedef struct {
    const real *x;                      /* (SAMPLES, STEPS, INPUTS), 0 and 1 */
    const uint8_t *mask;                /* (SAMPLES, STEPS) or NULL */
    const real *target;                 /* (SAMPLES, 1) */
    Spikes spikes;                      /* the same as x */
    ptrdiff_t order[SAMPLES];
} Data;

static Data data_of(int masked)
{
    uint8_t *dense = array_of(SAMPLES * STEPS * INPUTS, 1), *mask = NULL;
    real *target = array_of(SAMPLES, sizeof *target), *x;
    Data data;

    for (ptrdiff_t s = 0; s < SAMPLES; s++) {
        target[s] = (real)(s % CLASSES);
        data.order[s] = SAMPLES - 1 - s;
        for (ptrdiff_t i = 0; i < STEPS * INPUTS; i++) {    /* each class has inputs of its own */
            dense[s * STEPS * INPUTS + i] = with_chance(i % CLASSES == s % CLASSES ? 0.5 : 0.05);
        }
    }
    x = array_of(SAMPLES * STEPS * INPUTS, sizeof *x);
    for (ptrdiff_t i = 0; i < SAMPLES * STEPS * INPUTS; i++) {
        x[i] = dense[i];
    }
    if (masked) {
        mask = bytes_of(SAMPLES * STEPS, 0.8);
        for (ptrdiff_t s = 0; s < SAMPLES; s++) {
            mask[s * STEPS] = 1;
        }
    }
    data.x = x;
    data.mask = mask;
    data.target = target;
    data.spikes = spikes_of(dense, SAMPLES, STEPS, INPUTS);
    return data;
}

/* rows of weights, filled up with zeros */
static Weights weights_of(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t apart, double spread,
                          int slots)
{
    Weights weights = {.w = zeros_of(rows * apart), .rows = rows, .cols = cols, .apart = apart};

    for (ptrdiff_t i = 0; i < rows * cols; i++) {
        weights.w[i / cols * apart + i % cols] = (real)uniform(-spread, spread);
    }
    for (int k = 0; k < slots; k++) {
        weights.slot[k] = zeros_of(rows * apart);
    }
    return weights;
}

/* spiking units, dropout, their mean, a dense layer */
static void layers_of(Layer layers[LAYERS], Inhibition inhibition, int slots)
{
    const Activation step = {STEP, SIGMOID, 0}, identity = {IDENTITY, IDENTITY, 0};

    memset(layers, 0, LAYERS * sizeof *layers);
    layers[0] = (Layer){.kind = SNU, .fed_sequences = 1, .sequences = 1, .counted = 1,
                        .backwards = inhibition == SAMPLE_INHIBITION, .N = INPUTS, .M = UNITS};
    layers[0].unit.h = step;
    layers[0].unit.g = identity;
    layers[0].unit.inhibition = inhibition;
    layers[0].weights[KERNEL] = weights_of(INPUTS, UNITS, whole_lines(UNITS), 0.5, slots);
    layers[0].weights[RECURRENT_KERNEL] = weights_of(UNITS, UNITS, UNITS, 0.3, slots);
    layers[0].weights[BIAS] = weights_of(UNITS, 1, 1, 0.3, slots);
    layers[0].weights[DECAY] = weights_of(UNITS, 1, 1, 0.3, slots);
    for (ptrdiff_t j = 0; j < UNITS; j++) {
        layers[0].weights[DECAY].w[j] = (real)0.8;
    }
    layers[0].d = layers[0].weights[DECAY].w;
    layers[0].unit.R = layers[0].weights[RECURRENT_KERNEL].w;
    layers[1] = (Layer){.kind = DROPOUT, .fed_sequences = 1, .sequences = 1, .rate = 0.1,
                        .N = UNITS, .M = UNITS};
    layers[2] = (Layer){.kind = AVERAGE, .fed_sequences = 1, .N = UNITS, .M = UNITS};
    layers[3] = (Layer){.kind = DENSE, .N = UNITS, .M = CLASSES};
    layers[3].unit.h = identity;
    layers[3].weights[KERNEL] = weights_of(UNITS, CLASSES, whole_lines(CLASSES), 0.5, slots);
    layers[3].weights[BIAS] = weights_of(CLASSES, 1, 1, 0.3, slots);
}

/* trains; fills `loss` of every epoch and returns all weights behind one another */
static real *train(double loss[EPOCHS], const Data *data, int as_spikes, Inhibition inhibition,
                   Optimizer optimizer, int slots, int ranks)
{
    const double rates[BATCHES] = {optimizer.rate, optimizer.rate, optimizer.rate};
    Layer layers[LAYERS];
    Network net = {.layers = layers, .count = LAYERS, .T = STEPS};
    double sums[4];
    Run run = {.mask = data->mask, .target = data->target, .loss = {SPARSE, 1}, .accuracy = 1,
               .samples = SAMPLES, .batch = BATCH, .optimizer = &optimizer, .rates = rates,
               .seconds = 1e9, .sums = sums};
    const int masked = data->mask != NULL;
    ptrdiff_t used = 0;
    real *all;
    size_t size;

    random_state = 12345;               /* the same weights every time */
    layers_of(layers, inhibition, slots);
    run.x = as_spikes ? (Input){.spikes = &data->spikes, .samples = data->order}
                      : (Input){.values = data->x, .n = INPUTS, .samples = data->order};
    size = network_layout(&net, NULL, BATCH, STEPS, 1, masked);
    network_layout(&net, memset(array_of((ptrdiff_t)size, 1), 0, size), BATCH, STEPS, 1, masked);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        memset(sums, 0, sizeof sums);
        run.key = (uint64_t)epoch;
        network_run(&net, &run, ranks);
        CHECK(run.done == SAMPLES && !run.diverged);
        CHECK(sums[1] >= 0 && sums[1] <= SAMPLES && sums[3] >= 0);
        loss[epoch] = sums[0] / SAMPLES;
    }
    all = array_of(2 * (INPUTS + UNITS) * 64, sizeof *all);
    for (int l = 0; l < LAYERS; l++) {
        for (int k = 0; k < KINDS_OF_WEIGHTS; k++) {
            const Weights *w = &layers[l].weights[k];

            for (ptrdiff_t i = 0; i < w->rows * w->cols; i++) {
                all[used++] = w->w[i / w->cols * w->apart + i % w->cols];
            }
        }
    }
    return copy_of(all, used);
}

static void test_training(int masked, Inhibition inhibition, Optimizer optimizer, int slots)
{
    const ptrdiff_t count = INPUTS * UNITS + UNITS * UNITS + 2 * UNITS + (UNITS + 1) * CLASSES;
    const Data data = data_of(masked);
    double loss[EPOCHS], other[EPOCHS];
    const real *wanted = train(loss, &data, 0, inhibition, optimizer, slots, 1);

    CHECK(loss[EPOCHS - 1] < 0.8 * loss[0]);
    for (int as_spikes = 0; as_spikes < 2; as_spikes++) {
        for (int ranks = 1; ranks <= 3; ranks += 2) {
            const real *w = train(other, &data, as_spikes, inhibition, optimizer, slots, ranks);

            CHECK_EQUAL(w, wanted, count);
            CHECK(!memcmp(loss, other, sizeof loss));
        }
    }
    record("weights", wanted, count, LIBM);
    free_arrays();
}

static void test_all(void)
{
    const Optimizer sgd = {.method = SGD, .rate = 0.5, .clipnorm = 1};
    const Optimizer rmsprop = {.method = RMSPROP, .rate = 0.01, .rho = 0.9, .epsilon = 1e-7};
    const Optimizer adam = {.method = ADAM, .rate = 0.02, .rho = 0.9, .beta_2 = 0.999,
                            .epsilon = 1e-7, .clipvalue = 0.5, .weight_decay = 0.01};

    for (int masked = 0; masked < 2; masked++) {
        test_training(masked, NO_INHIBITION, sgd, 0);
        test_training(masked, NO_INHIBITION, rmsprop, 1);
        test_training(masked, SAMPLE_INHIBITION, adam, 2);
        test_training(masked, BATCH_INHIBITION, rmsprop, 1);
    }
}

#include "../../csrc/variants/target_end.h"
