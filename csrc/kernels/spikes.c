/* Spikes as events, from a dense array of 0 and 1 and back (spikes.h). */
#include "spikes.h"

#include <string.h>

ptrdiff_t spikes_find(const Spikes *x, ptrdiff_t s, ptrdiff_t index)
{
    ptrdiff_t low = x->first[s], high = x->first[s + 1];

    if (index <= 0) {
        return low;
    }
    while (low < high) {
        const ptrdiff_t middle = low + (high - low) / 2;

        if ((ptrdiff_t)x->events[middle * (1 + x->words)] < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int spikes_count(ptrdiff_t *first, uint8_t *active, const uint8_t *dense,
                 ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    unsigned any = 0;

    first[0] = 0;
    for (ptrdiff_t s = 0; s < samples; s++) {
        ptrdiff_t count = 0;

        memset(active, 0, (size_t)N);
        for (ptrdiff_t t = 0; t < T; t++, dense += N) {
            for (ptrdiff_t i = 0; i < N; i++) {
                active[i] |= dense[i];
            }
        }
        for (ptrdiff_t i = 0; i < N; i++) {
            any |= active[i];
            count += active[i] != 0;
        }
        first[s + 1] = first[s] + count;
    }
    return any > 1 ? -1 : 0;
}

void spikes_pack(uint32_t *events, ptrdiff_t *place, const uint8_t *dense,
                 const ptrdiff_t *first, ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    const ptrdiff_t words = spikes_words(T);

    for (ptrdiff_t s = 0; s < samples; s++, dense += T * N) {
        ptrdiff_t next = first[s];

        for (ptrdiff_t i = 0; i < N; i++) {
            place[i] = -1;
        }
        for (ptrdiff_t t = 0; t < T; t++) {
            for (ptrdiff_t i = 0; i < N; i++) {
                place[i] = dense[t * N + i] ? 0 : place[i];
            }
        }
        for (ptrdiff_t i = 0; i < N; i++) {
            if (place[i] == 0 && next < first[s + 1]) {
                events[next * (1 + words)] = (uint32_t)i;
                place[i] = next++;
            } else {
                place[i] = -1;
            }
        }
        for (ptrdiff_t t = 0; t < T; t++) {
            for (ptrdiff_t i = 0; i < N; i++) {
                if (dense[t * N + i] && place[i] >= 0) {
                    events[place[i] * (1 + words) + 1 + t / 32] |= UINT32_C(1) << t % 32;
                }
            }
        }
    }
}

void spikes_unpack(uint8_t *dense, const Spikes *x, ptrdiff_t begin, ptrdiff_t last)
{
    for (ptrdiff_t s = begin; s < last; s++, dense += x->T * x->N) {
        for (ptrdiff_t e = x->first[s]; e < x->first[s + 1]; e++) {
            const uint32_t *event = x->events + e * (1 + x->words);

            for (ptrdiff_t k = 0; k < x->words; k++) {
                for (uint32_t mask = event[1 + k]; mask; mask &= mask - 1) {
                    dense[(32 * k + lowest_bit(mask)) * x->N + event[0]] = 1;
                }
            }
        }
    }
}
