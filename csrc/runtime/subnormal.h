/* Subnormal numbers count as zero while a network runs, as they do in TensorFlow: a weight's v
 * that decays, or a gradient that fades over many steps, ends among them, and arithmetic with
 * them is many times slower.  What was set before is put back: it belongs to the caller.
 */
#ifndef NEUROAI_SUBNORMAL_H
#define NEUROAI_SUBNORMAL_H

#include <stdint.h>

#if defined(__x86_64__)

static inline uint64_t subnormals_read(void) { return __builtin_ia32_stmxcsr(); }
static inline void subnormals_set(uint64_t state) { __builtin_ia32_ldmxcsr((unsigned)state); }
enum { SUBNORMALS_OFF = 0x8040 };       /* results are flushed to zero, operands count as zero */

#elif defined(__aarch64__)

static inline uint64_t subnormals_read(void)
{
    uint64_t state;

    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    return state;
}

static inline void subnormals_set(uint64_t state)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
}
enum { SUBNORMALS_OFF = 1 << 24 };

#else

static inline uint64_t subnormals_read(void) { return 0; }
static inline void subnormals_set(uint64_t state) { (void)state; }
enum { SUBNORMALS_OFF = 0 };

#endif

/* returns what subnormals_set takes to undo it */
static inline uint64_t subnormals_off(void)
{
    const uint64_t before = subnormals_read();

    subnormals_set(before | SUBNORMALS_OFF);
    return before;
}

#endif
