/* Every kernel that counts in reals, in the order a training step meets them (those that
 * make spikes are in spikes.h and rate.h).
 *
 * Arrays are C-contiguous and do not overlap, unless a line says otherwise.
 * Outputs come first, sizes last.  B samples in the batch, T time steps, N
 * inputs and M units of a layer.  dz is the gradient of the loss by z:
 * gradients of weights are added to what is there (+=), gradients of data are
 * written (=).  Kernels never allocate, never fail and never hear of Python.
 *
 * Sums have one order, whatever the number of threads and the kind of input:
 * over inputs in rising index; over samples, and within each over time, in
 * rising index for W and R; for b and d first over time within a sample, in the
 * order in which it is walked back, then over samples.  Sums over the units of a sample
 * (the pull of inhibition, the spikes that are counted) go in 16 lanes, unit j into lane
 * j % 16; the lanes are added in halves (k and k + 8, then k and k + 4, ...).
 *
 * A variant (csrc/variants/) is one translation unit that includes all of
 * this, therefore everything is static.
 */
#ifndef NEUROAI_H
#define NEUROAI_H

#include "spikes.h"
#include "vec.h"

/* ---- matrix products: matmul.c ------------------------------------------ */

/* C (rows, cols) = A (rows, inner) B (inner, cols), or += where `add`; rows of C lie ci apart,
 * those of B bk, and A (i, k) is A[i * ai + k * ak]: with ai = 1 this is A^T B. */
static void matmul(real *C, ptrdiff_t ci, const real *A, ptrdiff_t ai, ptrdiff_t ak,
                   const real *B, ptrdiff_t bk,
                   ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t cols, int add);

/* At (cols, rows) = A^T for the rows from first to last of A (rows, cols); rows of At lie
 * at apart, those of A ai */
static void transpose(real *At, ptrdiff_t at, const real *A, ptrdiff_t ai,
                      ptrdiff_t first, ptrdiff_t last, ptrdiff_t cols);

/* ---- what a layer is fed: input.c ---------------------------------------- */

/* B samples of N inputs over T steps: numbers, or the events of spikes.  Sample
 * b is row `samples[b]` of the data, or row b where `samples` is NULL.
 * Numbers of 0 and 1 may come as bits too (N > 0), which is faster where few are 1: bit i of
 * fired[c * apart + b * T + t] says that input 64 c + i of sample b spikes at step t. */
typedef struct {
    const real *values;                 /* (rows, T, n), or NULL: */
    ptrdiff_t n;                        /* N or more: what stands behind N is not read */
    const Spikes *spikes;               /* T steps or more, N inputs */
    const ptrdiff_t *samples;           /* (B) or NULL; of bits NULL */
    const ptrdiff_t *starts;            /* sample s has the rows from starts[s] to starts[s + 1] of
                                         * the values, at most T; or NULL: T rows each */
    const uint64_t *fired;              /* or NULL */
    ptrdiff_t apart;
} Input;

/* Below this density of ones a product that visits them is faster than one over all numbers. */
static const double FEW = 0.25;

/* fired of y (rows, n), which is 0 or 1, from rows first to last; returns how many are 1 */
static ptrdiff_t input_fired(uint64_t *fired, ptrdiff_t apart, const real *y, ptrdiff_t n,
                             ptrdiff_t first, ptrdiff_t last, ptrdiff_t N);

/* asks for the events of sample b, and where those of the one behind it are: with an order of
 * samples the processor cannot know what comes next */
static void input_prefetch(Input x, ptrdiff_t b, ptrdiff_t B);

/* V (B, T, m) = x W, of the first M columns of W (N, w); what comes behind them in V is any
 * number */
static void input_forward(real *V, ptrdiff_t m, Input x, const real *W, ptrdiff_t w,
                          ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t M);

/* V (m) += y W of one row y (N) of 0 and 1, of which only the ones are visited */
static void spikes_row_forward(real *V, ptrdiff_t m, const real *y, const real *W, ptrdiff_t w,
                               ptrdiff_t N);

