/* Rate coding of an array: the samples in parts, a time step after the other. */
#include "border.h"

#include "../runtime/team.h"

typedef struct {
    MersenneTwister *mt;                /* (parts): each draws all numbers on its own */
    uint32_t *events, *threshold;
    const double *data;
    double most;
    const ptrdiff_t *first;
    ptrdiff_t t, samples, T, N;         /* t = -1: before the first step */
    int parts;
} RateJob;

static void rate_rank(void *argument, Team *Py_UNUSED(team), int rank, int ranks)
{
    const RateJob *job = argument;

    for (int part = rank; part < job->parts; part += ranks) {
        const ptrdiff_t begin = job->samples * part / job->parts;
        const ptrdiff_t end = job->samples * (part + 1) / job->parts;

        if (job->t < 0) {
            rate_start(job->events, job->threshold, job->data, job->most, job->first,
                       begin, end, job->T, job->N);
        } else {
            rate_step(job->events, job->threshold, &job->mt[part], job->data, job->most,
                      job->first, job->t, begin, end, job->samples, job->T, job->N);
        }
    }
}

/* all of it but the counting before; -1 with an exception set, of a signal */
static int rate_run(RateJob *job)
{
    for (job->t = -1; job->samples > 0 && job->t < job->T; job->t++) {
        Py_BEGIN_ALLOW_THREADS
        team_run(rate_rank, job, job->parts);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals()) {
            return -1;
        }
    }
    return 0;
}

static PyObject *py_rate_encode(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "rate_encode"};
    PyObject *array, *result = NULL;
    Spikes *spikes = NULL;
    RateJob job = {.parts = team_size()};
    ptrdiff_t *first, left;
    void *smaller;
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
    job.first = first = (ptrdiff_t *)spikes->first;
    Py_BEGIN_ALLOW_THREADS
    rate_count(first, job.data, job.most, job.samples, job.T, job.N);
    Py_END_ALLOW_THREADS
    job.events = spikes_room(spikes);
    job.threshold = PyMem_RawMalloc(((size_t)first[job.samples] + 1) * sizeof *job.threshold);
    job.mt = PyMem_RawMalloc((size_t)job.parts * sizeof *job.mt);
    if (!job.events || !job.threshold || !job.mt) {
        PyErr_NoMemory();
        goto exit;
    }
    for (int part = 0; part < job.parts; part++) {
        mt_seed(&job.mt[part], seed);
    }
    if (rate_run(&job)) {
        goto exit;
    }
    left = rate_finish(job.events, first, job.samples, job.T);
    smaller = PyMem_RawRealloc(job.events, (size_t)(left * (1 + spikes->words) + 1) *
                                               sizeof *job.events);
    spikes->events = smaller ? smaller : job.events;
    result = spikes_wrap(spikes);
    spikes = NULL;
exit:
    spikes_free(spikes);
    PyMem_RawFree(job.threshold);
    PyMem_RawFree(job.mt);
    return result;
}
