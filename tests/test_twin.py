"""The twin itself: against the recorded numbers, finite differences, and its own forward mode.

It needs nothing of the package, so a failure elsewhere with success here points at a kernel.
"""

import itertools
import json
import os
import pathlib
from types import SimpleNamespace

import numpy as np
import pytest
import twin
from tolerances import (ADJOINT, FLOAT32_GRADIENT, FLOAT32_VALUE, GOLDEN_GRADIENT, GOLDEN_VALUE, NUMERIC,
                        NUMERIC_MARGIN, NUMERIC_STEP, TRAINED, TRAINED_20, TWIN, assert_close,
                        assert_same_bits)

GATES = [False, "batch", "sample"]
POTENTIALS = ["identity", "leaky_rel", "relu", "tanh", "sigmoid"]
FLAGS = [False, True]
LOSSES = ["mse", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]


def activation(name, **parameters):
    return SimpleNamespace(name=name, **parameters)


def numeric(f, a):
    return twin.numeric_gradient(f, a, NUMERIC_STEP)


# ---- recorded numbers: layers ----------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("file", ["layers", "pseudo"])
def test_recorded_layers(file, dtype):
    value, gradient = {np.float64: (GOLDEN_VALUE, GOLDEN_GRADIENT),
                       np.float32: (FLOAT32_VALUE, FLOAT32_GRADIENT)}[dtype]
    for name in twin.golden(file)["cases"]:
        recorded = twin.golden(file)[str(name)]
        case = twin.golden_case(recorded, dtype, activation)
        y, V = case.forward(twin)
        gradients = case.backward(twin, y, V)

        desired = recorded["f64" if dtype == np.float64 else "f32"]
        assert_close(y, desired["y"], value, f"{name}: y")
        assert_close(V, recorded["f64"]["V"], value, f"{name}: V")
        for parameter in ("x", "kernel", "bias", "recurrent_kernel"):
            if f"d_{parameter}" in desired:
                assert_close(getattr(gradients, parameter), desired[f"d_{parameter}"], gradient,
                             f"{name}: {parameter}")


@pytest.mark.parametrize("name", [
    "plain", "last_output", "go_backwards", "go_backwards-last_output", "initial_state",
    "initial_state-inhibited", "mask", "mask-sigmoid", "mask-inhibited", "mask-inhibited-sigmoid",
    "mask-last_output", "mask-go_backwards"])
def test_recorded_keras(name):
    recorded = twin.golden("keras")[name]
    case = twin.golden_case(recorded, np.float64, activation).replace(go_backwards="go_backwards" in name)
    if case.mask is not None:
        x, mask = twin.net.Masking().forward(case.x, None)
        assert_same_bits(mask, case.mask)
        assert_same_bits(x, case.x)

    y, V = case.forward(twin)
    assert_close(y[:, -1] if "last_output" in name else y, recorded["y"], GOLDEN_VALUE, "y")
    for state, desired in zip(case.final_state(y, V), ("final_y", "final_V"), strict=True):
        assert_close(state, recorded[desired], GOLDEN_VALUE, desired)

    gradients = case.backward(twin, y, V)
    found = twin.parameters(gradients)
    found["initial_y"], found["initial_V"] = found.pop("y_0", None), found.pop("V_0", None)
    for desired in (key for key in recorded if key.startswith("d_")):
        assert_close(found[desired[2:]], recorded[desired], GOLDEN_GRADIENT, desired)


