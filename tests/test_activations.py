"""activations: values, names, and what a unit may have."""

import inspect

import neuroai_c as ai
import numpy as np
import pytest
import twin
from neuroai_c import activations
from tolerances import TWIN, assert_close, assert_same_bits

NAMES = ["step_function", "leaky_rel", "relu", "tanh", "sigmoid", "identity"]
ARGUMENTS = np.concatenate([np.linspace(-5, 5, 41), [0.0, -0.0, 5e-324, -5e-324, 1e300, -1e300, 800, -800]])


@pytest.mark.parametrize("name", NAMES)
def test_values(name):
    function, _ = twin.activation_pair(name)
    values = getattr(activations, name)(ARGUMENTS)
    with np.errstate(over="ignore"):
        assert_close(values[:-4], function(ARGUMENTS)[:-4], TWIN)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_kernels(name):
    """One step of a unit without input: V_1 = d V_0, y_1 = h(V_1 - b)."""
    x = np.array([-3.0, -0.5, 0.0, 0.25, 2.0])
    kernel = np.zeros((1, len(x)))
    y, _ = ai.ops.snu_forward(np.zeros((1, 1, 1)), kernel, -x, activation=name)
    assert_close(y[0, 0], getattr(activations, name)(x), TWIN)
    if name == "step_function":
        return
    state = np.zeros((1, len(x))), x[None]
    _, V = ai.ops.snu_forward(np.zeros((1, 1, 1)), kernel, 0 * x, decay=1.0, g=name, initial_state=state)
    assert_close(V[0, 0], getattr(activations, name)(x), TWIN)


def outputs(x, activation):
    """The kernel's h of x: one step of a unit without input, with a threshold of -x."""
    return ai.ops.snu_forward(np.zeros((1, 1, 1)), np.zeros((1, len(x)), x.dtype), -x, activation=activation)[0][0, 0]


def slopes(x, surrogate):
    """The slope that the step pretends to have at x."""
    V, kernel, activation = x[None, None], np.eye(len(x), dtype=x.dtype), activations.StepFunction(surrogate)
    return -ai.ops.snu_backward(np.ones_like(V), V, kernel, 0 * x, y=np.zeros_like(V), V=V,
                                activation=activation).bias


def dense_slopes(x, activation):
    """Those of a dense layer: its bias goes along them where the loss has a gradient of 1."""
    M = len(x)
    model = ai.Sequential([ai.layers.InputLayer([None, M]), ai.layers.Dense(M, activation)], dtype="float64")
    model.compile(ai.optimizers.SGD(1.0), "mse")
    model.set_weights([np.eye(M), np.zeros(M)])
    model.train_on_batch(x[None, None], (activation(x) - M / 2)[None, None])
    return -model.get_weights()[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_to_the_last_places(dtype):
    x = np.linspace(-40, 40, 801, dtype=dtype)
    exact = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    assert np.abs(outputs(x, "sigmoid") / exact - 1).max() <= 4 * np.finfo(dtype).eps
    exact = exact * (1 / (1 + np.exp(x.astype(np.longdouble))))
    assert np.abs(slopes(x, "sigmoid") / exact - 1).max() <= 10 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials_far_away(dtype):
    x = np.array([50, 90, 100, 400, 720, 800, 1e4, 1e30, np.inf], dtype)
    assert_same_bits(outputs(x, "sigmoid"), np.ones_like(x))
    below = outputs(-x, "sigmoid")
    assert np.all((below >= 0) & (below <= 2e-22))
    for surrogate in ("sigmoid", "tanh"):
        for far in (x[:-1], -x[:-1]):           # no product with 0 is to be NaN
            slope = slopes(far, surrogate)
            assert np.all((slope >= 0) & (slope <= 1e-17)), surrogate


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype, result", [(np.float32, np.float32), (np.float64, np.float64),
                                           (np.int64, np.float64), (bool, np.float64),
                                           (np.float16, np.float64), (">f8", np.float64)])
def test_dtype(name, dtype, result):
    values = getattr(activations, name)(np.array([[0, 1], [1, 0]], dtype))
    assert values.shape == (2, 2)
    assert values.dtype == result


