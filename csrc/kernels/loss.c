/* What training makes small: of a sample, the mean over its rows (steps) that count.
 *
 *     MSE           mean over outputs of (y - t)^2              dy = 2 (y - t) / M
 *     BINARY        mean over outputs of -t ln p - (1 - t) ln(1 - p)
 *       logits      max(y, 0) - y t + ln(1 + e^-|y|)            dy = (sigmoid(y) - t) / M
 *     CATEGORICAL   -sum of t ln(p / sum of p)
 *       logits      sum of t (ln(sum of e^y) - y)               dy = (sum of t) softmax(y) - t
 *     SPARSE        CATEGORICAL where t is 1 for the class that the target says, else 0; of
 *                   probabilities that are clipped first, then divided by their sum
 *
 * Probabilities are kept from CLIP to 1 - CLIP, where the gradient ends, as Keras does; of
 * outputs that are all 0 each is CLIP.
 */
#include "activation.h"

static const double CLIP = 1e-7;

static ptrdiff_t loss_targets(Loss loss, ptrdiff_t M) { return loss.kind == SPARSE ? 1 : M; }

/* rows that count */
static ptrdiff_t loss_rows(const uint8_t *mask, ptrdiff_t rows)
{
    ptrdiff_t count = mask ? 0 : rows;

    for (ptrdiff_t i = 0; mask && i < rows; i++) {
        count += mask[i];
    }
    return count;
}

static double clipped(double p) { return p < CLIP ? CLIP : p > 1 - CLIP ? 1 - CLIP : p; }

static int is_inside(double p) { return p >= CLIP && p <= 1 - CLIP; }

/* what the target says of class j */
static double meant(const real *target, Loss loss, ptrdiff_t j)
{
    return loss.kind == SPARSE ? target[0] == (real)j : (double)target[j];
}

/* ---- mean squared error ---------------------------------------------------------- */

static double squares(double sum, const real *y, const real *target, ptrdiff_t n)
{
    for (ptrdiff_t j = 0; j < n; j++) {
        const double difference = (double)y[j] - (double)target[j];

        sum += difference * difference;
    }
    return sum;
}

static void mse_forward(double *loss, const real *y, const real *target,
                        ptrdiff_t B, ptrdiff_t P)
{
    for (ptrdiff_t b = 0; b < B; b++, y += P, target += P) {
        loss[b] = squares(0, y, target, P) / (double)P;
    }
}

static void mse_backward(real *dy, const real *y, const real *target,
                         ptrdiff_t batch, ptrdiff_t B, ptrdiff_t P)
{
    const real scale = (real)(2 / ((double)batch * (double)P));

    for (ptrdiff_t i = 0; i < B * P; i++) {
        dy[i] = scale * (y[i] - target[i]);
    }
}

/* ---- cross-entropies --------------------------------------------------------------- */

/* Numbers whose (1 + e^-|y|), each at most 2, are multiplied before one logarithm is taken; in
 * lanes, which run on vectors: number j into lane j % LOSS_LANES. */
enum { FACTORS = 512, LOSS_LANES = 16 };

/* sum += max(z, 0) - z t and product *= 1 + e^-|z|, a block of LOSS_LANES */
INLINE void logits_block(double sum[LOSS_LANES], double product[LOSS_LANES], const real *z,
                         const real *t)
{
    real e[LOSS_LANES], positive[LOSS_LANES];

    for (ptrdiff_t k = 0; k < LOSS_LANES; k++) {
        e[k] = exp_negative(-magnitude(z[k]));
        positive[k] = z[k] > 0 ? z[k] : 0;
    }
    for (ptrdiff_t k = 0; k < LOSS_LANES; k++) {
        sum[k] += (double)positive[k] - (double)z[k] * (double)t[k];
        product[k] *= 1 + (double)e[k];
    }
}

/* the sum of max(y, 0) - y t + ln(1 + e^-|y|) over n <= FACTORS numbers */
static double logits_forward(const real *y, const real *target, ptrdiff_t n)
{
    double product[LOSS_LANES], sum[LOSS_LANES] = {0};
    ptrdiff_t j = 0;

    for (ptrdiff_t k = 0; k < LOSS_LANES; k++) {
        product[k] = 1;
    }
    for (; j + LOSS_LANES <= n; j += LOSS_LANES) {
        logits_block(sum, product, y + j, target + j);
    }
    if (j < n) {
        real z[LOSS_LANES], t[LOSS_LANES] = {0};

        for (ptrdiff_t k = 0; k < LOSS_LANES; k++) {
            z[k] = (real)REAL_EXP_LOWEST;       /* adds 0, multiplies by 1 */
        }
        for (ptrdiff_t k = 0; j + k < n; k++) {
            z[k] = y[j + k];
            t[k] = target[j + k];
        }
        logits_block(sum, product, z, t);
    }
    for (ptrdiff_t half = LOSS_LANES / 2; half > 0; half /= 2) {
        for (ptrdiff_t k = 0; k < half; k++) {
            sum[k] += sum[k + half];
            product[k] *= product[k + half];
        }
    }
    return sum[0] + log(product[0]);
}

static double binary_forward(const real *y, const real *target, Loss loss, ptrdiff_t M)
{
    double sum = 0;

    for (ptrdiff_t j = 0; !loss.logits && j < M; j++) {
        const double p = clipped((double)y[j]), t = (double)target[j];

        sum -= t * log(p) + (1 - t) * log(1 - p);
    }
    for (ptrdiff_t begin = 0; loss.logits && begin < M; begin += FACTORS) {
        sum += logits_forward(y + begin, target + begin,
                              begin + FACTORS < M ? FACTORS : M - begin);
    }
    return sum / (double)M;
}

