"""snu_forward and snu_backward with `mask`, `go_backwards` and `reset_gradient`, crossed with every option.

What these mean is said on top of twin/snu.py. The unit without them is tested in test_snu.py.
"""

import itertools

import neuroai_c as ai
import numpy as np
import pytest
import twin
from test_snu import (GATES, OUTPUTS, POTENTIALS, assert_same_run, check_float32, check_float64, run,
                      with_spikes)
from tolerances import (ADJOINT, FLOAT32_GRADIENT, NUMERIC, NUMERIC_MARGIN, NUMERIC_STEP, TWIN, assert_close,
                        assert_same_bits)

FLAGS = [False, True]
DIRECTIONS = pytest.mark.parametrize("go_backwards", FLAGS, ids=["forwards", "backwards"])
STATES = pytest.mark.parametrize("state", FLAGS, ids=["zero", "state"])

# rows: no step first, none at the end, none at all, scattered, all, one
AWKWARD = np.array([[0, 0, 1, 1, 1, 1, 1, 1],
                    [1, 1, 1, 1, 1, 0, 0, 0],
                    [0, 0, 0, 0, 0, 0, 0, 0],
                    [0, 1, 0, 0, 1, 1, 0, 1],
                    [1, 1, 1, 1, 1, 1, 1, 1],
                    [0, 0, 0, 1, 0, 0, 0, 0]], bool)


def awkward_case(**options):
    return twin.random_case(B=6, T=8, **options).replace(mask=AWKWARD)


# ---- twin ------------------------------------------------------------------

CROSSED = ["lateral_inhibition", "recurrent", "state", "decay_per_unit", "masked", "go_backwards",
           "reset_gradient", "binary"]


@pytest.mark.parametrize("seed", range(len(GATES) * 2**7))
def test_twin(seed):
    """Every combination of the options once, each with other activations."""
    choices = list(itertools.product([False, "batch", "sample"], *[FLAGS] * 7))[seed]
    rng = np.random.default_rng(seed)
    case = twin.random_case(seed, g=str(rng.choice(POTENTIALS)), activation=str(rng.choice(OUTPUTS)), B=4,
                            **dict(zip(CROSSED, choices, strict=True)))
    check_float32(case, check_float64(case))
    if case.x.dtype == np.uint8:
        assert_same_run(with_spikes(case), case)
        assert_same_run(with_spikes(case.cast(np.float32)), case.cast(np.float32))


@pytest.mark.parametrize("reset_gradient", FLAGS, ids=["detached", "attached"])
@DIRECTIONS
@STATES
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("h", ["step_function", "tanh"])
def test_awkward_masks(h, lateral_inhibition, state, go_backwards, reset_gradient):
    for binary in FLAGS:
        case = awkward_case(g="leaky_rel", activation=h, lateral_inhibition=lateral_inhibition, state=state,
                            recurrent=True, go_backwards=go_backwards, reset_gradient=reset_gradient,
                            binary=binary)
        check_float64(case)
        if binary:
            assert_same_run(with_spikes(case), case)


@DIRECTIONS
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("B, T, N, M", [
    (1, 3, 1, 2), (2, 3, 2, 3), (5, 2, 3, 7), (4, 3, 7, 8), (3, 2, 8, 9), (2, 4, 9, 15), (1, 5, 16, 16),
    (7, 2, 17, 17), (2, 3, 31, 33), (3, 2, 65, 64), (15, 3, 100, 10), (3, 4, 257, 100)])
def test_sizes_around_the_vector_widths(B, T, N, M, lateral_inhibition, go_backwards):
    for binary, recurrent in itertools.product(FLAGS, FLAGS):
        case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=recurrent,
                                state=True, binary=binary, masked=True, go_backwards=go_backwards,
                                B=B, T=T, N=N, M=M, margin=3e-5)
        check_float32(case, check_float64(case))
        if binary:
            assert_same_run(with_spikes(case), case)


@DIRECTIONS
@STATES
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("sizes", [dict(T=1), dict(B=1), dict(M=1), dict(N=1), dict(B=1, T=1, N=1, M=1),
                                   dict(B=0), dict(T=0), dict(B=0, T=0)],
                         ids=lambda sizes: " ".join(f"{name}={n}" for name, n in sizes.items()))
def test_sizes_at_the_edge(sizes, lateral_inhibition, state, go_backwards):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True, state=state,
                            decay_per_unit=True, masked=True, go_backwards=go_backwards, **sizes)
    check_float64(case)
    for row in FLAGS:
        check_float64(case.replace(mask=np.full_like(case.mask, row)))


