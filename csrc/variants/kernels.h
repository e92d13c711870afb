/* All kernels that a variant has, in the order in which they use one another. */
#include "../kernels/neuroai.h"

#include "../kernels/matmul.c"
#include "../kernels/input.c"
#include "../kernels/snu.c"
#include "../kernels/average.c"
#include "../kernels/dense.c"
#include "../kernels/dropout.c"
#include "../kernels/loss.c"
#include "../kernels/optimizer.c"
#ifdef NEUROAI_FLOAT64
#include "../kernels/rate.c"
#endif
