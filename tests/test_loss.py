"""Names of losses; mse_forward and mse_backward: the mean over outputs and batch, and its gradient."""

import neuroai_c as ai
import numpy as np
import pytest
import twin
from tolerances import FLOAT32_VALUE, NUMERIC, NUMERIC_STEP, TWIN, assert_close, assert_same_bits


def batch(B, M, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((B, M)).astype(np.float32).astype(float)
    return y, np.eye(M, dtype=np.uint8)[rng.integers(0, M, B)]


@pytest.mark.parametrize("M", [1, 2, 7, 8, 10, 17, 100])
@pytest.mark.parametrize("B", [1, 2, 15, 32])
def test_twin(B, M):
    y, target = batch(B, M)
    loss, dy = ai.ops.mse_forward(y, target), ai.ops.mse_backward(y, target)
    assert isinstance(loss, float) and dy.dtype == np.float64
    assert_close(loss, twin.mse_forward(y, target), TWIN)
    assert_close(dy, twin.mse_backward(y, target), TWIN)

    single = y.astype(np.float32)
    assert_close(ai.ops.mse_forward(single, target), loss, FLOAT32_VALUE)
    assert ai.ops.mse_backward(single, target).dtype == np.float32
    assert_close(ai.ops.mse_backward(single, target), dy, FLOAT32_VALUE)


def test_by_hand():
    y, target = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[1, 0], [0, 1]])
    assert ai.ops.mse_forward(y, target) == 0.125
    assert ai.ops.mse_backward(y, target).tolist() == [[0, 0], [0.25, -0.25]]


def test_finite_differences():
    y, target = batch(5, 7)
    numeric = twin.numeric_gradient(lambda y: ai.ops.mse_forward(y, target), y, NUMERIC_STEP)
    assert_close(ai.ops.mse_backward(y, target), numeric, NUMERIC)


def test_empty_batch():
    y = np.zeros((0, 10))
    assert_same_bits(ai.ops.mse_backward(y, y), y)
    with pytest.raises(ValueError, match=r"mse_forward.*\by\b"):  # nothing has no mean
        ai.ops.mse_forward(y, y)


def test_nan_is_seen():
    y, target = batch(4, 3)
    y[2, 1] = np.nan
    assert np.isnan(ai.ops.mse_forward(y, target))
    assert np.flatnonzero(np.isnan(ai.ops.mse_backward(y, target))).tolist() == [7]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts_and_dtypes(dtype):
    y, target = batch(6, 5)
    y, target = y.astype(dtype), target.astype(dtype)
    loss, dy = ai.ops.mse_forward(y, target), ai.ops.mse_backward(y, target)
    pairs = [(array, target) for _, array in twin.odd_versions(y)]
    pairs += [(y, array) for _, array in twin.odd_versions(target)]
    for odd_y, odd_target in pairs:
        before = odd_y.copy(), odd_target.copy()
        assert ai.ops.mse_forward(odd_y, odd_target) == loss
        assert_same_bits(ai.ops.mse_backward(odd_y, odd_target), dy)
        np.testing.assert_array_equal(odd_y, before[0])
        np.testing.assert_array_equal(odd_target, before[1])


@pytest.mark.parametrize("function", ["mse_forward", "mse_backward"])
@pytest.mark.parametrize("argument, y, target", [
    ("target", np.ones((2, 3)), np.ones((2, 4))),
    ("target", np.ones((2, 3)), np.ones((1, 3))),
    ("target", np.ones((2, 3)), np.ones(3)),
    ("target", np.ones((2, 3)), np.ones((2, 3), complex)),
    ("target", np.ones((2, 3)), np.full((2, 3), "a")),
    ("y", np.ones((2, 3), int), np.ones((2, 3))),
    ("y", np.ones((2, 3), np.float16), np.ones((2, 3))),
])
def test_bad_input(function, argument, y, target):
    with pytest.raises((TypeError, ValueError), match=rf"{function}.*\b{argument}\b"):
        getattr(ai.ops, function)(y, target)


