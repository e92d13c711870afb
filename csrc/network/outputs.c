/* What a network puts out, compared with its targets: loss, metrics, and the gradient that going
 * backward starts from.
 */
#include "network.h"

#include <string.h>

/* the layer whose output is the network's */
static const Layer *output_layer(const Network *net, const Run *run)
{
    const Layer *layer = last_layer(net);

    while (layer->kind == DROPOUT && !run->optimizer && layer > net->layers) {
        layer--;
    }
    return layer;
}

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
