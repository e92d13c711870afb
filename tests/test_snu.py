"""snu_forward and snu_backward: twin, finite differences, adjoint, edges, odd inputs, bad inputs."""

import re

import neuroai_c as ai
import numpy as np
import pytest
import twin
from tolerances import (ADJOINT, FLOAT32_GRADIENT, FLOAT32_SHARED_DECAY, FLOAT32_VALUE, NUMERIC,
                        NUMERIC_MARGIN, NUMERIC_STEP, TWIN, assert_close, assert_same_bits)

POTENTIALS = ["identity", "leaky_rel", "relu", "tanh", "sigmoid"]
OUTPUTS = ["step_function", "sigmoid", "tanh", "relu", "identity", "leaky_rel"]
GATES = [pytest.param(False, id="plain"), "batch", "sample"]


def run(case):
    """y, V and every gradient of a case, by name."""
    y, V = case.forward(ai.ops)
    return dict(y=y, V=V, **twin.parameters(case.backward(ai.ops, y, V)))


def assert_same_run(case, other):
    desired = run(other)
    actual = run(case)
    assert actual.keys() == desired.keys()
    for name, value in actual.items():
        assert_same_bits(value, desired[name], name)


def check_float64(case):
    """A float64 case against the twin; each on its own y and V, which agree."""
    y, V = case.forward(twin)
    desired = dict(y=y, V=V, **twin.parameters(case.backward(twin, y, V)))
    actual = run(case)
    assert actual.keys() == desired.keys()
    for name, value in actual.items():
        assert np.asarray(value).dtype == np.float64, name
        assert_close(value, desired[name], TWIN, name)
    if set(np.unique(y)) <= {0, 1}:
        np.testing.assert_array_equal(actual["y"], y)
    return actual


def check_float32(case, double):
    """The case in float32, against its float64 results."""
    for name, value in run(case.cast(np.float32)).items():
        if name == "decay" and np.ndim(value) == 0:
            tolerance = FLOAT32_SHARED_DECAY
        else:
            assert value.dtype == np.float32, name
            tolerance = FLOAT32_VALUE if name in ("y", "V") else FLOAT32_GRADIENT
        assert_close(value, double[name], tolerance, name)
        if name == "y" and set(np.unique(double["y"])) <= {0, 1}:
            np.testing.assert_array_equal(value, double["y"])


def with_spikes(case):
    return case.replace(x=ai.Spikes.from_dense(case.x))


# ---- twin ------------------------------------------------------------------


@pytest.mark.parametrize("binary", [False, True], ids=["real", "binary"])
@pytest.mark.parametrize("decay_per_unit", [False, True], ids=["decay", "decays"])
@pytest.mark.parametrize("state", [False, True], ids=["zero", "state"])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feedforward", "recurrent"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("h", OUTPUTS)
@pytest.mark.parametrize("g", POTENTIALS)
def test_twin(g, h, lateral_inhibition, recurrent, state, decay_per_unit, binary):
    case = twin.random_case(g=g, activation=h, lateral_inhibition=lateral_inhibition,
                            recurrent=recurrent, state=state, decay_per_unit=decay_per_unit,
                            binary=binary)
    check_float32(case, check_float64(case))
    if binary:
        assert_same_run(with_spikes(case), case)
        assert_same_run(with_spikes(case.cast(np.float32)), case.cast(np.float32))


