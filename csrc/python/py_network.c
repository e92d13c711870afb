/* A network as a capsule that keeps its weights' arrays and its memory, and runs. */
#include "border.h"
#include "../runtime/gaps.h"

#include <stdatomic.h>

#ifdef NEUROAI_FLOAT64
static const char NETWORK[] = "neuroai_c.network.f64";
#else
static const char NETWORK[] = "neuroai_c.network.f32";
#endif

typedef struct {
    Network net;
    PyObject *arrays;                   /* list: whatever net points into */
    void *block;                        /* from Python, so that tracemalloc knows of it */
    char *memory;                       /* where its first cache line begins */
    size_t size;                        /* from there on */
    atomic_flag busy;
} Holder;

static void holder_free(Holder *holder)
{
    Py_XDECREF(holder->arrays);
    PyMem_RawFree(holder->block);
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

static int check_rows(const Call *call, const char *layer)
{
    if (SIZE(call, 'W') != whole_lines(SIZE(call, 'M'))) {
        PyErr_Format(PyExc_ValueError, "%s: kernel must have rows of whole cache lines", layer);
        return -1;
    }
    return 0;
}

/* The kernel's rows are filled up to whole cache lines.
 * ("snu", counted, kernel, recurrent_kernel, bias, decay, h, g, inhibition, sequences,
 *  trained decay, detached, backwards, l1, state y, state V, (slots, slots, slots, slots)) */
static int snu_from(Layer *layer, PyObject *tuple, PyObject *arrays)
{
    Call call = {.function = "SNU"};
    PyObject *kernel, *recurrent, *bias, *decay, *state_y, *state_V, *slots[4];
    const char *kind;
    int inhibition, trained;

    if (!PyArg_ParseTuple(tuple, "siOOOOO&O&iiiiidOO(OOOO):SNU", &kind, &layer->counted, &kernel,
                          &recurrent, &bias, &decay, parse_activation, &layer->unit.h,
                          parse_activation, &layer->unit.g, &inhibition, &layer->sequences,
                          &trained, &layer->unit.detached, &layer->backwards, &layer->l1,
                          &state_y, &state_V, &slots[0], &slots[1], &slots[2], &slots[3]) ||
        weights_from(&call, &layer->weights[KERNEL], kernel, slots[0], "kernel", REQUIRED,
                     "N:rows W:columns", arrays) ||
        weights_from(&call, &layer->weights[RECURRENT_KERNEL], recurrent, slots[1],
                     "recurrent_kernel", OPTIONAL, "M:rows M:columns", arrays) ||
        weights_from(&call, &layer->weights[BIAS], bias, slots[2], "bias", REQUIRED,
                     "M:entries", arrays) ||
        check_array(&call, &layer->d, decay, "decay", REAL, REQUIRED, "M:entries") ||
        (trained && weights_from(&call, &layer->weights[DECAY], decay, slots[3], "decay",
                                 REQUIRED, "M:entries", arrays)) ||
        check_array(&call, &layer->state_y, state_y, "state y", REAL, OPTIONAL | WRITEABLE,
                    "B:samples M:units") ||
        check_array(&call, &layer->state_V, state_V, "state V", REAL, OPTIONAL | WRITEABLE,
                    "B:samples M:units") ||
        check_unit(&call, &layer->unit, inhibition) || check_rows(&call, "SNU")) {
        return -1;
    }
    if (!layer->state_y != !layer->state_V) {
        PyErr_SetString(PyExc_ValueError, "SNU: state must be both y and V");
        return -1;
    }
    layer->states = SIZE(&call, 'B');
    layer->weights[KERNEL].cols = SIZE(&call, 'M');
    layer->kind = SNU;
    layer->N = SIZE(&call, 'N');
    layer->M = SIZE(&call, 'M');
    layer->unit.R = layer->weights[RECURRENT_KERNEL].w;
    layer->unit.inhibition = (Inhibition)inhibition;
    return PyList_Append(arrays, decay) || PyList_Append(arrays, state_y) ||
           PyList_Append(arrays, state_V) ? -1 : 0;
}

/* ("dense", kernel, bias, h, units, (slots, slots)), its rows as those of an SNU's kernel */
static int dense_from(Layer *layer, PyObject *tuple, const Layer *below, PyObject *arrays)
{
    Call call = {.function = "Dense"};
    PyObject *kernel, *bias, *slots[2];
    const char *kind;

    if (!PyArg_ParseTuple(tuple, "sOOO&n(OO):Dense", &kind, &kernel, &bias, parse_activation,
                          &layer->unit.h, &layer->M, &slots[0], &slots[1]) ||
        check_size(&call, 'M', layer->M, "units", "units") ||
        weights_from(&call, &layer->weights[KERNEL], kernel, slots[0], "kernel", REQUIRED,
                     "N:rows W:columns", arrays) ||
        weights_from(&call, &layer->weights[BIAS], bias, slots[1], "bias", OPTIONAL,
                     "M:entries", arrays) ||
        check_rows(&call, "Dense")) {
        return -1;
    }
    if (layer->M < 0) {
        PyErr_SetString(PyExc_ValueError, "Dense: units must not be negative");
        return -1;
    }
    layer->weights[KERNEL].cols = layer->M;
    layer->kind = DENSE;
    layer->N = SIZE(&call, 'N');
    layer->sequences = !below || below->sequences;
    return 0;
}

/* ("average",) */
static int average_from(Layer *layer, PyObject *tuple, const Network *net)
{
    const Layer *below = below_of(net, layer);
    const char *kind;

    if (!PyArg_ParseTuple(tuple, "s:average", &kind)) {
        return -1;
    }
    if (!below) {
        PyErr_SetString(PyExc_ValueError, "average: must follow a layer with weights");
        return -1;
    }
    layer->kind = AVERAGE;
    layer->N = layer->M = below->M;
    return 0;
}

/* ("dropout", rate, inputs) */
static int dropout_from(Layer *layer, PyObject *tuple, const Layer *below)
{
    const char *kind;

    if (!PyArg_ParseTuple(tuple, "sdn:dropout", &kind, &layer->rate, &layer->N)) {
        return -1;
    }
    if (!(layer->rate >= 0 && layer->rate < 1) || layer->N < 1) {
        PyErr_SetString(PyExc_ValueError, "dropout: needs a rate from 0 to below 1 and inputs");
        return -1;
    }
    layer->kind = DROPOUT;
    layer->M = layer->N;
    layer->sequences = !below || below->sequences;
    return 0;
}

static int layer_from(Layer *layer, PyObject *tuple, const Network *net, PyObject *arrays)
{
    const Layer *below = layer > net->layers ? layer - 1 : NULL;
    const char *kind = "";
    int failed;

    if (PyTuple_Check(tuple) && PyTuple_GET_SIZE(tuple) > 0 &&
        PyUnicode_Check(PyTuple_GET_ITEM(tuple, 0))) {
        kind = PyUnicode_AsUTF8(PyTuple_GET_ITEM(tuple, 0));
        if (!kind) {
            return -1;
        }
    }
    layer->fed_sequences = !below || below->sequences;
    if (!strcmp(kind, "snu")) {
        failed = snu_from(layer, tuple, arrays);
    } else if (!strcmp(kind, "dense")) {
        failed = dense_from(layer, tuple, below, arrays);
    } else if (!strcmp(kind, "average")) {
        failed = average_from(layer, tuple, net);
    } else if (!strcmp(kind, "dropout")) {
        failed = dropout_from(layer, tuple, below);
    } else {
        PyErr_SetString(PyExc_ValueError, "a layer must be a tuple that begins with its kind");
        return -1;
    }
    if (failed) {
        return -1;
    }
    if (below && (below->M != layer->N ||
                  (!below->sequences && (layer->kind == SNU || layer->kind == AVERAGE)))) {
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
    int weights = 0;

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

        if (layer_from(layer, PyTuple_GET_ITEM(tuples, l), &holder->net, holder->arrays)) {
            goto error;
        }
        weights |= has_weights(layer);
    }
    if (!weights) {
        PyErr_SetString(PyExc_ValueError, "network_new: layers must have one with weights");
        goto error;
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
static int holder_reserve(Holder *holder, ptrdiff_t B, ptrdiff_t T, int training, int masked)
{
    double numbers = 0;
    size_t size;

    for (ptrdiff_t l = 0; l < holder->net.count; l++) {
        const Layer *layer = &holder->net.layers[l];

        numbers += (double)B * (double)(T + 1) * (double)layer->M;
        numbers += ((double)layer->N + (double)layer->M) * (double)layer->M;
    }
    size = numbers < 1e15 ? network_layout(&holder->net, NULL, B, T, training, masked) : 0;
    if (size == 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (size > holder->size) {
        char *block = PyMem_RawCalloc(size + 64, 1);

        if (!block) {
            PyErr_NoMemory();
            return -1;
        }
        PyMem_RawFree(holder->block);
        holder->block = block;
        holder->memory = block + (64 - (uintptr_t)block % 64) % 64;
        holder->size = size;
    }
    block_spoil(holder->memory, holder->size);
    network_layout(&holder->net, holder->memory, B, T, training, masked);
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

/* Every sample has at least one row, and no spike where it has none. */
static int check_starts(const ptrdiff_t *starts, ptrdiff_t samples, ptrdiff_t rows,
                        const Spikes *spikes)
{
    int wrong = starts[0] != 0 || starts[samples] != rows;

    for (ptrdiff_t s = 0; s < samples && !wrong; s++) {
        const ptrdiff_t length = starts[s + 1] > starts[s] ? starts[s + 1] - starts[s] : 0;

        wrong = length < 1 || starts[s + 1] > rows || (spikes && length > spikes->T);
        for (ptrdiff_t e = spikes ? spikes->first[s] : 0;
             !wrong && spikes && e < spikes->first[s + 1]; e++) {
            const uint32_t *mask = spikes->events + e * (1 + spikes->words) + 1;

            for (ptrdiff_t word = length / 32; word < spikes->words; word++) {
                const ptrdiff_t inside = length - 32 * word;

                wrong |= (inside > 0 ? mask[word] >> inside : mask[word]) != 0;
            }
        }
    }
    if (wrong) {
        PyErr_SetString(PyExc_ValueError, "network_run: starts do not fit the samples");
        return -1;
    }
    return 0;
}

/* x (B, T, N), or with starts (rows, N) or spikes of T steps or less; the longest is in T */
static int check_data(Call *call, Run *run, PyObject *x, PyObject *starts)
{
    ptrdiff_t most = 0;

    if (starts == Py_None) {
        if (check_input(call, &run->x, x)) {
            return -1;
        }
        SIZE(call, 'L') = checked_product(SIZE(call, 'B'), SIZE(call, 'T'), 1);
        return SIZE(call, 'L') < 0 ? -1 : 0;
    }
    if (check_array(call, &run->starts, starts, "starts", NPY_INTP, REQUIRED, "A:entries")) {
        return -1;
    }
    if (SIZE(call, 'A') < 1) {
        PyErr_SetString(PyExc_ValueError, "network_run: starts must have at least one entry");
        return -1;
    }
    call->size['B' - 'A'].value = SIZE(call, 'A') - 1;
    call->size['B' - 'A'].argument = "starts";
    call->size['B' - 'A'].axis = "samples";
    SIZE(call, 'L') = run->starts[SIZE(call, 'B')];
    call->size['L' - 'A'].argument = "starts";
    call->size['L' - 'A'].axis = "rows";
    if (PyArray_Check(x)) {
        if (check_array(call, &run->x.values, x, "x", REAL, REQUIRED, "L:rows N:features")) {
            return -1;
        }
        run->x.n = SIZE(call, 'N');
        run->x.starts = run->starts;
    } else if (!(run->x.spikes = spikes_unwrap(x)) ||
               check_size(call, 'B', run->x.spikes->samples, "x", "samples") ||
               check_size(call, 'N', run->x.spikes->N, "x", "features")) {
        return -1;
    }
    if (check_starts(run->starts, SIZE(call, 'B'), SIZE(call, 'L'), run->x.spikes)) {
        return -1;
    }
    for (ptrdiff_t s = 0; s < SIZE(call, 'B'); s++) {
        const ptrdiff_t length = run->starts[s + 1] - run->starts[s];

        most = length > most ? length : most;
    }
    SIZE(call, 'T') = most;
    return 0;
}

/* whole batches of the size that the states have */
static int check_states(const Network *net, const Run *run)
{
    for (ptrdiff_t l = 0; l < net->count; l++) {
        const Layer *layer = &net->layers[l];

        if (layer->state_y && (run->batch != layer->states || run->samples % run->batch)) {
            PyErr_Format(PyExc_ValueError, "a stateful layer needs whole batches of %zd samples",
                         layer->states);
            return -1;
        }
    }
    return 0;
}

static void know(Call *call, char letter, ptrdiff_t value, const char *axis)
{
    call->size[letter - 'A'].value = value;
    call->size[letter - 'A'].argument = "the model";
    call->size[letter - 'A'].axis = axis;
}

/* network_run(network, x, starts, mask, target, output, weights, order, first, batch,
 * optimizer, rates, steps, (loss, logits), accuracy, squares, key, sums, seconds)
 * -> (samples done, diverged): the batches of order[first:].  The steps made before are in
 * steps[0], and training counts on there: of a call that is interrupted the caller never sees
 * the result. */
static PyObject *py_network_run(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "network_run"};
    PyObject *capsule, *x, *starts, *mask, *target, *output, *weights, *order, *optimizer, *rates;
    PyObject *steps, *sums, *result = NULL;
    Py_ssize_t first, batch;
    double *made;
    const npy_intp *samples;
    unsigned long long key;
    int kind;
    Optimizer o;
    Run run = {0};
    Holder *holder;
    ptrdiff_t counted = 3;

    if (!PyArg_ParseTuple(args, "OOOOOOOOnnOOO(ip)ppKOd:network_run", &capsule, &x, &starts, &mask,
                          &target, &output, &weights, &order, &first, &batch, &optimizer, &rates,
                          &steps, &kind, &run.loss.logits, &run.accuracy, &run.squares,
                          &key, &sums, &run.seconds)) {
        return NULL;
    }
    if (!PyCapsule_IsValid(capsule, NETWORK)) {
        PyErr_SetString(PyExc_TypeError, "network_run: not a network of this precision");
        return NULL;
    }
    if (kind < 0 || kind >= LOSSES) {
        PyErr_Format(PyExc_ValueError, "no loss has the number %d", kind);
        return NULL;
    }
    if (kind == SPARSE && run.squares) {        /* y has one number a row, squares read all */
        PyErr_SetString(PyExc_ValueError, "network_run: squares need targets that are no classes");
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
    const Layer *last = last_layer(&holder->net);

    run.loss.kind = (LossKind)kind;
    run.key = key;
    know(&call, 'N', holder->net.layers[0].N, "inputs");
    if (check_data(&call, &run, x, starts)) {
        goto exit;
    }
    if (run.x.spikes && holder->net.layers[0].kind == DROPOUT) {
        PyErr_SetString(PyExc_TypeError, "network_run: dropout needs numbers, got spikes");
        goto exit;
    }
    know(&call, 'G', last->sequences ? SIZE(&call, 'L') : SIZE(&call, 'B'), "rows");
    know(&call, 'P', last->M, "outputs");
    know(&call, 'Q', loss_targets(run.loss, last->M), "targets");
    know(&call, 'S', counted, "sums");
    know(&call, 'I', 1, "counters");
    call.size['L' - 'A'].argument = "x";
    call.size['L' - 'A'].axis = "rows";
    if (check_array(&call, &run.mask, mask, "mask", NPY_UINT8, OPTIONAL, "L:rows") ||
        check_array(&call, &run.target, target, "y", REAL, OPTIONAL, "G:rows Q:targets") ||
        check_array(&call, &run.output, output, "output", REAL, OPTIONAL | WRITEABLE,
                    "G:rows P:outputs") ||
        check_array(&call, &run.weights, weights, "sample_weight", NPY_DOUBLE, OPTIONAL,
                    "B:samples") ||
        check_array(&call, &samples, order, "order", NPY_INTP, REQUIRED, "R:samples") ||
        check_array(&call, &run.sums, sums, "sums", NPY_DOUBLE, WRITEABLE, "S:entries") ||
        check_array(&call, &made, steps, "steps", NPY_DOUBLE, WRITEABLE, "I:entries") ||
        (optimizer != Py_None && (!parse_optimizer(optimizer, &o) ||
                                  check_slots(&holder->net, &o) ||
                                  check_array(&call, &run.rates, rates, "rates", NPY_DOUBLE,
                                              REQUIRED, "K:batches")))) {
        goto exit;
    }
    if (first < 0 || first > SIZE(&call, 'R') || batch < 1 || SIZE(&call, 'T') < 1 ||
        (optimizer != Py_None && !run.target)) {
        PyErr_SetString(PyExc_ValueError, "network_run: needs a first sample in order, a batch "
                        "and steps of 1 or more, and y to train");
        goto exit;
    }
    run.samples = SIZE(&call, 'R') - first;
    run.place = first;
    run.batch = batch < run.samples ? batch : run.samples;
    run.x.samples = samples + first;
    run.optimizer = optimizer != Py_None ? &o : NULL;
    if (run.samples > 0) {
        if (run.optimizer && SIZE(&call, 'K') < (run.samples + run.batch - 1) / run.batch) {
            PyErr_SetString(PyExc_ValueError, "network_run: rates must be one a batch");
            goto exit;
        }
        if (check_order(run.x.samples, run.samples, SIZE(&call, 'B')) ||
            check_states(&holder->net, &run) ||
            holder_reserve(holder, run.batch, SIZE(&call, 'T'), run.optimizer != NULL,
                           run.mask || run.starts)) {
            goto exit;
        }
        holder->net.T = SIZE(&call, 'T');
        run.step = *made;
        Py_BEGIN_ALLOW_THREADS
        network_run(&holder->net, &run, team_size());
        Py_END_ALLOW_THREADS
        *made = run.optimizer ? run.step : *made;
    }
    result = Py_BuildValue("ni", run.done, run.diverged);
exit:
    atomic_flag_clear(&holder->busy);
    return result;
}