@pytest.mark.parametrize("name", ["stateful", "stateful-inhibited"])
def test_recorded_keras_stateful(name):
    recorded = twin.golden("keras")[name]
    case = twin.golden_case(recorded, np.float64, activation)
    layer = twin.net.SNU(*case.weights, decay=case.decay, activation=case.activation, g=case.g,
                         lateral_inhibition=case.lateral_inhibition, return_sequences=True, stateful=True)
    for x, end in (("x", ""), ("x_2", "_2")):
        y, _ = layer.forward(recorded[x].astype(np.float64), None)
        assert_close(y, recorded[f"y{end}"], GOLDEN_VALUE, f"y{end}")
        assert_close(layer.state[0], recorded[f"final_y{end}"], GOLDEN_VALUE, f"final_y{end}")
        assert_close(layer.state[1], recorded[f"final_V{end}"], GOLDEN_VALUE, f"final_V{end}")
    layer.state = None
    y, _ = layer.forward(recorded["x_2"].astype(np.float64), None)
    assert_close(y, recorded["y_2_after_reset_states"], GOLDEN_VALUE, "y_2_after_reset_states")


def test_recorded_keras_average():
    recorded = twin.golden("keras")["mask-global_average_pooling"]
    case = twin.golden_case(recorded, np.float64, activation)
    y, _ = case.forward(twin)
    assert_close(twin.average_forward(y, case.mask), recorded["averaged"], GOLDEN_VALUE)


# ---- recorded numbers: training --------------------------------------------

OPTIMIZERS = {
    "sgd": ("sgd", 0.5, {}),
    "sgd_momentum": ("sgd", 0.1, dict(momentum=0.9)),
    "sgd_nesterov": ("sgd", 0.1, dict(momentum=0.9, nesterov=True)),
    "rmsprop": ("rmsprop", 0.1, {}),
    "adam": ("adam", 0.01, {}),
}
WEIGHTS = ["kernel_1", "bias_1", "kernel_2", "bias_2"]


def page_net(initial, lateral_inhibition, optimizer):
    """SNU, SNU, mean over time: the nets of training.npz and keras.npz."""
    W_1, b_1, W_2, b_2 = (initial[name].astype(np.float64) for name in WEIGHTS)
    options = dict(decay=0.9, g=twin.named_activation("leaky_rel", np.float64, activation),
                   return_sequences=True)
    layers = [twin.net.SNU(W_1, b_1, lateral_inhibition=lateral_inhibition, **options),
              twin.net.SNU(W_2, b_2, **options), twin.net.Average()]
    return twin.net.Net(layers, optimizer=twin.Optimizer(*OPTIMIZERS[optimizer]))


def accuracy(output, target):
    return np.mean(output.argmax(axis=1) == target.argmax(axis=1))


@pytest.mark.parametrize("name", [*OPTIMIZERS, "sgd-inhibited", "rmsprop-inhibited", "adam-inhibited"])
def test_recorded_training(name):
    file = twin.golden("training")
    recorded = file[name]["f64"]
    optimizer, *inhibited = name.split("-")
    net = page_net(file["initial"], bool(inhibited), optimizer)
    for step in range(1, 21):
        target = file["y"][(step - 1) % 4]
        loss, output = net.train_on_batch(file["x"][(step - 1) % 4], target)
        assert_close(loss, recorded["loss"][step - 1], GOLDEN_VALUE, f"loss of step {step}")
        assert accuracy(output, target) == recorded["acc"][step - 1]
        if step in (1, 2, 5, 20):
            for weight, value in zip(WEIGHTS, net.weights, strict=True):
                assert_close(value, recorded[f"after_{step}"][weight], TRAINED_20 if step == 20 else TRAINED,
                             f"{weight} after {step}")


@pytest.mark.parametrize("name", ["net", "net-inhibited"])
def test_recorded_keras_training(name):
    """An epoch's numbers are means over samples, the last batch smaller."""
    recorded = twin.golden("keras")[name]
    x, target = recorded["x"], recorded["y"]
    net = page_net(recorded["initial"], name == "net-inhibited", "sgd")
    batches = [slice(i, i + 15) for i in range(0, len(x), 15)]
    predicted = np.concatenate([net.forward(x[batch])[0] for batch in batches])
    assert_close(predicted, recorded["predict_batch_15"], GOLDEN_VALUE)

    for epoch in range(3):
        loss = acc = 0.0
        for batch in batches:
            batch_loss, output = net.train_on_batch(x[batch], target[batch])
            loss += batch_loss * len(output)
            acc += accuracy(output, target[batch]) * len(output)
        assert_close(loss / len(x), recorded["history"]["loss"][epoch], GOLDEN_VALUE)
        assert_close(acc / len(x), recorded["history"]["acc"][epoch], GOLDEN_VALUE)
    for weight, value in zip(WEIGHTS, net.weights, strict=True):
        assert_close(value, recorded["after_3_epochs"][weight], TRAINED, weight)


