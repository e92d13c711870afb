/* The product of a layer's input with its weights, and its gradient.
 *
 *     V_t = x_t W          dW += x_t^T D_t
 *
 * Numbers take the dense product.  Of spikes only the events are visited: a
 * spike of input i at step t adds row i of W to V_t, and row t of D to dW_i.
 * A product with 1 is exact and one with 0 adds nothing, so both ways sum the
 * same terms in the same order and end in the same bits.
 *
 * Sums stay in registers, a block of a row at a time: going forward those of a
 * step, going backward those of an input.  The last vector of a block may reach back
 * over the one before: both hold the same sums, and all are read before any is written.
 */
#include "neuroai.h"

static ptrdiff_t input_blocks(ptrdiff_t M)
{
    return (M + BLOCK_NUMBERS - 1) / BLOCK_NUMBERS;
}

static Block input_block(ptrdiff_t k, ptrdiff_t M, ptrdiff_t m)
{
    const ptrdiff_t vecs = (M + LANES - 1) / LANES, count = input_blocks(M);
    const ptrdiff_t first = vecs * k / count, end = vecs * (k + 1) / count;
    const ptrdiff_t width = (end * LANES < m ? end * LANES : m) - first * LANES;

    return (Block){first * LANES, width, m < LANES ? 0 : end - first, width - LANES};
}

INLINE ptrdiff_t offset(ptrdiff_t k, const ptrdiff_t vecs, ptrdiff_t last)
{
    return k == vecs - 1 ? last : k * LANES;
}

/* ---- forward: step by step --------------------------------------------------------- */

/* Events are taken CHUNK at a time: their rows of W, a block wide, stay in the core's first
 * cache while all steps pick theirs. */
enum { CHUNK = 64 };

/* bit i says that y[i] is not 0, for up to CHUNK of them */
static uint64_t bits_of(const real *y, ptrdiff_t count)
{
    uint64_t bits = 0;
    ptrdiff_t i = 0;

    for (; i + LANES <= count; i += LANES) {
        bits |= (uint64_t)vec_positive(vec_load(y + i)) << i;
    }
    for (; i < count; i++) {
        bits |= (uint64_t)(y[i] > 0) << i;
    }
    return bits;
}

#if defined(NEUROAI_AVX512)

/* Of up to CHUNK events their spikes of up to 32 steps: bit e of picked[t] is bit t of event e. */
static void pick(uint64_t picked[32], const uint32_t *mask, ptrdiff_t count, ptrdiff_t size,
                 ptrdiff_t steps)
{
    uint32_t masks[CHUNK] = {0};
    __m512i four[CHUNK / 16];

    for (ptrdiff_t e = 0; e < count; e++) {
        masks[e] = mask[e * size];
    }
    for (ptrdiff_t k = 0; k < CHUNK / 16; k++) {
        four[k] = _mm512_loadu_si512(masks + 16 * k);
    }
    for (ptrdiff_t t = 0; t < steps; t++) {
        const __m512i bit = _mm512_set1_epi32((int)(UINT32_C(1) << t));

        picked[t] = 0;
        for (int k = 0; k < CHUNK / 16; k++) {
            picked[t] |= (uint64_t)_mm512_test_epi32_mask(four[k], bit) << 16 * k;
        }
    }
}

#else

/* of 32 words, bits of k with that of j set for bits of k | j without */
INLINE void swap_bits(uint64_t word[32], const int j, const uint64_t low)
{
    for (int base = 0; base < 32; base += 2 * j) {
        for (int k = base; k < base + j; k++) {
            const uint64_t swap = (word[k] >> j ^ word[k + j]) & low;

            word[k] ^= swap << j;
            word[k + j] ^= swap;
        }
    }
}

/* as above: two matrices of 32 x 32 bits, one in each half of the words, are transposed */
static void pick(uint64_t picked[32], const uint32_t *mask, ptrdiff_t count, ptrdiff_t size,
                 ptrdiff_t steps)
{
    uint32_t masks[CHUNK] = {0};

    (void)steps;
    for (ptrdiff_t e = 0; e < count; e++) {
        masks[e] = mask[e * size];
    }
    for (ptrdiff_t e = 0; e < 32; e++) {
        picked[e] = masks[e] | (uint64_t)masks[e + 32] << 32;
    }
    swap_bits(picked, 16, UINT64_C(0x0000ffff0000ffff));
    swap_bits(picked, 8, UINT64_C(0x00ff00ff00ff00ff));
    swap_bits(picked, 4, UINT64_C(0x0f0f0f0f0f0f0f0f));
    swap_bits(picked, 2, UINT64_C(0x3333333333333333));
    swap_bits(picked, 1, UINT64_C(0x5555555555555555));
}

