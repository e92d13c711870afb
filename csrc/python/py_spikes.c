/* Spikes as events: packed, unpacked and chosen. */
#include "border.h"

#include "../runtime/pages.h"

#include <string.h>

static const char SPIKES[] = "neuroai_c.spikes";

void spikes_free(Spikes *spikes)
{
    if (spikes) {
        PyMem_RawFree((void *)spikes->events);
        PyMem_RawFree((void *)spikes->first);
        PyMem_RawFree(spikes);
    }
}

static void spikes_drop(PyObject *capsule)
{
    spikes_free(PyCapsule_GetPointer(capsule, SPIKES));
}

PyObject *spikes_wrap(Spikes *spikes)
{
    PyObject *capsule = PyCapsule_New(spikes, SPIKES, spikes_drop);

    if (!capsule) {
        spikes_free(spikes);
    }
    return capsule;
}

const Spikes *spikes_unwrap(PyObject *capsule)
{
    if (!PyCapsule_IsValid(capsule, SPIKES)) {
        PyErr_Format(PyExc_TypeError, "spikes must be packed, got %s", Py_TYPE(capsule)->tp_name);
        return NULL;
    }
    return PyCapsule_GetPointer(capsule, SPIKES);
}

Spikes *spikes_new(ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    Spikes *spikes = PyMem_RawCalloc(1, sizeof *spikes);

    if (!spikes) {
        PyErr_NoMemory();
        return NULL;
    }
    *spikes = (Spikes){NULL, PyMem_RawCalloc((size_t)samples + 1, sizeof *spikes->first),
                       samples, T, N, spikes_words(T)};
    if (!spikes->first) {
        PyErr_NoMemory();
        spikes_free(spikes);
        return NULL;
    }
    return spikes;
}

uint32_t *spikes_room(Spikes *spikes)
{
    const ptrdiff_t size = checked_product(spikes->first[spikes->samples], 1 + spikes->words, 1);
    uint32_t *events = size < 0 ? NULL : PyMem_RawCalloc((size_t)size + 1, sizeof *events);

    if (!events) {
        PyErr_NoMemory();
        return NULL;
    }
    pages_large(events, ((size_t)size + 1) * sizeof *events);
    spikes->events = events;
    return events;
}

int check_inputs(const char *function, ptrdiff_t N)
{
    if (N > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s: at most %u features, got %zd", function,
                     (unsigned)UINT32_MAX, N);
        return -1;
    }
    return 0;
}

static PyObject *py_pack(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "Spikes"};
    PyObject *dense;
    Spikes *spikes = NULL;
    ptrdiff_t *place = NULL;
    const uint8_t *data;
    uint32_t *events;
    ptrdiff_t B, T, N;
    int bad;

    if (!PyArg_ParseTuple(args, "O:pack", &dense) ||
        check_array(&call, &data, dense, "a", NPY_UINT8, REQUIRED,
                    "B:samples T:steps N:features")) {
        return NULL;
    }
    B = SIZE(&call, 'B');
    T = SIZE(&call, 'T');
    N = SIZE(&call, 'N');
    if (check_inputs(call.function, N) || !(spikes = spikes_new(B, T, N))) {
        return NULL;
    }
    if (B == 0 || T == 0) {                     /* no number: no room for N of them */
        N = 0;
    }
    if (!(place = PyMem_RawMalloc((size_t)N * sizeof *place + 1))) {
        PyErr_NoMemory();
        goto error;
    }
    Py_BEGIN_ALLOW_THREADS
    bad = spikes_count((ptrdiff_t *)spikes->first, (uint8_t *)place, data, B, T, N);
    Py_END_ALLOW_THREADS
    if (bad) {
        PyErr_SetString(PyExc_ValueError, "Spikes: a must hold 0 and 1 only, got other numbers");
        goto error;
    }
    if (!(events = spikes_room(spikes))) {
        goto error;
    }
    Py_BEGIN_ALLOW_THREADS
    spikes_pack(events, place, data, spikes->first, B, T, N);
    Py_END_ALLOW_THREADS
    PyMem_RawFree(place);
    return spikes_wrap(spikes);
