/* The extension module neuroai_c._core: spikes, threads, and a namespace for each
 * precision.
 */
#define NEUROAI_IMPORTS_NUMPY
#include "border.h"

#include "../runtime/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_variant(PyObject *module, const Variant *variant)
{
    PyObject *namespace = PyModule_New(variant->precision);
    int failed = 1;

    if (namespace) {
        failed = PyModule_AddFunctions(namespace, variant->methods) ||
                 PyObject_SetAttrString(module, variant->precision, namespace);
    }
    Py_XDECREF(namespace);
    return failed ? -1 : 0;
}

static const Variant *const variants[ISAS][2] = {
    [BASELINE] = {&variant_f32_baseline, &variant_f64_baseline},
#if defined(__x86_64__)
    [AVX2] = {&variant_f32_avx2, &variant_f64_avx2},
    [AVX512] = {&variant_f32_avx512, &variant_f64_avx512},
#endif
};

#if defined(__clang__)                  /* whose version begins with its name */
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* the best instruction set that this machine has, or the one that the environment
 * asks for; ISAS with an exception set if it cannot be had */
static Isa choose_isa(void)
{
    const char *wanted = getenv("NEUROAI_C_ISA");
    char have[64] = "";
    size_t length = 0;
    int best = BASELINE;

    for (int i = 0; i < ISAS; i++) {
        if (isa_available((Isa)i)) {
            if (wanted && !strcmp(wanted, isa_name[i])) {
                return (Isa)i;
            }
            length += (size_t)snprintf(have + length, sizeof have - length, "%s%s", i ? ", " : "",
                                       isa_name[i]);
            best = i;
        }
    }
    if (!wanted || !*wanted) {
        return (Isa)best;
    }
    PyErr_Format(PyExc_ValueError, "the environment variable NEUROAI_C_ISA must be one of %s, "
                 "which this machine has, got '%s'", have, wanted);
    return ISAS;
}

static int exec_module(PyObject *module)
{
    Isa isa;

    /* before NumPy is, as the main interpreter could no longer import it afterwards */
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "neuroai_c is for the main interpreter: NumPy does not "
                        "support sub-interpreters");
        return -1;
    }
    if (PyArray_ImportNumPyAPI() < 0 || (isa = choose_isa()) == ISAS) {
        return -1;
    }
    if (PyModule_AddFunctions(module, spikes_methods) ||
        PyModule_AddFunctions(module, team_methods) ||
        PyModule_AddStringConstant(module, "COMPILER", COMPILER) ||
        PyModule_AddStringConstant(module, "ISA", isa_name[isa])) {
        return -1;
    }
    return add_variant(module, variants[isa][0]) || add_variant(module, variants[isa][1]) ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec_module},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030d0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},  /* what is shared is atomic or guarded */
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "neuroai_c._core",
    .m_doc = "Kernels of neuroai_c on NumPy arrays.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