static void binary_backward(real *dy, const real *y, const real *target, Loss loss,
                            double weight, ptrdiff_t M)
{
    const real scale = (real)(weight / (double)M);

    if (loss.logits) {
        INDEPENDENT
        for (ptrdiff_t j = 0; j < M; j++) {
            dy[j] = scale * (value_of(SIGMOID, 0, y[j]) - target[j]);
        }
        return;
    }
    for (ptrdiff_t j = 0; j < M; j++) {
        const double p = (double)y[j];

        dy[j] = is_inside(p) ? (real)(weight / (double)M * (p - (double)target[j]) / (p * (1 - p)))
                             : 0;
    }
}

/* the largest y and the sum of e^(y - largest), or 0 and the sum of y */
static void categorical_sum(double *most, double *sum, const real *y, Loss loss, ptrdiff_t M)
{
    *most = loss.logits ? (double)y[0] : 0;
    *sum = 0;
    for (ptrdiff_t j = 1; loss.logits && j < M; j++) {
        *most = (double)y[j] > *most ? (double)y[j] : *most;
    }
    for (ptrdiff_t j = 0; j < M; j++) {
        *sum += loss.logits ? exp((double)y[j] - *most) : (double)y[j];
    }
    *sum = *sum == 0 ? 1 : *sum;
}

/* the sum of the clipped probabilities */
static double sparse_sum(const real *y, ptrdiff_t M)
{
    double sum = 0;

    for (ptrdiff_t j = 0; j < M; j++) {
        sum += clipped((double)y[j]);
    }
    return sum;
}

static double sparse_forward(const real *y, const real *target, ptrdiff_t M)
{
    double p = CLIP;

    for (ptrdiff_t j = 0; j < M; j++) {
        p = target[0] == (real)j ? clipped((double)y[j]) : p;
    }
    return log(sparse_sum(y, M) / p);
}

static void sparse_backward(real *dy, const real *y, const real *target, double weight, ptrdiff_t M)
{
    const double sum = sparse_sum(y, M);

    for (ptrdiff_t j = 0; j < M; j++) {
        const double p = (double)y[j], t = target[0] == (real)j;

        dy[j] = is_inside(p) ? (real)(weight * (1 / sum - t / p)) : 0;
    }
}

static double categorical_forward(const real *y, const real *target, Loss loss, ptrdiff_t M)
{
    double most, sum, result = 0;

    if (loss.kind == SPARSE && !loss.logits) {
        return sparse_forward(y, target, M);
    }
    categorical_sum(&most, &sum, y, loss, M);
    for (ptrdiff_t j = 0; j < M; j++) {
        const double t = meant(target, loss, j);

        if (t != 0) {
            result -= t * (loss.logits ? (double)y[j] - most - log(sum)
                                       : log(clipped((double)y[j] / sum)));
        }
    }
    return result;
}

static void categorical_backward(real *dy, const real *y, const real *target, Loss loss,
                                 double weight, ptrdiff_t M)
{
    double most, sum, wanted = 0;

    if (loss.kind == SPARSE && !loss.logits) {
        sparse_backward(dy, y, target, weight, M);
        return;
    }
    categorical_sum(&most, &sum, y, loss, M);
    for (ptrdiff_t j = 0; j < M; j++) {
        wanted += loss.logits || is_inside((double)y[j] / sum) ? meant(target, loss, j) : 0;
    }
    for (ptrdiff_t j = 0; j < M; j++) {
        const double t = meant(target, loss, j), v = (double)y[j];

        dy[j] = (real)(weight * (loss.logits ? wanted * (exp(v - most) / sum) - t
                                 : wanted / sum - (t != 0 && is_inside(v / sum) ? t / v : 0)));
    }
}

/* ---- of a sample's rows --------------------------------------------------------------- */

static double loss_forward(const real *y, ptrdiff_t m, const real *target, const uint8_t *mask,
                           Loss loss, ptrdiff_t rows, ptrdiff_t M)
{
    const ptrdiff_t count = loss_rows(mask, rows), wanted = loss_targets(loss, M);
    double sum = 0;

    for (ptrdiff_t row = 0; row < rows; row++, y += m, target += wanted) {
        if (mask && !mask[row]) {
            continue;
        }
        switch (loss.kind) {
        case BINARY: sum += binary_forward(y, target, loss, M); break;
        case CATEGORICAL:
        case SPARSE: sum += categorical_forward(y, target, loss, M); break;
        default: sum = squares(sum, y, target, M);
        }
    }
    return count == 0 ? 0 : sum / (double)(loss.kind == MSE ? count * M : count);
}

static void loss_backward(real *dy, const real *y, ptrdiff_t m, const real *target,
                          const uint8_t *mask, Loss loss, double weight, ptrdiff_t batch,
                          ptrdiff_t rows, ptrdiff_t M)
{
    const ptrdiff_t count = loss_rows(mask, rows), wanted = loss_targets(loss, M);
    const double each = weight / ((double)batch * (double)(count ? count : 1));
    const real scale = (real)(2 * weight / ((double)batch * (double)(count * M)));

    for (ptrdiff_t row = 0; row < rows; row++, y += m, dy += m, target += wanted) {
        if (mask && !mask[row]) {
            memset(dy, 0, (size_t)m * sizeof *dy);
            continue;
        }
        memset(dy + M, 0, (size_t)(m - M) * sizeof *dy);
        switch (loss.kind) {
        case BINARY: binary_backward(dy, y, target, loss, each, M); break;
        case CATEGORICAL:
        case SPARSE: categorical_backward(dy, y, target, loss, each, M); break;
        default:
            for (ptrdiff_t j = 0; j < M; j++) {
                dy[j] = scale * (y[j] - target[j]);
            }
        }
    }
}
