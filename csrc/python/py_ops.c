/* The kernels as functions of NumPy arrays, in the precision of the variant. */
#include "border.h"

#ifdef NEUROAI_FLOAT64
#define REAL NPY_DOUBLE
#else
#define REAL NPY_FLOAT
#endif

/* the numbers of a new array; NumPy's ValueError where these have more bytes than there are
 * addresses becomes the MemoryError that it is */
static real *numbers_of(PyObject *array)
{
    if (!array && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        PyErr_NoMemory();
    }
    return array ? PyArray_DATA((PyArrayObject *)array) : NULL;
}

static real *new_array(PyObject **array, int axes, const npy_intp *shape)
{
    *array = PyArray_SimpleNew(axes, shape, REAL);
    return numbers_of(*array);
}

static real *new_zeros(PyObject **array, int axes, const npy_intp *shape)
{
    *array = PyArray_ZEROS(axes, shape, REAL, 0);
    return numbers_of(*array);
}

/* room for a x b x c reals, zeroed */
static real *new_scratch(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c)
{
    const ptrdiff_t size = checked_product(a, b, c);
    real *scratch = size < 0 ? NULL : PyMem_RawCalloc((size_t)size + 1, sizeof *scratch);

    if (!scratch) {
        PyErr_NoMemory();
    }
    return scratch;
}

/* x: an array (B, T, N), or spikes */
static int check_input(Call *call, Input *x, PyObject *object)
{
    *x = (Input){0};
    if (PyArray_Check(object)) {
        if (check_array(call, &x->values, object, "x", REAL, REQUIRED,
                        "B:samples T:steps N:features")) {
            return -1;
        }
        x->n = SIZE(call, 'N');
        return 0;
    }
    if (!(x->spikes = spikes_unwrap(object))) {
        return -1;
    }
    return check_size(call, 'B', x->spikes->samples, "x", "samples") ||
           check_size(call, 'T', x->spikes->T, "x", "steps") ||
           check_size(call, 'N', x->spikes->N, "x", "features") ? -1 : 0;
}

/* (function, surrogate, alpha) */
static int parse_activation(PyObject *tuple, void *address)
{
    Activation *activation = address;
    int f, surrogate;
    double alpha;

    if (!PyTuple_Check(tuple) || !PyArg_ParseTuple(tuple, "iid", &f, &surrogate, &alpha)) {
        if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError, "activation must be (function, surrogate, alpha)");
        }
        return 0;
    }
    if (f < 0 || f >= FUNCTIONS || surrogate < 0 || surrogate >= FUNCTIONS || surrogate == STEP) {
        PyErr_Format(PyExc_ValueError, "no activation has the numbers %d, %d", f, surrogate);
        return 0;
    }
    *activation = (Activation){(Function)f, (Function)surrogate, (real)alpha};
    return 1;
}

static int check_unit(Call *call, const Unit *unit, int inhibition)
{
    if (unit->g.f == STEP) {
        PyErr_Format(PyExc_ValueError, "%s: g may not be step_function", call->function);
        return -1;
    }
    if (inhibition < 0 || inhibition >= INHIBITIONS) {
        PyErr_Format(PyExc_ValueError, "%s: no inhibition has the number %d", call->function,
                     inhibition);
        return -1;
    }
    if (!unit->y_0 != !unit->V_0) {
        PyErr_Format(PyExc_ValueError, "%s: initial_state must be both y_0 and V_0",
                     call->function);
        return -1;
    }
    return 0;
}

#define UNIT_ARGUMENTS "OOOOOOO&O&iOp"  /* kernel..V_0, h, g, inhibition, mask, go_backwards */

/* the mask (B, T) in the order of processing, in room for it, or NULL: every step counts */
static const uint8_t *mask_of(const uint8_t *mask, uint8_t *room, int backwards,
                              ptrdiff_t B, ptrdiff_t T)
{
    for (ptrdiff_t b = 0; mask && backwards && b < B; b++) {
        for (ptrdiff_t t = 0; t < T; t++) {
            room[b * T + t] = mask[b * T + T - 1 - t];
        }
    }
    return backwards && mask ? room : mask;
}


/* ---- matmul ---------------------------------------------------------------- */

