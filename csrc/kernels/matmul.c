/* Matrix products.
 *
 *     C_ij += sum_k A_ik B_kj         k rising, one accumulator an output
 *
 * Up to MATMUL_ROWS x 2 vectors of outputs are held in registers while k runs.
 * Columns that do not fill a vector go through a panel of B that is filled up with
 * zeros.
 */
#include "neuroai.h"

enum { PANEL = 256 };                   /* rows of a panel */

/* rows and vecs are constants where this is inlined: the loops over them unroll */
INLINE void matmul_block(real *C, ptrdiff_t ci, const real *A, ptrdiff_t ai, ptrdiff_t ak,
                         const real *B, ptrdiff_t bk,
                         const ptrdiff_t rows, ptrdiff_t inner, const ptrdiff_t vecs)
{
    vec sum[MATMUL_ROWS][2];

    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t j = 0; j < vecs; j++) {
            sum[i][j] = vec_load(C + i * ci + j * LANES);
        }
    }
    for (ptrdiff_t k = 0; k < inner; k++) {
        vec b[2];

        for (ptrdiff_t j = 0; j < vecs; j++) {
            b[j] = vec_load(B + k * bk + j * LANES);
        }
        for (ptrdiff_t i = 0; i < rows; i++) {
            for (ptrdiff_t j = 0; j < vecs; j++) {
                sum[i][j] += A[i * ai + k * ak] * b[j];
            }
        }
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t j = 0; j < vecs; j++) {
            vec_store(C + i * ci + j * LANES, sum[i][j]);
        }
    }
}

/* vecs of columns, for all rows */
INLINE void matmul_columns(real *C, ptrdiff_t ci, const real *A, ptrdiff_t ai, ptrdiff_t ak,
                           const real *B, ptrdiff_t bk,
                           ptrdiff_t rows, ptrdiff_t inner, const ptrdiff_t vecs)
{
    ptrdiff_t i = 0;

    for (; i + MATMUL_ROWS <= rows; i += MATMUL_ROWS) {
        matmul_block(C + i * ci, ci, A + i * ai, ai, ak, B, bk, MATMUL_ROWS, inner, vecs);
    }
    for (; i + 2 <= rows; i += 2) {
        matmul_block(C + i * ci, ci, A + i * ai, ai, ak, B, bk, 2, inner, vecs);
    }
    for (; i < rows; i++) {
        matmul_block(C + i * ci, ci, A + i * ai, ai, ak, B, bk, 1, inner, vecs);
    }
}

/* cols < LANES columns, for all rows */
static void matmul_tail(real *C, ptrdiff_t ci, const real *A, ptrdiff_t ai, ptrdiff_t ak,
                        const real *B, ptrdiff_t bk,
                        ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t cols)
{
    real panel[PANEL * LANES] = {0}, part[MATMUL_ROWS * LANES] = {0};

    for (ptrdiff_t begin = 0; begin < inner; begin += PANEL) {
        const ptrdiff_t count = inner - begin < PANEL ? inner - begin : PANEL;

        for (ptrdiff_t k = 0; k < count; k++) {
            for (ptrdiff_t j = 0; j < cols; j++) {
                panel[k * LANES + j] = B[(begin + k) * bk + j];
            }
        }
        for (ptrdiff_t i = 0; i < rows; i += MATMUL_ROWS) {
            const ptrdiff_t now = rows - i < MATMUL_ROWS ? rows - i : MATMUL_ROWS;

            for (ptrdiff_t r = 0; r < now; r++) {
                for (ptrdiff_t j = 0; j < cols; j++) {
                    part[r * LANES + j] = C[(i + r) * ci + j];
                }
            }
            matmul_columns(part, LANES, A + i * ai + begin * ak, ai, ak, panel, LANES,
                           now, count, 1);
            for (ptrdiff_t r = 0; r < now; r++) {
                for (ptrdiff_t j = 0; j < cols; j++) {
                    C[(i + r) * ci + j] = part[r * LANES + j];
                }
            }
        }
    }
}

static void matmul(real *C, ptrdiff_t ci, const real *A, ptrdiff_t ai, ptrdiff_t ak,
                   const real *B, ptrdiff_t bk,
                   ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t cols)
{
    ptrdiff_t j = 0;

    for (; j + 2 * LANES <= cols; j += 2 * LANES) {
        matmul_columns(C + j, ci, A, ai, ak, B + j, bk, rows, inner, 2);
    }
    for (; j + LANES <= cols; j += LANES) {
        matmul_columns(C + j, ci, A, ai, ak, B + j, bk, rows, inner, 1);
    }
    if (j < cols) {
        matmul_tail(C + j, ci, A, ai, ak, B + j, bk, rows, inner, cols - j);
    }
}

static void transpose(real *restrict At, ptrdiff_t at, const real *restrict A, ptrdiff_t ai,
                      ptrdiff_t first, ptrdiff_t last, ptrdiff_t cols)
{
    for (ptrdiff_t i = first; i < last; i++) {
        for (ptrdiff_t j = 0; j < cols; j++) {
            At[j * at + i] = A[i * ai + j];
        }
    }
}
