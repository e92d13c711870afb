/* input.c: what a layer is fed, in each of its forms, against plain loops; bit for bit, as the
 * order of a sum is written down: over inputs going forward, over samples and steps backward.
 */
#include "testing.h"

/* one batch in all forms: B samples of T steps, which are `samples` of the data or the first */
typedef struct {
    ptrdiff_t B, T, N, rows;            /* rows: samples of the data */
    const real *x;                      /* (B, T, N) what the batch is */
    Input input;
} Batch;

/* what is fed, by the numbers of the data and their order; `lengths` or NULL */
static const real *batch_of(const real *data, ptrdiff_t n, const ptrdiff_t *samples,
                            const ptrdiff_t *starts, ptrdiff_t B, ptrdiff_t T, ptrdiff_t N)
{
    real *x = zeros_of(B * T * N);

    for (ptrdiff_t b = 0; b < B; b++) {
        const ptrdiff_t s = samples ? samples[b] : b, start = starts ? starts[s] : s * T;

        for (ptrdiff_t t = 0; t < (starts ? starts[s + 1] - start : T); t++) {
            for (ptrdiff_t i = 0; i < N; i++) {
                x[(b * T + t) * N + i] = data[(start + t) * n + i];
            }
        }
    }
    return x;
}

static ptrdiff_t *order_of(ptrdiff_t B, ptrdiff_t rows)
{
    ptrdiff_t *samples = array_of(B, sizeof *samples);

    for (ptrdiff_t b = 0; b < B; b++) {
        samples[b] = any_of(0, rows - 1);
    }
    return samples;
}

/* numbers, of which n - N more stand in a row that are none */
static Batch numbers(ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t n, int ordered, int ragged)
{
    const ptrdiff_t rows = ordered ? B + 2 : B;
    const ptrdiff_t *samples = ordered ? order_of(B, rows) : NULL;
    ptrdiff_t *starts = ragged ? array_of(rows + 1, sizeof *starts) : NULL;
    ptrdiff_t length = rows * T;
    real *data;

    if (ragged) {
        starts[0] = 0;
        for (ptrdiff_t s = 0; s < rows; s++) {
            starts[s + 1] = starts[s] + any_of(1, T);
        }
        length = starts[rows];
    }
    data = not_numbers(length * n);
    for (ptrdiff_t row = 0; row < length; row++) {
        for (ptrdiff_t i = 0; i < N; i++) {
            data[row * n + i] = (real)uniform(-1, 1);
        }
    }
    return (Batch){B, T, N, rows, batch_of(data, n, samples, starts, B, T, N),
                   {.values = data, .n = n, .samples = samples, .starts = starts}};
}

/* events; the data may have `more` steps than any sample of it uses */
static Batch events(ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t more, int ordered,
                    double density)
{
    const ptrdiff_t rows = ordered ? B + 2 : B, all = T + more;
    const ptrdiff_t *samples = ordered ? order_of(B, rows) : NULL;
    uint8_t *dense = bytes_of(rows * all * N, density);
    real *data = array_of(rows * T * N, sizeof *data);
    Spikes *spikes = array_of(1, sizeof *spikes);

    for (ptrdiff_t s = 0; s < rows; s++) {
        memset(dense + (s * all + T) * N, 0, (size_t)(more * N));
        for (ptrdiff_t i = 0; i < T * N; i++) {
            data[s * T * N + i] = dense[s * all * N + i];
        }
    }
    *spikes = spikes_of(dense, rows, all, N);
    return (Batch){B, T, N, rows, batch_of(data, N, samples, NULL, B, T, N),
                   {.spikes = spikes, .samples = samples}};
}

