/* Rate coding, with the draws of NumPy's legacy generator.
 *
 *     p = data most / T                    in float64
 *     spike at step t  where  p > draw,    draw = k / 2^53,  k = a 2^26 + b
 *
 * a and b are the upper 27 and 26 bits of two consecutive words of MT19937; the
 * draws go through all numbers of step 0, then of step 1, ...  As p 2^53 is exact,
 * p > draw means k < ceil(p 2^53) = c, and that is decided by a < c / 2^26 but
 * where a equals it.  Numbers with p <= 0 never spike: only candidates, those
 * with p > 0, have their words tempered and compared.
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
}

static inline uint32_t mt_temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

/* ---- spikes ---------------------------------------------------------------- */

/* c = ceil(p 2^53), from 0 to 2^53; 0 where p is not a number */
static uint64_t threshold_of(double data, double most, ptrdiff_t T)
{
    const double p = data * most / (double)T;

    return p > 0 ? p >= 1 ? UINT64_C(1) << 53 : (uint64_t)ceil(p * 0x1p53) : 0;
}

static void rate_count(ptrdiff_t *first, const double *data, double most,
                       ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    first[0] = 0;
    for (ptrdiff_t s = 0; s < samples; s++, data += N) {
        ptrdiff_t count = 0;

        for (ptrdiff_t i = 0; i < N; i++) {
            count += threshold_of(data[i], most, T) > 0;
        }
        first[s + 1] = first[s] + count;
    }
}

static void rate_start(uint32_t *events, uint32_t *threshold, const double *data, double most,
                       const ptrdiff_t *first, ptrdiff_t begin, ptrdiff_t end,
                       ptrdiff_t T, ptrdiff_t N)
{
    const ptrdiff_t size = 1 + spikes_words(T);

    for (ptrdiff_t s = begin; s < end; s++) {
        ptrdiff_t e = first[s];

        for (ptrdiff_t i = 0; i < N && e < first[s + 1]; i++) {
            const uint64_t c = threshold_of(data[s * N + i], most, T);

            if (c > 0) {
                memset(events + e * size, 0, (size_t)size * sizeof *events);
                events[e * size] = (uint32_t)i;
                threshold[e++] = (uint32_t)(c >> 26);
            }
        }
        for (; e < first[s + 1]; e++) {         /* data has changed meanwhile: no spike */
            memset(events + e * size, 0, (size_t)size * sizeof *events);
            events[e * size] = (uint32_t)(N - 1);
            threshold[e] = 0;
        }
    }
}

static void rate_step(uint32_t *events, const uint32_t *threshold, MersenneTwister *mt,
                      const double *data, double most, const ptrdiff_t *first, ptrdiff_t t,
                      ptrdiff_t begin, ptrdiff_t end,
                      ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    const ptrdiff_t size = 1 + spikes_words(T), word = 1 + t / 32;
    const unsigned bit = (unsigned)(t % 32);

    for (ptrdiff_t s = begin; s < end; s++) {
        const uint64_t row = 2 * (uint64_t)((t * samples + s) * N);     /* its first word */

        for (ptrdiff_t e = first[s]; e < first[s + 1]; e++) {
            uint32_t *event = events + e * size;
            const uint64_t draw = row + 2 * (uint64_t)event[0];
            uint64_t at = draw - mt->begin;
            uint32_t a;

            while (at >= MT_WORDS) {
                mt_advance(mt);
                at = draw - mt->begin;
            }
            a = mt_temper(mt->key[at]) >> 5;
            event[word] |= (uint32_t)(a < threshold[e]) << bit;     /* no branch: it is chance */
            if (a == threshold[e]) {
                const uint64_t b = mt_temper(mt->key[at + 1]) >> 6;
                const uint64_t c = threshold_of(data[s * N + event[0]], most, T);

                event[word] |= (uint32_t)(((uint64_t)a << 26 | b) < c) << bit;
            }
        }
    }
}

static ptrdiff_t rate_finish(uint32_t *events, ptrdiff_t *first, ptrdiff_t samples, ptrdiff_t T)
{
    const ptrdiff_t size = 1 + spikes_words(T);
    ptrdiff_t left = 0, begin = 0;

    for (ptrdiff_t s = 0; s < samples; s++) {
        const ptrdiff_t end = first[s + 1];

        for (ptrdiff_t e = begin; e < end; e++) {
            uint32_t any = 0;

            for (ptrdiff_t k = 1; k < size; k++) {
                any |= events[e * size + k];
            }
            if (any) {
                memmove(events + left++ * size, events + e * size, (size_t)size * sizeof *events);
            }
        }
        begin = end;
        first[s + 1] = left;
    }
    return left;
}
