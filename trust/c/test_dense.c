/* dense.c against its formulas in double: each h, with and without b. */
#include "functions.h"

static void test_forward(Activation h, int with_bias, ptrdiff_t rows, ptrdiff_t m)
{
    const ptrdiff_t n = rows * m;
    const real *product = randoms(n, -3, 3), *b = with_bias ? randoms(m, -1, 1) : NULL;
    real *V = copy_of(product, n), *y = h.f == IDENTITY ? V : outputs(n);
    double *wanted = doubles_of(NULL, n);

    dense_forward(y, V, b, h, rows, m);
    for (ptrdiff_t i = 0; i < n; i++) {
        const real a = b ? product[i] + b[i % m] : product[i];

        CHECK(V[i] == a);
        wanted[i] = plain_value(h, (double)a);
    }
    CHECK_NEAR(y, wanted, n, 4);
    if (m % 4 == 1) {
        record("y", y, n, uses_libm(h));
    }
    free_arrays();
}

static void test_backward(Activation h, int in_place, ptrdiff_t rows, ptrdiff_t m)
{
    const ptrdiff_t n = rows * m;
    const real *V = randoms(n, -3, 3), *dy = randoms(n, -1, 1);
    real *y = outputs(n), *D = in_place ? copy_of(dy, n) : outputs(n), *db = outputs(m);
    double *wanted = doubles_of(NULL, n), *sum = doubles_of(NULL, m);

    for (ptrdiff_t i = 0; i < n; i++) {
        y[i] = value_of(h.f, alpha_of(h.f, h.alpha), V[i]);
        wanted[i] = (double)dy[i] * slope_from(h, (double)V[i], (double)y[i]);
        sum[i % m] += wanted[i];
    }
    dense_backward(D, db, in_place ? D : dy, y, V, h, rows, m);
    CHECK_NEAR(D, wanted, n, 8);
    CHECK_NEAR(db, sum, m, 8 + 4 * (double)rows);
    if (m % 4 == 1) {
        record("D", D, n, uses_libm(h));
        record("db", db, m, uses_libm(h));
    }
    free_arrays();
}

static void test_all(void)
{
    Activation h;

    for (int number = 0; !activation_number(number, &h); number++) {
        for (ptrdiff_t m = 1; m <= 70; m++) {
            const ptrdiff_t rows = any_of(1, 9);

            test_forward(h, m % 2, rows, m);
            test_backward(h, m % 2, rows, m);
        }
        test_forward(h, 1, 0, 5);
        test_backward(h, 0, 0, 5);
        test_forward(h, 1, 5, 0);
        test_backward(h, 0, 5, 0);
    }
}

#include "../../csrc/variants/target_end.h"