#endif

/* V (steps, m) = the rows that are picked, or += where `add`, of a block; vecs is a constant
 * where this is inlined */
INLINE void pick_block(real *V, ptrdiff_t m, const real *const rows[CHUNK],
                       const uint64_t *picked, ptrdiff_t steps, int add, Block block,
                       const ptrdiff_t vecs)
{
    V += block.begin;
    for (ptrdiff_t t = 0; t < steps; t++, V += m) {
        vec sum[BLOCK];

        for (ptrdiff_t k = 0; k < vecs; k++) {
            sum[k] = add ? vec_load(V + offset(k, vecs, block.last)) : (vec){0};
        }
        for (uint64_t mask = picked[t]; mask; mask &= mask - 1) {
            const real *row = rows[__builtin_ctzll(mask)] + block.begin;

            for (ptrdiff_t k = 0; k < vecs; k++) {
                sum[k] += vec_load(row + offset(k, vecs, block.last));
            }
        }
        for (ptrdiff_t k = 0; k < vecs; k++) {
            vec_store(V + offset(k, vecs, block.last), sum[k]);
        }
    }
}

static void pick_short(real *V, ptrdiff_t m, const real *const rows[CHUNK],
                       const uint64_t *picked, ptrdiff_t steps, int add)
{
    for (ptrdiff_t t = 0; t < steps; t++, V += m) {
        for (ptrdiff_t j = 0; j < m && !add; j++) {
            V[j] = 0;
        }
        for (uint64_t mask = picked[t]; mask; mask &= mask - 1) {
            const real *row = rows[__builtin_ctzll(mask)];

            for (ptrdiff_t j = 0; j < m; j++) {
                V[j] += row[j];
            }
        }
    }
}

static void picked_forward(real *V, ptrdiff_t m, const real *const rows[CHUNK],
                           const uint64_t *picked, ptrdiff_t steps, int add, ptrdiff_t M)
{
    for (ptrdiff_t k = 0; k < input_blocks(M); k++) {
        const Block block = input_block(k, M, m);

        switch (block.vecs) {
        case 0:
            pick_short(V, m, rows, picked, steps, add);
            break;
#define CASE(n) \
        case n: \
            pick_block(V, m, rows, picked, steps, add, block, n); \
            break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
        }
    }
}

/* V (T, m) = the rows of W that a sample's events say */
static void events_forward(real *V, ptrdiff_t m, const real *W, ptrdiff_t w, const Spikes *x,
                           ptrdiff_t s, ptrdiff_t T, ptrdiff_t M)
{
    const ptrdiff_t size = 1 + x->words, events = x->first[s + 1] - x->first[s];
    const ptrdiff_t chunks = events > CHUNK ? (events + CHUNK - 1) / CHUNK : 1;

    for (ptrdiff_t chunk = 0; chunk < chunks; chunk++) {
        const ptrdiff_t begin = events * chunk / chunks;
        const ptrdiff_t count = events * (chunk + 1) / chunks - begin;
        const uint32_t *event = x->events + (x->first[s] + begin) * size;
        const real *rows[CHUNK];

        for (ptrdiff_t i = 0; i < count; i++) {
            rows[i] = W + event[i * size] * w;
        }
        for (ptrdiff_t word = 0; word < spikes_words(T); word++) {
            const ptrdiff_t rest = T - 32 * word, steps = rest < 32 ? rest : 32;
            uint64_t picked[32];

            pick(picked, event + 1 + word, count, size, steps);
            picked_forward(V + 32 * word * m, m, rows, picked, steps, chunk > 0, M);
        }
    }
}

