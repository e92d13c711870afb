/* The memory of a network: where everything that a batch needs lies in one block. */
#include "network.h"
#include "../runtime/gaps.h"

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

static const Layer *below_of(const Network *net, const Layer *layer)
{
    for (const Layer *other = net->layers; other < layer; other++) {
        if (has_weights(other)) {
            return layer - 1;
        }
    }
    return NULL;
}

/* takes `count` items of a size from the block, on a cache line of their own */
static void *take(char *memory, size_t *used, ptrdiff_t count, size_t size)
{
    void *place = memory ? memory + *used : NULL;
    const size_t bytes = (size_t)count * size, room = (bytes + 63) / 64 * 64 + GAP;

    if (place) {
        gap_forbid((char *)place + bytes, room - bytes);
    }
    *used += room;
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
    layer->D = layer->back.D;
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