/* dW (N, w) += x^T D for the rows of dW from first to last; D (B, T, m), m <= w */
static void input_backward(real *dW, ptrdiff_t w, Input x, const real *D, ptrdiff_t m,
                           ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T);

/* The first M of m numbers of a row are taken in blocks of up to BLOCK vectors, which fit the
 * registers.  The last vector may end behind M; where m leaves no room for that it begins at
 * `last`, over the one before. */
enum { BLOCK = 8, BLOCK_NUMBERS = BLOCK * LANES };

typedef struct {
    ptrdiff_t begin, width;             /* of the row */
    ptrdiff_t vecs, last;               /* no vector where m is less than one */
} Block;

static ptrdiff_t input_blocks(ptrdiff_t M);
static Block input_block(ptrdiff_t k, ptrdiff_t M, ptrdiff_t m);

/* A sample in which an input spikes: when, and the sample's D (T, m) */
typedef struct {
    const uint32_t *mask;
    const real *D;
} Visit;

/* The visits of a batch of B samples to the inputs from first to last, in rising order of
 * input, then of sample: those to input i are visits[end[i - 1]..end[i] - 1], of the first
 * input from 0 on.  end (last - first); as many visits as there are events. */
static void input_visits(Visit *visits, ptrdiff_t *end, Input x, const real *D, ptrdiff_t m,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T);

/* g = a block of the row of x^T D that belongs to an input with these visits; vecs is
 * block.vecs, a constant where this is inlined */
INLINE void input_backward_row(real *g, const Visit *visit, ptrdiff_t count, ptrdiff_t words,
                               ptrdiff_t m, Block block, const ptrdiff_t vecs);

/* ---- g and h: activation.h ----------------------------------------------- */

typedef enum { IDENTITY, STEP, SIGMOID, TANH, RELU, LEAKY_REL, FUNCTIONS } Function;

typedef struct {
    Function f;
    Function surrogate;                 /* whose slope STEP has going backward */
    real alpha;                         /* slope of LEAKY_REL (as f or surrogate) below 0 */
} Activation;

/* ---- spiking neural units: snu.c ----------------------------------------- */

typedef enum {
    NO_INHIBITION,
    BATCH_INHIBITION,                   /* maximum over all units of all samples */
    SAMPLE_INHIBITION,                  /* maximum over the units of a sample */
    INHIBITIONS
} Inhibition;

/* M units in rows of m >= M numbers: where m fills whole vectors, no loop over a row
 * has a rest to do one by one.  What is computed behind M depends on nothing of and
 * goes into nothing of the M. */
typedef struct {
    ptrdiff_t M, m;
    const real *R;                      /* (M, M), or NULL: no recurrence */
    const real *Rt;                     /* (M, M), R^T, read going backward */
    const real *b;                      /* (m) thresholds */
    const real *d;                      /* (m) decay */
    const real *zeros;                  /* (m) */
    real *side;                         /* (B, m), with R: scratch for a step's rows, which lie far
                                         * apart, side by side */
    Activation h, g;
    Inhibition inhibition;
    int detached;                       /* no gradient through the reset gate */
    const real *y_0, *V_0;              /* (B, m) initial state, or NULL: zeros */
    const uint8_t *mask;                /* (B, T) 1 where a step counts, else 0; or NULL: all do */
} Unit;

/* V (B, T, m) holds x W and becomes g(a); y (B, T, m) = h(V - b), of the samples from first to
 * last.  Steps are taken in rising order, here those from begin to end.  Under BATCH_INHIBITION
 * the step before of all samples has to be there: who takes a part of them takes step by step.
 * peak (T + 1, B), inhibited only: row t is the maximum of y_{t-1}, a sample; row 0,
 * of the initial state, is there before (snu_peaks of no steps). */
static void snu_forward(real *y, real *V, real *peak, const Unit *unit,
                        ptrdiff_t begin, ptrdiff_t end, ptrdiff_t first, ptrdiff_t last,
                        ptrdiff_t B, ptrdiff_t T);

