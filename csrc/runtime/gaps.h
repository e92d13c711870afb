/* Where AddressSanitizer watches: gaps between the buffers of one block that nobody may touch, so
 * that it sees who leaves a buffer for the next one; and numbers that nobody can use, so that
 * whoever reads before writing is found out.  In all other builds nothing.
 */
#ifndef NEUROAI_GAPS_H
#define NEUROAI_GAPS_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define NEUROAI_WATCHED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NEUROAI_WATCHED
#endif
#endif

#ifdef NEUROAI_WATCHED

#include <sanitizer/asan_interface.h>
#include <string.h>

enum { GAP = 64 };

/* n bytes that may be used again, all of them parts of NaNs */
static inline void block_spoil(void *block, size_t n)
{
    ASAN_UNPOISON_MEMORY_REGION(block, n);
    memset(block, 0xff, n);
}

static inline void gap_forbid(void *gap, size_t n) { ASAN_POISON_MEMORY_REGION(gap, n); }

#else

enum { GAP = 0 };

static inline void block_spoil(void *block, size_t n)
{
    (void)block;
    (void)n;
}

static inline void gap_forbid(void *gap, size_t n)
{
    (void)gap;
    (void)n;
}

#endif

#endif