error:
    PyMem_RawFree(place);
    spikes_free(spikes);
    return NULL;
}

static PyObject *py_unpack(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *capsule, *result;
    const Spikes *spikes;
    Py_ssize_t begin, last;

    if (!PyArg_ParseTuple(args, "Onn:unpack", &capsule, &begin, &last) ||
        !(spikes = spikes_unwrap(capsule))) {
        return NULL;
    }
    if (begin < 0 || last < begin || last > spikes->samples) {
        PyErr_Format(PyExc_IndexError, "unpack: samples %zd to %zd are not among %zd",
                     begin, last, spikes->samples);
        return NULL;
    }
    npy_intp shape[] = {last - begin, spikes->T, spikes->N};

    result = PyArray_ZEROS(3, shape, NPY_UINT8, 0);
    if (result) {
        uint8_t *dense = PyArray_DATA((PyArrayObject *)result);

        Py_BEGIN_ALLOW_THREADS
        spikes_unpack(dense, spikes, begin, last);
        Py_END_ALLOW_THREADS
    }
    return result;
}

static PyObject *py_take(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "Spikes"};
    PyObject *capsule, *index;
    const Spikes *from;
    Spikes *spikes;
    const npy_intp *sample;
    ptrdiff_t *first;
    uint32_t *events;

    if (!PyArg_ParseTuple(args, "OO:take", &capsule, &index) ||
        !(from = spikes_unwrap(capsule)) ||
        check_array(&call, &sample, index, "index", NPY_INTP, REQUIRED, "B:samples")) {
        return NULL;
    }
    if (!(spikes = spikes_new(SIZE(&call, 'B'), from->T, from->N))) {
        return NULL;
    }
    first = (ptrdiff_t *)spikes->first;
    for (ptrdiff_t b = 0; b < spikes->samples; b++) {
        const ptrdiff_t s = sample[b];

        if (s < 0 || s >= from->samples) {
            PyErr_Format(PyExc_IndexError, "Spikes: sample %zd is not among %zd", s,
                         from->samples);
            spikes_free(spikes);
            return NULL;
        }
        first[b + 1] = first[b] + from->first[s + 1] - from->first[s];
    }
    if (!(events = spikes_room(spikes))) {
        spikes_free(spikes);
        return NULL;
    }
    for (ptrdiff_t b = 0; b < spikes->samples; b++) {
        const ptrdiff_t size = 1 + from->words, count = first[b + 1] - first[b];
        const ptrdiff_t s = sample[b];

        memcpy(events + first[b] * size, from->events + from->first[s] * size,
               (size_t)(count * size) * sizeof *events);
    }
    return spikes_wrap(spikes);
}

static PyObject *py_describe(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    const Spikes *spikes = spikes_unwrap(capsule);

    if (!spikes) {
        return NULL;
    }
    return Py_BuildValue("nnnn", spikes->samples, spikes->T, spikes->N,
                         (Py_ssize_t)((size_t)(spikes->samples + 1) * sizeof *spikes->first +
                                      (size_t)(spikes->first[spikes->samples] *
                                               (1 + spikes->words)) * sizeof *spikes->events));
}

PyMethodDef spikes_methods[] = {
    {"pack", py_pack, METH_VARARGS,
     "pack(a, /)\n--\n\nSpikes of a uint8 array (samples, T, N) of 0 and 1."},
    {"unpack", py_unpack, METH_VARARGS,
     "unpack(spikes, begin, end, /)\n--\n\nThe uint8 array (end - begin, T, N) of these samples."},
    {"take", py_take, METH_VARARGS,
     "take(spikes, index, /)\n--\n\nSpikes of the samples that the intp array `index` names."},
    {"describe", py_describe, METH_O,
     "describe(spikes, /)\n--\n\n(samples, T, N, bytes)."},
    {NULL, NULL, 0, NULL},
};