/* bits, of which `more` rows lie between two inputs' words */
static Batch bits(ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t more, double density)
{
    const ptrdiff_t rows = B * T, n = N + more, apart = rows + more, words = (N + 63) / 64;
    const real *y = ones_of(rows * n, density);
    const ptrdiff_t first = rows / 3;
    uint64_t *fired = array_of(words ? (words - 1) * apart + rows : 0, sizeof *fired);
    ptrdiff_t ones = 0, counted;

    counted = input_fired(fired, apart, y, n, first, rows, N);      /* in two parts */
    counted += input_fired(fired, apart, y, n, 0, first, N);
    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t i = 0; i < 64 * words; i++) {
            const int bit = (int)(fired[i / 64 * apart + row] >> i % 64 & 1);

            CHECK(bit == (i < N ? y[row * n + i] > 0 : 0));
            ones += bit;
        }
    }
    CHECK(counted == ones);
    return (Batch){B, T, N, B, batch_of(y, n, NULL, NULL, B, T, N),
                   {.n = n, .fired = fired, .apart = apart}};
}

static void test_forward(Batch of, ptrdiff_t m, ptrdiff_t w, const char *name)
{
    const ptrdiff_t rows = of.B * of.T, N = of.N, M = any_of(0, m);
    const real *W = randoms(N * w, -1, 1);
    real *V = outputs(rows * m), *some = outputs(rows * m), *wanted = zeros_of(rows * m);

    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t j = 0; j < m; j++) {
            for (ptrdiff_t i = 0; i < N; i++) {
                wanted[row * m + j] += of.x[row * N + i] * W[i * w + j];
            }
        }
    }
    input_forward(V, m, of.input, W, w, of.B, of.T, N, m);
    CHECK_EQUAL(V, wanted, rows * m);
    input_forward(some, m, of.input, W, w, of.B, of.T, N, M);
    for (ptrdiff_t row = 0; row < rows; row++) {
        CHECK_EQUAL(some + row * m, wanted + row * m, M);
    }
    if (m % 8 == 5) {
        record(name, V, rows * m, NO_LIBM);
    }
}

static void test_backward(Batch of, ptrdiff_t m, ptrdiff_t w, const char *name)
{
    const ptrdiff_t N = of.N, first = any_of(0, N), last = any_of(first, N);
    const real *D = randoms(of.B * of.T * m, -1, 1);
    real *dW = randoms(N * w, -1, 1), *wanted = copy_of(dW, N * w);

    for (ptrdiff_t i = first; i < last; i++) {
        for (ptrdiff_t j = 0; j < m; j++) {
            for (ptrdiff_t row = 0; row < of.B * of.T; row++) {
                wanted[i * w + j] += of.x[row * N + i] * D[row * m + j];
            }
        }
    }
    input_backward(dW, w, of.input, D, m, first, last, of.B, of.T);
    CHECK_EQUAL(dW, wanted, N * w);
    if (m % 8 == 5) {
        record(name, dW, N * w, NO_LIBM);
    }
}

/* the same gradient, of M columns, row by row from the visits to an input */
static void test_rows(Batch of, ptrdiff_t M, ptrdiff_t m)
{
    const ptrdiff_t N = of.N, first = any_of(0, N), last = any_of(first, N);
    const Spikes *spikes = of.input.spikes;
    const real *D = randoms(of.B * of.T * m, -1, 1);
    ptrdiff_t *end = array_of(last - first, sizeof *end), count = 0;
    Visit *visits;

    for (ptrdiff_t b = 0; b < of.B; b++) {
        const ptrdiff_t s = of.input.samples ? of.input.samples[b] : b;

        count += spikes_find(spikes, s, last) - spikes_find(spikes, s, first);
    }
    visits = array_of(count, sizeof *visits);
    input_visits(visits, end, of.input, D, m, first, last, of.B, of.T);
    CHECK(last == first || end[last - first - 1] == count);
    for (ptrdiff_t i = first; i < last; i++) {
        const ptrdiff_t begin = i == first ? 0 : end[i - first - 1];
        real *g = outputs(m), *wanted = zeros_of(m);

        for (ptrdiff_t row = 0; row < of.B * of.T; row++) {
            for (ptrdiff_t j = 0; j < m; j++) {
                wanted[j] += of.x[row * N + i] * D[row * m + j];
            }
        }
        for (ptrdiff_t k = 0; k < input_blocks(M); k++) {
            const Block block = input_block(k, M, m);

            input_backward_row(g + block.begin, visits + begin, end[i - first] - begin,
                               spikes->words, m, block, block.vecs);
        }
        CHECK_EQUAL(g, wanted, M);
    }
}

