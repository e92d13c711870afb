/* Matrix products.
 *
 *     C_ij = [C_ij +] sum_k A_ik B_kj         k rising, one accumulator an output
 *
 * Up to MATMUL_ROWS x MATMUL_VECS vectors of outputs are held in registers while k runs; rows are
 * cut into blocks of nearly the same number.  Columns that do not fill a vector go through a
 * panel of B that is filled up with zeros.
 */
#include "neuroai.h"

#include <string.h>

enum { PANEL = 256 };                   /* rows of a panel */

/* rows and vecs are constants where this is inlined: the loops over them unroll */
INLINE void matmul_block(real *C, ptrdiff_t ci, const real *A, ptrdiff_t ai, ptrdiff_t ak,
                         const real *B, ptrdiff_t bk, ptrdiff_t inner, int add,
                         const ptrdiff_t rows, const ptrdiff_t vecs)
{
    vec sum[MATMUL_ROWS][MATMUL_VECS];

    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t j = 0; j < vecs; j++) {
            sum[i][j] = add ? vec_load(C + i * ci + j * LANES) : (vec){0};
        }
    }
    for (ptrdiff_t k = 0; k < inner; k++, A += ak, B += bk) {
        vec b[MATMUL_VECS];

        for (ptrdiff_t j = 0; j < vecs; j++) {
            b[j] = vec_load(B + j * LANES);
        }
        for (ptrdiff_t i = 0; i < rows; i++) {
            for (ptrdiff_t j = 0; j < vecs; j++) {
                sum[i][j] += A[i * ai] * b[j];
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
                           ptrdiff_t rows, ptrdiff_t inner, int add, const ptrdiff_t vecs)
{
    const ptrdiff_t blocks = (rows + MATMUL_ROWS - 1) / MATMUL_ROWS;

    for (ptrdiff_t k = 0; k < blocks; k++) {
        const ptrdiff_t i = rows * k / blocks;

        switch (rows * (k + 1) / blocks - i) {
#define CASE(n) \
        case n: \
            matmul_block(C + i * ci, ci, A + i * ai, ai, ak, B, bk, inner, add, n, vecs); \
            break;
        CASE(1) CASE(2) CASE(3) CASE(4)
#if MATMUL_ROWS > 4
        CASE(5) CASE(6)
#endif
#if MATMUL_ROWS > 6
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
#endif
#undef CASE
        }
    }
}

/* cols < LANES columns, for all rows */
static void matmul_tail(real *C, ptrdiff_t ci, const real *A, ptrdiff_t ai, ptrdiff_t ak,
                        const real *B, ptrdiff_t bk,
                        ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t cols, int add)
{
    real panel[PANEL * LANES] = {0}, part[MATMUL_ROWS * LANES] = {0};

    for (ptrdiff_t begin = 0; begin == 0 || begin < inner; begin += PANEL) {
        const ptrdiff_t count = inner - begin < PANEL ? inner - begin : PANEL;
        const int goes_on = add || begin > 0;

        for (ptrdiff_t k = 0; k < count; k++) {
            for (ptrdiff_t j = 0; j < cols; j++) {
                panel[k * LANES + j] = B[(begin + k) * bk + j];
            }
        }
        for (ptrdiff_t i = 0; i < rows; i += MATMUL_ROWS) {
            const ptrdiff_t now = rows - i < MATMUL_ROWS ? rows - i : MATMUL_ROWS;

            for (ptrdiff_t r = 0; r < now && goes_on; r++) {
                for (ptrdiff_t j = 0; j < cols; j++) {
                    part[r * LANES + j] = C[(i + r) * ci + j];
                }
            }
            matmul_columns(part, LANES, A + i * ai + begin * ak, ai, ak, panel, LANES,
                           now, count, goes_on, 1);
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
                   ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t cols, int add)
{
    ptrdiff_t j = 0;

#if MATMUL_VECS > 1
    enum { WIDE = MATMUL_VECS * LANES };

    for (; j + WIDE <= cols; j += WIDE) {
        matmul_columns(C + j, ci, A, ai, ak, B + j, bk, rows, inner, add, MATMUL_VECS);
    }
#endif
    for (; j + LANES <= cols; j += LANES) {
        matmul_columns(C + j, ci, A, ai, ak, B + j, bk, rows, inner, add, 1);
    }
    if (j < cols) {
        matmul_tail(C + j, ci, A, ai, ak, B + j, bk, rows, inner, cols - j, add);
    }
}

/* Tiles of whole cache lines: what a tile reads and writes stays in the core's first cache. */
enum { TILE = 64 / sizeof(real) };

static void transpose(real *restrict At, ptrdiff_t at, const real *restrict A, ptrdiff_t ai,
                      ptrdiff_t first, ptrdiff_t last, ptrdiff_t cols)
{
    for (ptrdiff_t i = first; i < last; i += TILE) {
        const ptrdiff_t rows = last - i < TILE ? last - i : TILE;

        for (ptrdiff_t j = 0; j < cols; j += TILE) {
            const ptrdiff_t count = cols - j < TILE ? cols - j : TILE;
            real tile[TILE][TILE];

            for (ptrdiff_t r = 0; r < rows; r++) {
                for (ptrdiff_t c = 0; c < count; c++) {
                    tile[c][r] = A[(i + r) * ai + j + c];
                }
            }
            for (ptrdiff_t c = 0; c < count; c++) {
                memcpy(&At[(j + c) * at + i], tile[c], (size_t)rows * sizeof(real));
            }
        }
    }
}
