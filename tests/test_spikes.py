"""Spikes: the dense array's numbers in less memory."""

import copy
import pickle
import sys

import neuroai_c as ai
import numpy as np
import pytest
import twin
from neuroai_c import Spikes
from tolerances import assert_same_bits


def random(*shape, density=0.3, seed=0):
    return (np.random.default_rng(seed).random(shape) < density).astype(np.uint8)


def assert_spikes(spikes, dense):
    """`spikes` is of the class and says of itself what the dense array would."""
    assert isinstance(spikes, Spikes)
    assert spikes.shape == dense.shape
    assert len(spikes) == len(dense)
    assert spikes.ndim == dense.ndim
    assert spikes.dtype == np.uint8
    assert_same_bits(spikes, dense)


# ---- back and forth --------------------------------------------------------


@pytest.mark.parametrize("density", [0, 0.05, 0.5, 1])
@pytest.mark.parametrize("T", [1, 2, 31, 32, 33, 63, 64, 65, 100])
def test_round_trip(T, density):
    dense = random(5, T, 7, density=density)
    assert_spikes(Spikes.from_dense(dense), dense)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 40, 2, 3), (2, 3, 2, 3, 2), (1, 1), (0, 5, 3),
                                   (4, 0, 3), (0, 0, 3), (0, 5), (1, 1, 3000)], ids=str)
def test_rank(shape):
    dense = random(*shape)
    assert_spikes(Spikes.from_dense(dense), dense)


def test_random_shapes():
    rng = np.random.default_rng(1)
    for seed in range(60):
        shape = rng.integers(1, [9, 70, 5, 5])[:rng.integers(2, 5)]
        dense = random(*shape, density=rng.random(), seed=seed)
        assert_spikes(Spikes.from_dense(dense), dense)


@pytest.mark.parametrize("spike", [(0, 0, 0), (2, 99, 6), (1, 31, 3), (1, 32, 3)], ids=str)
def test_one_spike(spike):
    dense = np.zeros((3, 100, 7), np.uint8)
    dense[spike] = 1
    assert_spikes(Spikes.from_dense(dense), dense)


def test_layouts_and_dtypes():
    dense = random(4, 33, 6)
    for name, version in twin.odd_versions(dense.astype(float)):
        before = version.copy()
        assert_same_bits(Spikes.from_dense(version), dense, name)
        np.testing.assert_array_equal(version, before)
    assert_same_bits(Spikes.from_dense(dense.tolist()), dense)
    assert_same_bits(Spikes.from_dense(-0.0 * dense), 0 * dense)
    assert_same_bits(Spikes.from_dense(Spikes.from_dense(dense)), dense)


def test_it_does_not_change_with_its_source():
    dense = random(4, 33, 6)
    spikes, before = Spikes.from_dense(dense), dense.copy()
    dense[...] = 1
    np.asarray(spikes)[...] = 0
    assert_same_bits(spikes, before)


def test_memory():
    dense = random(200, 20, 784, density=0.04)
    spikes = Spikes.from_dense(dense)
    assert isinstance(spikes.nbytes, int)
    events = (dense.any(axis=1)).sum()
    assert 8 * events <= spikes.nbytes <= 8 * events + 8 * 201
    assert spikes[:100].nbytes < spikes.nbytes
    empty = Spikes.from_dense(np.zeros((10, 20, 784)))
    assert empty.nbytes < 1000


# ---- as an array -----------------------------------------------------------


@pytest.mark.parametrize("dtype", [None, np.uint8, bool, np.float32, "float64", int])
def test_asarray(dtype):
    dense = random(4, 33, 2, 3)
    array = np.asarray(Spikes.from_dense(dense), dtype=dtype)
    assert array.flags.c_contiguous and array.flags.writeable
    assert_same_bits(array, dense.astype(dtype or np.uint8))


def test_copy_of_asarray():
    spikes = Spikes.from_dense(random(4, 33, 3))
    assert_same_bits(np.array(spikes, copy=True), random(4, 33, 3))
    assert_same_bits(np.array(spikes, dtype=float), random(4, 33, 3).astype(float))
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError, match="Spikes: .*copy"):
            np.array(spikes, copy=False)


def test_numpy_functions_take_it():
    dense = random(4, 33, 3)
    spikes = Spikes.from_dense(dense)
    assert np.sum(spikes) == dense.sum()
    np.testing.assert_array_equal(np.mean(spikes, axis=1), dense.mean(axis=1))
    np.testing.assert_array_equal(np.stack(list(spikes)), dense)


# ---- choosing samples ------------------------------------------------------

