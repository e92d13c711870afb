/* A network as a capsule that keeps its weights' arrays and its memory, and runs. */
#include "border.h"

#include <stdatomic.h>
#include <stdlib.h>

#ifdef NEUROAI_FLOAT64
static const char NETWORK[] = "neuroai_c.network.f64";
#else
static const char NETWORK[] = "neuroai_c.network.f32";
#endif

typedef struct {
    Network net;
    PyObject *arrays;                   /* list: whatever net points into */
    char *memory;
    size_t size;
    atomic_flag busy;
} Holder;

static void holder_free(Holder *holder)
{
    Py_XDECREF(holder->arrays);
    free(holder->memory);
    PyMem_RawFree(holder->net.layers);
    PyMem_RawFree(holder);
}

static void network_drop(PyObject *capsule)
{
    holder_free(PyCapsule_GetPointer(capsule, NETWORK));
}

/* ---- making one -------------------------------------------------------------- */

/* an array of weights (axes as given) and its slots, kept alive in `arrays` */
static int weights_from(Call *call, Weights *weights, PyObject *array, PyObject *slots,
                        const char *argument, int flags, const char *axes, PyObject *arrays)
{
    PyObject *slot[2] = {Py_None, Py_None};

    if (check_array(call, &weights->w, array, argument, REAL, flags | WRITEABLE, axes)) {
        return -1;
    }
    if (!weights->w) {
        return 0;
    }
    weights->rows = PyArray_DIM((PyArrayObject *)array, 0);
    weights->cols = weights->apart = PyArray_NDIM((PyArrayObject *)array) == 2
                                         ? PyArray_DIM((PyArrayObject *)array, 1) : 1;
    if (slots != Py_None && !PyArg_ParseTuple(slots, "OO:slots", &slot[0], &slot[1])) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        if (check_array(call, &weights->slot[i], slot[i], "a slot", REAL, WRITEABLE | OPTIONAL,
                        axes) ||
            PyList_Append(arrays, slot[i])) {
            return -1;
        }
    }
    return PyList_Append(arrays, array);
}

/* The kernel's rows are filled up to whole cache lines.
 * ("snu", counted, kernel, recurrent_kernel, bias, decay, h, g, inhibition, sequences,
 *  (slots, slots, slots)) */
static int snu_from(Layer *layer, PyObject *tuple, PyObject *arrays)
{
    Call call = {.function = "SNU"};
    PyObject *kernel, *recurrent, *bias, *decay, *slots[3];
    const char *kind;
    int inhibition;

    if (!PyArg_ParseTuple(tuple, "siOOOOO&O&ii(OOO):SNU", &kind, &layer->counted, &kernel,
                          &recurrent, &bias, &decay, parse_activation, &layer->unit.h,
                          parse_activation, &layer->unit.g, &inhibition, &layer->sequences,
                          &slots[0], &slots[1], &slots[2]) ||
        weights_from(&call, &layer->weights[KERNEL], kernel, slots[0], "kernel", REQUIRED,
                     "N:rows W:columns", arrays) ||
        weights_from(&call, &layer->weights[RECURRENT_KERNEL], recurrent, slots[1],
                     "recurrent_kernel", OPTIONAL, "M:rows M:columns", arrays) ||
        weights_from(&call, &layer->weights[BIAS], bias, slots[2], "bias", REQUIRED,
                     "M:entries", arrays) ||
        check_array(&call, &layer->d, decay, "decay", REAL, REQUIRED, "M:entries") ||
        check_unit(&call, &layer->unit, inhibition)) {
        return -1;
    }
    if (SIZE(&call, 'W') != whole_lines(SIZE(&call, 'M'))) {
        PyErr_Format(PyExc_ValueError, "SNU: kernel must have rows of whole cache lines");
        return -1;
    }
    layer->weights[KERNEL].cols = SIZE(&call, 'M');
    layer->kind = SNU;
    layer->N = SIZE(&call, 'N');
    layer->M = SIZE(&call, 'M');
    layer->unit.R = layer->weights[RECURRENT_KERNEL].w;
    layer->unit.inhibition = (Inhibition)inhibition;
    return PyList_Append(arrays, decay);
}

