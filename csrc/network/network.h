/* A network of layers, and a run of batches through it.
 *
 * The network's owner keeps the weights and one block of memory for all that a
 * batch needs (network_layout); a run neither allocates nor hears of Python.
 * All ranks of a team go through the batches in step: each takes its share of
 * the samples forward and backward, then its share of the rows of every weight.
 * Gradient and update are apart (layers_gradient, layers_update), so that what
 * needs all gradients at once can stand between them.
 */
#ifndef NEUROAI_NETWORK_H
#define NEUROAI_NETWORK_H

#include "../kernels/neuroai.h"
#include "../runtime/subnormal.h"
#include "../runtime/team.h"

typedef enum { SNU, DENSE, AVERAGE, DROPOUT } LayerKind;

typedef enum { KERNEL, RECURRENT_KERNEL, BIAS, DECAY, KINDS_OF_WEIGHTS } WeightsKind;

/* weights (rows, cols), their gradient, and what the optimizer keeps for them; rows lie
 * apart numbers apart, and what stands behind a row's cols goes into nothing */
typedef struct {
    real *w, *g, *slot[2];
    double *squares;                    /* (rows) of g */
    ptrdiff_t rows, cols, apart;
} Weights;

/* what rank gets of n, from this on */
static ptrdiff_t part_of(ptrdiff_t n, int rank, int ranks) { return n * rank / ranks; }

/* n reals, filled up to whole cache lines; to one more where rows would lie a multiple of 2 KiB
 * apart, as then all of them compete for the same few lines of the core's caches */
static ptrdiff_t whole_lines(ptrdiff_t n)
{
    const ptrdiff_t line = 64 / sizeof(real), lines = (n + line - 1) / line;

    return (lines % 32 ? lines : lines + (lines > 0)) * line;
}

typedef struct {
    LayerKind kind;
    int fed_sequences, sequences;       /* is fed, puts out every step, or only one */
    int counted;                        /* SNU: whether the sum of y over all steps is wanted */
    int backwards;                      /* SNU: from the last step to the first */
    double l1;                          /* SNU: of the sum of |y|, on top of the loss */
    double rate;                        /* DROPOUT */
    ptrdiff_t N, M;                     /* inputs, outputs */

    Unit unit;                          /* its M and m are the layer's, its h a DENSE layer's too */
    Weights weights[KINDS_OF_WEIGHTS];  /* what there is none of has no rows */
    const real *d;                      /* (M) */
    real *state_y, *state_V;            /* stateful: (states, M) between runs, or NULL */
    ptrdiff_t states;

    /* the unit's rows, of m numbers: copies of b and d, and zeros */
    real *bias, *decay, *zeros;

    /* of a batch */
    real *y, *V;                        /* (B, T, m); of a DENSE layer V is a */
    real *out, *dout;                   /* (B, T or 1, m); out may be y */
    real *D;                            /* back.D, in the order of the input when it is whole */
    real *y_0, *V_0;                    /* stateful: (B, m) */
    uint8_t *turned_mask;               /* backwards: (B, T) */
    const uint8_t *mask;                /* (B, T) of what it is fed, or NULL */
    real *peak;
    uint64_t *fired;                    /* (M / 64, B, T): where h is the step, y as bits */
    real *Wt, *Rt;                      /* (M, wt) and (M, M) */
    ptrdiff_t wt;
    Backward back;
    double *sums;                       /* (B) of |y| */

    /* of a first layer's kernel that goes row by row (update.c), or NULL */
    Visit *visits;                      /* (N, B) */
    ptrdiff_t *ends;                    /* (N) */
    double *met;                        /* (N) the last step that a row is up to date with */
} Layer;

typedef struct {
    Layer *layers;
    ptrdiff_t count, T;                 /* T steps of a batch */
    int slim;                           /* so many steps that memory counts: rows without rest */
    uint8_t *mask;                      /* (B, T) of the input */
    const uint8_t *out_mask;            /* (B, rows) of the output, or NULL */
    int turned;                         /* the output runs against the input */
    double *loss, *correct, *squares;   /* (B) */
    int alone;                          /* batches for which rank 0 takes shared steps alone */
} Network;

typedef struct {
    Input x;                            /* all samples; `samples` is the order of the run */
    const ptrdiff_t *starts;            /* sample s has the rows from starts[s] to starts[s + 1] of
                                         * what follows; or NULL: T each */
    const uint8_t *mask;                /* (rows) 1 where a step counts; or NULL: all do */
    const real *target;                 /* (rows or samples, targets), or NULL: no loss */
    real *output;                       /* (rows or samples, M), or NULL */
    const double *weights;              /* (samples) of their losses, or NULL: 1 */
    Loss loss;
    int accuracy, squares;              /* are wanted beside the loss */
    ptrdiff_t samples, batch;           /* in this run; in a batch, the last may be smaller */
    ptrdiff_t place;                    /* of its first sample among those that share the key */
    uint64_t key;                       /* of the noise */
    const Optimizer *optimizer;         /* or NULL: the weights stay */
    const double *rates;                /* (batches) learning rates */
    double step;                        /* steps the optimizer has made, counts on */
    double seconds;                     /* no batch begins when they have passed */

    double *sums;                       /* += loss, correct, squares, y of every counted layer */
    ptrdiff_t done;                     /* samples of the batches that were finished */
    int diverged;                       /* the batch after these has a loss or gradient that is
                                         * not finite: the weights stay as they are */
} Run;

