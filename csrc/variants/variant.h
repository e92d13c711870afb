/* All that counts in reals, as one translation unit.  A file of this folder says
 * which precision and which instruction set, and includes this; everything is
 * static but the variant.
 *
 * No variant multiplies and adds in one rounding (-ffp-contract=off), and the order
 * of every sum is written down: all of them give the same bits.
 */
#include "../python/border.h"
#include "../runtime/clock.h"
#include "../runtime/pages.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(NEUROAI_AVX512) || defined(NEUROAI_AVX2)
#include <immintrin.h>
#endif

#include "target_begin.h"
#include "kernels.h"
#include "../network/layout.c"
#include "../network/layers.c"
#include "../network/outputs.c"
#include "../network/update.c"
#include "../network/run.c"
#include "../python/py_ops.c"
#include "../python/py_network.c"
#ifdef NEUROAI_FLOAT64
#include "../python/py_rate.c"
#endif

#include "target_end.h"

static PyMethodDef methods[] = {
    {"matmul", py_matmul, METH_VARARGS, NULL},
    {"snu_forward", py_snu_forward, METH_VARARGS, NULL},
    {"snu_backward", py_snu_backward, METH_VARARGS, NULL},
    {"average_forward", py_average_forward, METH_VARARGS, NULL},
    {"average_backward", py_average_backward, METH_VARARGS, NULL},
    {"mse_forward", py_mse_forward, METH_VARARGS, NULL},
    {"mse_backward", py_mse_backward, METH_VARARGS, NULL},
    {"optimizer_step", py_optimizer_step, METH_VARARGS, NULL},
    {"network_new", py_network_new, METH_VARARGS, NULL},
    {"network_run", py_network_run, METH_VARARGS, NULL},
#ifdef NEUROAI_FLOAT64
    {"rate_encode", py_rate_encode, METH_VARARGS, NULL},
#endif
    {NULL, NULL, 0, NULL},
};