@pytest.mark.parametrize("name", NAMES)
def test_any_shape(name):
    function = getattr(activations, name)
    assert np.shape(function(0.5)) == ()
    assert np.shape(function([])) == (0,)
    assert function(np.zeros((2, 0, 3))).shape == (2, 0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_argument_is_left_alone(name):
    x = ARGUMENTS.copy()
    values = getattr(activations, name)(x)
    values[...] = 9
    np.testing.assert_array_equal(x, ARGUMENTS)


def test_step_at_zero_is_no_spike():
    assert_same_bits(activations.step_function([0.0, -0.0, 5e-324, -1.0, np.inf, np.nan]),
                     np.array([0.0, 0.0, 1.0, 0.0, 1.0, 0.0]))


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "identity", "leaky_rel"])
def test_nan_stays_nan(name):
    assert np.isnan(getattr(activations, name)([np.nan])).all()


@pytest.mark.parametrize("name", NAMES)
def test_by_name(name):
    assert activations.get(name) is getattr(activations, name)
    assert activations.get(activations.get(name)) is activations.get(name)
    assert getattr(activations, name).name == name


def test_leaky_rel():
    assert_same_bits(activations.LeakyRel(alpha=0.25)([-4.0, 4.0]), np.array([-1.0, 4.0]))
    assert activations.LeakyRel().alpha == activations.leaky_rel.alpha == 0.1
    assert repr(activations.LeakyRel(0.25)) == "LeakyRel(alpha=0.25)"


@pytest.mark.parametrize("surrogate", ["tanh", "sigmoid", "identity", "relu", "leaky_rel",
                                       activations.LeakyRel(0.3)], ids=str)
def test_surrogates(surrogate):
    step = activations.StepFunction(pseudoderivative_of=surrogate)
    assert_same_bits(step([-1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]))
    _, slope = twin.activation_pair(surrogate)
    V = np.array([-0.6, 0.0, 0.3, 1.2])
    assert_close(slopes(V, surrogate), slope(V), TWIN)
    assert_close(dense_slopes(V, step), slope(V), TWIN)


def test_default_surrogate():
    assert activations.StepFunction().pseudoderivative_of is activations.tanh
    assert activations.step_function.pseudoderivative_of is activations.tanh


def test_arguments_of_api():
    assert list(inspect.signature(activations.StepFunction).parameters) == ["pseudoderivative_of"]
    assert list(inspect.signature(activations.LeakyRel).parameters) == ["alpha"]


# ---- bad input -------------------------------------------------------------


def listed(error):
    return all(name in str(error.value) for name in NAMES)


@pytest.mark.parametrize("name", ["", "Tanh", "softmax", "leaky_relu"])
def test_unknown_name(name):
    with pytest.raises(ValueError, match="identifier must be one of") as caught:
        activations.get(name)
    assert listed(caught)
    with pytest.raises(ValueError, match="pseudoderivative_of") as caught:
        activations.StepFunction(name)


@pytest.mark.parametrize("foreign", [None, 3, np.tanh, abs, activations.LeakyRel, ["tanh"], b"tanh"], ids=str)
def test_foreign_callable(foreign):
    with pytest.raises(TypeError, match="identifier must be an activation") as caught:
        activations.get(foreign)
    assert listed(caught)
    with pytest.raises(TypeError, match="pseudoderivative_of"):
        activations.StepFunction(foreign)


@pytest.mark.parametrize("step", ["step_function", activations.step_function,
                                  activations.StepFunction("relu")], ids=str)
def test_step_of_a_step(step):
    with pytest.raises(ValueError, match="StepFunction: pseudoderivative_of .*step_function"):
        activations.StepFunction(step)


@pytest.mark.parametrize("error, alpha", [(ValueError, 0), (ValueError, -0.1), (ValueError, np.nan),
                                          (ValueError, np.inf), (TypeError, "0.1"), (TypeError, None),
                                          (TypeError, [0.1])], ids=str)
def test_bad_alpha(error, alpha):
    with pytest.raises(error, match="LeakyRel: alpha must be"):
        activations.LeakyRel(alpha)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("x", [None, "a", [None], [1j], {}], ids=str)
def test_bad_argument(name, x):
    with pytest.raises(TypeError, match=f"{name}: x must"):
        getattr(activations, name)(x)