static int has_weights(const Layer *layer) { return layer->kind == SNU || layer->kind == DENSE; }

/* rows that a layer is fed, and puts out, of a sample of T steps */
static ptrdiff_t fed_rows(const Layer *layer, ptrdiff_t T) { return layer->fed_sequences ? T : 1; }
static ptrdiff_t out_rows(const Layer *layer, ptrdiff_t T) { return layer->sequences ? T : 1; }

static const Layer *last_layer(const Network *net) { return &net->layers[net->count - 1]; }

/* ---- layout.c ---------------------------------------------------------------------- */

/* the layer that a gradient by the input goes to, or NULL where nothing is trained below */
static const Layer *below_of(const Network *net, const Layer *layer);

/* bytes for batches of B samples of T steps or less; places all buffers from `memory` on where
 * that is not NULL */
static size_t network_layout(Network *net, char *memory, ptrdiff_t B, ptrdiff_t T, int training,
                             int masked);

/* ---- layers.c: each rank its samples, through all layers ------------------------------- */

/* the input from sample number `first` of the batch on, of T rows each */
static Input input_from(Input x, ptrdiff_t first, ptrdiff_t T);

/* y of the samples from first to last as bits where few of it are 1, else NULL */
static const uint64_t *few_fired(const Layer *layer, ptrdiff_t first, ptrdiff_t last, ptrdiff_t T);

/* what the layer above is fed; told from the spikes of the samples from first to last */
static Input output_of(const Layer *layer, ptrdiff_t first, ptrdiff_t last,
                       ptrdiff_t B, ptrdiff_t T);

/* the samples from first to last of a batch of B, which begins with sample `start` of the run */
static void layers_forward(Network *net, const Run *run, Input x, ptrdiff_t start, Team *team,
                           int rank, ptrdiff_t first, ptrdiff_t last, ptrdiff_t B);
static void layers_backward(Network *net, const Run *run, ptrdiff_t start, Team *team, int rank,
                            ptrdiff_t first, ptrdiff_t last, ptrdiff_t B);

/* ---- outputs.c --------------------------------------------------------------------- */

/* Where the outputs of a sample are, and the targets for them: of a shorter sample the rows
 * that are its own. */
typedef struct {
    const real *y;                      /* (rows, m) */
    const uint8_t *mask;                /* (rows) or NULL */
    ptrdiff_t rows, m, M;
    ptrdiff_t lead, all;                /* rows of the batch before them; all rows of the batch */
    ptrdiff_t place;                    /* of the first row among all samples' */
} Outputs;

/* of sample s of the data, which is number b of the batch */
static Outputs outputs_of(const Network *net, const Run *run, ptrdiff_t s, ptrdiff_t b);

/* loss and metrics of the samples, and the gradient by the output */
static void network_loss(Network *net, const Run *run, const ptrdiff_t *samples,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B);

/* the samples' own rows of the outputs, to where the run wants them */
static void network_output(const Network *net, const Run *run, const ptrdiff_t *samples,
                           ptrdiff_t first, ptrdiff_t last);

/* ---- update.c: each rank its share of the rows of every weight -------------------- */

/* no sum of D over the batch can leave the range, told from the samples first to last */
static int layer_is_tame(const Layer *layer, ptrdiff_t first, ptrdiff_t last,
                         ptrdiff_t B, ptrdiff_t T);

static int can_go_by_row(const Network *net, const Run *run);

/* the gradients of all weights, but of the first kernel where that goes by row; 0 if a number
 * of the rank's share is not finite */
static int layers_gradient(Network *net, Input x, const Optimizer *o, int by_row,
                           int rank, int ranks, ptrdiff_t B);

/* the step of all weights */
static void layers_update(Network *net, Input x, const Optimizer *o, double step, int by_row,
                          int rank, int ranks, ptrdiff_t B);

/* where the first kernel goes by row: makes up for what its rows have missed up to `step`;
 * notes that they have missed nothing */
static void kernel_catch_up(Layer *layer, const Optimizer *o, double step, int rank, int ranks);
static void kernel_met(Layer *layer, double step, int rank, int ranks);

/* W^T, R^T, b and d as going forward and backward reads them */
static void layer_refresh(Layer *layer, int rank, int ranks);

/* ---- run.c --------------------------------------------------------------------------- */

static void network_run(Network *net, Run *run, int ranks);

#endif