static void test_batch(Batch of, ptrdiff_t m, ptrdiff_t w, const char *name)
{
    for (ptrdiff_t b = 0; b < of.B; b++) {
        input_prefetch(of.input, b, of.B);
    }
    test_forward(of, m, w, name);
    if (of.input.spikes && of.T < of.input.spikes->T) {
        return;                         /* D has as many steps as the data */
    }
    test_backward(of, m, w, name);
    if (of.input.spikes) {
        test_rows(of, m, m);
        test_rows(of, any_of(0, m), m);
    }
}

/* V += y W of a single row of spikes */
static void test_row(ptrdiff_t N, ptrdiff_t m, ptrdiff_t w, double density)
{
    const real *y = ones_of(N, density), *W = randoms(N * w, -1, 1);
    real *V = randoms(m, -1, 1), *wanted = copy_of(V, m);

    for (ptrdiff_t j = 0; j < m; j++) {
        for (ptrdiff_t i = 0; i < N; i++) {
            wanted[j] += y[i] * W[i * w + j];
        }
    }
    spikes_row_forward(V, m, y, W, w, N);
    CHECK_EQUAL(V, wanted, m);
    free_arrays();
}

/* the blocks of a row are the first M numbers of it, one behind the other, and end within it */
static void test_blocks(ptrdiff_t M, ptrdiff_t m)
{
    ptrdiff_t end = 0;

    for (ptrdiff_t k = 0; k < input_blocks(M); k++) {
        const Block block = input_block(k, M, m);

        CHECK(block.begin == end && block.width > 0 && end < M);
        CHECK(block.vecs <= BLOCK && block.vecs * LANES < block.width + LANES);
        CHECK(block.vecs > 0 ? block.last == block.width - LANES && block.begin + block.last >= 0
                             : m < LANES);
        end += block.width;
    }
    CHECK(M <= end && end <= m && end < M + LANES);
}

static void test_sizes(ptrdiff_t B, ptrdiff_t T, ptrdiff_t N, ptrdiff_t m, ptrdiff_t gap,
                       double density)
{
    const ptrdiff_t w = m + gap;

    test_batch(numbers(B, T, N, N + gap, 0, 0), m, w, "numbers");
    free_arrays();
    test_batch(numbers(B, T, N, N + gap, 1, 0), m, w, "ordered numbers");
    free_arrays();
    if (T > 0) {
        test_batch(numbers(B, T, N, N + gap, 1, 1), m, w, "ragged numbers");
        free_arrays();
    }
    test_batch(events(B, T, N, 0, 0, density), m, w, "events");
    free_arrays();
    test_batch(events(B, T, N, 0, 1, density), m, w, "ordered events");
    free_arrays();
    test_batch(events(B, T, N, 10 * gap, 1, density), m, w, "events of longer data");
    free_arrays();
    if (N > 0) {
        test_batch(bits(B, T, N, gap, density), m, w, "bits");
        free_arrays();
    }
}

static void test_all(void)
{
    for (ptrdiff_t m = 1; m <= 300; m++) {
        test_blocks(m, m);
        test_blocks(any_of(0, m), m);
        test_row(m, 1 + m % 70, 1 + m % 70 + m % 3, 0.2);
    }
    for (ptrdiff_t m = 1; m <= 70; m++) {
        const ptrdiff_t N = any_of(1, 70);
        const ptrdiff_t T = any_of(1, 12);

        test_sizes(1 + m % 3, T, N, m, m % 2, m % 2 ? 0.1 : 0.5);
    }
    for (ptrdiff_t T = 31; T <= 66; T += 7) {                   /* masks of several words */
        test_sizes(2, T, 9, 19, 1, 0.3);
    }
    test_sizes(2, 3, 150, 17, 0, 0.2);                          /* several chunks of inputs */
    test_sizes(1, 2, 129, 150, 0, 0.9);                         /* several blocks of columns */
    test_sizes(0, 3, 4, 5, 0, 0.5);
    test_sizes(2, 0, 4, 5, 0, 0.5);
    test_sizes(2, 3, 0, 5, 0, 0.5);
    test_sizes(2, 3, 4, 0, 0, 0.5);
}

#include "../../csrc/variants/target_end.h"