def chorales(part):
    """Each (T, 88) of 0 and 1, note 21 first."""
    folder = pathlib.Path(os.environ.get("NEUROAI_C_DATA") or ".")
    paths = [folder / "jsb-chorales-quarter.json", folder / "jsb" / "jsb-chorales-quarter.json"]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        pytest.skip("jsb-chorales-quarter.json is not in NEUROAI_C_DATA")
    for notes in json.loads(path.read_text())[part]:
        chorale = np.zeros((len(notes), 88))
        for step, chord in zip(chorale, notes, strict=True):
            step[np.array(chord, int) - 21] = 1
        yield chorale


def test_recorded_music():
    recorded = twin.golden("jsb")
    names = ["kernel", "bias", "dense_kernel", "dense_bias"]
    kernel, bias, dense_kernel, dense_bias = (recorded["initial"][name].astype(np.float64) for name in names)
    g = twin.named_activation(str(recorded["g"]), np.float64, activation)
    net = twin.net.Net([twin.net.SNU(kernel, bias, decay=float(recorded["decay"]), g=g, return_sequences=True),
                        twin.net.Dense(dense_kernel, dense_bias)],
                       twin.losses.binary_crossentropy, twin.Optimizer("adam", 0.01), dict(from_logits=True))
    for chorale, desired in zip(chorales(str(recorded["part"])), recorded["f64"]["loss"]):
        loss, _ = net.train_on_batch(chorale[None, :-1], chorale[None, 1:])
        assert_close(loss, desired, GOLDEN_VALUE, "loss")
    assert net.optimizer.steps == 10
    for name, value in zip(names, net.weights, strict=True):
        assert_close(value, recorded["f64"]["after_10"][name], TRAINED_20, name)


# ---- gradients of the unit -------------------------------------------------


def check_numeric(case):
    gradients = twin.parameters(case.backward(twin, *case.forward(twin)))
    for name, gradient in gradients.items():
        desired = numeric(lambda a, name=name: case.replace(**{name: a}).loss(twin), getattr(case, name))
        assert_close(gradient, desired, NUMERIC, name)
    return gradients


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("g", POTENTIALS)
@pytest.mark.parametrize("h", ["sigmoid", "relu"])
def test_finite_differences(g, h, lateral_inhibition):
    case = twin.random_case(g=g, activation=h, lateral_inhibition=lateral_inhibition, recurrent=True,
                            state=True, decay_per_unit=True, B=2, T=5, N=3, M=3, margin=NUMERIC_MARGIN)
    assert len(check_numeric(case)) == 7


CROSSED = list(itertools.product(GATES, FLAGS, FLAGS, FLAGS, FLAGS))


@pytest.mark.parametrize("lateral_inhibition, recurrent, state, decay_per_unit, go_backwards", CROSSED)
def test_finite_differences_with_masks(lateral_inhibition, recurrent, state, decay_per_unit, go_backwards):
    seed = CROSSED.index((lateral_inhibition, recurrent, state, decay_per_unit, go_backwards))
    rng = np.random.default_rng(seed)
    case = twin.random_case(seed, g=rng.choice(POTENTIALS), activation=rng.choice(["sigmoid", "tanh", "relu"]),
                            lateral_inhibition=lateral_inhibition, recurrent=recurrent, state=state,
                            decay_per_unit=decay_per_unit, go_backwards=go_backwards, masked=True,
                            B=3, T=5, N=2, M=2, margin=NUMERIC_MARGIN)
    check_numeric(case)


