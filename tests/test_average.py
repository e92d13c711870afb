"""average_forward and average_backward: the mean over time, and its transpose."""

import neuroai_c as ai
import numpy as np
import pytest
import twin
from tolerances import FLOAT32_VALUE, TWIN, assert_close, assert_same_bits


def sequence(B, T, N, seed=0):
    return np.random.default_rng(seed).standard_normal((B, T, N)).astype(np.float32).astype(float)


@pytest.mark.parametrize("N", [1, 3, 8, 10, 17])
@pytest.mark.parametrize("T", [1, 2, 20])
@pytest.mark.parametrize("B", [0, 1, 15])
def test_twin(B, T, N):
    x, dy = sequence(B, T, N), sequence(B, 1, N, seed=1)[:, 0]
    y, dx = ai.ops.average_forward(x), ai.ops.average_backward(dy, T)
    assert y.dtype == dx.dtype == np.float64
    assert_close(y, twin.average_forward(x), TWIN)
    assert_close(dx, twin.average_backward(dy, T), TWIN)

    y_single = ai.ops.average_forward(x.astype(np.float32))
    dx_single = ai.ops.average_backward(dy.astype(np.float32), T)
    assert y_single.dtype == dx_single.dtype == np.float32
    assert_close(y_single, y, FLOAT32_VALUE)
    assert_close(dx_single, dx, FLOAT32_VALUE)


def test_backward_is_the_transpose_of_forward():
    x, dy = sequence(4, 9, 5), sequence(4, 1, 5, seed=1)[:, 0]
    assert_close(np.sum(ai.ops.average_backward(dy, 9) * x), np.sum(dy * ai.ops.average_forward(x)), TWIN)


def test_spikes_average_to_their_rate():
    x = np.zeros((1, 4, 2))
    x[0, 1:, 0] = 1
    assert ai.ops.average_forward(x).tolist() == [[0.75, 0]]


def test_layouts():
    x, dy = sequence(4, 6, 5), sequence(4, 1, 5, seed=1)[:, 0]
    y, dx = ai.ops.average_forward(x), ai.ops.average_backward(dy, 6)
    for version, array in twin.odd_versions(x):
        before = array.copy()
        assert_same_bits(ai.ops.average_forward(array), y, version)
        np.testing.assert_array_equal(array, before)
    for version, array in twin.odd_versions(dy):
        assert_same_bits(ai.ops.average_backward(array, 6), dx, version)


@pytest.mark.parametrize("x", [np.ones((2, 0, 4)), np.ones((2, 3)), np.ones((2, 3, 4, 5)),
                               np.ones((2, 3, 4), complex), np.full((2, 3, 4), "a"), None])
def test_bad_input_forward(x):
    with pytest.raises((TypeError, ValueError), match=r"average_forward.*\bx\b"):
        ai.ops.average_forward(x)


@pytest.mark.parametrize("argument, dy, T", [
    ("dy", np.ones(3), 4),
    ("dy", np.ones((2, 3, 4)), 4),
    ("dy", np.ones((2, 3), complex), 4),
    ("T", np.ones((2, 3)), -1),
])
def test_bad_input_backward(argument, dy, T):
    with pytest.raises((TypeError, ValueError), match=rf"average_backward.*\b{argument}\b"):
        ai.ops.average_backward(dy, T)
