/* loss.c against its formulas in double, and its gradients against finite differences. */
#include "testing.h"

static double kept_inside(double p) { return fmin(fmax(p, 1e-7), 1 - 1e-7); }

static double target_of(const real *target, Loss loss, ptrdiff_t j)
{
    return loss.kind == SPARSE ? (double)target[0] == (double)j : (double)target[j];
}

/* of a row of M outputs y */
static double plain_loss(const double *y, const real *target, Loss loss, ptrdiff_t M)
{
    double result = 0, sum = 0, most = y[0];

    for (ptrdiff_t j = 0; j < M; j++) {
        most = fmax(most, y[j]);
    }
    for (ptrdiff_t j = 0; j < M; j++) {
        sum += loss.logits ? exp(y[j] - most) : loss.kind == SPARSE ? kept_inside(y[j]) : y[j];
    }
    for (ptrdiff_t j = 0; j < M; j++) {
        const double t = target_of(target, loss, j);

        switch (loss.kind) {
        case MSE:
            result += (y[j] - t) * (y[j] - t) / (double)M;
            break;
        case BINARY:
            result += (loss.logits ? fmax(y[j], 0) - y[j] * t + log1p(exp(-fabs(y[j])))
                                   : -t * log(kept_inside(y[j])) -
                                         (1 - t) * log(1 - kept_inside(y[j]))) / (double)M;
            break;
        default:
            result -= t == 0 ? 0
                      : loss.logits ? t * (y[j] - most - log(sum))
                      : loss.kind == SPARSE ? log(kept_inside(y[j]) / sum)
                      : t * log(kept_inside(sum == 0 ? 0 : y[j] / sum));
        }
    }
    return result;
}

/* its gradient, for outputs away from where they are clipped */
static double plain_gradient(const double *y, const real *target, Loss loss, ptrdiff_t M,
                             ptrdiff_t j)
{
    const double t = target_of(target, loss, j);
    double sum = 0, wanted = 0, most = y[0];

    for (ptrdiff_t k = 0; k < M; k++) {
        most = fmax(most, y[k]);
        wanted += target_of(target, loss, k);
    }
    for (ptrdiff_t k = 0; k < M; k++) {
        sum += loss.logits ? exp(y[k] - most) : y[k];
    }
    switch (loss.kind) {
    case MSE:
        return 2 * (y[j] - t) / (double)M;
    case BINARY:
        return (loss.logits ? 1 / (1 + exp(-y[j])) - t : (y[j] - t) / (y[j] * (1 - y[j]))) /
               (double)M;
    default:
        return loss.logits ? wanted * exp(y[j] - most) / sum - t : wanted / sum - t / y[j];
    }
}

static real *targets_of(Loss loss, ptrdiff_t rows, ptrdiff_t M)
{
    real *target;

    CHECK(loss_targets(loss, M) == (loss.kind == SPARSE ? 1 : M));
    if (loss.kind != SPARSE) {
        return randoms(rows * M, 0, 1);
    }
    target = array_of(rows, sizeof *target);
    for (ptrdiff_t row = 0; row < rows; row++) {
        target[row] = (real)any_of(0, M - 1);
    }
    return target;
}

/* exp and log of libm are called, but of MSE and of BINARY's gradient by logits */
static int backward_libm(Loss loss)
{
    return loss.logits && (loss.kind == CATEGORICAL || loss.kind == SPARSE) ? LIBM : NO_LIBM;
}

static void test_sizes(Loss loss, ptrdiff_t rows, ptrdiff_t M, ptrdiff_t gap, int masked)
{
    const ptrdiff_t m = M + gap, each = loss_targets(loss, M), batch = 1 + rows % 3;
    const uint8_t *mask = masked ? bytes_of(rows, 0.6) : NULL;
    const double weight = uniform(0.5, 2);
    const real *target = targets_of(loss, rows, M);
    real *y = not_numbers(rows * m), *dy = outputs(rows * m);
    double *wanted = doubles_of(NULL, rows * m), count = 0, mean = 0, result;

    for (ptrdiff_t row = 0; row < rows; row++) {
        double *numbers = doubles_of(NULL, M);

        if (mask && !mask[row]) {
            continue;                   /* y stays no number */
        }
        for (ptrdiff_t j = 0; j < M; j++) {
            y[row * m + j] = (real)(loss.logits || loss.kind == MSE ? uniform(-4, 4)
                                                                    : uniform(0.05, 0.95));
            numbers[j] = (double)y[row * m + j];
        }
        count++;
        mean += plain_loss(numbers, target + row * each, loss, M);
        for (ptrdiff_t j = 0; j < M; j++) {
            wanted[row * m + j] = plain_gradient(numbers, target + row * each, loss, M, j);
        }
    }
    for (ptrdiff_t i = 0; i < rows * m; i++) {
        wanted[i] *= count > 0 ? weight / ((double)batch * count) : 0;
    }
    result = loss_forward(y, m, target, mask, loss, rows, M);
    CHECK(count > 0 ? is_near(result, mean / count, 16 * (double)EPSILON * (1 + mean / count))
                    : result == 0);
    loss_backward(dy, y, m, target, mask, loss, weight, batch, rows, M);
    CHECK_NEAR(dy, wanted, rows * m, 16);
    for (ptrdiff_t i = 0; i < rows * m; i++) {
        CHECK((i % m < M && (!mask || mask[i / m])) || dy[i] == 0);
    }
    record("dy", dy, rows * m, backward_libm(loss));
    free_arrays();
}