static PyObject *py_matmul(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "matmul"};
    PyObject *x, *kernel, *result = NULL;
    const real *A, *W;
    real *C;

    if (!PyArg_ParseTuple(args, "OO:matmul", &x, &kernel) ||
        check_array(&call, &A, x, "x", REAL, REQUIRED, "B:rows N:columns") ||
        check_array(&call, &W, kernel, "kernel", REAL, REQUIRED, "N:rows M:columns")) {
        return NULL;
    }
    const ptrdiff_t B = SIZE(&call, 'B'), N = SIZE(&call, 'N'), M = SIZE(&call, 'M');
    const npy_intp shape[] = {B, M};

    if ((C = new_zeros(&result, 2, shape))) {
        Py_BEGIN_ALLOW_THREADS
        matmul(C, M, A, N, 1, W, M, B, N, M, 0);
        Py_END_ALLOW_THREADS
    }
    return result;
}

/* ---- snu --------------------------------------------------------------------- */

static PyObject *py_snu_forward(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "snu_forward"};
    PyObject *x, *kernel, *bias, *recurrent, *decay, *y_0, *V_0, *mask;     /* borrowed */
    PyObject *y = NULL, *V = NULL, *result = NULL;                          /* owned */
    real *peak = NULL, *zeros = NULL, *to_y, *to_V;
    uint8_t *room = NULL;
    const uint8_t *counts;
    const real *W;
    Input input;
    Unit unit = {0};
    int inhibition, backwards;

    if (!PyArg_ParseTuple(args, "O" UNIT_ARGUMENTS ":snu_forward", &x, &kernel, &bias,
                          &recurrent, &decay, &y_0, &V_0, parse_activation, &unit.h,
                          parse_activation, &unit.g, &inhibition, &mask, &backwards) ||
        check_input(&call, &input, x) ||
        check_array(&call, &W, kernel, "kernel", REAL, REQUIRED, "N:rows M:columns") ||
        check_array(&call, &unit.b, bias, "bias", REAL, REQUIRED, "M:entries") ||
        check_array(&call, &unit.R, recurrent, "recurrent_kernel", REAL, OPTIONAL,
                    "M:rows M:columns") ||
        check_array(&call, &unit.d, decay, "decay", REAL, REQUIRED, "M:entries") ||
        check_array(&call, &unit.y_0, y_0, "initial_state y_0", REAL, OPTIONAL,
                    "B:samples M:units") ||
        check_array(&call, &unit.V_0, V_0, "initial_state V_0", REAL, OPTIONAL,
                    "B:samples M:units") ||
        check_array(&call, &counts, mask, "mask", NPY_UINT8, OPTIONAL, "B:samples T:steps") ||
        check_unit(&call, &unit, inhibition)) {
        return NULL;
    }
    const ptrdiff_t B = SIZE(&call, 'B'), T = SIZE(&call, 'T');
    const ptrdiff_t N = SIZE(&call, 'N'), M = SIZE(&call, 'M');
    const npy_intp shape[] = {B, T, M};

    unit.M = unit.m = M;
    unit.inhibition = (Inhibition)inhibition;
    if (!(to_y = new_array(&y, 3, shape)) || !(to_V = new_array(&V, 3, shape)) ||
        !(peak = new_scratch(T + 1, B, 1)) || !(unit.zeros = zeros = new_scratch(M, 1, 1)) ||
        (unit.R && !(unit.side = new_scratch(B, M, 1))) ||
        !(room = PyMem_RawMalloc((size_t)(counts ? B * T : 0) + 1))) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        goto exit;
    }
    Py_BEGIN_ALLOW_THREADS
    unit.mask = mask_of(counts, room, backwards, B, T);
    input_forward(to_V, M, input, W, M, B, T, N, M);
    for (ptrdiff_t b = 0; backwards && b < B; b++) {
        turn(to_V + b * T * M, T, M);
    }
    if (inhibition) {
        snu_peaks(peak, NULL, &unit, 0, 0, B, B);
    }
    /* no samples: their steps, which may be more than can be counted, are none either */
    snu_forward(to_y, to_V, peak, &unit, 0, B ? T : 0, 0, B, B, T);
    Py_END_ALLOW_THREADS
    result = PyTuple_Pack(2, y, V);
exit:
    Py_XDECREF(y);
    Py_XDECREF(V);
    PyMem_RawFree(peak);
    PyMem_RawFree(zeros);
    PyMem_RawFree(unit.side);
    PyMem_RawFree(room);
    return result;
}

/* all that snu_backward needs besides its arguments */
typedef struct {
    PyObject *dx, *dW, *db, *dR, *dd, *dy_0, *dV_0;
    real *x, *W, *b, *R, *d;            /* where they are, and scratch: */
    real *peak, *zeros, *side, *transposed;
    uint8_t *room;
    Backward back;
} Gradients;

