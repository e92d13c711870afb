/* The product of a layer's input with its weights, and its gradient.
 *
 *     V_t = x_t W          dW += x_t^T D_t
 *
 * Numbers take the dense product.  Of spikes only the events are visited: a
 * spike of input i at step t adds row i of W to V_t, and row t of D to dW_i.
 * A product with 1 is exact and one with 0 adds nothing, so both ways sum the
 * same terms in the same order and end in the same bits.
 *
 * A row is taken in blocks of up to BLOCK vectors, which stay in registers over
 * the spikes of an event.  The last vector of a block may reach back over the one
 * before: both hold the same sums, and all are read before any is written.
 */
#include "neuroai.h"

enum { BLOCK = 8 };

/* a block: so many vectors, the last of them at an offset of its own */
typedef struct {
    ptrdiff_t begin, vecs, last;
} Block;

/* block number k of a row of M, which has `count` of them; M >= LANES */
static Block block_of(ptrdiff_t k, ptrdiff_t count, ptrdiff_t M)
{
    const ptrdiff_t vecs = (M + LANES - 1) / LANES;
    const ptrdiff_t first = vecs * k / count, end = vecs * (k + 1) / count;
    const ptrdiff_t width = (end * LANES < M ? end * LANES : M) - first * LANES;

    return (Block){first * LANES, end - first, width - LANES};
}

static ptrdiff_t blocks_of(ptrdiff_t M) { return (M + LANES * BLOCK - 1) / (LANES * BLOCK); }

INLINE ptrdiff_t offset(ptrdiff_t k, const ptrdiff_t vecs, ptrdiff_t last)
{
    return k == vecs - 1 ? last : k * LANES;
}

/* to[k] += from[k], or the other way round, for the spikes of events from..end:
 * V_t += W_i going forward, dW_i += D_t going backward */
INLINE void events_block(real *V, ptrdiff_t m, real *W, ptrdiff_t M,
                         const uint32_t *event, const uint32_t *end, ptrdiff_t words,
                         const int forward, const ptrdiff_t vecs, ptrdiff_t last)
{
    for (; event < end; event += 1 + words) {
        real *row = W + event[0] * M;
        vec held[BLOCK];

        for (ptrdiff_t k = 0; k < vecs; k++) {
            held[k] = vec_load(row + offset(k, vecs, last));
        }
        for (ptrdiff_t word = 0; word < words; word++) {
            for (uint32_t mask = event[1 + word]; mask; mask &= mask - 1) {
                real *at = V + (32 * word + lowest_bit(mask)) * m;

                if (forward) {
                    vec sum[BLOCK];

                    for (ptrdiff_t k = 0; k < vecs; k++) {
                        sum[k] = vec_load(at + offset(k, vecs, last)) + held[k];
                    }
                    for (ptrdiff_t k = 0; k < vecs; k++) {
                        vec_store(at + offset(k, vecs, last), sum[k]);
                    }
                } else {
                    for (ptrdiff_t k = 0; k < vecs; k++) {
                        held[k] += vec_load(at + offset(k, vecs, last));
                    }
                }
            }
        }
        for (ptrdiff_t k = 0; !forward && k < vecs; k++) {
            vec_store(row + offset(k, vecs, last), held[k]);
        }
    }
}

/* rows shorter than a vector */
INLINE void events_short(real *V, ptrdiff_t m, real *W, ptrdiff_t M,
                         const uint32_t *event, const uint32_t *end, ptrdiff_t words,
                         const int forward)
{
    for (; event < end; event += 1 + words) {
        real *row = W + event[0] * M;

        for (ptrdiff_t word = 0; word < words; word++) {
            for (uint32_t mask = event[1 + word]; mask; mask &= mask - 1) {
                real *at = V + (32 * word + lowest_bit(mask)) * m;

                for (ptrdiff_t j = 0; j < M; j++) {
                    if (forward) {
                        at[j] += row[j];
                    } else {
                        row[j] += at[j];
                    }
                }
            }
        }
    }
}

/* V (T, m) += W rows of the events, or W rows += V: of one sample */
INLINE void events_visit(real *V, ptrdiff_t m, real *W, ptrdiff_t M, const Spikes *x,
                         ptrdiff_t begin, ptrdiff_t end, const int forward)
{
    const ptrdiff_t words = x->words, count = blocks_of(M);
    const uint32_t *first = x->events + begin * (1 + words);
    const uint32_t *stop = x->events + end * (1 + words);

    if (M < LANES) {
        events_short(V, m, W, M, first, stop, words, forward);
        return;
    }
    for (ptrdiff_t k = 0; k < count; k++) {
        const Block block = block_of(k, count, M);
        real *v = V + block.begin, *w = W + block.begin;

        switch (block.vecs) {
#define CASE(n) \
        case n: \
            events_block(v, m, w, M, first, stop, words, forward, n, block.last); \
            break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
        }
    }
}

static void input_forward(real *V, Input x, const real *W, ptrdiff_t m,
                          ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t M)
{
    memset(V, 0, (size_t)(B * T * m) * sizeof *V);

    if (x.values && !x.samples) {
        matmul(V, m, x.values, x.n, 1, W, M, B * T, N, M);
        return;
    }
    for (ptrdiff_t b = 0; b < B; b++, V += T * m) {
        const ptrdiff_t s = x.samples ? x.samples[b] : b;

        if (x.values) {
            matmul(V, m, x.values + s * T * x.n, x.n, 1, W, M, T, N, M);
        } else {                        /* going forward W is only read */
            events_visit(V, m, (real *)W, M, x.spikes, x.spikes->first[s],
                         x.spikes->first[s + 1], 1);
        }
    }
}

static void input_backward(real *dW, Input x, const real *D, ptrdiff_t m,
                           ptrdiff_t first, ptrdiff_t last,
                           ptrdiff_t B, ptrdiff_t T, ptrdiff_t M)
{
    if (x.values && !x.samples) {
        matmul(dW + first * M, M, x.values + first, 1, x.n, D, m, last - first, B * T, M);
        return;
    }
    for (ptrdiff_t b = 0; b < B; b++, D += T * m) {
        const ptrdiff_t s = x.samples ? x.samples[b] : b;

        if (x.values) {
            matmul(dW + first * M, M, x.values + s * T * x.n + first, 1, x.n, D, m,
                   last - first, T, M);
        } else {                        /* going backward D is only read */
            events_visit((real *)D, m, dW, M, x.spikes, spikes_find(x.spikes, s, first),
                         spikes_find(x.spikes, s, last), 0);
        }
    }
}
