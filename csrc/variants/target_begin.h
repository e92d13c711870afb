/* The instruction set of a variant, up to target_end.h; behind all headers of the system. */
#if defined(NEUROAI_AVX512) && defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,bmi"))), apply_to = function)
#elif defined(NEUROAI_AVX512)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,bmi,prefer-vector-width=512")
#elif defined(NEUROAI_AVX2) && defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi"))), apply_to = function)
#elif defined(NEUROAI_AVX2)
#pragma GCC push_options
#pragma GCC target("avx2,bmi")
#endif
