"""rate_encode: the bits of NumPy's legacy generator, without touching NumPy's own."""

import neuroai_c as ai
import numpy as np
import pytest
import twin
from tolerances import assert_same_bits


def data(*shape, seed=0):
    return np.random.default_rng(seed).random(shape)


def assert_encoded(*arguments):
    spikes = ai.ops.rate_encode(*arguments)
    desired = twin.rate_encode(*arguments)
    assert isinstance(spikes, ai.Spikes)
    assert spikes.shape == desired.shape
    assert_same_bits(spikes, desired)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 784), (7, 311), (1, 312), (13, 48), (2, 3, 4),
                                   (2, 2, 3, 5), (5,), (60, 784)], ids=str)
def test_twin(shape):
    """A state of the generator lasts 312 numbers: below, at, and far above."""
    assert_encoded(data(*shape), 20, 6)


@pytest.mark.parametrize("N_ts, max_is_present_for", [(1, 1), (20, 20), (20, 0), (3, 100), (7, 0.5),
                                                      (100, 6), (20, -1)])
def test_rates(N_ts, max_is_present_for):
    assert_encoded(data(4, 50), N_ts, max_is_present_for)


@pytest.mark.parametrize("seed", [0, 1, 7, 2**31, 2**32 - 1])
def test_seeds(seed):
    assert_encoded(data(4, 50), 20, 6, seed)


def test_the_default_seed_is_zero():
    assert_same_bits(ai.ops.rate_encode(data(4, 50), 20, 6), ai.ops.rate_encode(data(4, 50), 20, 6, seed=0))


@pytest.mark.parametrize("shape, N_ts", [((0, 5), 20), ((3, 5), 0), ((0, 5), 0)])
def test_nothing_to_encode(shape, N_ts):
    spikes = ai.ops.rate_encode(np.zeros(shape), N_ts, 6)
    assert np.asarray(spikes).shape == (shape[0], N_ts, *shape[1:])
    assert np.asarray(spikes).dtype == np.uint8


def test_numbers_outside_the_unit_interval():
    odd = np.array([[np.nan, np.inf, -np.inf, -0.0, -1.0, 5.0, 1e300, 5e-324]] * 30)
    assert_encoded(odd, 20, 6)
    assert not np.asarray(ai.ops.rate_encode(odd, 20, 6))[..., [0, 2, 3, 4]].any()


def test_order_of_operations():
    """(data * max_is_present_for) / N_ts, rounded twice in float64: draws on the edge tell."""
    draws = np.random.RandomState(0).random_sample((40, 50))
    for factor in (1 - 2**-52, 1.0, 1 + 2**-52):
        assert_encoded(draws * 7 / 3 * factor, 7, 3)


def test_global_generator_is_left_alone():
    np.random.seed(5)
    before = np.random.get_state()
    ai.ops.rate_encode(data(4, 50), 20, 6, seed=3)
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_layouts_and_dtypes():
    whole = np.random.default_rng(0).integers(0, 2, (6, 40)).astype(float)
    desired = ai.ops.rate_encode(whole, 20, 6)
    for version, array in twin.odd_versions(whole):
        before = array.copy()
        assert_same_bits(ai.ops.rate_encode(array, 20, 6), desired, version)
        np.testing.assert_array_equal(array, before)


def test_float32_data_is_computed_in_float64():
    assert_encoded(data(40, 50).astype(np.float32), 20, 6)


@pytest.mark.parametrize("argument, bad", [
    ("data2D", dict(data2D=np.float64(0.5))),
    ("data2D", dict(data2D=np.ones((2, 0)))),
    ("data2D", dict(data2D=np.ones((2, 3), complex))),
    ("data2D", dict(data2D=np.full((2, 3), "a"))),
    ("N_ts", dict(N_ts=-1)),
    ("N_ts", dict(N_ts=2.5)),
    ("max_is_present_for", dict(max_is_present_for="often")),
    ("seed", dict(seed=-1)),
    ("seed", dict(seed=2**32)),
    ("seed", dict(seed=0.5)),
])
def test_bad_input(argument, bad):
    good = dict(data2D=np.ones((2, 3)), N_ts=20, max_is_present_for=6, seed=0)
    with pytest.raises((TypeError, ValueError), match=rf"rate_encode.*\b{argument}\b"):
        ai.ops.rate_encode(**{**good, **bad})


def test_no_examples_take_no_time():
    assert ai.ops.rate_encode(np.ones((0, 3)), 2**40, 1).shape == (0, 2**40, 3)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("shape, N_ts, some", [((1001, 9001), 2, 1), ((30_000, 97), 3, 0.1),
                                               ((3, 700_000), 3, 0.1), ((9_000, 64), 40, 1)],
                         ids=str)
def test_more_numbers_than_are_worked_on_at_once(shape, N_ts, some, threads):
    """A thread takes its samples in pieces, and the numbers of other threads in pieces too."""
    numbers = np.where(data(*shape, seed=1) < some, data(*shape), 0)
    if some < 1:
        numbers[:len(numbers) // 4] = 0
    before = ai.get_num_threads()
    ai.set_num_threads(threads)
    try:
        assert_encoded(numbers, N_ts, 0.3)
    finally:
        ai.set_num_threads(before)
