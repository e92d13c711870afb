/* matmul.c against three plain loops, bit for bit: the order of a sum is written down. */
#include "testing.h"

/* number (i, j) of the product */
static real product(real sum, const real *A, ptrdiff_t ak, const real *B, ptrdiff_t bk,
                    ptrdiff_t inner)
{
    for (ptrdiff_t k = 0; k < inner; k++) {
        sum += A[k * ak] * B[k * bk];
    }
    return sum;
}

/* A (rows, inner), or its transpose where `turned`; rows lie `gap` numbers more apart */
static void test_product(ptrdiff_t rows, ptrdiff_t inner, ptrdiff_t cols, int add, int turned,
                         ptrdiff_t gap)
{
    const ptrdiff_t ci = cols + gap, bk = cols + 2 * gap;
    const ptrdiff_t ai = turned ? 1 : inner + gap, ak = turned ? rows + gap : 1;
    const ptrdiff_t length = turned ? inner : rows, width = turned ? rows : inner;
    const ptrdiff_t in_A = length ? (length - 1) * (width + gap) + width : 0;
    const ptrdiff_t in_C = rows ? (rows - 1) * ci + cols : 0;
    const real *A = randoms(in_A, -1, 1);
    const real *B = randoms(inner ? (inner - 1) * bk + cols : 0, -1, 1);
    real *C = add || gap > 0 ? randoms(in_C, -1, 1) : outputs(in_C);
    real *before = copy_of(C, in_C);

    matmul(C, ci, A, ai, ak, B, bk, rows, inner, cols, add);
    for (ptrdiff_t i = 0; i < rows; i++) {
        for (ptrdiff_t j = 0; j < cols; j++) {
            const real sum = product(add ? before[i * ci + j] : 0, A + i * ai, ak, B + j, bk,
                                     inner);

            CHECK_EQUAL(&C[i * ci + j], &sum, 1);
            before[i * ci + j] = C[i * ci + j];
        }
    }
    CHECK(!memcmp(C, before, (size_t)in_C * sizeof *C));        /* nothing between the rows */
    if (gap == 0 && rows % 8 == 3) {
        record("matmul", C, in_C, NO_LIBM);
    }
    free_arrays();
}

/* the rows from first to last of A (rows, cols) */
static void test_transpose(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t first, ptrdiff_t last,
                           ptrdiff_t gap)
{
    const ptrdiff_t ai = cols + gap, at = rows + gap;
    const ptrdiff_t in_At = cols ? (cols - 1) * at + rows : 0;
    const real *A = randoms(rows ? (rows - 1) * ai + cols : 0, -1, 1);
    real *At = randoms(in_At, 2, 3), *before = copy_of(At, in_At);

    transpose(At, at, A, ai, first, last, cols);
    for (ptrdiff_t i = first; i < last; i++) {
        for (ptrdiff_t j = 0; j < cols; j++) {
            before[j * at + i] = A[i * ai + j];
        }
    }
    CHECK_EQUAL(At, before, in_At);
    free_arrays();
}

static void test_all(void)
{
    for (ptrdiff_t cols = 0; cols <= 70; cols++) {
        for (ptrdiff_t rows = 0; rows <= 17; rows++) {
            test_product(rows, (rows + cols) % 6, cols, rows % 2, cols % 2, cols / 2 % 2);
        }
    }
    for (int i = 0; i < 200; i++) {
        const ptrdiff_t rows = any_of(1, 70);
        const ptrdiff_t inner = any_of(0, 70);
        const ptrdiff_t cols = any_of(1, 70);
        const ptrdiff_t first = any_of(0, rows);
        const ptrdiff_t last = any_of(first, rows);

        test_product(rows, inner, cols, i % 2, i / 2 % 2, i % 3);
        test_transpose(rows, cols, first, last, i % 3);
    }
    test_transpose(0, 5, 0, 0, 0);
    test_transpose(5, 0, 0, 5, 0);
    for (ptrdiff_t inner = 255; inner <= 600; inner += 115) {   /* more than a panel */
        test_product(3, inner, 37, 0, 0, 0);
        test_product(3, inner, 37, 1, 1, 2);
    }
}

#include "../../csrc/variants/target_end.h"
