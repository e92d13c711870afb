/* What every function of the border uses: arguments checked once, errors that
 * name the argument, what was wanted and what came.
 */
#ifndef NEUROAI_BORDER_H
#define NEUROAI_BORDER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#define NPY_NO_DEPRECATED_API NPY_1_23_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL neuroai_c_numpy
#ifndef NEUROAI_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include "../kernels/spikes.h"

/* The sizes of one call: B samples, T steps, ...; learned from the first argument
 * that has them, asked of all others. */
typedef struct {
    const char *function;
    struct {
        ptrdiff_t value;
        const char *argument, *axis;    /* where it was learned; NULL: not yet */
    } size['Z' - 'A' + 1];
} Call;

#define SIZE(call, letter) ((call)->size[(letter) - 'A'].value)

enum { REQUIRED = 0, OPTIONAL = 1, WRITEABLE = 2 };

/* Sets *data to the array's numbers, to NULL for an OPTIONAL None.  The array is
 * C-contiguous and of the NumPy type number `type`; `axes` says what its sizes
 * are, "N:rows M:columns".  Returns -1 with an exception set otherwise. */
int check_array(Call *call, void *data, PyObject *object, const char *argument,
                int type, int flags, const char *axes);

/* sizes agree with what was learned before, or are learned; -1 with an exception */
int check_size(Call *call, char letter, ptrdiff_t value, const char *argument, const char *axis);

/* a * b * c, or -1 with MemoryError where that many numbers cannot be had */
ptrdiff_t checked_product(ptrdiff_t a, ptrdiff_t b, ptrdiff_t c);

/* Spikes travel as a capsule that owns their events. */
PyObject *spikes_wrap(Spikes *spikes);              /* takes them over, also when it fails */
const Spikes *spikes_unwrap(PyObject *capsule);     /* NULL with TypeError */

/* Making them: `first` of the right length, then room for first[samples] events, zeroed;
 * both NULL with MemoryError. */
Spikes *spikes_new(ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N);
uint32_t *spikes_room(Spikes *spikes);
void spikes_free(Spikes *spikes);

/* as many inputs as an event can name; -1 with an exception */
int check_inputs(const char *function, ptrdiff_t N);

/* A variant of all that counts in reals: one precision, one instruction set. */
typedef struct {
    const char *precision;              /* its place in the module */
    PyMethodDef *methods;
} Variant;

extern PyMethodDef spikes_methods[], team_methods[];
extern const Variant variant_f32_baseline, variant_f64_baseline;
#if defined(__x86_64__)
extern const Variant variant_f32_avx2, variant_f64_avx2;
extern const Variant variant_f32_avx512, variant_f64_avx512;
#endif

/* threads that a run may use */
int team_size(void);

#endif