@pytest.mark.parametrize("binary", [False, True], ids=["real", "binary"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("B, T, N, M", [
    (1, 3, 1, 2), (2, 3, 2, 3), (5, 2, 3, 7), (4, 2, 7, 8), (3, 2, 8, 9), (2, 4, 9, 15), (1, 5, 16, 16),
    (7, 2, 17, 17), (2, 3, 31, 33), (3, 2, 65, 64), (15, 3, 100, 10), (3, 4, 257, 100)])
def test_sizes_around_the_vector_widths(B, T, N, M, lateral_inhibition, binary):
    for density in (0.03, 0.4, 1.0) if binary else (0.4,):
        case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True,
                                state=True, binary=binary, B=B, T=T, N=N, M=M, density=density,
                                margin=3e-5)
        check_float32(case, check_float64(case))
        if binary:
            assert_same_run(with_spikes(case), case)
            assert_same_run(with_spikes(case.cast(np.float32)), case.cast(np.float32))


@pytest.mark.parametrize("M", [1, 3, 7, 40])
@pytest.mark.parametrize("T", [31, 32, 33, 64, 100])
def test_steps_of_more_than_a_word(T, M):
    """The steps at which an input spikes are kept as words of 32 bits."""
    case = twin.random_case(g="leaky_rel", activation="sigmoid", recurrent=True, binary=True, T=T, M=M, N=70)
    check_float64(case)
    for other in (case, case.cast(np.float32)):
        assert_same_run(with_spikes(other), other)


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("pseudo", ["tanh", "sigmoid", "relu", "identity", "leaky_rel"])
def test_surrogate_slopes(pseudo, lateral_inhibition):
    step = ai.activations.StepFunction(pseudoderivative_of=pseudo)
    case = twin.random_case(activation=step, lateral_inhibition=lateral_inhibition, recurrent=True)
    check_float32(case, check_float64(case))


def test_surrogate_slope_of_a_parametrised_activation():
    step = ai.activations.StepFunction(pseudoderivative_of=ai.activations.LeakyRel(alpha=0.3))
    check_float64(twin.random_case(activation=step))


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_alpha_of_leaky_rel(lateral_inhibition):
    check_float64(twin.random_case(g=ai.activations.LeakyRel(0.3), activation=ai.activations.LeakyRel(0.6),
                                   lateral_inhibition=lateral_inhibition))


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_name_and_its_activation_are_the_same(name):
    case = twin.random_case(activation=name, g="identity" if name == "step_function" else name)
    ready = getattr(ai.activations, name)
    assert_same_run(case.replace(activation=ready, g="identity" if name == "step_function" else ready), case)


def test_true_inhibits_over_the_batch():
    case = twin.random_case(lateral_inhibition="batch")
    assert_same_run(case.replace(lateral_inhibition=True), case)
    assert np.any(case.forward(ai.ops)[1] != case.replace(lateral_inhibition="sample").forward(ai.ops)[1])


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_defaults(lateral_inhibition):
    case = twin.random_case(lateral_inhibition=lateral_inhibition).replace(decay=0.8)
    y, V = ai.ops.snu_forward(case.x, case.kernel, case.bias, lateral_inhibition=lateral_inhibition)
    desired = run(case)
    assert_same_bits(y, desired["y"])
    assert_same_bits(V, desired["V"])
    gradients = ai.ops.snu_backward(case.dy, case.x, case.kernel, case.bias, y=y, V=V,
                                    lateral_inhibition=lateral_inhibition)
    assert gradients._fields == twin.Gradients._fields
    assert gradients.recurrent_kernel is None and gradients.initial_state is None
    assert_same_bits(gradients.kernel, desired["kernel"])


# ---- gradients -------------------------------------------------------------


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("h", OUTPUTS[1:])
@pytest.mark.parametrize("g", POTENTIALS)
def test_finite_differences(g, h, lateral_inhibition):
    case = twin.random_case(g=g, activation=h, lateral_inhibition=lateral_inhibition, recurrent=True,
                            state=True, decay_per_unit=True, B=2, T=20, N=3, M=3, margin=NUMERIC_MARGIN)
    gradients = twin.parameters(case.backward(ai.ops, *case.forward(ai.ops)))
    assert gradients.keys() == {"x", "kernel", "bias", "recurrent_kernel", "decay", "y_0", "V_0"}
    for name, gradient in gradients.items():
        numeric = twin.numeric_gradient(lambda a, name=name: case.replace(**{name: a}).loss(ai.ops),
                                        getattr(case, name), NUMERIC_STEP)
        assert_close(gradient, numeric, NUMERIC, name)


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_finite_differences_of_a_shared_decay(lateral_inhibition):
    case = twin.random_case(activation="sigmoid", lateral_inhibition=lateral_inhibition, state=True,
                            T=20, margin=NUMERIC_MARGIN if lateral_inhibition else 0)
    numeric = twin.numeric_gradient(lambda d: case.replace(decay=float(d)).loss(ai.ops), case.decay,
                                    NUMERIC_STEP)
    assert_close(case.backward(ai.ops, *case.forward(ai.ops)).decay, numeric, NUMERIC)


@pytest.mark.parametrize("T", [1, 20, 100])
@pytest.mark.parametrize("recurrent", [False, True], ids=["feedforward", "recurrent"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("g", POTENTIALS)
def test_adjoint_of_the_step(g, lateral_inhibition, recurrent, T):
    case = twin.random_case(g=g, lateral_inhibition=lateral_inhibition, recurrent=recurrent, state=True,
                            decay_per_unit=True, T=T, margin=0)
    y, V = case.forward(ai.ops)
    forward, backward, size = twin.dot_products(case, case.backward(ai.ops, y, V), y, V)
    assert abs(forward - backward) <= ADJOINT * size


# g identity, decay 1/2, one input of weight 1 to three units; L = y_2 of the first unit
TIES = dict(x=np.array([[[2.0], [1.0]]]), kernel=np.ones((1, 3)))


@pytest.mark.parametrize("lateral_inhibition", ["batch", "sample"])
def test_spiking_units_share_the_gradient_of_the_maximum(lateral_inhibition):
    bias = np.array([1.0, 1.0, 3.0])
    options = dict(decay=0.5, lateral_inhibition=lateral_inhibition)
    y, V = ai.ops.snu_forward(**TIES, bias=bias, **options)
    assert y.tolist() == [[[1, 1, 0], [0, 0, 0]]]
    assert V.tolist() == [[[2, 2, 2], [1, 1, 1]]]

    dy = np.array([[[0.0, 0, 0], [1, 0, 0]]])
    gradients = ai.ops.snu_backward(dy, **TIES, bias=bias, y=y, V=V, **options)
    # slope(V_2 - b) = 1, so D_2 = (1, 0, 0); it reaches r_1 with d V_1 = 1, and half of it each spike
    s = 1 - np.tanh(1.0) ** 2
    assert_close(gradients.kernel, [[1 - s, -s, 0]], TWIN)
    assert_close(gradients.bias, [s / 2 - 1, s / 2, 0], TWIN)
    assert_close(gradients.decay, 0, TWIN)
    assert_close(gradients.x, [[[-s], [1]]], TWIN)


@pytest.mark.parametrize("lateral_inhibition", ["batch", "sample"])
def test_silent_units_all_share_the_gradient_of_the_maximum(lateral_inhibition):
    bias = np.array([3.0, 3.0, 3.0])
    options = dict(decay=0.5, lateral_inhibition=lateral_inhibition)
    y, V = ai.ops.snu_forward(**TIES, bias=bias, **options)
    assert not y.any()
    assert V.tolist() == [[[2, 2, 2], [2, 2, 2]]]

    dy = np.array([[[0.0, 0, 0], [1, 0, 0]]])
    gradients = ai.ops.snu_backward(dy, **TIES, bias=bias, y=y, V=V, **options)
    s = 1 - np.tanh(-1.0) ** 2
    D_1 = np.array([s / 2, 0, 0]) - s**2 / 3  # by the open gate, and a third of the maximum each
    D_2 = np.array([s, 0, 0])
    assert_close(gradients.kernel, [2 * D_1 + D_2], TWIN)
    assert_close(gradients.decay, 2 * s, TWIN)


# ---- what holds whatever the numbers ---------------------------------------


def test_the_scope_of_the_maximum():
    """One sample's spike closes the gates of its own units, or of the whole batch."""
    x = np.array([[[2.0], [0.0]], [[0.5], [0.0]]])
    arguments = x, np.ones((1, 2)), np.array([1.0, 3.0])

    def second_potential(lateral_inhibition):
        _, V = ai.ops.snu_forward(*arguments, decay=0.5, lateral_inhibition=lateral_inhibition)
        return V[:, 1].tolist()

    assert second_potential(False) == [[0, 1], [0.25, 0.25]]
    assert second_potential("sample") == [[0, 0], [0.25, 0.25]]
    assert second_potential("batch") == [[0, 0], [0, 0]]


@pytest.mark.parametrize("lateral_inhibition", [False, "sample"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_does_not_depend_on_its_batch(dtype, lateral_inhibition):
    case = twin.random_case(g="tanh", lateral_inhibition=lateral_inhibition, recurrent=True, state=True,
                            B=9, N=33, M=17, margin=0).cast(dtype)
    y, V = case.forward(ai.ops)
    dx = case.backward(ai.ops, y, V).x
    for rows in (slice(0, 1), slice(4, 5), slice(2, 9)):
        part = case.replace(**{name: getattr(case, name)[rows]
                               for name in ("x", "y_0", "V_0", "dy", "dy_state", "dV_state")})
        assert_same_bits(part.forward(ai.ops)[0], y[rows])
        assert_same_bits(part.forward(ai.ops)[1], V[rows])
        assert_same_bits(part.backward(ai.ops, y[rows], V[rows]).x, dx[rows])


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_two_halves_are_the_whole(lateral_inhibition):
    """States carry a run over a cut in time, their gradients carry it back."""
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True,
                            state=True, T=10)
    y, V = case.forward(ai.ops)
    whole = case.backward(ai.ops, y, V)

    first = case.replace(x=case.x[:, :6], dy=case.dy[:, :6])
    second = case.replace(x=case.x[:, 6:], dy=case.dy[:, 6:], y_0=y[:, 5], V_0=V[:, 5])
    assert_same_bits(first.forward(ai.ops)[1], V[:, :6])
    assert_same_bits(second.forward(ai.ops)[1], V[:, 6:])

    late = second.backward(ai.ops, y[:, 6:], V[:, 6:])
    dy_state, dV_state = late.initial_state
    early = first.replace(dy_state=dy_state, dV_state=dV_state).backward(ai.ops, y[:, :6], V[:, :6])
    assert_close(np.concatenate([early.x, late.x], axis=1), whole.x, TWIN)
    assert_close(early.initial_state, whole.initial_state, TWIN)
    for name in ("kernel", "bias", "recurrent_kernel", "decay"):
        assert_close(getattr(early, name) + getattr(late, name), getattr(whole, name), TWIN, name)


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_what_is_not_given_is_zero(lateral_inhibition):
    case = twin.random_case(g="tanh", lateral_inhibition=lateral_inhibition, recurrent=True)
    nothing = np.zeros((3, 4))
    given = case.replace(y_0=nothing, V_0=nothing, dy_state=nothing, dV_state=nothing)
    desired, actual = run(case), run(given)
    for name in desired:
        assert_same_bits(actual[name], desired[name], name)

    C = np.random.default_rng(0).standard_normal((3, 4))
    for one, other in (("dy_state", "dV_state"), ("dV_state", "dy_state")):
        assert_same_run(case.replace(**{one: C}), case.replace(**{one: C, other: nothing}))


def test_results_are_new_and_do_not_repeat_differently():
    case = twin.random_case(recurrent=True, state=True)
    first, second = run(case), run(case)
    for name, value in first.items():
        assert_same_bits(value, second[name], name)
        if isinstance(value, np.ndarray) and value.ndim:
            assert value.flags.writeable and value.flags.c_contiguous, name
            value[...] = 0
    assert_same_bits(run(case)["V"], second["V"])


@pytest.mark.parametrize("binary", [False, True], ids=["real", "binary"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_threads_do_not_change_a_bit(lateral_inhibition, binary):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True, state=True,
                            binary=binary, B=33, T=5, N=40, M=21, margin=0).cast(np.float32)
    before = ai.get_num_threads()
    try:
        ai.set_num_threads(1)
        desired = run(case)
        for threads in (2, 3, 7):
            ai.set_num_threads(threads)
            for name, value in run(case).items():
                assert_same_bits(value, desired[name], f"{name}, {threads} threads")
    finally:
        ai.set_num_threads(before)


# ---- edges -----------------------------------------------------------------


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("sizes", [dict(T=1), dict(B=1), dict(M=1), dict(N=1), dict(B=1, T=1, N=1, M=1),
                                   dict(B=0), dict(T=0), dict(B=0, T=0)],
                         ids=lambda sizes: " ".join(f"{name}={n}" for name, n in sizes.items()))
def test_sizes_at_the_edge(sizes, lateral_inhibition):
    for binary in (False, True):
        for state in (False, True):
            case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True,
                                    state=state, decay_per_unit=True, binary=binary, **sizes)
            double = check_float64(case)
            shape = (sizes.get("B", 3), sizes.get("T", 8), sizes.get("M", 4))
            assert double["y"].shape == double["V"].shape == shape
            check_float32(case, double)
            if binary:
                assert_same_run(with_spikes(case), case)


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("bias, output", [(50.0, 0), (-50.0, 1)], ids=["no spike", "all spikes"])
def test_all_units_alike(bias, output, lateral_inhibition):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True)
    # the slope of tanh vanishes out there, that of leaky_rel does not
    case = case.replace(bias=np.full(4, bias),
                        activation=ai.activations.StepFunction(pseudoderivative_of="leaky_rel"))
    assert np.all(check_float64(case)["y"] == output)


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_no_input(lateral_inhibition):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, binary=True)
    case = case.replace(x=np.zeros_like(case.x))
    actual = check_float64(case)
    assert not actual["y"].any() and not actual["V"].any()
    assert_same_run(with_spikes(case), case)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bias", [1.0, 0.0, -0.0])
def test_at_the_threshold_there_is_no_spike(bias, dtype):
    x = np.array([[[bias], [np.nextafter(dtype(bias), dtype(2))]]], dtype)
    if bias == 0:
        x[0, 1] = np.finfo(dtype).tiny  # subnormal numbers are no matter here
    y, V = ai.ops.snu_forward(x, np.ones((1, 1), dtype), np.array([bias], dtype), decay=0.0)
    assert V[0, 0, 0] == bias
    assert y.ravel().tolist() == [0, 1]
    # the surrogate's slope at 0 is 1
    gradients = ai.ops.snu_backward(np.ones((1, 2, 1), dtype), x, np.ones((1, 1), dtype),
                                    np.array([bias], dtype), y=y, V=V, decay=0.0)
    assert gradients.x[0, 0, 0] == 1


@pytest.mark.parametrize("g", ["relu", "leaky_rel"])
def test_slopes_at_zero(g):
    """a = 0 where there is no input: relu' = 0, leaky_rel' = alpha."""
    x, kernel, bias = np.zeros((1, 1, 1)), np.ones((1, 1)), np.zeros(1)
    y, V = ai.ops.snu_forward(x, kernel, bias, g=g)
    gradients = ai.ops.snu_backward(np.ones((1, 1, 1)), x, kernel, bias, y=y, V=V, g=g)
    assert gradients.x[0, 0, 0] == {"relu": 0, "leaky_rel": 0.1}[g]


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_minus_zero_is_zero(lateral_inhibition):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, binary=True)
    plus = case.x.astype(np.float64)
    minus = np.where(plus == 0, -0.0, plus)
    assert_same_run(case.replace(x=minus), case.replace(x=plus))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lateral_inhibition", [False, "sample"])
def test_nan_does_not_spike_and_stays_in_its_sample(lateral_inhibition, dtype):
    case = twin.random_case(lateral_inhibition=lateral_inhibition).cast(dtype)
    clean_y, clean_V = case.forward(ai.ops)
    case.x[1, 3, 2] = np.nan
    y, V = case.forward(ai.ops)
    assert not y[1, 3:].any()
    assert np.isnan(V[1, 3]).all()
    for part in ((0,), (2,), (1, slice(3))):
        assert_same_bits(y[part], clean_y[part])
        assert_same_bits(V[part], clean_V[part])


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("h", OUTPUTS)
def test_nan_everywhere_does_no_harm(h, lateral_inhibition):
    case = twin.random_case(activation=h, lateral_inhibition=lateral_inhibition, recurrent=True,
                            state=True, decay_per_unit=True, margin=0)
    for name, value in vars(case).items():
        if isinstance(value, np.ndarray):
            value[...] = np.nan
    y, _ = case.forward(ai.ops)
    if h == "step_function":
        assert not y.any()
    for name, value in run(case).items():
        assert value.shape == getattr(case, name, y).shape, name


# ---- odd inputs ------------------------------------------------------------


def small_integers():
    """A case whose arrays hold 0 and 1 (no kernel does), so that every dtype can carry them."""
    case = twin.random_case(g="leaky_rel", recurrent=True, state=True, decay_per_unit=True, M=5, margin=0)
    rng = np.random.default_rng(1)
    names = ("x", "bias", "recurrent_kernel", "y_0", "V_0", "dy", "dy_state", "dV_state")
    return case.replace(**{name: rng.integers(0, 2, getattr(case, name).shape).astype(float)
                           for name in names})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["x", "bias", "recurrent_kernel", "y_0", "V_0", "dy", "dy_state",
                                  "dV_state", "kernel", "decay"])