/* V (rows, m) = the rows of W that the bits say */
static void fired_forward(real *V, ptrdiff_t m, const real *W, ptrdiff_t w, Input x,
                          ptrdiff_t rows, ptrdiff_t N, ptrdiff_t M)
{
    for (ptrdiff_t c = 0; c * CHUNK < N; c++) {
        const ptrdiff_t count = N - c * CHUNK < CHUNK ? N - c * CHUNK : CHUNK;
        const real *of[CHUNK];

        for (ptrdiff_t i = 0; i < count; i++) {
            of[i] = W + (c * CHUNK + i) * w;
        }
        picked_forward(V, m, of, x.fired + c * x.apart, rows, c > 0, M);
    }
}

static void spikes_row_forward(real *V, ptrdiff_t m, const real *y, const real *W, ptrdiff_t w,
                               ptrdiff_t N)
{
    for (ptrdiff_t c = 0; c * CHUNK < N; c++) {
        const ptrdiff_t count = N - c * CHUNK < CHUNK ? N - c * CHUNK : CHUNK;
        const uint64_t bits = bits_of(y + c * CHUNK, count);
        const real *rows[CHUNK];

        for (uint64_t left = bits; left; left &= left - 1) {
            const ptrdiff_t i = __builtin_ctzll(left);

            rows[i] = W + (c * CHUNK + i) * w;
        }
        if (bits) {
            picked_forward(V, m, rows, &bits, 1, 1, m);
        }
    }
}

static void input_prefetch(Input x, ptrdiff_t b, ptrdiff_t B)
{
    if (!x.spikes || !x.samples) {
        return;
    }
    if (b < B) {
        spikes_prefetch(x.spikes, x.samples[b]);
    }
    if (b + 1 < B) {
        __builtin_prefetch(x.spikes->first + x.samples[b + 1]);
    }
}

/* the numbers of sample s, and how many of T rows it has */
static const real *input_rows(Input x, ptrdiff_t s, ptrdiff_t T, ptrdiff_t *rows)
{
    *rows = x.starts ? x.starts[s + 1] - x.starts[s] : T;
    return x.values + (x.starts ? x.starts[s] : s * T) * x.n;
}

static void input_forward(real *V, ptrdiff_t m, Input x, const real *W, ptrdiff_t w,
                          ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t M)
{
    if (x.fired) {
        fired_forward(V, m, W, w, x, B * T, N, M);
        return;
    }
    if (x.values && !x.samples) {
        matmul(V, m, x.values, x.n, 1, W, w, B * T, N, m, 0);
        return;
    }
    for (ptrdiff_t b = 0; b < B; b++, V += T * m) {
        const ptrdiff_t s = x.samples ? x.samples[b] : b;

        if (x.values) {
            ptrdiff_t rows;
            const real *values = input_rows(x, s, T, &rows);

            matmul(V, m, values, x.n, 1, W, w, rows, N, m, 0);
            memset(V + rows * m, 0, (size_t)((T - rows) * m) * sizeof *V);
        } else {
            input_prefetch(x, b + 1, B);
            events_forward(V, m, W, w, x.spikes, s, T, M);
        }
    }
}

/* ---- backward: input by input ---------------------------------------------------------- */

/* g += the D of the steps when an input spikes, of a block; vecs is a constant where this is
 * inlined */
INLINE void mask_block(vec sum[BLOCK], const uint32_t *mask, ptrdiff_t words, const real *D,
                       ptrdiff_t m, const ptrdiff_t vecs, ptrdiff_t last)
{
    for (ptrdiff_t word = 0; word < words; word++, D += 32 * m) {
        for (uint32_t rest = mask[word]; rest; rest &= rest - 1) {
            const real *at = D + lowest_bit(rest) * m;

            for (ptrdiff_t k = 0; k < vecs; k++) {
                sum[k] += vec_load(at + offset(k, vecs, last));
            }
        }
    }
}

static void mask_short(real *g, const uint32_t *mask, ptrdiff_t words, const real *D, ptrdiff_t m)
{
    for (ptrdiff_t word = 0; word < words; word++, D += 32 * m) {
        for (uint32_t rest = mask[word]; rest; rest &= rest - 1) {
            const real *at = D + lowest_bit(rest) * m;

            for (ptrdiff_t j = 0; j < m; j++) {
                g[j] += at[j];
            }
        }
    }
}

