#include "border.h"

#include <string.h>

/* the first word of "rows M:columns" */
static const char *word(char *buffer, size_t size, const char *text)
{
    size_t length = strcspn(text, " ");

    length = length < size ? length : size - 1;
    memcpy(buffer, text, length);
    buffer[length] = '\0';
    return buffer;
}

int check_size(Call *call, char letter, ptrdiff_t value, const char *argument, const char *axis)
{
    char here[24], there[24];

    word(here, sizeof here, axis);
    if (value == 0 && (letter == 'N' || letter == 'M')) {
        PyErr_Format(PyExc_ValueError, "%s: %s must have at least one of its %s, got none",
                     call->function, argument, here);
        return -1;
    }
    if (!call->size[letter - 'A'].axis) {
        call->size[letter - 'A'].value = value;
        call->size[letter - 'A'].argument = argument;
        call->size[letter - 'A'].axis = axis;
    } else if (SIZE(call, letter) != value) {
        PyErr_Format(PyExc_ValueError, "%s: %s has %zd %s but %s has %zd %s",
                     call->function, argument, value, here,
                     call->size[letter - 'A'].argument, SIZE(call, letter),
                     word(there, sizeof there, call->size[letter - 'A'].axis));
        return -1;
    }
    return 0;
}

/* "samples, steps" of "B:samples T:steps" */
static const char *axis_names(char *buffer, size_t size, const char *axes)
{
    size_t length = 0;

    while (*axes && length + 2 < size) {
        if (axes[1] == ':') {
            axes += 2;
        } else {
            if (*axes == ' ') {
                buffer[length++] = ',';
            }
            buffer[length++] = *axes++;
        }
    }
    buffer[length] = '\0';
    return buffer;
}

/* *data = pointer, whatever it is that *data points to */
static void set_pointer(void *data, void *pointer) { memcpy(data, &pointer, sizeof pointer); }

int check_array(Call *call, void *data, PyObject *object, const char *argument,
                int type, int flags, const char *axes)
{
    PyArrayObject *array = (PyArrayObject *)object;
    int wanted = 0;

    if (flags & OPTIONAL && object == Py_None) {
        set_pointer(data, NULL);
        return 0;
    }
    if (!PyArray_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s: %s must be an array, got %s",
                     call->function, argument, Py_TYPE(object)->tp_name);
        return -1;
    }
    for (const char *c = axes; *c; c++) {
        wanted += *c == ':';
    }
    if (PyArray_NDIM(array) != wanted) {
        PyObject *shape = PyObject_GetAttrString(object, "shape");
        char names[64];

        if (shape) {
            PyErr_Format(PyExc_ValueError, "%s: %s must have the ax%s (%s), got shape %S",
                         call->function, argument, wanted == 1 ? "is" : "es",
                         axis_names(names, sizeof names, axes), shape);
            Py_DECREF(shape);
        }
        return -1;
    }
    if (PyArray_TYPE(array) != type || !PyArray_ISCARRAY_RO(array) ||
        (flags & WRITEABLE && !PyArray_ISWRITEABLE(array))) {
        PyArray_Descr *descr = PyArray_DescrFromType(type);

        PyErr_Format(PyExc_TypeError, "%s: %s must be a C-contiguous%s array of %S, got %S%s",
                     call->function, argument, flags & WRITEABLE ? ", writeable" : "",
                     (PyObject *)descr, (PyObject *)PyArray_DESCR(array),
                     !PyArray_ISCARRAY_RO(array) ? " that is not C-contiguous" :
                     !PyArray_ISWRITEABLE(array) ? " that is read-only" : "");
        Py_XDECREF(descr);
        return -1;
    }
    for (int axis = 0; axis < wanted; axis++) {
        const char letter = *axes, *name = axes + 2;

        if (check_size(call, letter, PyArray_DIM(array, axis), argument, name)) {
            return -1;
        }
        axes = name + strcspn(name, " ");
        axes += *axes == ' ';
    }
    set_pointer(data, PyArray_DATA(array));
    return 0;
}

ptrdiff_t checked_product(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c)
{
    ptrdiff_t ab, abc;

    if (__builtin_mul_overflow(a, b, &ab) || __builtin_mul_overflow(ab, c, &abc) ||
        abc > PTRDIFF_MAX / 64) {
        PyErr_NoMemory();
        return -1;
    }
    return abc;
}