static int gradients_new(Gradients *to, const Unit *unit,
                         ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t M)
{
    const npy_intp of_x[] = {B, T, N}, of_W[] = {N, M}, of_R[] = {M, M}, of_state[] = {B, M};
    Backward *back = &to->back;

    return (to->x = new_zeros(&to->dx, 3, of_x)) &&
           (to->W = new_zeros(&to->dW, 2, of_W)) &&
           (to->b = new_zeros(&to->db, 1, of_W + 1)) &&
           (to->d = new_zeros(&to->dd, 1, of_W + 1)) &&
           (!unit->R || (to->R = new_zeros(&to->dR, 2, of_R))) &&
           (!unit->y_0 || (back->dy_0 = new_zeros(&to->dy_0, 2, of_state))) &&
           (!unit->y_0 || (back->dV_0 = new_zeros(&to->dV_0, 2, of_state))) &&
           (to->peak = new_scratch(T + 1, B, 1)) &&
           (to->zeros = new_scratch(M, 1, 1)) &&
           (!unit->R || (to->side = new_scratch(B, M, 1))) &&
           (to->transposed = new_scratch(N > M ? N : M, M, 1)) &&
           (back->D = new_scratch(B, T, M)) &&
           (back->db = new_scratch(B, M, 1)) &&
           (back->dd = new_scratch(B, M, 1)) &&
           (back->held_y = new_scratch(B, M, 1)) &&
           (back->held_V = new_scratch(B, M, 1)) &&
           (back->pull = new_scratch(T + 1, B, 1)) &&
           (back->ties = new_scratch(T + 1, B, 1)) &&
           (to->room = PyMem_RawMalloc((size_t)(B * T) + 1)) ? 0 : -1;
}

static void gradients_free(Gradients *to)
{
    Py_XDECREF(to->dx);
    Py_XDECREF(to->dW);
    Py_XDECREF(to->db);
    Py_XDECREF(to->dR);
    Py_XDECREF(to->dd);
    Py_XDECREF(to->dy_0);
    Py_XDECREF(to->dV_0);
    PyMem_RawFree(to->peak);
    PyMem_RawFree(to->zeros);
    PyMem_RawFree(to->side);
    PyMem_RawFree(to->transposed);
    PyMem_RawFree(to->back.D);
    PyMem_RawFree(to->back.db);
    PyMem_RawFree(to->back.dd);
    PyMem_RawFree(to->back.pull);
    PyMem_RawFree(to->back.ties);
    PyMem_RawFree(to->back.held_y);
    PyMem_RawFree(to->back.held_V);
    PyMem_RawFree(to->room);
}

/* backpropagation through time, then the gradients of data and weights */
static void gradients_compute(Gradients *to, Upstream e, Input x, const real *y, const real *V,
                              const real *W, Unit unit, int backwards,
                              ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t M)
{
    if (unit.R) {
        transpose(to->transposed, M, unit.R, M, 0, M, M);
        unit.Rt = to->transposed;
    }
    unit.zeros = to->zeros;
    unit.side = to->side;
    unit.mask = mask_of(unit.mask, to->room, backwards, B, T);
    if (unit.inhibition) {
        snu_peaks(to->peak, y, &unit, T, 0, B, B);
    }
    snu_backward(&to->back, e, y, V, to->peak, &unit, 0, B ? T : 0, 0, B, B, T);
    if (unit.y_0) {
        snu_backward_finish(&to->back, e, to->peak, &unit, 0, B, B, T);
    }
    sum_samples(to->b, to->back.db, M, 0, M, B);
    sum_samples(to->d, to->back.dd, M, 0, M, B);
    if (unit.R) {
        recurrent_backward(to->R, y, NULL, to->back.D, 0, &unit, 0, M, B, T);
    }
    for (ptrdiff_t b = 0; backwards && b < B; b++) {
        turn(to->back.D + b * T * M, T, M);
    }
    input_backward(to->W, M, x, to->back.D, M, 0, N, B, T);
    transpose(to->transposed, N, W, M, 0, N, M);
    matmul(to->x, N, to->back.D, M, 1, to->transposed, N, B * T, M, N, 0);
}