# rows: no step first, none at the end, none at all, scattered
AWKWARD = np.array([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1]], bool)


@pytest.mark.parametrize("go_backwards", FLAGS, ids=["forwards", "backwards"])
@pytest.mark.parametrize("state", FLAGS, ids=["zero", "state"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("h", ["sigmoid", "tanh"])
def test_finite_differences_with_awkward_masks(h, lateral_inhibition, state, go_backwards):
    case = twin.random_case(g="tanh", activation=h, lateral_inhibition=lateral_inhibition, recurrent=True,
                            state=state, decay_per_unit=True, go_backwards=go_backwards, B=4, T=5, N=2, M=2,
                            margin=NUMERIC_MARGIN)
    check_numeric(case.replace(mask=AWKWARD))


@pytest.mark.parametrize("lateral_inhibition", GATES)
@pytest.mark.parametrize("g", POTENTIALS)
def test_backward_is_the_transpose_of_the_tangent(g, lateral_inhibition):
    for masked, state, go_backwards, reset_gradient in itertools.product(FLAGS, repeat=4):
        case = twin.random_case(g=g, lateral_inhibition=lateral_inhibition, recurrent=True, state=state,
                                decay_per_unit=True, masked=masked, go_backwards=go_backwards,
                                reset_gradient=reset_gradient, B=4, T=20, margin=0)
        y, V = case.forward(twin)
        forward, backward, size = twin.dot_products(case, case.backward(twin, y, V), y, V)
        assert abs(forward - backward) <= ADJOINT * size


@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_shared_decay_is_the_sum_over_units(lateral_inhibition):
    case = twin.random_case(lateral_inhibition=lateral_inhibition, decay_per_unit=False, masked=True)
    per_unit = case.replace(decay=np.full(4, case.decay))
    y, V = case.forward(twin)
    assert_close(case.backward(twin, y, V).decay, per_unit.backward(twin, y, V).decay.sum(), GOLDEN_VALUE)


def test_no_gradient_passes_through_a_detached_gate():
    """g identity, decay 1/2, one unit of weight 1 over two steps; L = y_2, and V_1 (1 - y_1) d in a_2."""
    arguments = np.array([[[2.0], [1.0]]]), np.ones((1, 1)), np.array([1.0])
    y, V = twin.snu_forward(*arguments, decay=0.5)
    assert y.ravel().tolist() == [1, 0] and V.ravel().tolist() == [2, 1]
    dy = np.array([[[0.0], [1.0]]])
    attached = twin.snu_backward(dy, *arguments, y=y, V=V, decay=0.5)
    detached = twin.snu_backward(dy, *arguments, y=y, V=V, decay=0.5, reset_gradient=False)
    # the closed gate stops V_1; what is left is y_1, with the slope at V_1 - b = 1, times -d V_1
    assert_close(attached.x, [[[-(1 - np.tanh(1.0) ** 2)], [1]]], TWIN)
    assert detached.x.tolist() == [[[0], [1]]]


# ---- masks -----------------------------------------------------------------


def without_masked_steps(case, row):
    """The steps of one row that count, alone."""
    rows, steps = slice(row, row + 1), case.mask[row]
    state = {name: getattr(case, name)[rows] for name in ("y_0", "V_0") if getattr(case, name) is not None}
    return case.replace(x=case.x[rows][:, steps], mask=None, **state)


@pytest.mark.parametrize("go_backwards", FLAGS, ids=["forwards", "backwards"])
@pytest.mark.parametrize("state", FLAGS, ids=["zero", "state"])
@pytest.mark.parametrize("lateral_inhibition", [False, "sample"])
def test_a_masked_step_is_as_if_it_were_not_there(lateral_inhibition, state, go_backwards):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, recurrent=True, state=state,
                            go_backwards=go_backwards, B=4, T=5).replace(mask=AWKWARD)
    y, V = case.forward(twin)
    mask = case.mask[:, ::-1] if go_backwards else case.mask
    for row in range(4):
        alone = without_masked_steps(case, row)
        y_alone, V_alone = alone.forward(twin)
        assert_close(y[row, mask[row]], y_alone[0], TWIN)
        assert_close(V[row, mask[row]], V_alone[0], TWIN)
        for state, desired in zip(case.final_state(y, V), alone.final_state(y_alone, V_alone), strict=True):
            assert_close(state[row], desired[0], TWIN)


def test_a_masked_step_repeats_the_output_and_keeps_the_state():
    """Before the first step the output is zero while the state is (y_0, V_0)."""
    x = np.array([[[9.0], [3.0], [9.0], [0.5], [9.0]]])
    mask = np.array([[0, 1, 0, 1, 0]], bool)
    y, V = twin.snu_forward(x, np.ones((1, 1)), np.array([1.0]), decay=0.5, mask=mask,
                            initial_state=(np.ones((1, 1)), np.full((1, 1), 8.0)))
    assert y.ravel().tolist() == [0, 1, 1, 0, 0]
    assert V.ravel().tolist() == [8, 3, 3, 0.5, 0.5]  # the gate that y_0 = 1 closed lets nothing of 8 pass


@pytest.mark.parametrize("value", [0.0, 1e30, np.nan, np.inf])
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_what_a_masked_step_holds_does_not_matter(lateral_inhibition, value):
    case = twin.random_case(g="leaky_rel", lateral_inhibition=lateral_inhibition, masked=True)
    assert not case.mask.all()
    other = case.replace(x=np.where(case.mask[:, :, None], case.x, value))
    y, V = case.forward(twin)
    assert_same_bits(other.forward(twin), (y, V))
    for name, gradient in twin.parameters(case.backward(twin, y, V)).items():
        assert_same_bits(getattr(other.backward(twin, y, V), name), gradient, name)


def test_the_kept_output_of_a_masked_row_takes_part_in_the_maximum_of_the_batch():
    """One unit, two rows; the spike that row 1 keeps closes the gate of row 0 at every later step."""
    x = np.array([[[0.5], [0.5], [0.5]], [[2.0], [2.0], [2.0]]])
    mask = np.array([[1, 1, 1], [1, 0, 0]], bool)
    arguments = x, np.ones((1, 1)), np.array([1.0])
    options = dict(decay=0.5, mask=mask, lateral_inhibition="batch")
    y, V = twin.snu_forward(*arguments, **options)
    assert V[0].ravel().tolist() == [0.5, 0.5, 0.5]
    assert y[1].ravel().tolist() == [1, 1, 1]

    # L = y of row 0 at the last step: through r_2 and then, by the kept state, to the spike at step 1
    dy = np.zeros((2, 3, 1))
    dy[0, 2] = 1
    gradients = twin.snu_backward(dy, *arguments, y=y, V=V, **options)
    D = 1 - np.tanh(-0.5) ** 2
    r_2 = 0.5 * 0.5 * D
    assert_close(gradients.x[:, :, 0], [[0, 0, D], [-r_2 * (1 - np.tanh(1.0) ** 2), 0, 0]], TWIN)


@pytest.mark.parametrize("masked", FLAGS, ids=["all steps", "masked"])
@pytest.mark.parametrize("lateral_inhibition", GATES)
def test_backwards_is_the_reversed_input(lateral_inhibition, masked):
    case = twin.random_case(lateral_inhibition=lateral_inhibition, masked=masked, go_backwards=True)
    turned = case.replace(x=case.x[:, ::-1], mask=case.mask[:, ::-1] if masked else None, go_backwards=False)
    y, V = case.forward(twin)
    assert_same_bits(turned.forward(twin), (y, V))
    desired = twin.parameters(turned.backward(twin, y, V))
    desired["x"] = desired["x"][:, ::-1]
    for name, gradient in twin.parameters(case.backward(twin, y, V)).items():
        assert_same_bits(gradient, desired[name], name)


# ---- around the unit -------------------------------------------------------


@pytest.mark.parametrize("f", ["identity", "tanh", "sigmoid", "relu", "leaky_rel"])
@pytest.mark.parametrize("use_bias", FLAGS)
@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3)], ids=str)
def test_dense(shape, use_bias, f):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal(shape), rng.standard_normal((*shape[:-1], 5))
    kernel = rng.standard_normal((3, 5))
    bias = rng.standard_normal(5) if use_bias else None

    def loss(x=x, kernel=kernel, bias=bias):
        return np.sum(dy * twin.dense_forward(x, kernel, bias, activation=f))

    gradients = twin.dense_backward(dy, x, kernel, bias, activation=f)
    assert_close(gradients.x, numeric(lambda a: loss(x=a), x), NUMERIC)
    assert_close(gradients.kernel, numeric(lambda a: loss(kernel=a), kernel), NUMERIC)
    if use_bias:
        assert_close(gradients.bias, numeric(lambda a: loss(bias=a), bias), NUMERIC)
    else:
        assert gradients.bias is None