/* ("average",) */
static int average_from(Layer *layer, PyObject *tuple, const Layer *below)
{
    const char *kind;

    if (!PyArg_ParseTuple(tuple, "s:average", &kind)) {
        return -1;
    }
    if (!below) {
        PyErr_SetString(PyExc_ValueError, "average: must follow another layer");
        return -1;
    }
    layer->kind = AVERAGE;
    layer->N = layer->M = below->M;
    return 0;
}

static int layer_from(Layer *layer, PyObject *tuple, const Layer *below, PyObject *arrays)
{
    const char *kind = NULL;

    if (PyTuple_Check(tuple) && PyTuple_GET_SIZE(tuple) > 0 &&
        PyUnicode_Check(PyTuple_GET_ITEM(tuple, 0))) {
        kind = PyUnicode_AsUTF8(PyTuple_GET_ITEM(tuple, 0));
    }
    if (!kind || (strcmp(kind, "snu") && strcmp(kind, "average"))) {
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError, "a layer must be a tuple that begins with its kind");
        return -1;
    }
    if (strcmp(kind, "snu") ? average_from(layer, tuple, below)
                            : snu_from(layer, tuple, arrays)) {
        return -1;
    }
    if (below && (!below->sequences || below->M != layer->N)) {
        PyErr_Format(PyExc_ValueError, "a layer of %zd inputs follows one of %zd outputs%s",
                     layer->N, below->M, below->sequences ? "" : " that ends the sequence");
        return -1;
    }
    return 0;
}

/* network_new(layers) */
static PyObject *py_network_new(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *tuples, *capsule;
    Holder *holder;

    if (!PyArg_ParseTuple(args, "O!:network_new", &PyTuple_Type, &tuples)) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(tuples) == 0) {
        PyErr_SetString(PyExc_ValueError, "network_new: layers must be one or more, got none");
        return NULL;
    }
    if (!(holder = PyMem_RawCalloc(1, sizeof *holder))) {
        return PyErr_NoMemory();
    }
    holder->net.count = PyTuple_GET_SIZE(tuples);
    atomic_flag_clear(&holder->busy);
    holder->net.layers = PyMem_RawCalloc((size_t)holder->net.count, sizeof(Layer));
    if (!holder->net.layers) {
        PyErr_NoMemory();
        goto error;
    }
    if (!(holder->arrays = PyList_New(0))) {
        goto error;
    }
    for (ptrdiff_t l = 0; l < holder->net.count; l++) {
        Layer *layer = &holder->net.layers[l];

        if (layer_from(layer, PyTuple_GET_ITEM(tuples, l), l ? layer - 1 : NULL,
                       holder->arrays)) {
            goto error;
        }
    }
    if ((capsule = PyCapsule_New(holder, NETWORK, network_drop))) {
        return capsule;
    }
error:
    holder_free(holder);
    return NULL;
}

/* ---- running it ------------------------------------------------------------------ */

/* every number that network_layout multiplies is small enough, and the memory is there */
static int holder_reserve(Holder *holder, ptrdiff_t B, ptrdiff_t T, int training)
{
    double numbers = 0;
    size_t size;

    for (ptrdiff_t l = 0; l < holder->net.count; l++) {
        const Layer *layer = &holder->net.layers[l];

        numbers += (double)B * (double)(T + 1) * (double)layer->M;
        numbers += ((double)layer->N + (double)layer->M) * (double)layer->M;
    }
    size = numbers < 1e15 ? network_layout(&holder->net, NULL, B, T, training) : 0;
    if (size == 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (size > holder->size) {
        char *memory = aligned_alloc(64, size);

        if (!memory) {
            PyErr_NoMemory();
            return -1;
        }
        memset(memory, 0, size);
        free(holder->memory);
        holder->memory = memory;
        holder->size = size;
    }
    network_layout(&holder->net, holder->memory, B, T, training);
    return 0;
}

/* the slots that the optimizer works on are there */
static int check_slots(const Network *net, const Optimizer *o)
{
    const int needed[2] = {
        o->method != SGD || o->momentum != 0,
        o->method == ADAM || (o->method == RMSPROP && o->momentum != 0),
    };

    for (ptrdiff_t l = 0; l < net->count; l++) {
        for (int i = 0; i < KINDS_OF_WEIGHTS; i++) {
            const Weights *weights = &net->layers[l].weights[i];

            if (weights->rows > 0 && ((needed[0] && !weights->slot[0]) ||
                                      (needed[1] && !weights->slot[1]))) {
                PyErr_SetString(PyExc_ValueError, "the optimizer needs slots that it did not "
                                "need when the model was compiled: compile again");
                return -1;
            }
        }
    }
    return 0;
}

static int check_order(const npy_intp *order, ptrdiff_t count, ptrdiff_t samples)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        if (order[i] < 0 || order[i] >= samples) {
            PyErr_Format(PyExc_IndexError, "network_run: sample %zd is not among %zd",
                         (ptrdiff_t)order[i], samples);
            return -1;
        }
    }
    return 0;
}

