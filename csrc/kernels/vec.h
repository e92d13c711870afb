/* The widest vectors of the instruction set, by gcc's and clang's vector types. */
#ifndef NEUROAI_VEC_H
#define NEUROAI_VEC_H

#include "real.h"

#include <string.h>

#if defined(NEUROAI_AVX512) || defined(NEUROAI_AVX2)
#include <immintrin.h>
#endif

/* Of a product up to MATMUL_ROWS x MATMUL_VECS vectors are held in registers.  AVX-512 has 32 of
 * them and multiplies by a number from memory in one instruction: with one vector a row there
 * is no number to keep.  The others have 16. */
#if defined(NEUROAI_AVX512)
#define VEC_BYTES 64
#define MATMUL_ROWS 16
#define MATMUL_VECS 1
#elif defined(NEUROAI_AVX2)
#define VEC_BYTES 32
#define MATMUL_ROWS 6
#define MATMUL_VECS 2
#else
#define VEC_BYTES 16
#define MATMUL_ROWS 4
#define MATMUL_VECS 2
#endif

typedef real vec __attribute__((vector_size(VEC_BYTES)));

enum { LANES = VEC_BYTES / sizeof(real) };

/* for all values of the constants that a function is inlined with; a build that looks for errors
 * may do without, in a tenth of the time */
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

/* what happens seldom, kept apart so that what happens always stays small */
#define RARE static __attribute__((noinline, cold))

/* before a loop whose rounds touch different places, whatever its pointers are */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

INLINE vec vec_load(const real *from)
{
    vec v;

    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void vec_store(real *to, vec v) { memcpy(to, &v, sizeof v); }

/* bit k says that number k is above 0 */
INLINE uint32_t vec_positive(vec v)
{
    const vec zero = {0};

#if defined(NEUROAI_AVX512) && defined(NEUROAI_FLOAT64)
    return _mm512_cmp_pd_mask(v, zero, _CMP_GT_OQ);
#elif defined(NEUROAI_AVX512)
    return _mm512_cmp_ps_mask(v, zero, _CMP_GT_OQ);
#elif defined(NEUROAI_AVX2) && defined(NEUROAI_FLOAT64)
    return (uint32_t)_mm256_movemask_pd(_mm256_cmp_pd(v, zero, _CMP_GT_OQ));
#elif defined(NEUROAI_AVX2)
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(v, zero, _CMP_GT_OQ));
#else
    uint32_t bits = 0;

    for (int k = 0; k < LANES; k++) {
        bits |= (uint32_t)(v[k] > zero[k]) << k;
    }
    return bits;
#endif
}

#endif