def test_average_with_a_mask():
    x, mask = np.random.default_rng(0).standard_normal((3, 5, 2)), AWKWARD[[0, 1, 3]]
    y = twin.average_forward(x, mask)
    for row in range(3):
        assert_close(y[row], x[row, mask[row]].mean(axis=0), TWIN)
    dy = np.random.default_rng(1).standard_normal((3, 2))
    assert_close(twin.average_backward(dy, 5, mask),
                 numeric(lambda x: np.sum(dy * twin.average_forward(x, mask)), x), NUMERIC)
    everything = np.ones((3, 5), bool)
    assert_close(twin.average_forward(x, everything), twin.average_forward(x), TWIN)
    assert_close(twin.average_backward(dy, 5, everything), twin.average_backward(dy, 5), TWIN)


# ---- losses ----------------------------------------------------------------


def outputs_and_targets(loss, from_logits, shape, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(shape) if from_logits or loss == "mse" else rng.uniform(0.05, 0.95, shape)
    if loss == "sparse_categorical_crossentropy":
        return y, rng.integers(0, shape[-1], shape[:-1])
    if loss == "categorical_crossentropy":
        return y, rng.dirichlet(np.ones(shape[-1]), shape[:-1])
    return y, rng.integers(0, 2, shape).astype(np.uint8)


def loss_options(loss, from_logits):
    return {} if loss == "mse" else dict(from_logits=from_logits)


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3)], ids=str)
@pytest.mark.parametrize("from_logits", FLAGS, ids=["probabilities", "logits"])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_losses(loss, from_logits, shape):
    y, target = outputs_and_targets(loss, from_logits, shape)
    arguments = dict(target=target, mask=AWKWARD if len(shape) == 3 else None,
                     sample_weight=np.array([0.5, 2.0, 1.0, 0.0]), **loss_options(loss, from_logits))
    function = getattr(twin.losses, loss)
    _, dy = twin.losses.sample_losses(function, y, **arguments)
    assert_close(dy, numeric(lambda y: np.sum(twin.losses.sample_losses(function, y, **arguments)[0]) / 4, y),
                 NUMERIC)


