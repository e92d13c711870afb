/* Rate coding of an array: each thread has a part of the samples, which it takes through all time
 * steps, piece by piece. */
#include "border.h"

#include "../runtime/clock.h"
#include "../runtime/pages.h"
#include "../runtime/team.h"

/* What is done before step 0.  As step T those are found that spike at all, as step T + 1 their
 * events are written. */
enum { COUNT = -2, START = -1 };

/* seconds between looks for signals */
static const double SECONDS = 0.02;

/* Numbers, or one sample, that a thread works on before it looks at the clock: so many take a
 * millisecond at most. */
enum { PIECE = 1 << 18 };

/* Of every part: its samples, its generator, which draws all numbers on its own, where its
 * bits begin in a row of words, its events and those written; what comes next, of which samples. */
typedef struct {
    MersenneTwister mt;
    ptrdiff_t begin, end, word, left, written;
    ptrdiff_t t, at;
} RatePart;

typedef struct {
    RatePart *part;
    int parts;
    uint32_t *index, *threshold, *events;
    uint64_t *bits;                     /* (T + 1, apart); the last row: any */
    ptrdiff_t apart;
    ptrdiff_t *first;                   /* (samples + 1) of candidates */
    ptrdiff_t *count;                   /* (samples) */
    const double *data;
    double most;
    ptrdiff_t samples, T, N;
    ptrdiff_t last;                     /* t at which all parts stop */
    double until;                       /* when they do for now */
} RateJob;

/* the events of the part's words that begin in these samples; other parts have those before */
static void rate_write(const RateJob *job, RatePart *part, ptrdiff_t from, ptrdiff_t to)
{
    const ptrdiff_t T = job->T, lead = job->first[part->begin];
    const ptrdiff_t candidates = job->first[part->end] - lead;
    const ptrdiff_t w = (job->first[from] - lead + 63) / 64;
    const ptrdiff_t end = (job->first[to] - lead + 63) / 64;
    const uint64_t *bits = job->bits + part->word, *any = bits + T * job->apart;
    ptrdiff_t before = part->written;

    for (const RatePart *other = job->part; other < part; other++) {
        before += other->left;
    }
    rate_events(job->events + before * (1 + spikes_words(T)), job->index + lead + 64 * w, any + w,
                bits + w, job->apart, (64 * end < candidates ? 64 * end : candidates) - 64 * w, T);
    for (ptrdiff_t i = w; i < end; i++) {
        part->written += __builtin_popcountll(any[i]);
    }
}

static void rate_piece(const RateJob *job, RatePart *part)
{
    const ptrdiff_t t = part->t, T = job->T, N = job->N, lead = job->first[part->begin];
    const ptrdiff_t most = PIECE / (t < T ? N : N * (1 + T / 32)), from = part->at;
    const ptrdiff_t to = part->end - from <= most ? part->end : from + (most > 0 ? most : 1);

    if (t == COUNT) {
        rate_count(job->count, job->data, job->most, from, to, T, N);
    } else if (t == START) {
        rate_start(job->index, job->threshold, job->data, job->most, job->first, from, to, T, N);
    } else if (t < T) {
        if (from < to &&
            !rate_skip(&part->mt, (uint64_t)((t * job->samples + from) * N), PIECE)) {
            return;
        }
        rate_step(job->bits + part->word + t * job->apart, job->first[from] - lead, job->index,
                  job->threshold, &part->mt, job->data, job->most, job->first, t, from, to,
                  job->samples, T, N);
    } else if (t == T) {
        uint64_t *bits = job->bits + part->word;

        part->left += rate_survivors(job->count, bits + T * job->apart, bits,
                                     job->first[from] - lead, job->apart, job->first, from, to, T);
    } else {
        rate_write(job, part, from, to);
    }
    part->at = to < part->end ? to : part->begin;
    part->t += to == part->end;
}

static void rate_rank(void *argument, Team *Py_UNUSED(team), int rank, int ranks)
{
    const RateJob *job = argument;

    for (int i = rank; i < job->parts; i += ranks) {
        while (job->part[i].t < job->last) {
            rate_piece(job, &job->part[i]);
            if (now() >= job->until) {
                return;
            }
        }
    }
}

