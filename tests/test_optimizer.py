"""sgd_step, rmsprop_step and adam_step: twin over several steps, in place, bad inputs."""

import neuroai_c as ai
import numpy as np
import pytest
import twin
from tolerances import FLOAT32_VALUE, TWIN, assert_close, assert_same_bits

# function, names of the arrays it keeps, options
STEPS = {
    "sgd": ("sgd_step", [], {}),
    "sgd rate": ("sgd_step", [], dict(learning_rate=0.5)),
    "sgd momentum": ("sgd_step", ["velocity"], dict(learning_rate=0.1, momentum=0.9)),
    "sgd nesterov": ("sgd_step", ["velocity"], dict(learning_rate=0.1, momentum=0.9, nesterov=True)),
    "rmsprop": ("rmsprop_step", ["v"], {}),
    "rmsprop options": ("rmsprop_step", ["v"], dict(learning_rate=0.1, rho=0.8, epsilon=1e-3)),
    "rmsprop momentum": ("rmsprop_step", ["v", "u"], dict(learning_rate=0.1, momentum=0.9)),
    "adam": ("adam_step", ["m", "v"], {}),
    "adam options": ("adam_step", ["m", "v"], dict(learning_rate=0.1, beta_1=0.8, beta_2=0.9, epsilon=1e-3)),
}


