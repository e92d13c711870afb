/* Rate coding, with the draws of NumPy's legacy generator.
 *
 *     p = data most / T                    in float64
 *     spike at step t  where  p > draw,    draw = k / 2^53,  k = a 2^26 + b
 *
 * a and b are the upper 27 and 26 bits of two consecutive words of MT19937; the
 * draws go through all numbers of step 0, then of step 1, ...  As p 2^53 is exact,
 * p > draw means k < ceil(p 2^53) = c, and that is decided by a < c / 2^26 but
 * where a equals it.  Numbers with p <= 0 never spike: only candidates, those
 * with p > 0, are compared.  A step writes one bit a candidate; the bits become events
 * when all steps are there.
 *
 * M. Matsumoto and T. Nishimura, ACM TOMACS 8, 3-30 (1998).
 */
#include "rate.h"

#include <math.h>
#include <string.h>

enum { MT_SHIFT = 397 };

/* ---- the generator --------------------------------------------------------- */

static void mt_seed(MersenneTwister *mt, uint32_t seed)
{
    for (uint32_t i = 0; i < MT_WORDS; i++) {
        mt->key[i] = seed;
        seed = UINT32_C(1812433253) * (seed ^ seed >> 30) + i + 1;
    }
    mt->begin = (uint64_t)0 - MT_WORDS;         /* these words are the seed: none is drawn */
    mt->has_upper = 0;
}

static inline uint32_t mt_twist(uint32_t upper, uint32_t lower, uint32_t far)
{
    const uint32_t y = (upper & UINT32_C(0x80000000)) | (lower & UINT32_C(0x7fffffff));

    return far ^ y >> 1 ^ (-(lower & 1) & UINT32_C(0x9908b0df));
}

/* the next MT_WORDS words */
static void mt_advance(MersenneTwister *mt)
{
    uint32_t *key = mt->key;

    for (int i = 0; i < MT_WORDS - MT_SHIFT; i++) {
        key[i] = mt_twist(key[i], key[i + 1], key[i + MT_SHIFT]);
    }
    for (int i = MT_WORDS - MT_SHIFT; i < MT_WORDS - 1; i++) {
        key[i] = mt_twist(key[i], key[i + 1], key[i + MT_SHIFT - MT_WORDS]);
    }
    key[MT_WORDS - 1] = mt_twist(key[MT_WORDS - 1], key[0], key[MT_SHIFT - 1]);
    mt->begin += MT_WORDS;
    mt->has_upper = 0;
}

static inline uint32_t mt_temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

/* a of every draw that the words hold */
static void mt_upper(MersenneTwister *mt)
{
    for (ptrdiff_t i = 0; i < MT_DRAWS; i++) {
        mt->upper[i] = mt_temper(mt->key[2 * i]) >> 5;
    }
    mt->has_upper = 1;
}

static int rate_skip(MersenneTwister *mt, uint64_t draw, ptrdiff_t most)
{
    for (; most > 0 && draw - mt->begin / 2 >= MT_DRAWS; most -= MT_DRAWS) {
        mt_advance(mt);
    }
    return draw - mt->begin / 2 < MT_DRAWS;
}

/* ---- candidates ------------------------------------------------------------- */

/* c = ceil(p 2^53), from 0 to 2^53; 0 where p is not a number */
static uint64_t threshold_of(double data, double most, ptrdiff_t T)
{
    double p = data * most;

    if (!(p > 0)) {                             /* most are 0: no division for these */
        return 0;
    }
    p /= (double)T;
    return p >= 1 ? UINT64_C(1) << 53 : (uint64_t)ceil(p * 0x1p53);
}

static void rate_count(ptrdiff_t *count, const double *data, double most,
                       ptrdiff_t begin, ptrdiff_t end, ptrdiff_t T, ptrdiff_t N)
{
    for (ptrdiff_t s = begin; s < end; s++) {
        const double *row = data + s * N;
        ptrdiff_t some = 0;

        for (ptrdiff_t i = 0; i < N; i++) {
            some += row[i] * most / (double)T > 0;
        }
        count[s] = some;
    }
}

static void rate_start(uint32_t *index, uint32_t *threshold, const double *data, double most,
                       const ptrdiff_t *first, ptrdiff_t begin, ptrdiff_t end,
                       ptrdiff_t T, ptrdiff_t N)
{
    for (ptrdiff_t s = begin; s < end; s++) {
        ptrdiff_t e = first[s];

        for (ptrdiff_t i = 0; i < N && e < first[s + 1]; i++) {
            const uint64_t c = threshold_of(data[s * N + i], most, T);

            if (c > 0) {
                index[e] = (uint32_t)i;
                threshold[e++] = (uint32_t)(c >> 26);
            }
        }
        for (; e < first[s + 1]; e++) {         /* data has changed meanwhile: no spike */
            index[e] = (uint32_t)(N - 1);
            threshold[e] = 0;
        }
    }
}

