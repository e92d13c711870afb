/* spikes.c: events against the dense array that they are made of, and back. */
#include "testing.h"

static void check_events(const Spikes *x, const uint8_t *dense)
{
    for (ptrdiff_t s = 0; s < x->samples; s++) {
        ptrdiff_t e = x->first[s];

        for (ptrdiff_t i = 0; i < x->N; i++) {
            const uint32_t *event = x->events + e * (1 + x->words);
            int spikes = 0;

            for (ptrdiff_t t = 0; t < x->T; t++) {
                spikes |= dense[(s * x->T + t) * x->N + i];
            }
            CHECK(spikes_find(x, s, i) == e);
            if (!spikes) {
                continue;
            }
            CHECK(e < x->first[s + 1] && event[0] == (uint32_t)i);
            for (ptrdiff_t t = 0; t < 32 * x->words; t++) {
                const uint32_t bit = event[1 + t / 32] >> t % 32 & 1;

                CHECK(bit == (t < x->T ? dense[(s * x->T + t) * x->N + i] : 0));
            }
            e++;
        }
        CHECK(e == x->first[s + 1]);
        CHECK(spikes_find(x, s, -1) == x->first[s]);
        CHECK(spikes_find(x, s, x->N) == e && spikes_find(x, s, x->N + 5) == e);
        spikes_prefetch(x, s);
    }
}

static void test_round_trip(ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N, double density)
{
    const uint8_t *dense = bytes_of(samples * T * N, density);
    const Spikes x = spikes_of(dense, samples, T, N);

    check_events(&x, dense);
    for (ptrdiff_t begin = 0; begin <= samples; begin++) {
        const ptrdiff_t last = begin + (samples - begin + 1) / 2, n = (last - begin) * T * N;
        uint8_t *back = bytes_of(n, 0);

        spikes_unpack(back, &x, begin, last);
        CHECK(!memcmp(back, dense + begin * T * N, (size_t)n));
    }
    free_arrays();
}

/* what is not 0 or 1 is refused, wherever it stands */
static void test_refused(ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    const ptrdiff_t n = samples * T * N;
    uint8_t *dense = bytes_of(n, 0.3), *active = array_of(N, 1);
    ptrdiff_t *first = array_of(samples + 1, sizeof *first);

    for (ptrdiff_t i = 0; i < n; i++) {
        const uint8_t before = dense[i];

        dense[i] = (uint8_t)any_of(2, 255);
        CHECK(spikes_count(first, active, dense, samples, T, N) == -1);
        dense[i] = before;
    }
    CHECK(spikes_count(first, active, dense, samples, T, N) == 0);
    memset(dense, 0, (size_t)n);
    for (int bit = 1; bit < 8; bit++) {             /* alone among zeros */
        dense[n / 2] = (uint8_t)(1 << bit);
        CHECK(spikes_count(first, active, dense, samples, T, N) == -1);
    }
    free_arrays();
}

/* The array may change between counting and packing, by another thread: no more events than
 * were counted, each of an input that there is, in rising order. */
static void test_changed(ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N)
{
    const ptrdiff_t size = 1 + spikes_words(T);
    const double before = uniform(0, 0.2);
    const uint8_t *counted = bytes_of(samples * T * N, before);
    const double after = uniform(0, 0.4);
    const uint8_t *packed = bytes_of(samples * T * N, after);
    ptrdiff_t *first = array_of(samples + 1, sizeof *first);
    ptrdiff_t *place = array_of(N, sizeof *place);
    uint32_t *events;

    CHECK(spikes_count(first, array_of(N, 1), counted, samples, T, N) == 0);
    events = array_of(first[samples] * size, sizeof *events);
    memset(events, 0, (size_t)(first[samples] * size) * sizeof *events);
    spikes_pack(events, place, packed, first, samples, T, N);
    for (ptrdiff_t e = 0; e < first[samples]; e++) {
        CHECK(events[e * size] < (uint32_t)N);
    }
    free_arrays();
}

static void test_all(void)
{
    for (int i = 0; i < 150; i++) {
        const ptrdiff_t samples = any_of(0, 5);
        const ptrdiff_t T = any_of(0, 70);
        const ptrdiff_t N = any_of(0, 70);
        const double density = uniform(0, i % 3 == 0 ? 1 : 0.1);

        test_round_trip(samples, T, N, density);
        test_changed(1 + samples, 1 + T, 1 + N);
    }
    for (ptrdiff_t T = 31; T <= 65; T++) {
        test_round_trip(2, T, 3, 0.5);
    }
    test_refused(2, 5, 7);
    test_refused(1, 33, 18);
    CHECK(spikes_words(0) == 0 && spikes_words(1) == 1 && spikes_words(32) == 1 &&
          spikes_words(33) == 2 && spikes_words(64) == 2 && spikes_words(65) == 3);
}

#include "../../csrc/variants/target_end.h"