/* where probabilities are clipped the loss is flat; nothing is infinite */
static void test_ends(Loss loss, ptrdiff_t M)
{
    static const double ends[] = {0, 1, 1e-9, 1 - 1e-9, 0.5, -1000, 1000, -1e30, 1e30};
    const size_t choices = loss.logits ? 9 : 5;
    const real *target = targets_of(loss, 1, M);
    real *y = outputs(M), *dy = outputs(M);
    double *numbers, result;

    for (ptrdiff_t j = 0; j < M; j++) {
        y[j] = (real)ends[random_bits() % choices];
    }
    numbers = doubles_of(y, M);
    result = loss_forward(y, M, target, NULL, loss, 1, M);
    CHECK(isfinite(result));
    CHECK(is_near(result, plain_loss(numbers, target, loss, M), 64 * (double)EPSILON * result));
    loss_backward(dy, y, M, target, NULL, loss, 1, 1, 1, M);
    for (ptrdiff_t j = 0; j < M; j++) {
        CHECK(isfinite(dy[j]));
        CHECK(loss.logits || loss.kind != BINARY || (numbers[j] > 0.1 && numbers[j] < 0.9) ||
              dy[j] == 0);
    }
    free_arrays();
}

/* silent outputs: each probability is the smallest */
static void test_silence(LossKind kind, ptrdiff_t M)
{
    const Loss loss = {kind, 0};
    const real *y = zeros_of(M), *target = targets_of(loss, 1, M);
    real *dy = outputs(M);
    double wanted = 0, result = loss_forward(y, M, target, NULL, loss, 1, M);

    for (ptrdiff_t j = 0; j < M; j++) {
        wanted -= target_of(target, loss, j) * log(kind == SPARSE ? 1 / (double)M : 1e-7);
    }
    CHECK(is_near(result, wanted, 1e-12 * wanted));
    loss_backward(dy, y, M, target, NULL, loss, 1, 1, 1, M);
    for (ptrdiff_t j = 0; j < M; j++) {
        CHECK(dy[j] == 0);
    }
    free_arrays();
}

#ifdef NEUROAI_FLOAT64

/* number by number: also outputs that are no distribution, and targets that are none */
static void test_differences(Loss loss, ptrdiff_t M)
{
    const double step = 1e-5;
    const real *target = targets_of(loss, 2, M);
    const int free_numbers = loss.logits || loss.kind == MSE;
    real *y = randoms(2 * M, free_numbers ? -3 : 0.1, free_numbers ? 3 : 0.9), *dy = outputs(2 * M);

    loss_backward(dy, y, M, target, NULL, loss, 1, 1, 2, M);
    for (ptrdiff_t i = 0; i < 2 * M; i++) {
        const double middle = y[i];
        double above, below;

        y[i] = middle + step;
        above = loss_forward(y, M, target, NULL, loss, 2, M);
        y[i] = middle - step;
        below = loss_forward(y, M, target, NULL, loss, 2, M);
        y[i] = middle;
        CHECK(is_near(dy[i], (above - below) / (2 * step), 1e-7 * (1 + fabs(dy[i]))));
    }
    free_arrays();
}

#endif

/* mse_forward and mse_backward */
static void test_mse(ptrdiff_t B, ptrdiff_t P)
{
    const real *y = randoms(B * P, -2, 2), *target = randoms(B * P, -2, 2);
    double *loss = array_of(B, sizeof *loss), *wanted = doubles_of(NULL, B * P);
    real *dy = outputs(B * P);

    mse_forward(loss, y, target, B, P);
    mse_backward(dy, y, target, B + 1, B, P);
    for (ptrdiff_t b = 0; b < B; b++) {
        double sum = 0;

        for (ptrdiff_t i = b * P; i < (b + 1) * P; i++) {
            const double difference = (double)y[i] - (double)target[i];

            sum += difference * difference;
            wanted[i] = 2 * difference / (double)((B + 1) * P);
        }
        CHECK(is_near(loss[b], sum / (double)P, 1e-14 * sum));
    }
    CHECK_NEAR(dy, wanted, B * P, 4);
    free_arrays();
}

static void test_all(void)
{
    for (int kind = MSE; kind < LOSSES; kind++) {
        for (int logits = 0; logits <= (kind == MSE ? 0 : 1); logits++) {
            const Loss loss = {(LossKind)kind, logits};

            for (ptrdiff_t M = 1; M <= 70; M++) {
                const ptrdiff_t rows = any_of(1, 8);

                test_sizes(loss, rows, M, M % 3, M % 2);
                test_sizes(loss, rows, M, M % 2, 0);
            }
            test_sizes(loss, 0, 5, 0, 0);
            test_sizes(loss, 2, 1100, 3, 0);            /* more factors than one logarithm has */
            for (ptrdiff_t M = 1; kind != MSE && M <= 20; M++) {
                test_ends(loss, M);
                test_ends(loss, M);
            }
#ifdef NEUROAI_FLOAT64
            test_differences(loss, 1);
            test_differences(loss, 17);
            test_differences(loss, 40);
#endif
        }
    }
    test_silence(CATEGORICAL, 7);
    test_silence(SPARSE, 7);
    for (ptrdiff_t P = 1; P <= 70; P++) {
        test_mse(P % 5, P);
    }
}

#include "../../csrc/variants/target_end.h"