def start(names, shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(shape).astype(np.float32).astype(dtype)
    return {"w": w, **{name: np.zeros(shape, dtype) for name in names}}


def gradients(shape, steps, seed=1):
    """Of very different sizes, and some exactly zero, as where a unit is silent."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal((steps, *shape)) * 10.0 ** rng.integers(-6, 2, (steps, *shape))
    g[rng.random(g.shape) < 0.2] = 0
    return g.astype(np.float32).astype(float)


def train(ops, kind, arrays, all_g):
    function, _, options = STEPS[kind]
    for step, g in enumerate(all_g, 1):
        count = dict(step=step) if function == "adam_step" else {}
        getattr(ops, function)(g=g, **arrays, **options, **count)
    return arrays


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (8,), (1003,), (9, 17)], ids=str)
@pytest.mark.parametrize("kind", STEPS)
def test_twin(kind, shape):
    names, all_g = STEPS[kind][1], gradients(shape, 5)
    desired = train(twin, kind, start(names, shape), all_g)
    actual = train(ai.ops, kind, start(names, shape), all_g)
    single = train(ai.ops, kind, start(names, shape, np.float32), all_g.astype(np.float32))
    for name in actual:
        assert actual[name].dtype == np.float64 and single[name].dtype == np.float32
        assert_close(actual[name], desired[name], TWIN, name)
        assert_close(single[name], actual[name], FLOAT32_VALUE, name)


def test_sgd_by_hand():
    w, g, velocity = np.array([1.0]), np.array([2.0]), np.array([1.0])
    ai.ops.sgd_step(w, g, learning_rate=0.25)
    assert w == 0.5
    ai.ops.sgd_step(w, g, velocity, learning_rate=0.25, momentum=0.5)
    assert velocity == 0 and w == 0.5
    ai.ops.sgd_step(w, g, velocity, learning_rate=0.25, momentum=0.5, nesterov=True)
    assert velocity == -0.5 and w == -0.25


def test_the_first_step_of_rmsprop_and_adam_is_the_rate_times_the_sign():
    """Which also tells sqrt(v) + epsilon from sqrt(v + epsilon): a tiny gradient counts as much."""
    g = np.array([-3.0, 1e-3, 2e-5])
    w, v = np.zeros(3), np.zeros(3)
    ai.ops.rmsprop_step(w, g, v, learning_rate=1.0, rho=0.75, epsilon=1e-12)
    assert_close(w, [2, -2, -2], FLOAT32_VALUE)
    w, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    ai.ops.adam_step(w, g, m, v, step=1, learning_rate=1.0, epsilon=1e-12)
    assert_close(w, [1, -1, -1], FLOAT32_VALUE)


@pytest.mark.parametrize("kind", STEPS)
def test_no_gradient_no_step(kind):
    arrays = start(STEPS[kind][1], (9,))
    before = arrays["w"].copy()
    assert_same_bits(train(ai.ops, kind, arrays, np.zeros((2, 9)))["w"], before)


@pytest.mark.parametrize("kind", STEPS)
def test_layouts_and_dtypes_of_the_gradient(kind):
    names, g = STEPS[kind][1], np.random.default_rng(0).integers(0, 2, (4, 6)).astype(float)
    desired = train(ai.ops, kind, start(names, (4, 6)), [g])
    for version, array in twin.odd_versions(g):
        before = array.copy()
        actual = train(ai.ops, kind, start(names, (4, 6)), [array])
        for name in desired:
            assert_same_bits(actual[name], desired[name], f"{name}, {version}")
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("kind", STEPS)
def test_a_view_is_updated_in_place_or_refused(kind):
    names, all_g = STEPS[kind][1], gradients((6,), 1)
    desired = train(ai.ops, kind, start(names, (6,)), all_g)
    for changed in ["w", *names]:
        arrays = start(names, (6,))
        whole = np.full(12, 7.0)
        whole[::2] = arrays[changed]
        arrays[changed] = whole[::2]
        before = {name: array.copy() for name, array in arrays.items()}
        try:
            train(ai.ops, kind, arrays, all_g)
        except (TypeError, ValueError) as error:
            assert changed in str(error)
            desired_now = before
        else:
            desired_now = desired
        for name in arrays:
            assert_same_bits(arrays[name], desired_now[name], name)
        assert np.all(whole[1::2] == 7)


def assert_refused(kind, argument, arrays, g, **more):
    """An error that names function and argument, raised before anything is changed."""
    function, _, options = STEPS[kind]
    if function == "adam_step":
        more = dict(step=1) | more
    before = {name: array.copy() for name, array in arrays.items()}
    with pytest.raises((TypeError, ValueError), match=rf"{function}.*\b{argument}\b"):
        getattr(ai.ops, function)(g=g, **arrays, **{**options, **more})
    for name, array in arrays.items():
        assert_same_bits(array, before[name], name)


@pytest.mark.parametrize("kind", STEPS)
def test_bad_gradient(kind):
    for g in (np.ones(5), np.ones((4, 1)), np.ones(4, complex), np.full(4, "a")):
        assert_refused(kind, "g", start(STEPS[kind][1], (4,)), g)


@pytest.mark.parametrize("kind", STEPS)
def test_bad_arrays(kind):
    names = STEPS[kind][1]
    for name in ["w", *names]:
        arrays = start(names, (4,))
        arrays[name].flags.writeable = False
        assert_refused(kind, name, arrays, np.ones(4))
    for name in names:
        assert_refused(kind, name, start(names, (4,)) | {name: np.zeros(5)}, np.ones(4))
        assert_refused(kind, name, start(names, (4,)) | {name: np.zeros(4, np.float32)}, np.ones(4))
    for dtype in (np.float16, np.int64):
        assert_refused(kind, "w", start(names, (4,)) | {"w": np.ones(4, dtype)}, np.ones(4))


def test_momentum_needs_its_array():
    assert_refused("sgd momentum", "velocity", start([], (4,)), np.ones(4))
    assert_refused("rmsprop momentum", "u", start(["v"], (4,)), np.ones(4))


def test_adam_counts_from_one():
    assert_refused("adam", "step", start(["m", "v"], (4,)), np.ones(4), step=0)


# ---- hyperparameters set anew ----------------------------------------------


@pytest.mark.parametrize("optimizer, name, value, error", [
    ("sgd", "learning_rate", "x", TypeError),
    ("sgd", "learning_rate", None, TypeError),
    ("sgd", "learning_rate", True, TypeError),
    ("sgd", "learning_rate", np.nan, ValueError),
    ("sgd", "learning_rate", np.cos, TypeError),
    ("sgd", "momentum", 1.5, ValueError),
    ("sgd", "clipnorm", 0, ValueError),
    ("sgd", "clipvalue", -0.5, ValueError),
    ("rmsprop", "clipvalue", "1", TypeError),
    ("rmsprop", "clipnorm", np.inf, ValueError),
    ("adam", "clipnorm", True, TypeError),
    ("adam", "weight_decay", -1e-3, ValueError),
    ("adam", "weight_decay", np.nan, ValueError),
    ("sgd", "weight_decay", [0.1], TypeError),
    ("rmsprop", "learning_rate", -1, ValueError),
    ("rmsprop", "rho", "x", TypeError),
    ("rmsprop", "epsilon", np.inf, ValueError),
    ("adam", "learning_rate", [0.1], TypeError),
    ("adam", "beta_1", 1.0, ValueError),
    ("adam", "beta_2", np.inf, ValueError),
])
def test_a_bad_value_set_later_is_refused_and_changes_nothing(optimizer, name, value, error):
    optimizer = ai.optimizers.get(optimizer)
    before = getattr(optimizer, name)
    with pytest.raises(error, match=f"{type(optimizer).__name__}: {name} must be"):
        setattr(optimizer, name, value)
    assert getattr(optimizer, name) == before


@pytest.mark.parametrize("kind", [ai.optimizers.SGD, ai.optimizers.RMSprop, ai.optimizers.Adam])
def test_clipping_and_decay_for_the_kernels(kind):
    assert kind()._spec()[-3:] == (0.0, 0.0, 0.0)
    assert kind(clipnorm=2, weight_decay=0)._spec()[-3:] == (2.0, 0.0, 0.0)
    assert kind(clipvalue=np.float32(0.5), weight_decay=0.1)._spec()[-3:] == (0.0, 0.5, 0.1)
    assert len(kind()._spec()) == 10
    with pytest.raises(TypeError, match="positional"):
        kind(*[0.5] * 5)


def test_the_other_entries_for_the_kernels():
    assert ai.optimizers.SGD(0.5, 0.9, nesterov=True)._spec()[:7] == (0, 0.5, 0.9, True, 0, 0, 0)
    assert ai.optimizers.RMSprop(0.5, 0.8, 0.7, 0.1)._spec()[:7] == (1, 0.5, 0.7, False, 0.8, 0, 0.1)
    assert ai.optimizers.Adam(0.5, 0.8, 0.7, 0.1)._spec()[:7] == (2, 0.5, 0, False, 0.8, 0.7, 0.1)


def test_one_way_of_clipping():
    with pytest.raises(ValueError, match="SGD: clipvalue must be None where there is a clipnorm"):
        ai.optimizers.SGD(clipnorm=1, clipvalue=0.5)
    optimizer = ai.optimizers.Adam(clipvalue=0.5)
    with pytest.raises(ValueError, match="Adam: clipnorm must be None where there is a clipvalue"):
        optimizer.clipnorm = 1
    assert optimizer.clipnorm is None
    optimizer.clipvalue, optimizer.clipnorm = None, 1
    assert optimizer._spec()[-3:] == (1.0, 0.0, 0.0)


def test_a_learning_rate_set_later_counts():
    x, y = np.ones((4, 3, 2)), np.zeros((4, 1))
    model = ai.Sequential([ai.layers.InputLayer([None, 2]), ai.layers.SNU(1, activation="sigmoid")], seed=0)
    model.compile(ai.optimizers.SGD(learning_rate=0.5))
    start = model.get_weights()
    model.optimizer.learning_rate = 0
    model.fit(x, y, verbose=0)
    for weight, before in zip(model.get_weights(), start):
        assert_same_bits(weight, before)
    model.optimizer.learning_rate = np.float32(0.25)
    model.fit(x, y, verbose=0)
    assert not np.array_equal(model.get_weights()[0], start[0])


@pytest.mark.parametrize("kind", [ai.optimizers.SGD, ai.optimizers.RMSprop])
def test_momentum_set_later_needs_compile(kind):
    x, y = np.ones((4, 3, 2)), np.zeros((4, 1))
    model = ai.Sequential([ai.layers.InputLayer([None, 2]), ai.layers.SNU(1, activation="sigmoid")], seed=0)
    model.compile(kind())
    model.fit(x, y, verbose=0)
    model.optimizer.momentum = 0.9
    with pytest.raises(ValueError, match="compile again"):
        model.fit(x, y, verbose=0)
    model.compile(model.optimizer)
    model.fit(x, y, verbose=0)