def test_layouts_and_dtypes(name, dtype):
    case = small_integers().cast(dtype)
    tried = []
    for version, array in twin.odd_versions(getattr(case, name)):
        before = array.copy()
        assert_same_run(case.replace(**{name: array}), case)
        np.testing.assert_array_equal(array, before)
        tried.append(version)
    assert {"strided", "reversed", "Fortran-ordered", "read-only", "big-endian"} <= set(tried)
    if name not in ("kernel", "decay"):
        assert {"float16", "int64", "uint8", "bool"} <= set(tried)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["y", "V"])
def test_layouts_and_dtypes_of_the_recorded_states(name, dtype):
    case = small_integers().cast(dtype)
    y, V = case.forward(ai.ops)
    states = dict(y=y, V=np.round(V))  # backward takes any numbers
    desired = twin.parameters(case.backward(ai.ops, **states))
    tried = []
    for version, array in twin.odd_versions(states[name]):
        before = array.copy()
        actual = twin.parameters(case.backward(ai.ops, **{**states, name: array}))
        for parameter, value in actual.items():
            assert_same_bits(value, desired[parameter], f"{parameter}, {version}")
        np.testing.assert_array_equal(array, before)
        tried.append(version)
    assert {"strided", "Fortran-ordered", "read-only", "big-endian", "float16", "int64"} <= set(tried)


