/* Spikes kept as events: of each sample, the inputs that spike, and when.
 *
 * An event is a row of 1 + words numbers: the input's index, then a mask with
 * bit t % 32 of word t / 32 set where the input spikes at step t.  The events
 * of sample s are the rows first[s]..first[s + 1] - 1, in rising index, none
 * of them without a spike.  Independent of precision.
 */
#ifndef NEUROAI_SPIKES_H
#define NEUROAI_SPIKES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint32_t *events;             /* (first[samples], 1 + words) */
    const ptrdiff_t *first;             /* (samples + 1) */
    ptrdiff_t samples, T, N, words;
} Spikes;

/* numbers of a mask over T steps */
static inline ptrdiff_t spikes_words(ptrdiff_t T) { return T / 32 + (T % 32 != 0); }

/* position of the lowest set bit; mask is not 0 */
static inline ptrdiff_t lowest_bit(uint32_t mask) { return __builtin_ctz(mask); }

/* asks for the events of sample s, of which the processor cannot know that they come next */
static inline void spikes_prefetch(const Spikes *x, ptrdiff_t s)
{
    const ptrdiff_t size = 1 + x->words;

    for (ptrdiff_t at = x->first[s] * size; at < x->first[s + 1] * size; at += 16) {
        __builtin_prefetch(x->events + at);
    }
}

/* the first event of sample s whose input is not below `index` */
ptrdiff_t spikes_find(const Spikes *x, ptrdiff_t s, ptrdiff_t index);

/* first (samples + 1) of dense (samples, T, N) that is 0 or 1; returns -1 with
 * nothing of worth written where another number occurs.  active (N) is scratch. */
int spikes_count(ptrdiff_t *first, uint8_t *active, const uint8_t *dense,
                 ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N);

/* events, zero at first, from the dense array that was counted; place (N) is scratch */
void spikes_pack(uint32_t *events, ptrdiff_t *place, const uint8_t *dense,
                 const ptrdiff_t *first, ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N);

/* dense (last - begin, T, N), zero at first, from the samples begin..last - 1 */
void spikes_unpack(uint8_t *dense, const Spikes *x, ptrdiff_t begin, ptrdiff_t last);

#endif
