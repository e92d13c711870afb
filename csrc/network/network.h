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
#include "../runtime/team.h"

typedef enum { SNU, AVERAGE } LayerKind;

typedef enum { KERNEL, RECURRENT_KERNEL, BIAS, KINDS_OF_WEIGHTS } WeightsKind;

/* weights (rows, cols), their gradient, and what the optimizer keeps for them */
typedef struct {
    real *w, *g, *slot[2];
    ptrdiff_t rows, cols;
} Weights;

typedef struct {
    LayerKind kind;
    int sequences;                      /* puts out every step, or only the last */
    int counted;                        /* SNU: whether the sum of y over all steps is wanted */
    ptrdiff_t N, M;                     /* inputs, outputs */

    Unit unit;                          /* its M and m are the layer's */
    Weights weights[KINDS_OF_WEIGHTS];  /* without recurrence, R has no rows */
    const real *d;                      /* (M) */

    /* the unit's rows, of m numbers: copies of b and d, and zeros */
    real *bias, *decay, *zeros;

    /* of a batch */
    real *y, *V;                        /* (B, T, m) */
    real *out, *dout;                   /* (B, T, m) or (B, M); out may be y */
    real *peak, *Wt, *Rt;
    Backward back;
    double *sums;                       /* (B) of y */
} Layer;

typedef struct {
    Layer *layers;
    ptrdiff_t count, T;
    double *loss, *correct;             /* (B) */
} Network;

typedef struct {
    Input x;                            /* all samples; `samples` is the order of the run */
    const real *target;                 /* (rows, P), or NULL: no loss */
    real *output;                       /* (rows, P) in the order of the run, or NULL */
    ptrdiff_t samples, batch;           /* in this run; in a batch, the last may be smaller */
    const Optimizer *optimizer;         /* or NULL: the weights stay */
    double step;                        /* steps the optimizer has made, counts on */
    double seconds;                     /* no batch begins when they have passed */

    double *sums;                       /* += loss, correct, y of every counted layer */
    ptrdiff_t done;                     /* samples of the batches that were finished */
    int diverged;                       /* the batch after these has a loss or gradient that is
                                         * not finite: the weights stay as they are */
} Run;

/* bytes for batches of B samples; places all buffers from `memory` on where that is not NULL */
static size_t network_layout(Network *net, char *memory, ptrdiff_t B, ptrdiff_t T, int training);

/* numbers that a sample puts out, and the rows they form: acc compares argmaxes of rows */
static ptrdiff_t network_outputs(const Network *net);
static ptrdiff_t network_rows(const Network *net);

static void network_run(Network *net, Run *run, int ranks);

#endif
