/* How many threads a run may use. */
#include "border.h"

#include "../runtime/team.h"

#include <stdatomic.h>

static atomic_int threads = 1;

int team_size(void) { return atomic_load(&threads); }

static PyObject *py_set_num_threads(PyObject *Py_UNUSED(module), PyObject *args)
{
    int n;

    if (!PyArg_ParseTuple(args, "i:set_num_threads", &n)) {
        return NULL;
    }
    if (n < 1 || n > MOST_RANKS) {
        PyErr_Format(PyExc_ValueError, "set_num_threads: n must be from 1 to %d, got %d",
                     MOST_RANKS, n);
        return NULL;
    }
    atomic_store(&threads, n);
    Py_RETURN_NONE;
}

static PyObject *py_get_num_threads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    return PyLong_FromLong(team_size());
}

PyMethodDef team_methods[] = {
    {"set_num_threads", py_set_num_threads, METH_VARARGS,
     "set_num_threads(n, /)\n--\n\nThreads that a run may use."},
    {"get_num_threads", py_get_num_threads, METH_NOARGS,
     "get_num_threads()\n--\n\nThreads that a run may use."},
    {NULL, NULL, 0, NULL},
};