/* peak (T + 1, B) of the samples from first to last */
static void snu_peaks(real *peak, const real *y, const Unit *unit, ptrdiff_t T,
                      ptrdiff_t first, ptrdiff_t last, ptrdiff_t B);

/* What backpropagation through time writes, and hands from step to step. */
typedef struct {
    real *D;                            /* (B, T, m) dL/da */
    real *db;                           /* (B, m) of each sample */
    real *dd;                           /* (B, m) of each sample, or NULL: not wanted */
    real *dy_0, *dV_0;                  /* (B, m), where there is an initial state */
    real *held_y, *held_V;              /* (B, m), with a mask: by the state that is kept */
    real *pull;                         /* (T + 1, B): row t is sum(d V_{t-1} D_t), a sample, */
    real *ties;                         /* (T + 1, B) and how many y_{t-1} are the maximum */
} Backward;

/* What it starts from. */
typedef struct {
    const real *dy;                     /* (B, T, m), or NULL: zeros */
    const real *dy_T, *dV_T;            /* (B, m) by the final states, or NULL: zeros */
} Upstream;

/* Steps are taken in falling order, here from end - 1 to begin, then snu_backward_finish where
 * there is an initial state; samples and BATCH_INHIBITION as going forward. */
static void snu_backward(const Backward *out, Upstream e, const real *y, const real *V,
                         const real *peak, const Unit *unit, ptrdiff_t begin, ptrdiff_t end,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T);
static void snu_backward_finish(const Backward *out, Upstream e, const real *peak,
                                const Unit *unit, ptrdiff_t first, ptrdiff_t last,
                                ptrdiff_t B, ptrdiff_t T);

/* dR (M, M) += y_{t-1}^T D_t for the rows of dR from first to last; y may come as bits too
 * (input_fired, of B T rows), or NULL; where `turned` the last D_t comes first */
static void recurrent_backward(real *dR, const real *y, const uint64_t *fired, const real *D,
                               int turned, const Unit *unit, ptrdiff_t first, ptrdiff_t last,
                               ptrdiff_t B, ptrdiff_t T);

/* x (T, m) in the order of the other direction, in place */
static void turn(real *x, ptrdiff_t T, ptrdiff_t m);

/* sum += each (B, m) over the samples, for the columns from first to last */
static void sum_samples(real *sum, const real *each, ptrdiff_t m,
                        ptrdiff_t first, ptrdiff_t last, ptrdiff_t B);

/* ---- dense layers: dense.c ------------------------------------------------ */

/* V (rows, m) holds x W and becomes a = x W + b, b (m) or NULL: zeros; y (rows, m) = h(a), or V
 * itself where h is the identity */
static void dense_forward(real *y, real *V, const real *b, Activation h,
                          ptrdiff_t rows, ptrdiff_t m);

/* D (rows, m) = dL/da from dy, which may be D; db (m) = the sum of D over the rows */
static void dense_backward(real *D, real *db, const real *dy, const real *y, const real *V,
                           Activation h, ptrdiff_t rows, ptrdiff_t m);

/* ---- noise: dropout.c ------------------------------------------------------ */

/* What is dropped depends on nothing but the rate, the key and where a number stands. */
typedef struct {
    double rate;                        /* from 0 to below 1 */
    uint64_t key;                       /* of a run and a layer in it */
} Dropout;

/* y (T, m) = x / (1 - rate), or 0 with probability `rate`, for sample number s of the run;
 * y may be x.  The same call takes dy to dx. */
static void dropout(real *y, const real *x, Dropout drop, ptrdiff_t s, ptrdiff_t T, ptrdiff_t m);

/* ---- mean over time: average.c ------------------------------------------- */

/* y (B, N) = mean of x (B, T, n) over T, of the first N of n; with a mask (B, T) over the steps
 * where it is 1, of which each sample has one */
static void average_forward(real *y, const real *x, ptrdiff_t n, const uint8_t *mask,
                            ptrdiff_t B, ptrdiff_t T, ptrdiff_t N);

