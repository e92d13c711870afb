/* rate.c against the textbook's generator and a plain comparison of every number with its draw.
 * Independent of precision; a variant has it with float64. */
#include "testing.h"

#ifndef NEUROAI_FLOAT64
#error "rate.c is part of the float64 variants"
#endif

enum { MOST_PARTS = 4 };

/* MT19937 as it was published: one word after the other */
typedef struct {
    uint32_t word[624];
    int at;
} Textbook;

static void textbook_seed(Textbook *mt, uint32_t seed)
{
    mt->word[0] = seed;
    for (uint32_t i = 1; i < 624; i++) {
        mt->word[i] = 1812433253u * (mt->word[i - 1] ^ (mt->word[i - 1] >> 30)) + i;
    }
    mt->at = 624;
}

static uint32_t textbook_word(Textbook *mt)
{
    uint32_t y;

    if (mt->at == 624) {
        for (int k = 0; k < 624; k++) {
            y = (mt->word[k] & 0x80000000u) | (mt->word[(k + 1) % 624] & 0x7fffffffu);
            mt->word[k] = mt->word[(k + 397) % 624] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        mt->at = 0;
    }
    y = mt->word[mt->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

static double textbook_draw(Textbook *mt)
{
    const uint32_t a = textbook_word(mt) >> 5, b = textbook_word(mt) >> 6;

    return (a * 67108864.0 + b) / 9007199254740992.0;
}

static void test_generator(void)
{
    static MersenneTwister mt;
    Textbook textbook;
    uint32_t last = 0;

    textbook_seed(&textbook, 5489);
    mt_seed(&mt, 5489);
    for (int i = 0; i < 10000; i++) {
        if (i % MT_WORDS == 0) {
            mt_advance(&mt);
            CHECK(mt.begin == (uint64_t)i && !mt.has_upper);
            mt_upper(&mt);
            CHECK(mt.upper[3] == mt_temper(mt.key[6]) >> 5 && mt.has_upper);
        }
        last = mt_temper(mt.key[i % MT_WORDS]);
        CHECK(last == textbook_word(&textbook));
    }
    CHECK(last == UINT32_C(4123659995));        /* as the C++ standard has it */
}

/* 0 and 1 of every number and step */
static uint8_t *plain_spikes(const double *data, double most, uint32_t seed, ptrdiff_t samples,
                             ptrdiff_t T, ptrdiff_t N)
{
    static Textbook mt;
    uint8_t *dense = array_of(samples * T * N, 1);

    textbook_seed(&mt, seed);
    for (ptrdiff_t t = 0; t < T; t++) {
        for (ptrdiff_t s = 0; s < samples; s++) {
            for (ptrdiff_t i = 0; i < N; i++) {
                dense[(s * T + t) * N + i] =
                    data[s * N + i] * most / (double)T > textbook_draw(&mt);
            }
        }
    }
    return dense;
}

/* `kinds` of the numbers below; of one kind all can spike */
static double *data_of(ptrdiff_t n, ptrdiff_t T, unsigned kinds)
{
    double *data = array_of(n, sizeof *data);

    for (ptrdiff_t i = 0; i < n; i++) {
        switch (kinds == 1 ? 8 : random_bits() % kinds) {
        case 0: data[i] = -uniform(0, 1); break;
        case 1: data[i] = 2 * (double)T; break;         /* at every step */
        case 2: data[i] = (double)T; break;
        case 3: data[i] = NAN; break;
        case 4: case 5: data[i] = 0; break;
        default: data[i] = uniform(0, 1);
        }
    }
    return data;
}

static ptrdiff_t part_begin(ptrdiff_t part, ptrdiff_t parts, ptrdiff_t n)
{
    return n * part / parts;
}

/* the sum of the counts, as first has it */
static ptrdiff_t *first_of(const ptrdiff_t *count, ptrdiff_t samples)
{
    ptrdiff_t *first = array_of(samples + 1, sizeof *first);

    first[0] = 0;
    for (ptrdiff_t s = 0; s < samples; s++) {
        first[s + 1] = first[s] + count[s];
    }
    return first;
}

/* the events of data, as if by `parts` threads, each in `pieces`; between counting and the rest
 * `data` may be replaced by `later` */
static Spikes encode(const double *data, const double *later, double most, uint32_t seed,
                     ptrdiff_t parts, ptrdiff_t pieces, ptrdiff_t samples, ptrdiff_t T,
                     ptrdiff_t N)
{
    static MersenneTwister mt[MOST_PARTS];
    const ptrdiff_t words = spikes_words(T);
    ptrdiff_t *count = array_of(samples, sizeof *count), *first, *of_events;
    ptrdiff_t apart[MOST_PARTS];
    uint64_t *bits[MOST_PARTS], *any[MOST_PARTS];
    uint32_t *index, *threshold, *events;

    for (ptrdiff_t p = 0; p < parts; p++) {
        rate_count(count, data, most, part_begin(p, parts, samples),
                   part_begin(p + 1, parts, samples), T, N);
    }
    first = first_of(count, samples);
    index = array_of(first[samples], sizeof *index);
    threshold = array_of(first[samples], sizeof *threshold);
    for (ptrdiff_t p = 0; p < parts; p++) {
        const ptrdiff_t begin = part_begin(p, parts, samples);
        const ptrdiff_t end = part_begin(p + 1, parts, samples);

        apart[p] = (first[end] - first[begin] + 63) / 64 + p;
        bits[p] = array_of(T * apart[p], sizeof **bits);
        any[p] = array_of(apart[p], sizeof **any);
        mt_seed(&mt[p], seed);
        rate_start(index, threshold, later, most, first, begin, end, T, N);
        for (ptrdiff_t t = 0; t < T; t++) {
            for (ptrdiff_t i = 0; i < pieces; i++) {
                const ptrdiff_t from = begin + part_begin(i, pieces, end - begin);
                const ptrdiff_t to = begin + part_begin(i + 1, pieces, end - begin);

                while (i % 2 && from < to &&
                       !rate_skip(&mt[p], (uint64_t)((t * samples + from) * N), 1000)) {
                }
                rate_step(bits[p] + t * apart[p], first[from] - first[begin], index, threshold,
                          &mt[p], later, most, first, t, from, to, samples, T, N);
            }
        }
        for (ptrdiff_t i = 0; i < pieces; i++) {
            const ptrdiff_t from = begin + part_begin(i, pieces, end - begin);
            const ptrdiff_t to = begin + part_begin(i + 1, pieces, end - begin);

            rate_survivors(count, any[p], bits[p], first[from] - first[begin], apart[p], first,
                           from, to, T);
        }
    }
    of_events = first_of(count, samples);
    events = array_of(of_events[samples] * (1 + words), sizeof *events);
    for (ptrdiff_t p = 0; p < parts; p++) {
        const ptrdiff_t begin = part_begin(p, parts, samples);
        const ptrdiff_t end = part_begin(p + 1, parts, samples);

        rate_events(events + of_events[begin] * (1 + words), index + first[begin], any[p],
                    bits[p], apart[p], first[end] - first[begin], T);
    }
    return (Spikes){events, of_events, samples, T, N, words};
}

static void test_encode(double most, ptrdiff_t parts, ptrdiff_t samples, ptrdiff_t T, ptrdiff_t N,
                        unsigned kinds)
{
    const ptrdiff_t pieces = any_of(1, 5);
    const uint32_t seed = (uint32_t)random_bits();
    const double *data = data_of(samples * N, T, kinds);
    const double *other = data_of(samples * N, T, kinds);
    const uint8_t *wanted = plain_spikes(data, most, seed, samples, T, N);
    const Spikes x = encode(data, data, most, seed, parts, pieces, samples, T, N);
    const Spikes same = spikes_of(wanted, samples, T, N);
    Spikes changed;

    CHECK(!memcmp(x.first, same.first, (size_t)(samples + 1) * sizeof *x.first));
    CHECK(!memcmp(x.events, same.events,
                  (size_t)(x.first[samples] * (1 + x.words)) * sizeof *x.events));
    /* data that another thread changes meanwhile: other spikes, but of inputs that there are */
    changed = encode(data, other, most, seed, parts, pieces, samples, T, N);
    for (ptrdiff_t e = 0; e < changed.first[samples]; e++) {
        CHECK(changed.events[e * (1 + changed.words)] < (uint32_t)N);
    }
    free_arrays();
}

/* numbers whose probability is their draw, or next to it: all 53 bits decide */
static void test_last_bit(ptrdiff_t N)
{
    static Textbook mt;
    double *data = array_of(N, sizeof *data);
    Spikes x;

    textbook_seed(&mt, 77);
    for (ptrdiff_t i = 0; i < N; i++) {
        data[i] = textbook_draw(&mt) + (double)(i % 3 - 1) * 0x1p-53;
    }
    x = encode(data, data, 1, 77, 1, 1, 1, 1, N);
    CHECK(x.first[1] == N / 3);
    for (ptrdiff_t e = 0; e < x.first[1]; e++) {
        CHECK(x.events[2 * e] == (uint32_t)(3 * e + 2));
    }
    free_arrays();
}

/* no further than it may, and to the words that hold the draw */
static void test_skip(void)
{
    static MersenneTwister mt;

    mt_seed(&mt, 5);
    CHECK(!rate_skip(&mt, 0, 0) && rate_skip(&mt, 0, 1) && mt.begin == 0);
    CHECK(rate_skip(&mt, MT_DRAWS - 1, 1) && mt.begin == 0);
    CHECK(!rate_skip(&mt, 10 * MT_DRAWS, 2 * MT_DRAWS) && mt.begin == 2 * MT_WORDS);
    CHECK(rate_skip(&mt, 10 * MT_DRAWS, 8 * MT_DRAWS) && mt.begin == 10 * MT_WORDS);
}

static void test_threshold(void)
{
    CHECK(threshold_of(0, 1, 1) == 0 && threshold_of(-1, 1, 1) == 0);
    CHECK(threshold_of(NAN, 1, 1) == 0 && threshold_of(INFINITY, 1, 1) == UINT64_C(1) << 53);
    CHECK(threshold_of(1, 1, 1) == UINT64_C(1) << 53);
    CHECK(threshold_of(5, 1, 2) == UINT64_C(1) << 53);
    CHECK(threshold_of(0x1p-53, 1, 1) == 1 && threshold_of(0x1p-60, 1, 1) == 1);
    CHECK(threshold_of(1, 1, 2) == UINT64_C(1) << 52);
    CHECK(threshold_of(0.5, 2, 4) == UINT64_C(1) << 51);
}

static void test_all(void)
{
    test_generator();
    test_threshold();
    test_last_bit(600);
    for (int i = 0; i < 120; i++) {
        const ptrdiff_t samples = any_of(0, 9);
        const ptrdiff_t T = any_of(1, 70);
        const ptrdiff_t N = any_of(1, 70);

        test_encode(i % 2 ? 1 : uniform(0.5, 20), 1 + i % MOST_PARTS, samples, T, N, 8);
    }
    for (int i = 0; i < 20; i++) {      /* every piece begins with a word */
        test_encode(1, 1 + i % MOST_PARTS, any_of(1, 9), any_of(1, 9), 64, 1);
    }
    test_encode(1, 2, 3, 0, 5, 8);
    test_encode(5, 1, 2, 3, 1000, 8);
    test_skip();
}

#include "../../csrc/variants/target_end.h"
