/* A pool of threads that outlives its jobs.
 *
 * Whoever waits spins for a short while, as the others are rarely far behind, then
 * sleeps: on a machine that is shared, a spinning thread would keep the one it waits
 * for from running, and one that yields its core gets it back a whole time slice later.
 * A forked child has none of its parent's threads and begins with an empty pool.
 */
#define _POSIX_C_SOURCE 200809L         /* of threads and their signals */

#include "team.h"

#include "subnormal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

enum { SPINS = 1000 };                  /* some ten microseconds */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- a counter that can be waited for -------------------------------------- */

typedef struct {
    atomic_uint value;
    atomic_int sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} Signal;

#define SIGNAL_INIT {0, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}

static void signal_raise(Signal *signal)
{
    atomic_fetch_add(&signal->value, 1);
    if (atomic_load(&signal->sleepers) > 0) {
        pthread_mutex_lock(&signal->mutex);
        pthread_cond_broadcast(&signal->changed);
        pthread_mutex_unlock(&signal->mutex);
    }
}

/* until the value is no longer `old`; 1 if that took a sleep */
static int signal_wait(Signal *signal, unsigned old)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&signal->value, memory_order_acquire) != old) {
            return 0;
        }
        relax();
    }
    pthread_mutex_lock(&signal->mutex);
    atomic_fetch_add(&signal->sleepers, 1);
    while (atomic_load(&signal->value) == old) {
        pthread_cond_wait(&signal->changed, &signal->mutex);
    }
    atomic_fetch_sub(&signal->sleepers, 1);
    pthread_mutex_unlock(&signal->mutex);
    return 1;
}

/* ---- the pool -------------------------------------------------------------- */

struct Team {
    int ranks;
    atomic_int arrived, slept;
    Signal passed;                      /* raised by the last to arrive */
};

static struct {
    atomic_flag in_use;
    int threads;                        /* that run, ranks 1..threads */
    TeamWork *work;
    void *job;
    uint64_t control;                   /* the caller's: its rounding mode is all ranks' */
    Signal begun;
    Team team;                          /* the ranks of this job */
    Team all;                           /* these and the threads it does not need */
} pool = {ATOMIC_FLAG_INIT, 0, NULL, NULL, 0, SIGNAL_INIT, {1, 0, 0, SIGNAL_INIT},
          {1, 0, 0, SIGNAL_INIT}};

static pthread_once_t once = PTHREAD_ONCE_INIT;

void team_barrier(Team *team)
{
    const int ranks = team->ranks;      /* when all have arrived the next run may change it */
    unsigned old;

    if (ranks == 1) {
        return;
    }
    old = atomic_load(&team->passed.value);
    if (atomic_fetch_add(&team->arrived, 1) == ranks - 1) {
        atomic_store(&team->arrived, 0);
        signal_raise(&team->passed);
    } else if (signal_wait(&team->passed, old)) {
        atomic_fetch_add(&team->slept, 1);
    }
}

int team_slept(Team *team) { return atomic_exchange(&team->slept, 0); }

/* A thread's start: its rank, and the count of jobs begun before it came. */
typedef struct {
    int rank;
    unsigned begun;
} Start;

static Start starts[MOST_RANKS];

static void *worker(void *argument)
{
    const Start start = *(const Start *)argument;
    unsigned begun = start.begun;

    for (;;) {
        signal_wait(&pool.begun, begun);
        begun++;
        if (start.rank < pool.team.ranks) {
            subnormals_set(pool.control);
            pool.work(pool.job, &pool.team, start.rank, pool.team.ranks);
        }
        team_barrier(&pool.all);
    }
    return NULL;
}

#if defined(_WIN32)                     /* neither fork nor signals for threads */

static void prepare(void) { }

#else

static void after_fork(void)
{
    static const Signal fresh = SIGNAL_INIT;

    pool.threads = 0;
    pool.begun = fresh;
    pool.team = (Team){1, 0, 0, fresh};
    pool.all = (Team){1, 0, 0, fresh};
    atomic_flag_clear(&pool.in_use);
}

static void prepare(void) { pthread_atfork(NULL, NULL, after_fork); }

#endif

static void add_threads(int wanted)
{
    pthread_t thread;

#if !defined(_WIN32)
    /* signals are for the caller's threads: Python's handlers run there */
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
    while (pool.threads < wanted) {
        Start *start = &starts[pool.threads + 1];

        *start = (Start){pool.threads + 1, atomic_load(&pool.begun.value)};
        if (pthread_create(&thread, NULL, worker, start)) {
            break;
        }
        pthread_detach(thread);
        pool.threads++;
    }
#if !defined(_WIN32)
    pthread_sigmask(SIG_SETMASK, &before, NULL);
#endif
}

void team_run(TeamWork *work, void *job, int ranks)
{
    static Team alone = {1, 0, 0, SIGNAL_INIT};

    pthread_once(&once, prepare);
    ranks = ranks < MOST_RANKS ? ranks : MOST_RANKS;
    if (ranks <= 1 || atomic_flag_test_and_set(&pool.in_use)) {
        work(job, &alone, 0, 1);
        return;
    }
    add_threads(ranks - 1);
    pool.work = work;
    pool.job = job;
    pool.control = subnormals_read();
    pool.team.ranks = pool.threads + 1 < ranks ? pool.threads + 1 : ranks;
    pool.all.ranks = pool.threads + 1;
    signal_raise(&pool.begun);
    work(job, &pool.team, 0, pool.team.ranks);
    team_barrier(&pool.all);
    atomic_flag_clear(&pool.in_use);
}