def test_the_kernel_decides_the_precision():
    case = twin.random_case(recurrent=True, state=True)
    mixed = case.replace(kernel=case.kernel.astype(np.float32))  # every number is a float32 number
    assert_same_run(mixed, case.cast(np.float32))


# ---- bad inputs ------------------------------------------------------------

ones = np.ones
BAD_FORWARD = {
    "x of two axes": ("x", dict(x=ones((2, 3)))),
    "x of four axes": ("x", dict(x=ones((2, 3, 5, 1)))),
    "features": ("kernel", dict(kernel=ones((6, 4)))),
    "kernel of one axis": ("kernel", dict(kernel=ones(5))),
    "kernel of three axes": ("kernel", dict(kernel=ones((5, 4, 1)))),
    "no units": ("kernel", dict(kernel=ones((5, 0)), bias=ones(0), recurrent_kernel=None)),
    "no features": ("kernel|x", dict(kernel=ones((0, 4)), x=ones((2, 3, 0)))),
    "bias too long": ("bias", dict(bias=ones(5))),
    "bias of two axes": ("bias", dict(bias=ones((1, 4)))),
    "one bias": ("bias", dict(bias=1.0)),
    "recurrent_kernel too small": ("recurrent_kernel", dict(recurrent_kernel=ones((4, 3)))),
    "recurrent_kernel of one axis": ("recurrent_kernel", dict(recurrent_kernel=ones(4))),
    "decay too short": ("decay", dict(decay=ones(3))),
    "decay of two axes": ("decay", dict(decay=ones((1, 4)))),
    "decay in words": ("decay", dict(decay="slow")),
    "unknown activation": ("activation", dict(activation="swish")),
    "foreign activation": ("activation", dict(activation=np.tanh)),
    "no activation": ("activation", dict(activation=None)),
    "unknown g": ("g", dict(g="swish")),
    "foreign g": ("g", dict(g=np.tanh)),
    "step as g": ("g", dict(g="step_function")),
    "step as g, the object": ("g", dict(g=ai.activations.step_function)),
    "unknown scope": ("lateral_inhibition", dict(lateral_inhibition="layer")),
    "scope in numbers": ("lateral_inhibition", dict(lateral_inhibition=2)),
    "half a state": ("initial_state|y_0|V_0", dict(initial_state=(ones((2, 4)),))),
    "state of another batch": ("initial_state|y_0|V_0", dict(initial_state=(ones((3, 4)), ones((3, 4))))),
    "state of other units": ("initial_state|y_0|V_0", dict(initial_state=(ones((2, 4)), ones((2, 5))))),
    "state as a number": ("initial_state|y_0|V_0", dict(initial_state=0.0)),
    "complex x": ("x", dict(x=ones((2, 3, 5), complex))),
    "x of objects": ("x", dict(x=ones((2, 3, 5), object))),
    "x of words": ("x", dict(x=np.full((2, 3, 5), "spike"))),
    "x of dates": ("x", dict(x=np.zeros((2, 3, 5), "datetime64[s]"))),
    "no x": ("x", dict(x=None)),
    "float16 kernel": ("kernel", dict(kernel=ones((5, 4), np.float16))),
    "integer kernel": ("kernel", dict(kernel=ones((5, 4), int))),
    "complex kernel": ("kernel", dict(kernel=ones((5, 4), complex))),
    "complex bias": ("bias", dict(bias=ones(4, complex))),
    "complex recurrent_kernel": ("recurrent_kernel", dict(recurrent_kernel=ones((4, 4), complex))),
    "spikes of two axes": ("x", dict(x=ai.Spikes.from_dense(ones((2, 3), np.uint8)))),
    "spikes of other features": ("kernel|x", dict(x=ai.Spikes.from_dense(ones((2, 3, 6), np.uint8)))),
}
BAD_BACKWARD = {
    "dy of other units": ("dy", dict(dy=ones((2, 3, 5)))),
    "dy of two axes": ("dy", dict(dy=ones((2, 4)))),
    "y of another time": ("y", dict(y=ones((2, 4, 4)))),
    "V of another batch": ("V", dict(V=ones((1, 3, 4)))),
    "dy_state of another batch": ("dy_state", dict(dy_state=ones((3, 4)))),
    "dV_state with time": ("dV_state", dict(dV_state=ones((2, 3, 4)))),
    "complex dy": ("dy", dict(dy=ones((2, 3, 4), complex))),
    "V of objects": ("V", dict(V=ones((2, 3, 4), object))),
    "no y": ("y", dict(y=None)),
}