@DIRECTIONS
@pytest.mark.parametrize("masked", FLAGS, ids=["all", "masked"])
def test_an_initial_output_that_is_no_spike(masked, go_backwards):
    """Where few units have one; a product with R that visits spikes alone would take it for 1."""
    case = twin.random_case(B=6, T=8, M=40, recurrent=True, state=True, go_backwards=go_backwards)
    few = np.random.default_rng(0).random(case.y_0.shape) < 0.1
    check_float64(case.replace(y_0=np.where(few, 0.5, 0.0), mask=AWKWARD if masked else None))


# ---- gradients -------------------------------------------------------------


@DIRECTIONS
@STATES
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("h", ["sigmoid", "tanh"])
def test_finite_differences(h, lateral_inhibition, state, go_backwards):
    case = awkward_case(g="tanh", activation=h, lateral_inhibition=lateral_inhibition, recurrent=True,
                        state=state, decay_per_unit=True, go_backwards=go_backwards, N=2, M=2,
                        margin=NUMERIC_MARGIN)
    gradients = twin.parameters(case.backward(ai.ops, *case.forward(ai.ops)))
    assert len(gradients) == 5 + 2 * state
    for name, gradient in gradients.items():
        numeric = twin.numeric_gradient(lambda a, name=name: case.replace(**{name: a}).loss(ai.ops),
                                        getattr(case, name), NUMERIC_STEP)
        assert_close(gradient, numeric, NUMERIC, name)