INLINE void events_block(real *dW, ptrdiff_t w, const uint32_t *event, const uint32_t *stop,
                         ptrdiff_t words, const real *D, ptrdiff_t m, Block block,
                         const ptrdiff_t vecs)
{
    for (; event < stop; event += 1 + words) {
        real *g = dW + event[0] * w + block.begin;
        vec sum[BLOCK];

        for (ptrdiff_t k = 0; k < vecs; k++) {
            sum[k] = vec_load(g + offset(k, vecs, block.last));
        }
        mask_block(sum, event + 1, words, D + block.begin, m, vecs, block.last);
        for (ptrdiff_t k = 0; k < vecs; k++) {
            vec_store(g + offset(k, vecs, block.last), sum[k]);
        }
    }
}

/* dW += x^T D of sample s, for the rows of dW from first to last */
static void events_backward(real *dW, ptrdiff_t w, const Spikes *x, ptrdiff_t s, const real *D,
                            ptrdiff_t m, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t words = x->words, size = 1 + words;
    const uint32_t *event = x->events + spikes_find(x, s, first) * size;
    const uint32_t *stop = x->events + spikes_find(x, s, last) * size;

    for (ptrdiff_t k = 0; k < input_blocks(m); k++) {
        const Block block = input_block(k, m, m);

        switch (block.vecs) {
        case 0:
            for (const uint32_t *e = event; e < stop; e += size) {
                mask_short(dW + e[0] * w, e + 1, words, D, m);
            }
            break;
#define CASE(n) \
        case n: \
            events_block(dW, w, event, stop, words, D, m, block, n); \
            break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
        }
    }
}

/* dW += D of the rows of D in which an input fires, of a block */
INLINE void fired_block(real *dW, ptrdiff_t w, const uint64_t *fired, uint64_t wanted,
                        const real *D, ptrdiff_t d, ptrdiff_t rows, Block block,
                        const ptrdiff_t vecs)
{
    D += block.begin;
    for (ptrdiff_t row = 0; row < rows; row++, D += d) {
        uint64_t mask = fired[row] & wanted;
        vec held[BLOCK];

        if (!mask) {
            continue;
        }
        for (ptrdiff_t k = 0; k < vecs; k++) {
            held[k] = vec_load(D + offset(k, vecs, block.last));
        }
        for (; mask; mask &= mask - 1) {
            real *g = dW + __builtin_ctzll(mask) * w + block.begin;
            vec sum[BLOCK];

            for (ptrdiff_t k = 0; k < vecs; k++) {
                sum[k] = vec_load(g + offset(k, vecs, block.last)) + held[k];
            }
            for (ptrdiff_t k = 0; k < vecs; k++) {
                vec_store(g + offset(k, vecs, block.last), sum[k]);
            }
        }
    }
}

static void fired_short(real *dW, ptrdiff_t w, const uint64_t *fired, uint64_t wanted,
                        const real *D, ptrdiff_t d, ptrdiff_t m, ptrdiff_t rows)
{
    for (ptrdiff_t row = 0; row < rows; row++, D += d) {
        for (uint64_t mask = fired[row] & wanted; mask; mask &= mask - 1) {
            for (ptrdiff_t j = 0; j < m; j++) {
                dW[__builtin_ctzll(mask) * w + j] += D[j];
            }
        }
    }
}

/* the bits from `first` to `last` of a word, of which all below 0 and above 63 are none */
static uint64_t bits_between(ptrdiff_t first, ptrdiff_t last)
{
    const uint64_t up = first <= 0 ? ~UINT64_C(0) : first < 64 ? ~UINT64_C(0) << first : 0;

    return last >= 64 ? up : last > 0 ? up & ~(~UINT64_C(0) << last) : 0;
}

static void fired_backward(real *dW, ptrdiff_t w, const uint64_t *all, ptrdiff_t apart,
                           const real *D, ptrdiff_t d, ptrdiff_t m,
                           ptrdiff_t first, ptrdiff_t last, ptrdiff_t rows)
{
    for (ptrdiff_t c = first / CHUNK; c * CHUNK < last; c++) {
        const uint64_t wanted = bits_between(first - c * CHUNK, last - c * CHUNK);
        const uint64_t *fired = all + c * apart;
        real *g = dW + c * CHUNK * w;

        for (ptrdiff_t k = 0; k < input_blocks(m); k++) {
            const Block block = input_block(k, m, m);

            switch (block.vecs) {
            case 0:
                fired_short(g, w, fired, wanted, D, d, m, rows);
                break;
#define CASE(n) \
            case n: \
                fired_block(g, w, fired, wanted, D, d, rows, block, n); \
                break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
            }
        }
    }
}