INDICES = [
    slice(None), slice(2, 5), slice(None, None, 2), slice(None, None, -1), slice(-3, None), slice(4, 2),
    slice(-100, 100), [0], [3, 3, 1], [], [-1, 0, -7], np.array([6, 0]), np.array([], int),
    np.array([2], np.uint8), np.array([True, False, True, False, False, True, True]), [False] * 7,
    np.arange(7)[::-2], range(2, 5), Ellipsis,
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_many_samples(index):
    dense = random(7, 33, 2, 3)
    wanted = dense[list(index) if isinstance(index, range) else index]
    assert_spikes(Spikes.from_dense(dense)[index], wanted)


def test_choosing_again():
    dense = random(7, 33, 3)
    assert_spikes(Spikes.from_dense(dense)[::-1][[1, 1, 5]][1:], dense[::-1][[1, 1, 5]][1:])


@pytest.mark.parametrize("index", [0, 6, -1, -7, np.int64(3), np.uint8(3)])
def test_one_sample_is_dense(index):
    dense = random(7, 33, 2, 3)
    sample = Spikes.from_dense(dense)[index]
    assert isinstance(sample, np.ndarray)
    assert_same_bits(sample, dense[index])


@pytest.mark.parametrize("index", [7, -8, 10**30, [7], [0, -8], np.array([7]), [True], [True] * 8, "a", 1.0,
                                   [0.5], None, (0, 1), (slice(None), 0), [[0, 1], [1, 0]],
                                   np.zeros((7, 7), bool), np.array([None]), {}], ids=str)
def test_bad_index(index):
    with pytest.raises((IndexError, TypeError), match="Spikes"):
        Spikes.from_dense(random(7, 33, 3))[index]


def test_iteration():
    dense = random(7, 33, 2, 3)
    samples = list(Spikes.from_dense(dense))
    assert len(samples) == 7
    for sample, wanted in zip(samples, dense):
        assert_same_bits(sample, wanted)


def test_it_cannot_be_changed():
    spikes = Spikes.from_dense(random(7, 33, 3))
    with pytest.raises(TypeError, match="assignment"):
        spikes[0] = 1


# ---- copies ----------------------------------------------------------------


@pytest.mark.parametrize("version", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))],
                         ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("shape", [(7, 33, 2, 3), (0, 33, 3), (7, 0, 3), (7, 33)], ids=str)
def test_copies(shape, version):
    dense = random(*shape)
    assert_spikes(version(Spikes.from_dense(dense)), dense)


def test_no_reference_is_kept_or_lost():
    dense = random(7, 33, 3)
    before = sys.getrefcount(dense)
    spikes = Spikes.from_dense(dense)
    assert sys.getrefcount(dense) == before
    part = spikes[1:3]
    del spikes
    assert_same_bits(part, dense[1:3])


def test_it_is_what_transform_rate_returns():
    spikes = ai.utils.transform_rate(np.random.default_rng(0).random((6, 40)), 33, 9)
    assert_spikes(spikes, np.asarray(spikes))
    assert_same_bits(spikes[2:4], np.asarray(spikes)[2:4])
    assert_same_bits(Spikes.from_dense(np.asarray(spikes)), np.asarray(spikes))
    assert repr(spikes) == f"Spikes(shape=(6, 33, 40), nbytes={spikes.nbytes})"


# ---- bad input -------------------------------------------------------------


@pytest.mark.parametrize("value", [2, -1, 0.5, np.nan, np.inf, 255, 256, 1 + 1e-12, 5e-324, 2**40])
def test_another_number(value):
    dense = random(3, 20, 4).astype(type(value) if isinstance(value, float) else np.int64)
    dense[-1, -1, -1] = value
    with pytest.raises(ValueError, match="Spikes.*: a must hold 0 and 1 only"):
        Spikes.from_dense(dense)


def test_another_byte():
    dense = random(3, 20, 4)
    dense[1, 3, 2] = 2
    with pytest.raises(ValueError, match="Spikes.*: a must hold 0 and 1 only"):
        Spikes.from_dense(dense)


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24
@pytest.mark.parametrize("error, a", [
    (ValueError, 1),
    (ValueError, [0, 1]),
    (ValueError, []),
    (ValueError, np.zeros((3, 4, 0))),
    (ValueError, np.zeros((3, 4, 2, 0))),
    (TypeError, None),
    (TypeError, "01"),
    (TypeError, [["0", "1"]]),
    (TypeError, [[None, 1]]),
    (TypeError, np.zeros((2, 2), complex)),
    (TypeError, {}),
    ((TypeError, ValueError), [[0, 1], [1]]),
], ids=str)
def test_no_spikes(error, a):
    with pytest.raises(error, match=r"Spikes.*\ba\b"):
        Spikes.from_dense(a)


def test_made_by_the_named_ways_only():
    with pytest.raises(TypeError, match="from_dense"):
        Spikes()
    with pytest.raises(TypeError):
        Spikes(random(3, 4))