static PyObject *py_snu_backward(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "snu_backward"};
    PyObject *dy, *dy_T, *dV_T, *x, *y, *V;                         /* borrowed */
    PyObject *kernel, *bias, *recurrent, *decay, *y_0, *V_0, *mask;
    PyObject *result = NULL;
    Gradients to = {0};                                             /* owned */
    const real *from_y, *from_V, *W;
    Upstream e;
    Input input;
    Unit unit = {0};
    int inhibition, backwards, through;

    if (!PyArg_ParseTuple(args, "OOOOOO" UNIT_ARGUMENTS "p:snu_backward", &dy, &dy_T, &dV_T,
                          &x, &y, &V, &kernel, &bias, &recurrent, &decay, &y_0, &V_0,
                          parse_activation, &unit.h, parse_activation, &unit.g, &inhibition,
                          &mask, &backwards, &through) ||
        check_input(&call, &input, x) ||
        check_array(&call, &W, kernel, "kernel", REAL, REQUIRED, "N:rows M:columns") ||
        check_array(&call, &unit.b, bias, "bias", REAL, REQUIRED, "M:entries") ||
        check_array(&call, &unit.R, recurrent, "recurrent_kernel", REAL, OPTIONAL,
                    "M:rows M:columns") ||
        check_array(&call, &unit.d, decay, "decay", REAL, REQUIRED, "M:entries") ||
        check_array(&call, &unit.y_0, y_0, "initial_state y_0", REAL, OPTIONAL,
                    "B:samples M:units") ||
        check_array(&call, &unit.V_0, V_0, "initial_state V_0", REAL, OPTIONAL,
                    "B:samples M:units") ||
        check_array(&call, &unit.mask, mask, "mask", NPY_UINT8, OPTIONAL, "B:samples T:steps") ||
        check_array(&call, &from_y, y, "y", REAL, REQUIRED, "B:samples T:steps M:units") ||
        check_array(&call, &from_V, V, "V", REAL, REQUIRED, "B:samples T:steps M:units") ||
        check_array(&call, &e.dy, dy, "dy", REAL, REQUIRED, "B:samples T:steps M:units") ||
        check_array(&call, &e.dy_T, dy_T, "dy_state", REAL, OPTIONAL, "B:samples M:units") ||
        check_array(&call, &e.dV_T, dV_T, "dV_state", REAL, OPTIONAL, "B:samples M:units") ||
        check_unit(&call, &unit, inhibition)) {
        return NULL;
    }
    const ptrdiff_t B = SIZE(&call, 'B'), T = SIZE(&call, 'T');
    const ptrdiff_t N = SIZE(&call, 'N'), M = SIZE(&call, 'M');

    unit.M = unit.m = M;
    unit.inhibition = (Inhibition)inhibition;
    unit.detached = !through;
    if (!gradients_new(&to, &unit, B, T, N, M)) {
        Py_BEGIN_ALLOW_THREADS
        gradients_compute(&to, e, input, from_y, from_V, W, unit, backwards, B, T, N, M);
        Py_END_ALLOW_THREADS
        result = Py_BuildValue("OOOOOOO", to.dx, to.dW, to.db, to.dR ? to.dR : Py_None, to.dd,
                               to.dy_0 ? to.dy_0 : Py_None, to.dV_0 ? to.dV_0 : Py_None);
    }
    if (!result && !PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    gradients_free(&to);
    return result;
}

/* ---- average ------------------------------------------------------------------- */

static PyObject *py_average_forward(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "average_forward"};
    PyObject *x, *mask, *result = NULL;
    const real *from;
    const uint8_t *counts;
    real *to;

    if (!PyArg_ParseTuple(args, "OO:average_forward", &x, &mask) ||
        check_array(&call, &from, x, "x", REAL, REQUIRED, "B:samples T:steps N:features") ||
        check_array(&call, &counts, mask, "mask", NPY_UINT8, OPTIONAL, "B:samples T:steps")) {
        return NULL;
    }
    const ptrdiff_t B = SIZE(&call, 'B'), T = SIZE(&call, 'T'), N = SIZE(&call, 'N');
    const npy_intp shape[] = {B, N};

    if (T == 0) {
        PyErr_SetString(PyExc_ValueError, "average_forward: x must have at least one step");
        return NULL;
    }
    if ((to = new_array(&result, 2, shape))) {
        Py_BEGIN_ALLOW_THREADS
        average_forward(to, from, N, counts, B, T, N);
        Py_END_ALLOW_THREADS
    }
    return result;
}

static PyObject *py_average_backward(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "average_backward"};
    PyObject *dy, *mask, *result = NULL;
    Py_ssize_t T;
    const real *from;
    const uint8_t *counts;
    real *to;

    if (!PyArg_ParseTuple(args, "OnO:average_backward", &dy, &T, &mask) ||
        check_array(&call, &from, dy, "dy", REAL, REQUIRED, "B:samples N:features") ||
        check_size(&call, 'T', T, "T", "steps") ||
        check_array(&call, &counts, mask, "mask", NPY_UINT8, OPTIONAL, "B:samples T:steps")) {
        return NULL;
    }
    const ptrdiff_t B = SIZE(&call, 'B'), N = SIZE(&call, 'N');
    const npy_intp shape[] = {B, T, N};

    if (T < 1) {
        PyErr_Format(PyExc_ValueError, "average_backward: T must be 1 or more, got %zd", T);
        return NULL;
    }
    if ((to = new_array(&result, 3, shape))) {
        Py_BEGIN_ALLOW_THREADS
        average_backward(to, from, N, counts, B, T, N);
        Py_END_ALLOW_THREADS
    }
    return result;
}

