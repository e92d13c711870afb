/* Dropout: numbers are left out with some probability, the others grow by as much.
 *
 *     y = x keep / (1 - rate)              dx = dy keep / (1 - rate)
 *
 * keep is a hash of the key and of where the number stands: sample, step and unit.  It is the
 * same going backward, for every number of threads and every way to cut the work.
 *
 * N. Srivastava et al., JMLR 15, 1929-1958 (2014).
 */
#include "neuroai.h"

/* a bijection of 64 bits in which every bit depends on all */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* the same of 32 bits, which runs on vectors */
INLINE uint32_t mix_short(uint32_t x)
{
    x = (x ^ x >> 16) * UINT32_C(0x7feb352d);
    x = (x ^ x >> 15) * UINT32_C(0x846ca68b);
    return x ^ x >> 16;
}

static void dropout(real *y, const real *x, Dropout drop, ptrdiff_t s, ptrdiff_t T, ptrdiff_t m)
{
    const real scale = (real)(1 / (1 - drop.rate));
    const uint32_t least = (uint32_t)(drop.rate * 4294967296.0);
    const uint64_t sample = mix(drop.key ^ mix((uint64_t)s));

    for (ptrdiff_t t = 0; t < T; t++, y += m, x += m) {
        const uint64_t row = mix(sample ^ (uint64_t)t);
        const uint32_t low = (uint32_t)row, high = (uint32_t)(row >> 32);

        INDEPENDENT
        for (ptrdiff_t j = 0; j < m; j++) {
            y[j] = mix_short(mix_short(low + (uint32_t)j) ^ high) >= least ? x[j] * scale : 0;
        }
    }
}
