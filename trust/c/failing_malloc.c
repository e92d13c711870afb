/* Allocations that fail when they are told to.  Loaded before all other libraries (LD_PRELOAD) it
 * stands in front of glibc's; Python has to be started with PYTHONMALLOC=malloc, so that its
 * objects come from here too.
 *
 * What is written from outside are plain variables, as a call through ctypes would allocate.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

long until_failure;     /* the allocation that fails, counted from now; 0: none */
int inside;             /* a function of neuroai_c's compiled part is running */
int inside_only;        /* only what is allocated then counts */
int foreign;            /* code is running of which nothing fails and counts */
long failed, failed_inside;
long threads_left = -1; /* threads that can still be made; -1: any number */
long *note;             /* is told of the failure: 1, or 2 where it is inside; NULL: nothing */
int tell;               /* write to standard error where the allocation is that fails */

atomic_long live;       /* blocks that there are */
atomic_long by_others;  /* allocations of other threads while one was to fail */

static pthread_t owner;

/* the thread whose allocations fail: the caller */
void own(void)
{
    void *frames[1];

    owner = pthread_self();
    backtrace(frames, 1);               /* what it needs is loaded now */
}

static int fails(void)
{
    if (until_failure == 0 || foreign || (inside_only && !inside)) {
        return 0;
    }
    if (!pthread_equal(pthread_self(), owner)) {
        atomic_fetch_add(&by_others, 1);
        return 0;
    }
    if (--until_failure > 0) {
        return 0;
    }
    failed++;
    failed_inside += inside;
    if (note) {
        *note = 1 + inside;
    }
    if (tell) {
        void *frames[64];

        backtrace_symbols_fd(frames, backtrace(frames, 64), 2);
    }
    errno = ENOMEM;
    return 1;
}

static void *counted(void *block)
{
    if (block) {
        atomic_fetch_add(&live, 1);
    }
    return block;
}

void *malloc(size_t size) { return fails() ? NULL : counted(__libc_malloc(size)); }

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    void *moved;

    if (fails()) {
        return NULL;
    }
    moved = __libc_realloc(block, size);
    if (!block) {
        return counted(moved);
    }
    if (size == 0 && !moved) {
        atomic_fetch_sub(&live, 1);
    }
    return moved;
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *made = memalign(alignment, size);

    if (!made) {
        return ENOMEM;
    }
    *block = made;
    return 0;
}

void free(void *block)
{
    if (block) {
        atomic_fetch_sub(&live, 1);
        __libc_free(block);
    }
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*start)(void *), void *argument)
{
    static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (threads_left == 0) {
        return EAGAIN;
    }
    threads_left -= threads_left > 0;
    if (!create) {
        *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    }
    return create(thread, attributes, start, argument);
}
