/* Large pages for large arrays that are visited sample by sample in any order: fewer misses of
 * the address cache, and fewer faults while they are filled.  Only a wish; where the system does
 * not know it nothing is lost.
 */
#ifndef NEUROAI_PAGES_H
#define NEUROAI_PAGES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

/* of n bytes that are not filled yet */
static inline void pages_large(void *memory, size_t n)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t large = (uintptr_t)1 << 21;
    const uintptr_t start = (uintptr_t)memory;
    const uintptr_t begin = (start + large - 1) / large * large, end = (start + n) / large * large;

    if (memory && begin < end) {
        (void)madvise((char *)memory + (begin - start), end - begin, MADV_HUGEPAGE);
    }
#else
    (void)memory;
    (void)n;
#endif
}

#endif