def good_arguments():
    rng = np.random.default_rng(0)
    return dict(x=rng.standard_normal((2, 3, 5)), kernel=rng.standard_normal((5, 4)), bias=ones(4),
                recurrent_kernel=rng.standard_normal((4, 4)))


@pytest.mark.parametrize("argument, bad", BAD_FORWARD.values(), ids=BAD_FORWARD.keys())
def test_bad_input_forward(argument, bad):
    with pytest.raises((TypeError, ValueError), match=rf"snu_forward.*\b({argument})\b"):
        ai.ops.snu_forward(**{**good_arguments(), **bad})


@pytest.mark.parametrize("argument, bad", [*BAD_FORWARD.values(), *BAD_BACKWARD.values()],
                         ids=[*BAD_FORWARD.keys(), *BAD_BACKWARD.keys()])
def test_bad_input_backward(argument, bad):
    recorded = dict(dy=ones((2, 3, 4)), y=ones((2, 3, 4)), V=ones((2, 3, 4)))
    with pytest.raises((TypeError, ValueError), match=rf"snu_backward.*\b({argument})\b"):
        ai.ops.snu_backward(**{**recorded, **good_arguments(), **bad})


def test_another_precision_is_a_type_error():
    for dtype in (np.float16, np.int64, complex):
        with pytest.raises(TypeError, match=r"snu_forward.*\bkernel\b"):
            ai.ops.snu_forward(**{**good_arguments(), "kernel": ones((5, 4), dtype)})


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises((TypeError, ValueError)) as error:
        ai.ops.snu_forward(**good_arguments(), activation="swish")
    assert all(re.search(rf"\b{name}\b", str(error.value)) for name in ["swish", *OUTPUTS])


def test_the_options_have_to_be_named():
    good = good_arguments()
    with pytest.raises(TypeError):
        ai.ops.snu_forward(good["x"], good["kernel"], good["bias"], None, 0.9)


@pytest.mark.parametrize("inhibition", [False, "batch", "sample"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_no_samples_of_endless_steps(inhibition, recurrent):
    """Nothing is computed, so nothing takes long."""
    steps = 2**40
    options = {"recurrent_kernel": np.ones((3, 3)) if recurrent else None,
               "lateral_inhibition": inhibition, "initial_state": (np.zeros((0, 3)),) * 2}
    x, kernel, bias = np.zeros((0, steps, 2)), np.ones((2, 3)), np.ones(3)
    y, V = ai.ops.snu_forward(x, kernel, bias, **options)
    assert y.shape == V.shape == (0, steps, 3)
    grads = ai.ops.snu_backward(y, x, kernel, bias, y=y, V=V, **options)
    assert grads.x.shape == x.shape and not grads.kernel.any()
