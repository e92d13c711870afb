#include "isa.h"

const char *const isa_name[ISAS] = {"baseline", "avx2", "avx512"};

int isa_available(Isa isa)
{
    switch (isa) {
    case BASELINE:
        return 1;
#if defined(__x86_64__)
    case AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
    case AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("bmi");
#endif
    default:
        return 0;
    }
}