/* ---- mse ------------------------------------------------------------------------- */

static PyObject *py_mse_forward(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "mse_forward"};
    PyObject *y, *target;
    const real *from, *wanted;
    double *loss, sum = 0;

    if (!PyArg_ParseTuple(args, "OO:mse_forward", &y, &target) ||
        check_array(&call, &from, y, "y", REAL, REQUIRED, "B:samples M:outputs") ||
        check_array(&call, &wanted, target, "target", REAL, REQUIRED, "B:samples M:outputs")) {
        return NULL;
    }
    const ptrdiff_t B = SIZE(&call, 'B'), M = SIZE(&call, 'M');

    if (B == 0) {
        PyErr_SetString(PyExc_ValueError, "mse_forward: y must have at least one sample");
        return NULL;
    }
    if (!(loss = PyMem_RawMalloc((size_t)B * sizeof *loss))) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    mse_forward(loss, from, wanted, B, M);
    for (ptrdiff_t b = 0; b < B; b++) {
        sum += loss[b];
    }
    Py_END_ALLOW_THREADS
    PyMem_RawFree(loss);
    return PyFloat_FromDouble(sum / (double)B);
}

static PyObject *py_mse_backward(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {.function = "mse_backward"};
    PyObject *y, *target, *result = NULL;
    const real *from, *wanted;
    real *to;

    if (!PyArg_ParseTuple(args, "OO:mse_backward", &y, &target) ||
        check_array(&call, &from, y, "y", REAL, REQUIRED, "B:samples M:outputs") ||
        check_array(&call, &wanted, target, "target", REAL, REQUIRED, "B:samples M:outputs")) {
        return NULL;
    }
    const ptrdiff_t B = SIZE(&call, 'B'), M = SIZE(&call, 'M');
    const npy_intp shape[] = {B, M};

    if ((to = new_array(&result, 2, shape))) {
        Py_BEGIN_ALLOW_THREADS
        mse_backward(to, from, wanted, B, B, M);
        Py_END_ALLOW_THREADS
    }
    return result;
}

/* ---- optimizers -------------------------------------------------------------------- */

/* (method, rate, momentum, nesterov, rho, beta_2, epsilon, clipnorm, clipvalue, weight_decay) */
static int parse_optimizer(PyObject *tuple, void *address)
{
    Optimizer *o = address;
    int method;

    if (!PyTuple_Check(tuple) ||
        !PyArg_ParseTuple(tuple, "iddpdddddd", &method, &o->rate, &o->momentum, &o->nesterov,
                          &o->rho, &o->beta_2, &o->epsilon, &o->clipnorm, &o->clipvalue,
                          &o->weight_decay)) {
        if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError, "an optimizer is (method, rate, momentum, nesterov, "
                            "rho, beta_2, epsilon, clipnorm, clipvalue, weight_decay)");
        }
        return 0;
    }
    if (method < 0 || method >= OPTIMIZERS) {
        PyErr_Format(PyExc_ValueError, "no optimizer has the number %d", method);
        return 0;
    }
    o->method = (Method)method;
    return 1;
}

/* optimizer_step(name, w, g, slot_0, slot_1, optimizer, step): all flat, in place */
static PyObject *py_optimizer_step(PyObject *Py_UNUSED(module), PyObject *args)
{
    Call call = {0};
    PyObject *w, *g, *slot_0, *slot_1;
    Optimizer o;
    real *to;
    const real *from;
    real *first, *second;
    double step;

    if (!PyArg_ParseTuple(args, "sOOOOO&d:optimizer_step", &call.function, &w, &g, &slot_0,
                          &slot_1, parse_optimizer, &o, &step) ||
        check_array(&call, &to, w, "w", REAL, WRITEABLE, "B:entries") ||
        check_array(&call, &from, g, "g", REAL, REQUIRED, "B:entries") ||
        check_array(&call, &first, slot_0, "the first slot", REAL,
                    o.method == SGD ? WRITEABLE | OPTIONAL : WRITEABLE, "B:entries") ||
        check_array(&call, &second, slot_1, "the second slot", REAL,
                    o.method == ADAM ? WRITEABLE : WRITEABLE | OPTIONAL, "B:entries")) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    optimizer_step(to, first, second, from, o, step, SIZE(&call, 'B'));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}