# ---- names -----------------------------------------------------------------

LOSSES = {
    "mse": ai.losses.MeanSquaredError(),
    "mean_squared_error": ai.losses.MeanSquaredError(),
    "binary_crossentropy": ai.losses.BinaryCrossentropy(),
    "categorical_crossentropy": ai.losses.CategoricalCrossentropy(),
    "sparse_categorical_crossentropy": ai.losses.SparseCategoricalCrossentropy(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_by_name(name):
    loss = ai.losses.get(name)
    assert isinstance(loss, ai.losses.Loss)
    assert loss == LOSSES[name]
    assert ai.losses.get(loss) is loss
    assert loss.name == name or name == "mean_squared_error"


@pytest.mark.parametrize("kind, number", [("BinaryCrossentropy", 1), ("CategoricalCrossentropy", 2),
                                          ("SparseCategoricalCrossentropy", 3)])
def test_for_the_kernels(kind, number):
    assert getattr(ai.losses, kind)()._spec() == (number, False)
    assert getattr(ai.losses, kind)(from_logits=True)._spec() == (number, True)
    assert ai.losses.MeanSquaredError()._spec() == (0, False)


# ---- cross-entropies, of a layer that puts out what it is fed ------------------


def trained_by(y, target, loss):
    """The loss of outputs y (M,), and the gradient by them."""
    M = len(y)
    model = ai.Sequential([ai.layers.InputLayer([None, M]), ai.layers.Dense(M)], dtype="float64")
    model.compile(ai.optimizers.SGD(1.0), loss)
    model.set_weights([np.eye(M), np.zeros(M)])
    value = model.train_on_batch(y[None, None], np.asarray(target)[None, None])
    return value, -model.get_weights()[1]


@pytest.mark.parametrize("M", [2, 3, 16, 17, 513, 1100])
@pytest.mark.parametrize("from_logits", [False, True], ids=["probabilities", "logits"])
@pytest.mark.parametrize("kind", ["BinaryCrossentropy", "CategoricalCrossentropy",
                                  "SparseCategoricalCrossentropy"])
def test_cross_entropies(kind, from_logits, M):
    """Of outputs at and beyond the limits too; of many logits near 0, where products are large."""
    loss = getattr(ai.losses, kind)(from_logits=from_logits)
    rng = np.random.default_rng(M)
    y = rng.normal(0, 0.01, M) if from_logits else rng.uniform(0.01, 0.99, M)
    target = rng.random(M)
    odds = [], [1e-7, 1 - 1e-7], [0.0, 1.0], [1e-8, 1 - 1e-8], [1.5e-7, 2.0], [0.0, -1e3], [1e3, 5.0]
    for odd in odds[:len(odds) if M < 100 else 1]:
        y[:len(odd)] = odd
        label = rng.integers(M) if kind.startswith("Sparse") else target
        desired, gradient = getattr(twin.losses, loss.name)(y, label, from_logits)
        if from_logits or y.min() >= 0 or kind.startswith("Binary"):
            value, found = trained_by(y, label, loss)
            assert abs(value - desired) <= TWIN * max(1, abs(desired))
            assert_close(found, gradient, TWIN)


@pytest.mark.parametrize("kind", ["CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_outputs_that_are_all_zero(kind):
    """Each is as if it were 1e-7, and no gradient passes."""
    sparse = kind.startswith("Sparse")
    value, gradient = trained_by(np.zeros(3), 1 if sparse else np.eye(3)[1], getattr(ai.losses, kind)())
    assert_close(value, np.log(3) if sparse else -np.log(1e-7), TWIN)
    assert_same_bits(gradient, np.zeros(3))


@pytest.mark.parametrize("identifier, error", [("", ValueError), ("MSE", ValueError), (None, TypeError),
                                               (ai.losses.MeanSquaredError, TypeError), (abs, TypeError)], ids=str)
def test_unknown_loss(identifier, error):
    with pytest.raises(error, match="compile: loss must be .*sparse_categorical_crossentropy"):
        ai.losses.get(identifier, "compile", "loss")