/* ---- a step ------------------------------------------------------------------ */

static void rate_step(uint64_t *bits, ptrdiff_t bit, const uint32_t *index,
                      const uint32_t *threshold, MersenneTwister *mt, const double *data,
                      double most, const ptrdiff_t *first, ptrdiff_t t,
                      ptrdiff_t begin, ptrdiff_t end, ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    uint64_t word = bit & 63 ? bits[bit / 64] : 0;

    for (ptrdiff_t s = begin; s < end; s++) {
        const uint64_t row = (uint64_t)((t * samples + s) * N);        /* its first draw */

        for (ptrdiff_t e = first[s]; e < first[s + 1];) {
            uint64_t at = row + index[e] - mt->begin / 2;

            while (at >= MT_DRAWS) {
                mt_advance(mt);
                at = row + index[e] - mt->begin / 2;
            }
            if (!mt->has_upper) {
                mt_upper(mt);
            }
            for (const uint64_t base = at - index[e];
                 e < first[s + 1] && (at = base + index[e]) < MT_DRAWS; e++) {
                const uint32_t a = mt->upper[at];
                uint64_t spike = a < threshold[e];      /* no branch: it is chance */

                if (a == threshold[e]) {
                    const uint64_t b = mt_temper(mt->key[2 * at + 1]) >> 6;

                    spike = ((uint64_t)a << 26 | b) <
                            threshold_of(data[s * N + index[e]], most, T);
                }
                word |= spike << (bit & 63);
                if ((++bit & 63) == 0) {
                    bits[bit / 64 - 1] = word;
                    word = 0;
                }
            }
        }
    }
    if (bit & 63) {
        bits[bit / 64] = word;
    }
}

/* ---- events -------------------------------------------------------------------- */

static ptrdiff_t rate_survivors(ptrdiff_t *count, uint64_t *any, const uint64_t *bits,
                                ptrdiff_t bit, ptrdiff_t apart, const ptrdiff_t *first,
                                ptrdiff_t begin, ptrdiff_t end, ptrdiff_t T)
{
    const ptrdiff_t last = bit + first[end] - first[begin];
    ptrdiff_t left = 0;

    for (ptrdiff_t w = (bit + 63) / 64; w < (last + 63) / 64; w++) {
        any[w] = 0;
        for (ptrdiff_t t = 0; t < T; t++) {
            any[w] |= bits[t * apart + w];
        }
    }
    for (ptrdiff_t s = begin; s < end; s++) {
        count[s] = 0;
        for (ptrdiff_t k = first[s]; k < first[s + 1]; k++, bit++) {
            count[s] += (ptrdiff_t)(any[bit / 64] >> bit % 64 & 1);
        }
        left += count[s];
    }
    return left;
}

/* word k of the masks of 64 candidates, of the steps from 32 k on */
static void masks_of(uint32_t mask[64], const uint64_t *bits, ptrdiff_t apart, ptrdiff_t steps)
{
    memset(mask, 0, 64 * sizeof *mask);
    for (ptrdiff_t t = 0; t < steps; t++, bits += apart) {
        const uint32_t low = (uint32_t)*bits, high = (uint32_t)(*bits >> 32);

        for (int i = 0; i < 32; i++) {
            mask[i] |= (low >> i & 1) << t;
            mask[32 + i] |= (high >> i & 1) << t;
        }
    }
}

static void rate_events(uint32_t *events, const uint32_t *index, const uint64_t *any,
                        const uint64_t *bits, ptrdiff_t apart, ptrdiff_t candidates, ptrdiff_t T)
{
    const ptrdiff_t words = spikes_words(T), size = 1 + words;

    for (ptrdiff_t w = 0; w < (candidates + 63) / 64; w++) {
        uint32_t mask[64];

        for (ptrdiff_t k = 0; k < words; k++) {
            uint32_t *event = events;

            masks_of(mask, bits + 32 * k * apart + w, apart, T - 32 * k < 32 ? T - 32 * k : 32);
            for (uint64_t left = any[w]; left; left &= left - 1, event += size) {
                const int i = __builtin_ctzll(left);

                event[0] = index[64 * w + i];
                event[1 + k] = mask[i];
            }
        }
        events += __builtin_popcountll(any[w]) * size;
    }
}
