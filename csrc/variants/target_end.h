/* The end of what target_begin.h began. */
#if (defined(NEUROAI_AVX512) || defined(NEUROAI_AVX2)) && defined(__clang__)
#pragma clang attribute pop
#elif defined(NEUROAI_AVX512) || defined(NEUROAI_AVX2)
#pragma GCC pop_options
#endif