/* network_run(network, x, target, output, order, first, batch, optimizer, step, sums,
 * seconds) -> (samples done, diverged): the batches of order[first:] */
static PyObject *py_network_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "network_run"};
    PyObject *capsule, *x, *target, *output, *order, *optimizer, *sums, *result = NULL;
    Py_ssize_t first, batch;
    const npy_intp *samples;
    Optimizer o;
    Run run = {0};
    Holder *holder;
    ptrdiff_t P, counted = 2;

    if (!PyArg_ParseTuple(args, "OOOOOnnOdOd:network_run", &capsule, &x, &target, &output,
                          &order, &first, &batch, &optimizer, &run.step, &sums, &run.seconds)) {
        return NULL;
    }
    if (!PyCapsule_IsValid(capsule, NETWORK)) {
        PyErr_SetString(PyExc_TypeError, "network_run: not a network of this precision");
        return NULL;
    }
    holder = PyCapsule_GetPointer(capsule, NETWORK);
    if (atomic_flag_test_and_set(&holder->busy)) {
        PyErr_SetString(PyExc_RuntimeError, "this model is in use by another thread");
        return NULL;
    }
    for (ptrdiff_t l = 0; l < holder->net.count; l++) {
        counted += holder->net.layers[l].counted != 0;
    }
    call.size['N' - 'A'].value = holder->net.layers[0].N;
    call.size['N' - 'A'].argument = "the model";
    call.size['N' - 'A'].axis = "inputs";
    if (check_input(&call, &run.x, x)) {
        goto exit;
    }
    holder->net.T = SIZE(&call, 'T');
    P = network_outputs(&holder->net);
    call.size['P' - 'A'].value = P;
    call.size['P' - 'A'].argument = "the model";
    call.size['P' - 'A'].axis = "outputs";
    call.size['S' - 'A'].value = counted;
    call.size['S' - 'A'].argument = "the model";
    call.size['S' - 'A'].axis = "sums";
    if (check_array(&call, &run.target, target, "y", REAL, OPTIONAL, "B:samples P:outputs") ||
        check_array(&call, &samples, order, "order", NPY_INTP, REQUIRED, "R:samples") ||
        check_array(&call, &run.output, output, "output", REAL, OPTIONAL | WRITEABLE,
                    "R:samples P:outputs") ||
        check_array(&call, &run.sums, sums, "sums", NPY_DOUBLE, WRITEABLE, "S:entries") ||
        (optimizer != Py_None && (!parse_optimizer(optimizer, &o) ||
                                  check_slots(&holder->net, &o)))) {
        goto exit;
    }
    if (first < 0 || first > SIZE(&call, 'R') || batch < 1 || SIZE(&call, 'T') < 1 ||
        (optimizer != Py_None && !run.target)) {
        PyErr_SetString(PyExc_ValueError, "network_run: needs a first sample in order, a batch "
                        "and steps of 1 or more, and y to train");
        goto exit;
    }
    run.samples = SIZE(&call, 'R') - first;
    run.batch = batch < run.samples ? batch : run.samples;
    run.x.samples = samples + first;
    run.output = run.output ? run.output + first * P : NULL;
    run.optimizer = optimizer != Py_None ? &o : NULL;
    if (run.samples > 0) {
        if (check_order(run.x.samples, run.samples, SIZE(&call, 'B')) ||
            holder_reserve(holder, run.batch, SIZE(&call, 'T'), run.optimizer != NULL)) {
            goto exit;
        }
        Py_BEGIN_ALLOW_THREADS
        network_run(&holder->net, &run, team_size());
        Py_END_ALLOW_THREADS
    }
    result = Py_BuildValue("ni", run.done, run.diverged);
exit:
    atomic_flag_clear(&holder->busy);
    return result;
}
