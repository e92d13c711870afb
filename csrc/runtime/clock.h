/* Time that only goes on. */
#ifndef NEUROAI_CLOCK_H
#define NEUROAI_CLOCK_H

#include <time.h>

/* seconds since some moment */
static inline double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

#endif