@pytest.mark.parametrize("reset_gradient", FLAGS, ids=["detached", "attached"])
@pytest.mark.parametrize("masked", FLAGS, ids=["all steps", "masked"])
@pytest.mark.parametrize("recurrent", FLAGS, ids=["feedforward", "recurrent"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("g", POTENTIALS)
def test_adjoint_of_the_step(g, lateral_inhibition, recurrent, masked, reset_gradient):
    for T, go_backwards in ((1, False), (20, True), (100, False)):
        case = twin.random_case(g=g, lateral_inhibition=lateral_inhibition, recurrent=recurrent, state=True,
                                decay_per_unit=True, masked=masked, go_backwards=go_backwards,
                                reset_gradient=reset_gradient, B=4, T=T, margin=0)
        y, V = case.forward(ai.ops)
        forward, backward, size = twin.dot_products(case, case.backward(ai.ops, y, V), y, V)
        assert abs(forward - backward) <= ADJOINT * size


@pytest.mark.parametrize("lateral_inhibition, attached", [(False, [-0.5, 0]), ("sample", [-0.25, -0.25])])
def test_no_gradient_passes_through_a_detached_gate(lateral_inhibition, attached):
    """g identity, decay 1/2, V_1 = 1, b_1 = 1/2: both units spike; L = y_2 of the first, with slope 1."""
    identity = ai.activations.StepFunction(pseudoderivative_of="identity")
    arguments = np.ones((1, 2, 1)), np.ones((1, 2)), np.full(2, 0.5)
    options = dict(decay=0.5, activation=identity, lateral_inhibition=lateral_inhibition)
    y, V = ai.ops.snu_forward(*arguments, **options)
    assert y.tolist() == [[[1, 1], [1, 1]]] and V.tolist() == [[[1, 1], [1, 1]]]
    dy = np.array([[[0.0, 0.0], [1.0, 0.0]]])
    # D_2 = (1, 0); through the gate -d V_1 D_2 comes to the first spike, or half of it to each
    for reset_gradient, D_1 in ((True, attached), (False, [0, 0])):
        gradients = ai.ops.snu_backward(dy, *arguments, y=y, V=V, reset_gradient=reset_gradient, **options)
        assert_close(gradients.kernel, [[D_1[0] + 1, D_1[1]]], TWIN)
        assert_close(gradients.bias, [-D_1[0] - 1, -D_1[1]], TWIN)


# ---- what a mask means -----------------------------------------------------


def test_a_masked_step_repeats_the_output_and_keeps_the_state():
    """Before the first step the output is zero while the state is (y_0, V_0)."""
    x = np.array([[[9.0], [3.0], [9.0], [0.5], [9.0]]])
    mask = np.array([[0, 1, 0, 1, 0]], bool)
    y, V = ai.ops.snu_forward(x, np.ones((1, 1)), np.array([1.0]), decay=0.5, mask=mask,
                              initial_state=(np.ones((1, 1)), np.full((1, 1), 8.0)))
    assert y.ravel().tolist() == [0, 1, 1, 0, 0]
    assert V.ravel().tolist() == [8, 3, 3, 0.5, 0.5]  # the gate that y_0 = 1 closed lets nothing of 8 pass


def test_the_kept_output_of_a_masked_row_takes_part_in_the_maximum_of_the_batch():
    """One unit, two rows; the spike that row 1 keeps closes the gate of row 0 at every later step."""
    x = np.array([[[0.5], [0.5], [0.5]], [[2.0], [2.0], [2.0]]])
    arguments = x, np.ones((1, 1)), np.array([1.0])
    options = dict(decay=0.5, mask=np.array([[1, 1, 1], [1, 0, 0]], bool), lateral_inhibition="batch")
    y, V = ai.ops.snu_forward(*arguments, **options)
    assert V[0].ravel().tolist() == [0.5, 0.5, 0.5]
    assert y[1].ravel().tolist() == [1, 1, 1]

    # L = y of row 0 at the last step: through r_2 and then, by the kept state, to the spike at step 1
    dy = np.zeros((2, 3, 1))
    dy[0, 2] = 1
    gradients = ai.ops.snu_backward(dy, *arguments, y=y, V=V, **options)
    D = 1 - np.tanh(-0.5) ** 2
    assert_close(gradients.x[:, :, 0], [[0, 0, D], [-0.25 * D * (1 - np.tanh(1.0) ** 2), 0, 0]], TWIN)


@DIRECTIONS
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_the_initial_output_of_a_row_without_a_step_closes_the_gates_of_the_batch(lateral_inhibition,
                                                                                  go_backwards):
    """The state counts, not the zeros that are the output; and the gradient comes to y_0 at once."""
    case = awkward_case(lateral_inhibition=lateral_inhibition, state=True, go_backwards=go_backwards)
    y_0 = np.zeros_like(case.y_0)
    y_0[2, 1] = 1
    case = case.replace(y_0=y_0)
    actual = check_float64(case)
    assert not actual["y"][2].any()
    assert_same_bits(actual["V"][2], np.repeat(case.V_0[2:3], 8, axis=0))
    assert_same_bits(actual["V_0"][2], case.dV_state[2])
    if lateral_inhibition == "batch":  # the one winner at every step, so the whole gradient of r is its own
        assert actual["y_0"][2, 1] != case.dy_state[2, 1]
    assert_same_bits(np.delete(actual["y_0"][2], 1), np.delete(case.dy_state[2], 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("binary", FLAGS, ids=["real", "binary"])
@DIRECTIONS
@STATES
@pytest.mark.parametrize("lateral_inhibition", [False, "sample"])
def test_a_masked_step_is_as_if_it_were_not_there(lateral_inhibition, state, go_backwards, binary, dtype):
    """Bit for bit: padded sequences in a batch are the sequences alone.

    Where steps between others are left out, the gradient by the state that is kept over them is
    added up before it meets e_t: rounding only.
    """
    case = awkward_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True, state=state,
                        go_backwards=go_backwards, binary=binary).cast(dtype)
    order = slice(None, None, -1 if go_backwards else 1)
    case = case.replace(dy=case.dy * AWKWARD[:, order, None].astype(dtype))  # no e_t joins another
    y, V = case.forward(ai.ops)
    gradients = case.backward(ai.ops, y, V)
    assert not gradients.x[~AWKWARD].any()
    for row, steps in enumerate(AWKWARD):
        alone = case.replace(mask=None, x=case.x[row:row + 1, steps], dy=case.dy[row:row + 1, steps[order]], **{
            name: getattr(case, name)[row:row + 1]
            for name in ("y_0", "V_0", "dy_state", "dV_state") if getattr(case, name) is not None})
        y_alone, V_alone = alone.forward(ai.ops)
        assert_same_bits(y[row, steps[order]], y_alone[0])
        assert_same_bits(V[row, steps[order]], V_alone[0])
        dx = alone.backward(ai.ops, y_alone, V_alone).x
        if np.count_nonzero(np.diff(steps)) <= 2 and not (steps[0] and steps[-1] and not steps.all()):
            assert_same_bits(gradients.x[row, steps], dx[0])
        else:
            assert_close(gradients.x[row, steps], dx[0], FLOAT32_GRADIENT if dtype == np.float32 else TWIN)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, -0.0, 1e30, np.inf, np.nan])
@DIRECTIONS
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_what_a_masked_step_holds_does_not_matter(lateral_inhibition, go_backwards, value, dtype):
    case = awkward_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True,
                        go_backwards=go_backwards).cast(dtype)
    assert_same_run(case.replace(x=np.where(AWKWARD[:, :, None], case.x, dtype(value))), case)


@pytest.mark.parametrize("binary", FLAGS, ids=["real", "binary"])
@DIRECTIONS
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_a_mask_that_is_true_everywhere_is_none(lateral_inhibition, go_backwards, binary):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True, state=True,
                            go_backwards=go_backwards, binary=binary)
    everything = np.ones(case.x.shape[:2], bool)
    for dtype in (np.float32, np.float64):
        case = case.cast(dtype)
        assert_same_run(case.replace(mask=everything), case)