/* dx (B, T, n) = dy / T, of the first N of n; with a mask dy / (steps that count), or 0 */
static void average_backward(real *dx, const real *dy, ptrdiff_t n, const uint8_t *mask,
                             ptrdiff_t B, ptrdiff_t T, ptrdiff_t N);

/* ---- losses: loss.c --------------------------------------------------------- */

typedef enum { MSE, BINARY, CATEGORICAL, SPARSE, LOSSES } LossKind;

typedef struct {
    LossKind kind;
    int logits;                         /* of BINARY, CATEGORICAL, SPARSE: y is not a probability */
} Loss;

/* numbers of a row of targets */
static ptrdiff_t loss_targets(Loss loss, ptrdiff_t M);

/* The mean over the rows of y (rows, m) that count, of the first M of m; target
 * (rows, loss_targets).  mask (rows) or NULL: all count; where none does it is 0. */
static double loss_forward(const real *y, ptrdiff_t m, const real *target, const uint8_t *mask,
                           Loss loss, ptrdiff_t rows, ptrdiff_t M);

/* dy (rows, m) = its gradient times weight / batch; 0 at rows that do not count, and behind M */
static void loss_backward(real *dy, const real *y, ptrdiff_t m, const real *target,
                          const uint8_t *mask, Loss loss, double weight, ptrdiff_t batch,
                          ptrdiff_t rows, ptrdiff_t M);

/* ---- mean squared error: loss.c ------------------------------------------ */

/* loss (B) = mean of (y - target)^2 over the P outputs of a sample */
static void mse_forward(double *loss, const real *y, const real *target,
                        ptrdiff_t B, ptrdiff_t P);

/* dy (B, P) = 2 (y - target) / (batch P), where the batch's loss is the mean */
static void mse_backward(real *dy, const real *y, const real *target,
                         ptrdiff_t batch, ptrdiff_t B, ptrdiff_t P);

/* ---- a step along the gradient: optimizer.c ------------------------------ */

typedef enum { SGD, RMSPROP, ADAM, OPTIMIZERS } Method;

typedef struct {
    Method method;
    double rate;                        /* learning rate */
    double momentum;                    /* SGD, RMSPROP */
    int nesterov;                       /* SGD */
    double rho;                         /* RMSPROP: of v; ADAM: beta_1, of m */
    double beta_2;                      /* ADAM: of v */
    double epsilon;
    double clipnorm, clipvalue;         /* or 0 */
    double weight_decay;
} Optimizer;

/* Before it, where they are not 0:  g *= clipnorm / |g| if |g| is more, for all of a weight;
 * g clipped to [-clipvalue, clipvalue];  w -= rate weight_decay w.
 *
 * SGD       w -= rate g;  u (n) given: u = momentum u - rate g, w += u,
 *           or w += momentum u - rate g with Nesterov
 * RMSPROP   v = rho v + (1 - rho) g^2,  w -= rate g / (sqrt(v) + epsilon);
 *           u (n) given: u = momentum u + rate g / (sqrt(v) + epsilon),  w -= u
 * ADAM      m = rho m + (1 - rho) g,  v = beta_2 v + (1 - beta_2) g^2,
 *           w -= rate_t m / (sqrt(v) + epsilon),
 *           rate_t = rate sqrt(1 - beta_2^step) / (1 - rho^step), step from 1 */
INLINE void sgd_step(real *w, real *u, const real *g, Optimizer o, ptrdiff_t n);
INLINE void rmsprop_step(real *w, real *v, real *u, const real *g, Optimizer o, ptrdiff_t n);
static void adam_step(real *w, real *m, real *v, const real *g, Optimizer o, double step,
                      ptrdiff_t n);

/* g clipped by value after g *= scale */
static void optimizer_clip(real *g, Optimizer o, real scale, ptrdiff_t n);

/* the one that o.method says, after the decay of the weights; its slots in the order above */
static void optimizer_step(real *w, real *slot_0, real *slot_1, const real *g, Optimizer o,
                           double step, ptrdiff_t n);

#endif