def test_losses_by_hand():
    y, one_hot = np.array([[0.5, 0.25, 0.25]]), np.array([[0, 1, 0]])

    def row(loss, y, target, **options):
        return float(getattr(twin.losses, loss)(y, target, **options)[0][0])

    assert row("mse", y, one_hot) == (0.25 + 0.5625 + 0.0625) / 3
    assert_close(row("binary_crossentropy", y, one_hot), -np.log([0.5, 0.25, 0.75]).mean(), TWIN)
    assert_close(row("categorical_crossentropy", y, one_hot), np.log(4), TWIN)
    assert_close(row("categorical_crossentropy", 8 * y, one_hot), np.log(4), TWIN)
    assert_close(row("categorical_crossentropy", np.log(y), one_hot, from_logits=True), np.log(4), TWIN)
    assert_close(row("sparse_categorical_crossentropy", y, [1]), np.log(4), TWIN)
    assert_close(row("binary_crossentropy", np.log(y / (1 - y)), one_hot, from_logits=True),
                 row("binary_crossentropy", y, one_hot), TWIN)


def test_losses_of_certain_outputs():
    """Large logits stay finite; probabilities of 0 and 1 are clipped, and pass no gradient."""
    z, target = np.array([[800.0, -800.0]]), np.array([[0, 1]])
    loss, gradient = twin.losses.binary_crossentropy(z, target, from_logits=True)
    assert loss.tolist() == [800] and gradient.tolist() == [[0.5, -0.5]]
    loss, gradient = twin.losses.categorical_crossentropy(z, target, from_logits=True)
    assert loss.tolist() == [1600] and gradient.tolist() == [[1, -1]]
    for loss in (twin.losses.binary_crossentropy, twin.losses.categorical_crossentropy):
        value, gradient = loss(np.array([[1.0, 0.0]]), target)
        assert_close(value, [-np.log(1e-7)], NUMERIC)  # 1 - (1 - 1e-7) is rounded
        assert gradient.tolist() == [[0, 0]]