@DIRECTIONS
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_without_any_step_nothing_happens(lateral_inhibition, go_backwards):
    case = twin.random_case(lateral_inhibition=lateral_inhibition, recurrent=True, state=True,
                            go_backwards=go_backwards)
    actual = run(case.replace(mask=np.zeros(case.x.shape[:2], bool)))
    assert_same_bits(actual.pop("V"), np.repeat(case.V_0[:, None], 8, axis=1))
    assert_same_bits(actual.pop("y_0"), case.dy_state)
    assert_same_bits(actual.pop("V_0"), case.dV_state)
    for name, value in actual.items():
        assert not np.any(value), name


@pytest.mark.parametrize("masked", FLAGS, ids=["all steps", "masked"])
@pytest.mark.parametrize("binary", FLAGS, ids=["real", "binary"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_backwards_is_the_reversed_input(lateral_inhibition, dtype, binary, masked):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True, state=True,
                            binary=binary, masked=masked, go_backwards=True).cast(dtype)
    actual = run(case)
    desired = run(case.replace(x=case.x[:, ::-1], mask=case.mask[:, ::-1] if masked else None,
                               go_backwards=False))
    desired["x"] = desired["x"][:, ::-1]
    for name, value in actual.items():
        if name == "kernel":            # summed in the order of the input, which here is another
            assert_close(value, desired[name], FLOAT32_GRADIENT if dtype == np.float32 else TWIN)
        else:
            assert_same_bits(value, desired[name], name)
        assert np.ndim(value) == 0 or value.flags.c_contiguous, name
    if binary:
        assert_same_run(with_spikes(case), case)


@pytest.mark.parametrize("binary", FLAGS, ids=["real", "binary"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_threads_do_not_change_a_bit(lateral_inhibition, binary):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True, state=True,
                            binary=binary, masked=True, go_backwards=True, B=33, T=5, N=40, M=21,
                            margin=0).cast(np.float32)
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


def test_nan_stays_in_its_sample():
    case = awkward_case(recurrent=True).cast(np.float32)
    clean_y, clean_V = case.forward(ai.ops)
    case.x[3, 4] = np.nan
    y, V = case.forward(ai.ops)
    assert np.isnan(V[3, 4:]).all() and not np.isnan(V[3, :4]).any()
    assert not y[3, 4:].any()  # what is repeated is no spike either
    others = [0, 1, 2, 4, 5]
    assert_same_bits(y[others], clean_y[others])
    assert_same_bits(V[others], clean_V[others])


# ---- odd and bad inputs ----------------------------------------------------


def test_layouts_of_the_mask():
    case = awkward_case(recurrent=True, state=True)
    spread = np.zeros((6, 17), bool)
    spread[:, 1::2] = AWKWARD
    frozen = AWKWARD.copy()
    frozen.flags.writeable = False
    for mask in (spread[:, 1::2], AWKWARD[::-1].copy()[::-1], np.asfortranarray(AWKWARD), frozen):
        before = mask.copy()
        assert_same_run(case.replace(mask=mask), case)
        np.testing.assert_array_equal(mask, before)


ones = np.ones
BAD = {
    "mask of another batch": ("mask", dict(mask=ones((3, 3), bool))),
    "mask of another time": ("mask", dict(mask=ones((2, 4), bool))),
    "mask of one axis": ("mask", dict(mask=ones(3, bool))),
    "mask of three axes": ("mask", dict(mask=ones((2, 3, 1), bool))),
    "mask in words": ("mask", dict(mask=np.full((2, 3), "yes"))),
    "mask of numbers": ("mask", dict(mask=np.full((2, 3), 0.5))),
    "complex mask": ("mask", dict(mask=ones((2, 3), complex))),
    "mask of objects": ("mask", dict(mask=np.full((2, 3), None))),
    "one mask": ("mask", dict(mask=True)),
}


@pytest.mark.parametrize("argument, bad", BAD.values(), ids=BAD.keys())
def test_bad_input(argument, bad):
    rng = np.random.default_rng(0)
    good = dict(x=rng.standard_normal((2, 3, 5)), kernel=rng.standard_normal((5, 4)), bias=ones(4))
    with pytest.raises((TypeError, ValueError), match=rf"snu_forward.*\b{argument}\b"):
        ai.ops.snu_forward(**good, **bad)
    with pytest.raises((TypeError, ValueError), match=rf"snu_backward.*\b{argument}\b"):
        ai.ops.snu_backward(ones((2, 3, 4)), **good, **bad, y=ones((2, 3, 4)), V=ones((2, 3, 4)))