static void input_backward(real *dW, ptrdiff_t w, Input x, const real *D, ptrdiff_t m,
                           ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    if (x.fired) {
        fired_backward(dW, w, x.fired, x.apart, D, m, m, first, last, B * T);
        return;
    }
    if (x.values && !x.samples) {
        matmul(dW + first * w, w, x.values + first, 1, x.n, D, m, last - first, B * T, m, 1);
        return;
    }
    for (ptrdiff_t b = 0; b < B; b++, D += T * m) {
        const ptrdiff_t s = x.samples ? x.samples[b] : b;

        if (x.values) {
            ptrdiff_t rows;
            const real *values = input_rows(x, s, T, &rows);

            matmul(dW + first * w, w, values + first, 1, x.n, D, m, last - first, rows, m, 1);
        } else {
            events_backward(dW, w, x.spikes, s, D, m, first, last);
        }
    }
}

/* ---- the gradient row by row ----------------------------------------------------- */

static void input_visits(Visit *visits, ptrdiff_t *end, Input x, const real *D, ptrdiff_t m,
                         ptrdiff_t first, ptrdiff_t last, ptrdiff_t B, ptrdiff_t T)
{
    const Spikes *spikes = x.spikes;
    const ptrdiff_t size = 1 + spikes->words;
    ptrdiff_t begin = 0;

    memset(end, 0, (size_t)(last - first) * sizeof *end);
    for (ptrdiff_t b = 0; b < B; b++) {
        const ptrdiff_t s = x.samples ? x.samples[b] : b;
        const uint32_t *stop = spikes->events + spikes_find(spikes, s, last) * size;

        for (const uint32_t *event = spikes->events + spikes_find(spikes, s, first) * size;
             event < stop; event += size) {
            end[(ptrdiff_t)event[0] - first]++;
        }
    }
    for (ptrdiff_t i = 0; i < last - first; i++) {
        const ptrdiff_t count = end[i];

        end[i] = begin;                 /* grows to what it says as the visits come in */
        begin += count;
    }
    for (ptrdiff_t b = 0; b < B; b++, D += T * m) {
        const ptrdiff_t s = x.samples ? x.samples[b] : b;
        const uint32_t *stop = spikes->events + spikes_find(spikes, s, last) * size;

        for (const uint32_t *event = spikes->events + spikes_find(spikes, s, first) * size;
             event < stop; event += size) {
            visits[end[(ptrdiff_t)event[0] - first]++] = (Visit){event + 1, D};
        }
    }
}

INLINE void input_backward_row(real *g, const Visit *visit, ptrdiff_t count, ptrdiff_t words,
                               ptrdiff_t m, Block block, const ptrdiff_t vecs)
{
    const Visit *end = visit + count;
    vec sum[BLOCK] = {0};

    if (vecs == 0) {
        memset(g, 0, (size_t)m * sizeof *g);
        for (; visit < end; visit++) {
            mask_short(g, visit->mask, words, visit->D, m);
        }
        return;
    }
    for (; visit < end; visit++) {
        mask_block(sum, visit->mask, words, visit->D + block.begin, m, vecs, block.last);
    }
    for (ptrdiff_t k = 0; k < vecs; k++) {
        vec_store(g + offset(k, vecs, block.last), sum[k]);
    }
}

/* ---- bits of numbers ------------------------------------------------------------------- */

static ptrdiff_t input_fired(uint64_t *fired, ptrdiff_t apart, const real *y, ptrdiff_t n,
                             ptrdiff_t first, ptrdiff_t last, ptrdiff_t N)
{
    ptrdiff_t ones = 0;

    for (ptrdiff_t c = 0; c * CHUNK < N; c++) {
        const ptrdiff_t left = N - c * CHUNK;

        for (ptrdiff_t row = first; row < last; row++) {
            const uint64_t bits = bits_of(y + row * n + c * CHUNK, left < CHUNK ? left : CHUNK);

            fired[c * apart + row] = bits;
            ones += __builtin_popcountll(bits);
        }
    }
    return ones;
}
