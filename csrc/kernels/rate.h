/* Rate coding into events, with the draws of NumPy's legacy generator: in float64
 * alone, so it is part of the float64 variants.
 */
#ifndef NEUROAI_RATE_H
#define NEUROAI_RATE_H

#include "spikes.h"

#define MT_WORDS 624

/* MT19937: `key` holds the words from number `begin` on */
typedef struct {
    uint32_t key[MT_WORDS];
    uint64_t begin;
} MersenneTwister;

static void mt_seed(MersenneTwister *mt, uint32_t seed);

/* Number i of data (samples, N) spikes where data[i] * most / T exceeds its draw.
 * Those that can spike at all are the candidates: their first (samples + 1). */
static void rate_count(ptrdiff_t *first, const double *data, double most,
                       ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N);

/* index and threshold of every candidate of the samples from begin to end, masks zero */
static void rate_start(uint32_t *events, uint32_t *threshold, const double *data, double most,
                       const ptrdiff_t *first, ptrdiff_t begin, ptrdiff_t end,
                       ptrdiff_t T, ptrdiff_t N);

/* sets the bits of step t, of the samples from begin to end; a generator goes through
 * steps and samples in rising order */
static void rate_step(uint32_t *events, const uint32_t *threshold, MersenneTwister *mt,
                      const double *data, double most, const ptrdiff_t *first, ptrdiff_t t,
                      ptrdiff_t begin, ptrdiff_t end,
                      ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N);

/* drops the candidates without a spike, in place; returns the events left */
static ptrdiff_t rate_finish(uint32_t *events, ptrdiff_t *first, ptrdiff_t samples,
                             ptrdiff_t T);

#endif