def test_the_mean_square_of_a_batch():
    y, target = outputs_and_targets("mse", False, (4, 3))
    losses, dy = twin.losses.sample_losses(twin.losses.mse, y, target)
    assert_close(losses.mean(), twin.mse_forward(y, target), TWIN)
    assert_close(dy, twin.mse_backward(y, target), TWIN)


@pytest.mark.parametrize("loss", LOSSES)
def test_masked_steps_count_in_no_loss(loss):
    y, target = outputs_and_targets(loss, False, (4, 5, 3))
    function, weight = getattr(twin.losses, loss), np.array([0.5, 2.0, 1.0, 3.0])
    losses, dy = twin.losses.sample_losses(function, y, target, AWKWARD, weight)
    for row, steps in enumerate(AWKWARD):
        alone = function(y[row, steps], target[row, steps])[0].mean() * weight[row] if steps.any() else 0
        assert_close(losses[row], alone, TWIN)
    assert not dy[~AWKWARD].any()


def test_l1():
    y = np.array([[[1.0, 0.0], [-2.0, 0.5]], [[9.0, 9.0], [1.0, 1.0]]])
    mask = np.array([[1, 1], [0, 1]], bool)
    losses, dy = twin.losses.l1_losses(y, 0.5, mask)
    assert losses.tolist() == [1.75, 1]
    assert dy.tolist() == [[[0.25, 0], [-0.25, 0.25]], [[0, 0], [0.25, 0.25]]]


# ---- optimizers ------------------------------------------------------------


def test_clipping_and_decay_of_weights():
    g = np.array([[3.0, -4.0]])
    assert_same_bits(twin.clip(g), g)
    assert_same_bits(twin.clip(g, clipnorm=5), g)
    assert_close(twin.clip(g, clipnorm=1), [[0.6, -0.8]], TWIN)
    assert twin.clip(g, clipvalue=3.5).tolist() == [[3, -3.5]]
    assert_close(twin.clip(g, clipnorm=1, clipvalue=0.7), [[0.6, -0.7]], TWIN)

    weights = [np.array([1.0, 2.0]), np.array(8.0)]
    optimizer = twin.Optimizer("sgd", lambda step: 0.5 / (step + 1), clipvalue=1.0, weight_decay=0.25)
    optimizer.step(weights, [np.array([4.0, 0.0]), np.array(-0.5)])
    assert weights[0].tolist() == [1 - 0.125 - 0.5, 2 - 0.25] and weights[1] == 8 - 1 + 0.25
    optimizer.step(weights, [np.zeros(2), np.zeros(())])
    assert weights[1] == 7.25 * (1 - 0.25 * 0.25)


