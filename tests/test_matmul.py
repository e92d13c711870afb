"""matmul: twin, the independence of rows, odd and bad inputs."""

import neuroai_c as ai
import numpy as np
import pytest
import twin
from tolerances import FLOAT32_VALUE, TWIN, assert_close, assert_same_bits


def factors(rows, inner, columns, seed=0):
    rng = np.random.default_rng(seed)
    x, kernel = rng.standard_normal((rows, inner)), rng.standard_normal((inner, columns))
    return x.astype(np.float32).astype(float), kernel.astype(np.float32).astype(float)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5, 8, 33])
@pytest.mark.parametrize("inner", [1, 2, 7, 16, 100, 600])
@pytest.mark.parametrize("columns", [1, 3, 4, 8, 9, 15, 17, 31, 64, 100])
def test_twin(rows, inner, columns):
    x, kernel = factors(rows, inner, columns)
    product = ai.ops.matmul(x, kernel)
    assert product.dtype == np.float64
    assert_close(product, twin.matmul(x, kernel), TWIN)
    single = ai.ops.matmul(x.astype(np.float32), kernel.astype(np.float32))
    assert single.dtype == np.float32
    assert_close(single, product, FLOAT32_VALUE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_order_of_the_sum_is_that_of_the_inputs(dtype):
    x, kernel = (a.astype(dtype) for a in factors(33, 300, 21))
    desired = np.zeros((33, 21), dtype)
    for column, row in zip(x.T, kernel):
        desired += column[:, None] * row
    assert_same_bits(ai.ops.matmul(x, kernel), desired)


def test_identity():
    _, kernel = factors(1, 9, 17)
    assert_same_bits(ai.ops.matmul(np.eye(9), kernel), kernel)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_depend_on_the_others(dtype):
    x, kernel = (a.astype(dtype) for a in factors(33, 40, 21))
    product = ai.ops.matmul(x, kernel)
    for rows in (*map(slice, range(1, 33)), slice(5, 6), slice(3, 20), slice(32, 33)):
        assert_same_bits(ai.ops.matmul(x[rows], kernel), product[rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zeros_skipped_or_added_are_alike(dtype):
    """Inputs that are zero in every row leave no trace, wherever they stand."""
    x, kernel = (a.astype(dtype) for a in factors(7, 40, 21))
    x[:, ::3] = 0
    kept = np.arange(40) % 3 != 0
    assert_same_bits(ai.ops.matmul(x, kernel), ai.ops.matmul(x[:, kept], kernel[kept]))


def test_layouts_and_dtypes():
    x, kernel = factors(6, 5, 9)
    x = np.round(np.abs(x)) % 2
    desired = ai.ops.matmul(x, kernel)
    for version, array in twin.odd_versions(x):
        before = array.copy()
        assert_same_bits(ai.ops.matmul(array, kernel), desired, version)
        np.testing.assert_array_equal(array, before)
    for version, array in twin.odd_versions(kernel):
        assert_same_bits(ai.ops.matmul(x, array), desired, version)


@pytest.mark.parametrize("argument, x, kernel", [
    ("kernel", np.ones((2, 3)), np.ones((4, 5))),
    ("kernel", np.ones((2, 3)), np.ones(3)),
    ("x", np.float64(1), np.ones((3, 5))),
    ("kernel", np.ones((2, 3)), np.ones((3, 5), np.float16)),
    ("kernel", np.ones((2, 3)), np.ones((3, 5), int)),
    ("x", np.ones((2, 3), complex), np.ones((3, 5))),
    ("x", np.full((2, 3), "a"), np.ones((3, 5))),
])
def test_bad_input(argument, x, kernel):
    with pytest.raises((TypeError, ValueError), match=rf"matmul.*\b{argument}\b"):
        ai.ops.matmul(x, kernel)