/* all from t = begin to t = end; -1 with an exception set, of a signal */
static int rate_run(RateJob *job, ptrdiff_t begin, ptrdiff_t end)
{
    int left = job->samples > 0;

    job->last = end;
    for (int i = 0; i < job->parts; i++) {
        job->part[i].t = begin;
        job->part[i].at = job->part[i].begin;
    }
    while (left) {
        Py_BEGIN_ALLOW_THREADS
        job->until = now() + SECONDS;
        team_run(rate_rank, job, job->parts);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals()) {
            return -1;
        }
        left = 0;
        for (int i = 0; i < job->parts; i++) {
            left |= job->part[i].t < end;
        }
    }
    return 0;
}

/* first from the counts of the samples */
static void rate_add_up(ptrdiff_t *first, const ptrdiff_t *count, ptrdiff_t samples)
{
    for (ptrdiff_t s = 0; s < samples; s++) {
        first[s + 1] = first[s] + count[s];
    }
}

/* memory for the candidates, when they are counted */
static int rate_reserve(RateJob *job, uint32_t seed)
{
    const ptrdiff_t candidates = job->first[job->samples];
    ptrdiff_t words;

    job->apart = candidates > 0 ? candidates / 64 + job->parts : 0;
    if ((words = checked_product(job->T + 1, job->apart, 1)) < 0 ||
        !(job->bits = PyMem_RawMalloc(((size_t)words + 1) * sizeof *job->bits)) ||
        !(job->index = PyMem_RawMalloc(((size_t)candidates + 1) * sizeof *job->index)) ||
        !(job->threshold = PyMem_RawMalloc(((size_t)candidates + 1) * sizeof *job->threshold))) {
        PyErr_NoMemory();
        return -1;
    }
    pages_large(job->bits, (size_t)words * sizeof *job->bits);
    pages_large(job->index, (size_t)candidates * sizeof *job->index);
    pages_large(job->threshold, (size_t)candidates * sizeof *job->threshold);
    for (int i = 0; i < job->parts; i++) {
        RatePart *part = &job->part[i];

        part->word = job->first[part->begin] / 64 + i;      /* no word is of two parts */
        mt_seed(&part->mt, seed);
    }
    return 0;
}

static PyObject *py_rate_encode(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "rate_encode"};
    PyObject *array, *result = NULL;
    Spikes *spikes = NULL;
    RateJob job = {.parts = team_size()};
    unsigned int seed;

    if (!PyArg_ParseTuple(args, "OndI:rate_encode", &array, &job.T, &job.most, &seed) ||
        check_array(&call, &job.data, array, "data2D", NPY_DOUBLE, REQUIRED,
                    "B:examples N:features")) {
        return NULL;
    }
    job.samples = SIZE(&call, 'B');
    job.N = SIZE(&call, 'N');
    if (job.T < 0) {
        PyErr_Format(PyExc_ValueError, "rate_encode: N_ts must be 0 or more, got %zd", job.T);
        return NULL;
    }
    if (check_inputs(call.function, job.N) || checked_product(job.samples, job.T, job.N) < 0 ||
        !(spikes = spikes_new(job.samples, job.T, job.N))) {
        return NULL;
    }
    job.first = PyMem_RawCalloc((size_t)job.samples + 1, sizeof *job.first);
    job.count = PyMem_RawCalloc((size_t)job.samples + 1, sizeof *job.count);
    job.part = PyMem_RawCalloc((size_t)job.parts, sizeof *job.part);
    if (!job.first || !job.count || !job.part) {
        PyErr_NoMemory();
        goto exit;
    }
    for (int i = 0; i < job.parts; i++) {
        job.part[i].begin = job.samples * i / job.parts;
        job.part[i].end = job.samples * (i + 1) / job.parts;
    }
    if (rate_run(&job, COUNT, COUNT + 1)) {
        goto exit;
    }
    rate_add_up(job.first, job.count, job.samples);
    if (job.first[job.samples] == 0) {          /* nothing spikes, in however many steps */
        job.samples = 0;
    }
    if (rate_reserve(&job, seed) || rate_run(&job, START, job.T + 1)) {
        goto exit;
    }
    rate_add_up((ptrdiff_t *)spikes->first, job.count, job.samples);
    if (!(job.events = spikes_room(spikes)) || rate_run(&job, job.T + 1, job.T + 2)) {
        goto exit;
    }
    result = spikes_wrap(spikes);
    spikes = NULL;
exit:
    spikes_free(spikes);
    PyMem_RawFree(job.first);
    PyMem_RawFree(job.count);
    PyMem_RawFree(job.part);
    PyMem_RawFree(job.bits);
    PyMem_RawFree(job.index);
    PyMem_RawFree(job.threshold);
    return result;
}
