/* The widest vectors of the instruction set, by gcc's and clang's vector types. */
#ifndef NEUROAI_VEC_H
#define NEUROAI_VEC_H

#include "real.h"

#include <string.h>

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

#define INLINE static inline __attribute__((always_inline))

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

#endif
