/* Rate coding into events, with the draws of NumPy's legacy generator: in float64
 * alone, so it is part of the float64 variants.
 */
#ifndef NEUROAI_RATE_H
#define NEUROAI_RATE_H

#include "spikes.h"

enum { MT_WORDS = 624, MT_DRAWS = MT_WORDS / 2 };

/* MT19937: `key` holds the words from number `begin` on, two a draw; `upper` the upper 27 bits
 * of these draws, where somebody has asked for them */
typedef struct {
    uint32_t key[MT_WORDS];
    uint32_t upper[MT_DRAWS];
    uint64_t begin;
    int has_upper;
} MersenneTwister;

static void mt_seed(MersenneTwister *mt, uint32_t seed);

/* draws and drops, about `most` numbers at most, until the words hold this draw; whether they do */
static int rate_skip(MersenneTwister *mt, uint64_t draw, ptrdiff_t most);

/* Number i of data (samples, N) spikes where data[i] * most / T exceeds its draw.
 * Those that can spike at all are the candidates of a sample: their count (samples), of the
 * samples from begin to end. */
static void rate_count(ptrdiff_t *count, const double *data, double most,
                       ptrdiff_t begin, ptrdiff_t end, ptrdiff_t T, ptrdiff_t N);

/* index and threshold of every candidate; those of sample s are first[s]..first[s + 1] - 1 */
static void rate_start(uint32_t *index, uint32_t *threshold, const double *data, double most,
                       const ptrdiff_t *first, ptrdiff_t begin, ptrdiff_t end,
                       ptrdiff_t T, ptrdiff_t N);

/* bits of step t, of the candidates of the samples from begin to end, the first of which has
 * bit number `bit`, those before it being written; a generator goes through steps and samples
 * in rising order */
static void rate_step(uint64_t *bits, ptrdiff_t bit, const uint32_t *index,
                      const uint32_t *threshold, MersenneTwister *mt, const double *data,
                      double most, const ptrdiff_t *first, ptrdiff_t t,
                      ptrdiff_t begin, ptrdiff_t end, ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N);

/* any: which of these candidates spike at all, from the bits of all steps, which lie apart
 * words apart, all of them written; count: how many in each sample.  `bit` as above: of the word
 * that holds it, `any` is there.  Returns how many. */
static ptrdiff_t rate_survivors(ptrdiff_t *count, uint64_t *any, const uint64_t *bits,
                                ptrdiff_t bit, ptrdiff_t apart, const ptrdiff_t *first,
                                ptrdiff_t begin, ptrdiff_t end, ptrdiff_t T);

/* their events, from the index of the first of these candidates on */
static void rate_events(uint32_t *events, const uint32_t *index, const uint64_t *any,
                        const uint64_t *bits, ptrdiff_t apart, ptrdiff_t candidates, ptrdiff_t T);

#endif