# ---- a net -----------------------------------------------------------------


def small_net(optimizer, **options):
    """Masking, two SNU, Dense, mean over time; smooth, so that its gradients can be checked."""
    rng = np.random.default_rng(0)

    def array(*shape):
        return rng.standard_normal(shape) / 2

    layers = [
        twin.net.Masking(),
        twin.net.SNU(array(3, 4), array(4), array(4, 4), decay=rng.uniform(0.3, 0.9, 4), trainable_decay=True,
                     activation="sigmoid", g="tanh", lateral_inhibition="sample", go_backwards=True,
                     return_sequences=True, l1=0.01),
        twin.net.SNU(array(4, 3), array(3), decay=0.6, trainable_decay=True, activation="tanh", g="sigmoid",
                     return_sequences=True, l1=0.02, **options),
        twin.net.Dense(array(3, 2), array(2)),
        twin.net.Average(),
    ]
    net = twin.net.Net(layers, twin.losses.binary_crossentropy, optimizer, dict(from_logits=True))
    x = rng.standard_normal((3, 5, 3)) * AWKWARD[[0, 1, 3], :, None]
    return net, x, rng.integers(0, 2, (3, 2)), np.array([1.0, 0.5, 2.0])


def test_gradients_of_a_net():
    net, x, target, weight = small_net(None)
    assert [w.shape for w in net.weights] == [(3, 4), (4, 4), (4,), (4,), (4, 3), (3,), (), (3, 2), (2,)]
    loss, dy, _ = net.evaluate(x, target, sample_weight=weight)
    gradients = net.gradients(dy)
    assert len(gradients) == len(net.weights)
    for w, gradient in zip(net.weights, gradients, strict=True):
        before = w.copy()

        def moved(a, w=w):
            w[...] = a
            return net.evaluate(x, target, sample_weight=weight)[0]

        desired = numeric(moved, before)
        w[...] = before
        assert_close(gradient, desired, NUMERIC)
    assert net.evaluate(x, target, sample_weight=weight)[0] == loss


def test_padded_sequences_are_as_if_alone():
    net, x, _, _ = small_net(None)
    y, _ = net.forward(x)
    for row in range(3):
        alone, _ = net.forward(x[row:row + 1, np.any(x[row], axis=1)])
        assert_close(y[row], alone[0], TWIN)


def test_the_last_output_alone():
    """return_sequences=False: the loss of the last step is all that comes back, besides the regularizer's."""
    net, x, target, _ = small_net(None)
    net.layers[2].return_sequences = False
    net.layers.pop()
    loss, dy, output = net.evaluate(x, target)
    assert output.shape == (3, 2)
    gradients = net.gradients(dy)
    kernel = net.layers[1].kernel
    before = kernel.copy()

    def moved(a):
        kernel[...] = a
        return net.evaluate(x, target)[0]

    assert_close(gradients[0], numeric(moved, before), NUMERIC)


@pytest.mark.parametrize("method", ["sgd", "rmsprop", "adam"])
def test_a_net_learns_and_its_decay_stays_between_0_and_1(method):
    net, x, target, weight = small_net(twin.Optimizer(method, 0.1, clipnorm=1.0, weight_decay=1e-3))
    losses = [net.train_on_batch(x, target, sample_weight=weight)[0] for _ in range(30)]
    assert losses[-1] < losses[0]
    for layer in net.layers[1:3]:
        assert np.all((layer.decay >= 0) & (layer.decay <= 1))

    net.optimizer = twin.Optimizer("sgd", 1e6)
    net.train_on_batch(x, target)
    assert set(np.append(net.layers[1].decay, net.layers[2].decay)) <= {0, 1}
