"""Sequential: fit, evaluate and predict, recorded and equal to the bit however the work is done."""

import functools
import re
import subprocess
import sys

import neuroai_c as ai
import numpy as np
import pytest
import twin
from neuroai_c import data, models, ops, progress
from tolerances import GOLDEN_GRADIENT, GOLDEN_VALUE, TRAINED, assert_close, assert_same_bits

GATES = [False, "batch", "sample"]
DTYPES = ["float32", "float64"]
TAILS = ["average", "last", "sequences"]
THREADS = [1, 2, 3, 4, 7]
INPUTS, HIDDEN, OUTPUTS, STEPS, SAMPLES = 12, 6, 3, 6, 40


@pytest.fixture(autouse=True)
def threads_as_before():
    before = ai.get_num_threads()
    yield
    ai.set_num_threads(before)


def new_net(*, gate=False, recurrent=False, tail="average", dtype="float32", seed=0, optimizer="rmsprop",
            activation="step_function", hidden=HIDDEN):
    """A small net of the page's kind, compiled."""
    options = dict(activation=activation, decay=0.9, g="leaky_rel", recurrent=recurrent, bias_initializer=
                   ai.initializers.Constant(0.3))
    model = ai.Sequential(seed=seed, dtype=dtype)
    model.add(ai.layers.InputLayer(input_shape=[None, INPUTS]))
    model.add(ai.layers.SNU(hidden, **options, lateral_inhibition=gate, return_sequences=True))
    model.add(ai.layers.SNU(OUTPUTS, **options, return_sequences=tail != "last"))
    if tail == "average":
        model.add(ai.layers.GlobalAveragePooling1D())
    model.compile(optimizer=optimizer, loss="mse", metrics=["acc", ai.metrics.SpikeCount(model.layers[0])])
    return model


def binary(samples=SAMPLES, density=0.3, seed=0):
    return (np.random.default_rng(seed).random((samples, STEPS, INPUTS)) < density).astype(np.uint8)


def labels(samples=SAMPLES, tail="average", seed=1):
    shape = (samples, STEPS) if tail == "sequences" else (samples,)
    return ai.utils.to_categorical(np.random.default_rng(seed).integers(0, OUTPUTS, shape), OUTPUTS)


def trained(model, x, y, **options):
    """All that two equal runs have in common: (weights, history, what evaluate and predict say)."""
    options = {"batch_size": 15, "epochs": 2, **options}
    history = model.fit(x, y, verbose=0, **options)
    results = model.evaluate(x, y, batch_size=7, verbose=0)
    return model.get_weights(), history.history, results, model.predict(x, batch_size=7, verbose=0)


def assert_same_run(actual, desired, what=""):
    for weight, wanted in zip(actual[0], desired[0], strict=True):
        assert_same_bits(weight, wanted, what)
    assert actual[1] == desired[1], what
    assert actual[2] == desired[2], what
    assert_same_bits(actual[3], desired[3], what)


def assert_same_weights(model, other):
    for weight, wanted in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_same_bits(weight, wanted)


# ---- recorded numbers ------------------------------------------------------

NET_WEIGHTS = ["kernel_1", "bias_1", "kernel_2", "bias_2"]


def recorded_net(name):
    recorded = twin.golden("keras")[name]
    # float64 was recorded with TensorFlow's float32 alpha
    options = dict(decay=0.9, g=ai.activations.LeakyRel(float(np.float32(0.1))), return_sequences=True)
    model = ai.Sequential(dtype="float64")
    model.add(ai.layers.InputLayer(input_shape=[None, 12]))
    model.add(ai.layers.SNU(6, **options, lateral_inhibition=name == "net-inhibited"))
    model.add(ai.layers.SNU(3, **options))
    model.add(ai.layers.GlobalAveragePooling1D())
    model.compile(optimizer=ai.optimizers.SGD(learning_rate=0.5), loss="mse",
                  metrics=["acc", ai.metrics.SpikeCount(model.layers[0])])
    model.set_weights([recorded["initial"][weight] for weight in NET_WEIGHTS])
    return model, recorded


def batches(samples, size):
    return [slice(start, min(start + size, samples)) for start in range(0, samples, size)]


@pytest.mark.parametrize("key, size", [("evaluate", None), ("evaluate_batch_15", 15)])
@pytest.mark.parametrize("name", ["net", "net-inhibited"])
def test_recorded_evaluate(name, key, size):
    model, recorded = recorded_net(name)
    x, y = recorded["x"], recorded["y"]
    loss, acc, spikes = model.evaluate(x, y, batch_size=size, verbose=0)
    assert_close([loss, acc], recorded[key][:2], GOLDEN_VALUE)
    # recorded is the plain mean over batches
    parts = [model.test_on_batch(x[part], y[part])[2] for part in batches(len(x), size or 32)]
    assert_close(np.mean(parts), recorded[key][2], GOLDEN_VALUE)
    weights = [part.stop - part.start for part in batches(len(x), size or 32)]
    assert_close(spikes, np.average(parts, weights=weights), GOLDEN_VALUE)


@pytest.mark.parametrize("name", ["net", "net-inhibited"])
def test_recorded_predict(name):
    model, recorded = recorded_net(name)
    x = recorded["x"]
    assert_close(model.predict(x, verbose=0), recorded["predict"], GOLDEN_VALUE)
    assert_close(model.predict(x, batch_size=15, verbose=0), recorded["predict_batch_15"], GOLDEN_VALUE)
    assert_close(model.predict_on_batch(x), recorded["predict_on_batch"], GOLDEN_VALUE)


@pytest.mark.parametrize("name", ["net", "net-inhibited"])
def test_recorded_fit(name):
    model, recorded = recorded_net(name)
    history = model.fit(recorded["x"], recorded["y"], batch_size=15, epochs=3, shuffle=False, verbose=0)
    assert history.epoch == [0, 1, 2]
    assert list(history.history) == ["loss", "acc", "spikes"]
    for key in ("loss", "acc"):
        assert_close(history.history[key], recorded["history"][key], GOLDEN_VALUE, key)
    for weight, value in zip(NET_WEIGHTS, model.get_weights(), strict=True):
        assert_close(value, recorded["after_3_epochs"][weight], TRAINED, weight)


@pytest.mark.parametrize("name", ["net", "net-inhibited"])
def test_recorded_spikes_of_fit(name):
    """Recorded is the plain mean over batches."""
    model, recorded = recorded_net(name)
    x, y = recorded["x"], recorded["y"]
    for epoch in range(3):
        parts = [model.train_on_batch(x[part], y[part])[2] for part in batches(len(x), 15)]
        assert_close(np.mean(parts), recorded["history"]["spikes"][epoch], GOLDEN_VALUE)


def page_model():
    model = ai.Sequential()
    model.add(ai.layers.InputLayer(input_shape=[None, 784]))
    model.add(ai.layers.SNU(100, return_sequences=True))
    model.add(ai.layers.SNU(10, return_sequences=True))
    model.add(ai.layers.GlobalAveragePooling1D())
    return model


def test_recorded_page_model():
    recorded = twin.golden("keras")["page_model"]
    model = page_model()
    assert [str(w.shape) for w in model.get_weights()] == recorded["weight_shapes"].tolist()
    assert model.count_params() == recorded["count_params"]
    assert model.layers[-1].name in recorded["layer_names"]
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for part in ('"sequential"', "(None, None, 100)", "78,500", "(None, None, 10)", "1,010", "(None, 10)",
                 "Total params: 79,510"):
        assert part in text


def layer_case(name, **options):
    recorded = twin.golden("keras")[name]
    layer = ai.layers.SNU(int(recorded["units"]), decay=float(recorded["decay"]), recurrent=True,
                          g=ai.activations.LeakyRel(float(np.float32(0.1))),
                          lateral_inhibition=bool(recorded["lateral_inhibition"]), **options)
    model = ai.Sequential([ai.layers.InputLayer([None, recorded["x"].shape[2]]), layer], dtype="float64")
    model.set_weights([recorded[key] for key in ("kernel", "recurrent_kernel", "bias")])
    return model, recorded


@pytest.mark.parametrize("name, sequences", [("plain", True), ("last_output", False)])
def test_recorded_layer(name, sequences):
    model, recorded = layer_case(name, return_sequences=sequences)
    np.testing.assert_array_equal(model.layers[0](recorded["x"]), recorded["y"])
    np.testing.assert_array_equal(model.predict(recorded["x"], verbose=0), recorded["y"])


@pytest.mark.parametrize("name", ["initial_state", "initial_state-inhibited"])
def test_recorded_initial_state(name):
    model, recorded = layer_case(name, return_sequences=True)
    layer, x = model.layers[0], recorded["x"]
    state = recorded["initial_y"], recorded["initial_V"]
    np.testing.assert_array_equal(layer(x, initial_state=state), recorded["y"])

    kernel, recurrent_kernel, bias = layer.weights
    unit = dict(recurrent_kernel=recurrent_kernel, decay=layer.decay, g=layer.g,
                lateral_inhibition=layer.lateral_inhibition, initial_state=state)
    y, V = ops.snu_forward(x, kernel, bias, **unit)
    assert_close(y[:, -1], recorded["final_y"], GOLDEN_VALUE)
    assert_close(V[:, -1], recorded["final_V"], GOLDEN_VALUE)
    gradients = ops.snu_backward(recorded["C"], x, kernel, bias, y=y, V=V, **unit)
    assert_close(gradients.initial_state[0], recorded["d_initial_y"], GOLDEN_GRADIENT)
    assert_close(gradients.initial_state[1], recorded["d_initial_V"], GOLDEN_GRADIENT)


# ---- equal bits ------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("tail", TAILS)
def test_same_bits_on_any_number_of_threads(gate, recurrent, tail, dtype):
    options = dict(gate=gate, recurrent=recurrent, tail=tail, dtype=dtype)
    x, y = binary(), labels(tail=tail)
    runs = []
    for threads in THREADS:
        ai.set_num_threads(threads)
        runs.append(trained(new_net(**options), x, y))
    for threads, run in zip(THREADS, runs):
        assert_same_run(run, runs[0], f"{threads} threads")
    assert runs[0][1]["loss"][0] != runs[0][1]["loss"][1]


@pytest.mark.parametrize("gate", GATES)
def test_same_bits_of_large_batches_on_any_number_of_threads(gate):
    """Where a step has many units, threads share the samples of batch inhibition too."""
    x, y = binary(300), labels(300)
    runs = []
    for threads in THREADS:
        ai.set_num_threads(threads)
        runs.append(trained(new_net(gate=gate, hidden=130), x, y, batch_size=290))
    for threads, run in zip(THREADS, runs):
        assert_same_run(run, runs[0], f"{threads} threads")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("density", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("recurrent", [False, True])
def test_same_bits_of_spikes_and_dense_input(gate, recurrent, density, dtype, monkeypatch):
    x, y = binary(density=density), labels()
    options = dict(gate=gate, recurrent=recurrent, dtype=dtype)
    from_spikes = trained(new_net(**options), ai.Spikes.from_dense(x), y)
    assert_same_run(trained(new_net(**options), x, y), from_spikes, "an array of 0 and 1")
    monkeypatch.setattr(data, "_pack", lambda x, lengths: x)
    assert_same_run(trained(new_net(**options), x, y), from_spikes, "a dense array")


def rarely(samples=90, seed=3):
    """Spikes of 20 inputs, of which some spike in a sample or two of all, and one never."""
    rng = np.random.default_rng(seed)
    x = rng.random((samples, STEPS, 20)) < 0.3
    x[rng.random((samples, 1, 20)).repeat(STEPS, axis=1) < 0.6] = 0
    x[4:-3, :, 2:7] = 0
    x[:, :, 11] = 0
    return x.astype(np.uint8)


@pytest.mark.parametrize("hidden", [1, 10, 33, 130, 512])
@pytest.mark.parametrize("optimizer", [
    ai.optimizers.SGD(0.5), ai.optimizers.SGD(0.5, momentum=0.9), ai.optimizers.SGD(0.5, momentum=0.9, nesterov=True),
    ai.optimizers.RMSprop(0.1), ai.optimizers.RMSprop(0.1, momentum=0.9), ai.optimizers.RMSprop(0.1, rho=0.0),
    ai.optimizers.Adam(0.1)], ids=repr)
def test_same_bits_where_inputs_are_rare(optimizer, hidden, monkeypatch):
    """An input without a spike in the batch: whatever its weights are spared, they end the same."""
    monkeypatch.setattr(data, "_pack", lambda x, lengths: x)
    runs = []
    for x in (rarely(), ai.Spikes.from_dense(rarely())):
        for threads in (1, 3):
            ai.set_num_threads(threads)
            model = ai.Sequential([ai.layers.InputLayer([None, 20])], seed=0)
            model.add(ai.layers.SNU(hidden, bias_initializer=ai.initializers.Constant(0.3), return_sequences=True))
            model.add(ai.layers.SNU(OUTPUTS))
            model.compile(optimizer=optimizer, loss="mse", metrics=["acc"])
            runs.append(trained(model, x, labels(90), batch_size=4))
    for run in runs[1:]:
        assert_same_run(run, runs[0])


@pytest.mark.parametrize("units", [2, 10, 33, 130])
@pytest.mark.parametrize("optimizer", [ai.optimizers.SGD(0.5), ai.optimizers.RMSprop(0.1)], ids=repr)
def test_same_bits_of_a_single_layer_where_inputs_are_rare(optimizer, units, monkeypatch):
    """The last layer's rows need not fill whole vectors."""
    monkeypatch.setattr(data, "_pack", lambda x, lengths: x)
    runs = []
    for x in (rarely(), ai.Spikes.from_dense(rarely())):
        model = ai.Sequential([ai.layers.InputLayer([None, 20])], seed=0)
        model.add(ai.layers.SNU(units, bias_initializer=ai.initializers.Constant(0.3)))
        model.compile(optimizer=optimizer, loss="mse", metrics=["acc"])
        runs.append(trained(model, x, np.eye(units, dtype=np.float32)[np.arange(90) % units], batch_size=4))
    assert_same_run(runs[1], runs[0])


@pytest.mark.parametrize("samples", [4, 400])
@pytest.mark.parametrize("threshold", [0.3, 2.0], ids=["many", "few"])
@pytest.mark.parametrize("hidden", [1, 10, 33, 64, 130, 512])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_by_hand(dtype, gate, hidden, threshold, samples):
    """What a model computes with few or many spikes, in small or large batches, is what ops compute."""
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS])], seed=0, dtype=dtype)
    options = dict(decay=0.9, g="leaky_rel")
    model.add(ai.layers.SNU(hidden, **options, lateral_inhibition=gate, return_sequences=True,
                            bias_initializer=ai.initializers.Constant(threshold)))
    model.add(ai.layers.SNU(OUTPUTS, **options, return_sequences=True))
    model.add(ai.layers.GlobalAveragePooling1D())
    model.compile(ai.optimizers.SGD(0.5), metrics=[ai.metrics.SpikeCount(model.layers[0])])
    x, y = ai.Spikes.from_dense(binary(samples)), labels(samples).astype(dtype)

    W1, b1, W2, b2 = model.get_weights()
    y1, V1 = ops.snu_forward(x, W1, b1, **options, lateral_inhibition=gate)
    y2, V2 = ops.snu_forward(y1, W2, b2, **options)
    output = ops.average_forward(y2)
    dy2 = ops.average_backward(ops.mse_backward(output, y), STEPS)
    second = ops.snu_backward(dy2, y1, W2, b2, y=y2, V=V2, **options)
    first = ops.snu_backward(second.x, x, W1, b1, y=y1, V=V1, **options, lateral_inhibition=gate)
    for weight, gradient in zip((W1, b1, W2, b2), (first.kernel, first.bias, second.kernel, second.bias)):
        ops.sgd_step(weight, gradient, learning_rate=0.5)

    assert_same_bits(model.predict_on_batch(x), output)
    loss, spikes = model.train_on_batch(x, y)
    assert_close(loss, ops.mse_forward(output, y), GOLDEN_VALUE)
    assert spikes == y1.sum() / samples
    for weight, wanted in zip(model.get_weights(), (W1, b1, W2, b2), strict=True):
        assert_same_bits(weight, wanted)


def by_rows_and_whole(y, optimizer, dtype, **options):
    """Runs of one layer on spikes: rows without a gradient are left alone, or, as there is a bound that
    clips nothing, take part in every step."""
    for clipvalue in (None, np.finfo(dtype).max):
        model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(y.shape[1])],
                              seed=0, dtype=dtype)
        model.compile(optimizer(0.05, clipvalue=clipvalue))
        yield trained(model, ai.Spikes.from_dense(binary(density=0.02)), y, **options)


@pytest.mark.parametrize("optimizer", [
    ai.optimizers.SGD, ai.optimizers.RMSprop, functools.partial(ai.optimizers.RMSprop, epsilon=0.0),
    functools.partial(ai.optimizers.RMSprop, momentum=0.5), functools.partial(ai.optimizers.SGD, momentum=0.5),
    ai.optimizers.Adam], ids=["sgd", "rmsprop", "epsilon 0", "rmsprop momentum", "sgd momentum", "adam"])
@pytest.mark.parametrize("units", [1, 2, 3, 5, 7, 15, 150])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_are_left_alone(dtype, units, optimizer):
    assert_same_run(*by_rows_and_whole(np.random.default_rng(0).random((SAMPLES, units)), optimizer, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_at_the_end_of_the_range(dtype):
    """A batch whose sums might overflow is seen as a whole before a weight changes; these do not."""
    y, weights = np.zeros((SAMPLES, 1)), np.ones(SAMPLES)
    y[::8], weights[::8] = 1, np.finfo(dtype).max / 2.5
    assert_same_run(*by_rows_and_whole(y, ai.optimizers.RMSprop, dtype, sample_weight=weights, batch_size=4,
                                       shuffle=False))


@pytest.mark.parametrize("x", [binary().astype(bool), binary().astype(float), np.asfortranarray(binary()),
                               np.repeat(binary(), 2, axis=0)[::2], binary().astype(">f4"),
                               binary().tolist()],
                         ids=["bool", "float64", "Fortran-ordered", "strided", "big-endian", "list"])
def test_same_bits_of_any_layout(x):
    assert_same_run(trained(new_net(), x, labels()), trained(new_net(), binary(), labels()))


def test_real_input_is_used_as_it_is():
    """A few ones and zeros at the front do not make spikes of all."""
    x = binary(100).astype(np.float32)
    x[80:] *= 0.37
    model = new_net(activation="sigmoid")
    hidden = ops.snu_forward(x, *model.layers[0].weights, decay=0.9, g="leaky_rel", activation="sigmoid")[0]
    output = ops.snu_forward(hidden, *model.layers[1].weights, decay=0.9, g="leaky_rel",
                             activation="sigmoid")[0]
    assert_same_bits(model.predict(x, verbose=0), ops.average_forward(output))


@pytest.mark.parametrize("gate", GATES)
def test_same_bits_of_repeated_runs(gate):
    x, y = binary(), labels()
    runs = [trained(new_net(gate=gate, seed=5), x, y, epochs=4) for _ in range(4)]
    for run in runs[1:]:
        assert_same_run(run, runs[0])
    other = trained(new_net(gate=gate, seed=6), x, y, epochs=4)
    assert other[1] != runs[0][1]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("tail", TAILS)
def test_same_bits_of_a_run_in_pieces(gate, tail, threads, monkeypatch):
    ai.set_num_threads(threads)
    x, y = binary(), labels(tail=tail)
    whole = trained(new_net(gate=gate, tail=tail, optimizer="adam"), x, y)
    monkeypatch.setattr(models, "_SECONDS", 0)
    assert_same_run(trained(new_net(gate=gate, tail=tail, optimizer="adam"), x, y), whole)


@pytest.mark.parametrize("recurrent", [False, True], ids=["feedforward", "recurrent"])
@pytest.mark.parametrize("hidden, threads", [(126, 2), (128, 2), (130, 2), (189, 3), (200, 3)])
def test_same_bits_of_any_share_of_rows(hidden, threads, recurrent):
    """Of kernels that are fed few spikes, which come in words of 64: shares end within them and between."""
    runs = []
    for count in (1, threads):
        ai.set_num_threads(count)
        model = new_net(hidden=hidden, recurrent=recurrent, optimizer=ai.optimizers.SGD(0.05))
        runs.append(trained(model, binary(density=0.05), labels()))
    assert 0 < runs[0][1]["spikes"][0] < 0.2 * STEPS * hidden
    assert_same_run(*runs)


OPTIMIZERS = [
    ai.optimizers.SGD(0.5),
    ai.optimizers.SGD(0.1, momentum=0.9),
    ai.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    ai.optimizers.RMSprop(0.1),
    ai.optimizers.RMSprop(0.01, momentum=0.9),
    ai.optimizers.Adam(0.1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=range(len(OPTIMIZERS)))
def test_fit_is_a_loop_of_train_on_batch(optimizer, tail, dtype):
    """And its history the mean over samples, the last batch being smaller."""
    options = dict(gate="batch", recurrent=True, tail=tail, dtype=dtype, optimizer=optimizer)
    x, y = binary(), labels(tail=tail)
    model, loop = new_net(**options), new_net(**options)
    history = model.fit(x, y, batch_size=15, epochs=3, shuffle=False, verbose=0).history

    sizes = [part.stop - part.start for part in batches(SAMPLES, 15)]
    assert sizes == [15, 15, 10]
    for epoch in range(3):
        steps = [loop.train_on_batch(x[part], y[part]) for part in batches(SAMPLES, 15)]
        means = np.average(steps, axis=0, weights=sizes)
        assert_close([history[key][epoch] for key in ("loss", "acc", "spikes")], means, GOLDEN_VALUE)
    assert_same_weights(model, loop)


def test_a_step_with_gradients_near_the_largest_number():
    """It is made another way; rows of weights that are not fed miss it as any other."""
    rng = np.random.default_rng(1)
    x = rng.random((8, 5, 40)) < 0.05
    y = rng.random((8, 1))
    y[3] = 1.6e38
    once, loop = (ai.Sequential([ai.layers.InputLayer([None, 40]), ai.layers.SNU(
        1, activation="sigmoid", bias_initializer="zeros")], seed=0) for _ in range(2))
    for model in (once, loop):
        model.compile(ai.optimizers.RMSprop(0.01))
    once.fit(ai.Spikes.from_dense(x), y, batch_size=1, shuffle=False, verbose=0)
    for i in range(len(x)):
        loop.train_on_batch(ai.Spikes.from_dense(x[i : i + 1]), y[i : i + 1])
    assert_same_weights(once, loop)
    for slot, wanted in zip(once._slots[0][0], loop._slots[0][0], strict=True):
        assert slot is wanted is None or np.array_equal(slot, wanted)


@pytest.mark.parametrize("gate", GATES)
def test_fit_goes_on_where_it_stopped(gate):
    """The optimizer keeps its slots and the count of its steps."""
    x, y = binary(), labels()
    once, twice = new_net(gate=gate, optimizer="adam"), new_net(gate=gate, optimizer="adam")
    whole = once.fit(x, y, epochs=4, verbose=0).history
    parts = [twice.fit(x, y, epochs=2, initial_epoch=begin, verbose=0) if begin == 0 else
             twice.fit(x, y, epochs=4, initial_epoch=begin, verbose=0) for begin in (0, 2)]
    assert parts[1].epoch == [2, 3]
    assert_same_weights(once, twice)
    assert whole["loss"] == parts[0].history["loss"] + parts[1].history["loss"]


def test_evaluate_and_predict_between_steps_change_nothing():
    x, y = binary(), labels()
    model, disturbed = new_net(optimizer="adam"), new_net(optimizer="adam")
    for _ in range(4):
        model.train_on_batch(x[:15], y[:15])
        disturbed.train_on_batch(x[:15], y[:15])
        disturbed.evaluate(x, y, batch_size=40, verbose=0)
        disturbed.predict(x[:, :3], verbose=0)
    assert_same_weights(model, disturbed)


def test_predict_of_more_after_training():
    """What training kept in memory is not written to any more when a larger batch needs other memory."""
    done = subprocess.run([sys.executable, "-c", """
import numpy as np, neuroai_c as ai
units = ai.layers.SNU(1000, recurrent=True, return_sequences=True), ai.layers.SNU(1000, recurrent=True)
model = ai.Sequential([ai.layers.InputLayer([None, 4]), *units], seed=0)
model.compile()
model.fit(np.ones((1, 2, 4)), np.ones((1, 1000)), verbose=0)
fresh = ai.Sequential([ai.layers.InputLayer([None, 4]), *units])
for B in (32, 512, 1):
    x = np.ones((B, 5, 4))
    np.testing.assert_array_equal(model.predict_on_batch(x), fresh.predict_on_batch(x))
model.fit(np.ones((1, 2, 4)), np.ones((1, 1000)), verbose=0)
"""], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("gate", GATES)
def test_both_precisions_say_the_same(gate):
    x, y = binary(), labels()
    single, double = (new_net(gate=gate, dtype=dtype, optimizer="sgd") for dtype in DTYPES)
    for weight, other in zip(single.get_weights(), double.get_weights(), strict=True):
        assert (weight.dtype, other.dtype) == (np.float32, np.float64)
        assert_same_bits(weight, other.astype(np.float32))
    assert single.predict(x, verbose=0).dtype == np.float32
    assert double.predict(x, verbose=0).dtype == np.float64
    double.set_weights(single.get_weights())
    losses = [model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history["loss"]
              for model in (single, double)]
    assert_close(losses[0], losses[1], 1e-4)


@pytest.mark.parametrize("gate", [False, "sample"])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_predictions_of_a_sample_do_not_depend_on_the_batch(gate, batch_size):
    model, x = new_net(gate=gate), binary()
    assert_same_bits(model.predict(x, batch_size=batch_size, verbose=0), model.predict(x, verbose=0))


# ---- the layers as functions -----------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("tail", TAILS)
def test_predict_is_one_layer_after_the_other(gate, recurrent, tail, dtype):
    model, x = new_net(gate=gate, recurrent=recurrent, tail=tail, dtype=dtype), binary()
    by_hand = x
    for layer in model.layers:
        by_hand = layer(by_hand)
    assert by_hand.any()
    assert_same_bits(model.predict_on_batch(x), by_hand)
    assert by_hand.shape == {"average": (SAMPLES, OUTPUTS), "last": (SAMPLES, OUTPUTS),
                             "sequences": (SAMPLES, STEPS, OUTPUTS)}[tail]


@pytest.mark.parametrize("tail", TAILS)
def test_evaluate_by_hand(tail):
    model, x, y = new_net(tail=tail), binary(), labels(tail=tail)
    output = model.predict(x, verbose=0).astype(np.float64)
    loss, acc, spikes = model.evaluate(x, y, verbose=0)
    assert_close(loss, np.mean((output - y) ** 2), GOLDEN_VALUE)
    assert_close(acc, np.mean(output.argmax(axis=-1) == y.argmax(axis=-1)), GOLDEN_VALUE)
    assert spikes == model.layers[0](x).sum(dtype=np.int64) / SAMPLES


def test_spikes_of_any_layer():
    model, x, y = new_net(), binary(), labels()
    counts = [ai.metrics.SpikeCount(model.layers[1], name="out"), ai.metrics.SpikeCount(model.layers[0])]
    model.compile(metrics=[*counts, "mse"])
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    assert list(result) == model.metrics_names == ["loss", "out", "spikes", "mse"]
    hidden = model.layers[0](x)
    assert result["spikes"] == hidden.sum(dtype=np.int64) / SAMPLES
    assert result["out"] == model.layers[1](hidden).sum(dtype=np.int64) / SAMPLES
    assert result["mse"] == result["loss"]


def test_squares_beside_another_loss():
    x, y = binary(), labels()
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]),
                           ai.layers.SNU(y.shape[1], activation="sigmoid")], seed=0)
    model.compile(loss="binary_crossentropy", metrics=["mse"])
    loss, squares = model.evaluate(x, y, verbose=0)
    assert_close(squares, np.mean((np.float64(model.predict(x, verbose=0)) - y) ** 2), GOLDEN_VALUE)
    assert loss != squares


# ---- ties, means, shuffling ------------------------------------------------


def outputs_of_one_step(values, dtype="float32"):
    """A net whose output is `values`, whatever it is fed."""
    layer = ai.layers.SNU(len(values), activation="identity")
    model = ai.Sequential([ai.layers.InputLayer([None, 1]), layer], dtype=dtype)
    model.set_weights([np.zeros((1, len(values))), -np.asarray(values)])
    model.compile(metrics=["acc"])
    return model


@pytest.mark.parametrize("values, said", [([0, 0, 0], 0), ([0, 1, 1], 1), ([2, 1, 2], 0), ([-1, -1, -2], 0),
                                          ([0, 0, 3], 2)])
def test_acc_of_ties_is_the_lowest_index(values, said):
    model = outputs_of_one_step(values)
    x = np.ones((3, 1, 1))
    np.testing.assert_array_equal(model.predict(x, verbose=0), [values] * 3)
    for meant in range(3):
        target = np.repeat(np.eye(3)[[meant]], 3, axis=0)
        assert model.evaluate(x, target, verbose=0)[1] == (said == meant)
    assert model.evaluate(x, np.full((3, 3), 0.5), verbose=0)[1] == (said == 0)


@pytest.mark.parametrize("loss, half", [
    ("binary_crossentropy", 0.5), (ai.losses.BinaryCrossentropy(from_logits=True), 0.0)], ids=str)
def test_acc_of_one_output_is_that_of_two_classes(loss, half):
    for value, said in [(half - 0.25, 0), (half, 0), (half + 0.25, 1)]:
        model = outputs_of_one_step([value])
        model.compile(loss=loss, metrics=["acc"])
        for meant in (0, 1):
            assert model.evaluate(np.ones((3, 1, 1)), np.full((3, 1), meant), verbose=0)[1] == (said == meant)


def test_accuracy_by_either_name():
    model, x, y = new_net(), binary(), labels()
    model.compile(metrics=["accuracy"])
    assert model.metrics_names == ["loss", "accuracy"]
    assert "accuracy" in model.fit(x, y, verbose=0).history


def test_loss_alone_is_a_number():
    model, x, y = new_net(), binary(), labels()
    model.compile()
    for value in (model.evaluate(x, y, verbose=0), model.test_on_batch(x, y), model.train_on_batch(x, y)):
        assert isinstance(value, float)
    assert model.evaluate(x, y, verbose=0, return_dict=True).keys() == {"loss"}


def test_on_batch_methods_take_all_samples_as_one_batch():
    # so few spikes that it matters under "batch" who is in a batch with whom
    model, x, y = new_net(gate="batch"), binary(density=0.1), labels()
    whole = model.evaluate(x, y, batch_size=SAMPLES, verbose=0)
    assert model.test_on_batch(x, y) == whole
    assert abs(model.evaluate(x, y, batch_size=1, verbose=0)[2] - whole[2]) > 0.01
    assert_same_bits(model.predict_on_batch(x), model.predict(x, batch_size=SAMPLES, verbose=0))
    assert not np.array_equal(model.predict_on_batch(x), model.predict(x, batch_size=1, verbose=0))
    assert model.train_on_batch(x, y) == whole
    assert model.test_on_batch(x, y) != whole


def test_thirty_two_samples_are_a_batch_by_default():
    x, y = binary(density=0.1), labels()
    model, explicit = new_net(gate="batch"), new_net(gate="batch")
    assert_same_run(trained(model, x, y, batch_size=None), trained(explicit, x, y, batch_size=32))
    assert model.evaluate(x, y, verbose=0) == model.evaluate(x, y, batch_size=32, verbose=0)
    assert_same_bits(model.predict(x, verbose=0), model.predict(x, batch_size=32, verbose=0))


def test_shuffling_takes_every_sample_once():
    x, y = binary(), labels()
    model = new_net(optimizer=ai.optimizers.SGD(0.0), dtype="float64")
    before = model.evaluate(x, y, verbose=0)
    history = model.fit(x, y, epochs=3, batch_size=7, verbose=0).history
    for epoch in range(3):
        assert_close([history[key][epoch] for key in ("loss", "acc", "spikes")], before, GOLDEN_VALUE)


def test_shuffling_is_new_every_epoch():
    """Under "batch" the spikes tell who was in a batch with whom."""
    def spikes(shuffle):
        model = new_net(gate="batch", optimizer=ai.optimizers.SGD(0.0))
        history = model.fit(binary(density=0.1), labels(), epochs=5, batch_size=2, shuffle=shuffle, verbose=0)
        return history.history["spikes"]

    assert len(set(spikes(True))) > 2
    assert len(set(spikes(False))) == 1
    assert spikes(True) == spikes(True)


def test_global_generator_is_left_alone():
    np.random.seed(5)
    before = np.random.get_state()
    trained(new_net(seed=None), binary(), labels())
    after = np.random.get_state()
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_arguments_are_left_alone():
    x, y = binary().astype(np.float32), labels()
    x_before, y_before = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    trained(new_net(), x, y)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(y, y_before)


# ---- progress and history --------------------------------------------------


def test_verbose(capsys):
    model, x, y = new_net(), binary(), labels()
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)
    assert capsys.readouterr() == ("", "")
    model.fit(x, y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"Epoch 2/2 - loss: \d\.\d+ - acc: \d\.\d+ - spikes: \d+\.\d+", lines[1])
    model.fit(x, y, verbose=1)
    captured = capsys.readouterr()
    assert "Epoch 1/1" in captured.out + captured.err


def test_history_of_each_fit():
    model, x, y = new_net(), binary(), labels()
    first = model.fit(x, y, epochs=2, verbose=0)
    assert isinstance(first, ai.History)
    assert model.history is first
    assert [len(values) for values in first.history.values()] == [2, 2, 2]
    assert all(type(value) is float for values in first.history.values() for value in values)
    second = model.fit(x, y, epochs=1, verbose=0)
    assert model.history is second is not first
    assert len(first.history["loss"]) == 2


@pytest.mark.parametrize("options", [dict(epochs=0), dict(epochs=2, initial_epoch=2),
                                     dict(epochs=1, initial_epoch=7)], ids=str)
def test_fit_of_no_epochs(options):
    model = new_net()
    before = model.get_weights()
    history = model.fit(binary(), labels(), verbose=0, **options)
    assert history.history == {} and history.epoch == []
    for weight, wanted in zip(model.get_weights(), before):
        assert_same_bits(weight, wanted)


# ---- building --------------------------------------------------------------


def test_built_by_its_first_data():
    """In whatever way the shape of the input comes to be known, the seed decides the weights."""
    def layers():
        return [ai.layers.SNU(6, recurrent=True, return_sequences=True), ai.layers.SNU(3)]

    given = ai.Sequential([ai.layers.InputLayer([None, 12]), *layers()], seed=3)
    built = ai.Sequential(layers(), seed=3)
    assert built.get_weights() == [] and built.count_params() == 0
    built.build((None, None, 12))
    fed = ai.Sequential(layers(), seed=3)
    fed.predict(binary(), verbose=0)
    assert_same_weights(given, built)
    assert_same_weights(given, fed)
    assert given.output_shape == built.output_shape == (None, 3)


def test_weights_in_order():
    model = new_net(recurrent=True)
    shapes = [w.shape for w in model.get_weights()]
    assert shapes == [(12, 6), (6, 6), (6,), (6, 3), (3, 3), (3,)]
    assert model.count_params() == sum(np.prod(shape) for shape in shapes)
    copies = model.get_weights()
    copies[0][...] = 7
    assert not (model.get_weights()[0] == 7).any()
    assert model.layers[0].weights[0].flags.owndata


def test_set_weights():
    model = new_net()
    wanted = [np.arange(w.size, dtype=float).reshape(w.shape)[::-1] for w in model.get_weights()]
    model.set_weights(wanted)
    for weight, value in zip(model.get_weights(), wanted, strict=True):
        assert_same_bits(weight, value.astype(np.float32))
    wanted[0][...] = -1
    assert (model.get_weights()[0] >= 0).all()


def test_set_weights_after_training_is_what_goes_on():
    x, y = binary(), labels()
    model, fresh = new_net(optimizer="sgd"), new_net(optimizer="sgd")
    weights = model.get_weights()
    model.fit(x, y, verbose=0, shuffle=False)
    model.set_weights(weights)
    assert model.evaluate(x, y, verbose=0) == fresh.evaluate(x, y, verbose=0)
    model.fit(x, y, verbose=0, shuffle=False)
    fresh.fit(x, y, verbose=0, shuffle=False)
    assert_same_weights(model, fresh)


def test_compile_begins_the_optimizer_anew():
    x, y = binary(), labels()
    model, fresh = new_net(optimizer="adam"), new_net(optimizer="adam")
    model.fit(x, y, epochs=3, verbose=0)
    model.set_weights(fresh.get_weights())
    model.compile(optimizer="adam")
    for net in (model, fresh):
        net.fit(x, y, shuffle=False, verbose=0)
    assert_same_weights(model, fresh)


def test_pop_and_add():
    model, x = new_net(), binary()
    tail = model.pop()
    assert isinstance(tail, ai.layers.GlobalAveragePooling1D)
    assert model.output_shape == (None, None, OUTPUTS)
    assert model.predict(x, verbose=0).shape == (SAMPLES, STEPS, OUTPUTS)
    with pytest.raises(RuntimeError, match="fit: .*compile"):
        model.fit(x, labels(tail="sequences"), verbose=0)
    model.add(tail)
    assert_same_bits(model.predict(x, verbose=0), new_net().predict(x, verbose=0))
    assert [layer.name for layer in model.layers] == ["snu", "snu_1", "global_average_pooling1d"]


def test_pop_until_nothing_is_left():
    model = new_net()
    for _ in range(3):
        model.pop()
    assert model.layers == [] and model.get_weights() == []
    with pytest.raises(ValueError, match="pop: .*no layers"):
        model.pop()


def test_a_layer_of_ones_own_kind():
    class Unit(ai.layers.SNU):
        """An SNU by another name."""

    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), Unit(3)], seed=0)
    plain = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(3)], seed=0)
    assert_same_bits(model.predict(binary(), verbose=0), plain.predict(binary(), verbose=0))


def test_input_layer_does_not_count():
    assert len(page_model().layers) == 3


def test_steps_that_the_input_layer_fixes():
    model = ai.Sequential([ai.layers.InputLayer([STEPS, INPUTS]), ai.layers.SNU(3, return_sequences=True)])
    assert model.output_shape == (None, STEPS, 3)
    assert model.predict(binary(), verbose=0).shape == (SAMPLES, STEPS, 3)
    with pytest.raises(ValueError, match=f"predict: x must have {STEPS} steps"):
        model.predict(binary()[:, :-1], verbose=0)


# ---- nothing to do ---------------------------------------------------------


@pytest.mark.parametrize("tail", TAILS)
def test_predict_of_no_samples(tail):
    output = new_net(tail=tail).predict(np.zeros((0, STEPS, INPUTS)), verbose=0)
    assert output.shape == ((0, STEPS, OUTPUTS) if tail == "sequences" else (0, OUTPUTS))
    assert output.dtype == np.float32


def test_predict_of_no_steps():
    x = np.zeros((4, 0, INPUTS))
    assert new_net(tail="sequences").predict(x, verbose=0).shape == (4, 0, OUTPUTS)
    for tail in ("average", "last"):
        with pytest.raises(ValueError, match="predict: x must have at least one step"):
            new_net(tail=tail).predict(x, verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("samples, steps", [(0, STEPS), (4, 0)])
def test_training_on_nothing(method, samples, steps):
    model = new_net(tail="sequences")
    with pytest.raises(ValueError, match=f"({method}|evaluate): x must have at least one"):
        getattr(model, method)(np.zeros((samples, steps, INPUTS)), np.zeros((samples, steps, OUTPUTS)))


@pytest.mark.parametrize("steps, samples", [(1, 1), (1, 5), (40, 1)])
@pytest.mark.parametrize("gate", GATES)
def test_one_of_a_kind(gate, steps, samples):
    x = np.ones((samples, steps, INPUTS), np.uint8)
    model = new_net(gate=gate, recurrent=True)
    history = model.fit(x, labels(samples), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


# ---- divergence ------------------------------------------------------------


def growing_net(dtype="float32"):
    """Its gradients grow without bound, and so do its weights."""
    options = dict(activation="identity", g="identity", decay=0.5, return_sequences=True)
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(HIDDEN, **options),
                           ai.layers.SNU(OUTPUTS, **options)], seed=0, dtype=dtype)
    model.compile(optimizer=ai.optimizers.SGD(1.0), loss="mse", metrics=["acc"])
    return model


@pytest.mark.parametrize("seconds", [0, 10])
@pytest.mark.parametrize("dtype", DTYPES)
def test_divergence(dtype, seconds, monkeypatch):
    """The error says where; the weights are those after the last batch whose loss was a number."""
    monkeypatch.setattr(models, "_SECONDS", seconds)
    x, y = binary(), labels(tail="sequences")
    model = growing_net(dtype)
    with pytest.raises(FloatingPointError, match=r"Epoch \d+/100, batch \d+: the loss") as caught:
        model.fit(x, y, batch_size=4, epochs=100, shuffle=False, verbose=0)
    epoch, batch = map(int, re.search(r"Epoch (\d+)/100, batch (\d+)", str(caught.value)).groups())

    stopped = growing_net(dtype)
    steps = (epoch - 1) * 10 + batch - 1
    assert steps > 0
    for step in range(steps):
        part = slice(step % 10 * 4, step % 10 * 4 + 4)
        assert np.isfinite(stopped.train_on_batch(x[part], y[part])[0])
    assert_same_weights(model, stopped)
    part = slice(steps % 10 * 4, steps % 10 * 4 + 4)
    with np.errstate(all="ignore"):
        assert not np.isfinite(stopped.test_on_batch(x[part], y[part])[0])
    assert len(model.history.history.get("loss", [])) == epoch - 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 4, 40])
def test_weights_after_divergence_are_numbers(batch_size, dtype):
    model, x, y = growing_net(dtype), binary(), labels(tail="sequences")
    with pytest.raises(FloatingPointError):
        model.fit(x, y, batch_size=batch_size, epochs=100, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("epochs", [1, 2])
def test_gradients_that_overflow(epochs):
    """The loss of the step is finite, its weights would not be."""
    model = ai.Sequential([ai.layers.InputLayer([None, 1]), ai.layers.SNU(2, activation="identity")], seed=0)
    model.compile(optimizer=ai.optimizers.SGD(1.0))
    with pytest.raises(FloatingPointError):
        model.fit(np.full((1, 1, 1), 1e20), np.zeros((1, 2)), epochs=epochs, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_gradients_that_overflow(dtype, optimizer):
    """The gradient of every step is finite; that of the row whose input spikes at all steps is not."""
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(1)], seed=0, dtype=dtype)
    model.compile(optimizer)
    before = [np.zeros((INPUTS, 1), dtype), np.ones(1, dtype)]
    model.set_weights(before)
    x = np.zeros((1, STEPS, INPUTS), np.uint8)
    x[..., 2] = 1
    with pytest.raises(FloatingPointError):
        model.train_on_batch(ai.Spikes.from_dense(x), np.ones((1, 1)),
                             sample_weight=[0.45 * np.finfo(dtype).max])
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)


def test_a_loss_that_overflows():
    """Its gradient would be finite."""
    model = ai.Sequential([ai.layers.InputLayer([None, 1]), ai.layers.Dense(1)], seed=0, dtype="float64")
    model.compile("sgd")
    before = model.get_weights()
    with pytest.raises(FloatingPointError):
        model.train_on_batch(np.full((1, 1, 1), 1e150), np.full((1, 1, 1), 1e155))
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)


def test_divergence_on_a_batch():
    model, x, y = growing_net(), binary(), labels(tail="sequences")
    with pytest.raises(FloatingPointError, match="the loss is no longer finite"):
        for _ in range(1000):
            model.train_on_batch(x, y)


def test_a_diverged_model_learns_again():
    x, y = binary(), labels(tail="sequences")
    model, fresh = growing_net(), growing_net()
    weights = [0.1 * weight for weight in fresh.get_weights()]
    with pytest.raises(FloatingPointError):
        model.fit(x, y, epochs=100, verbose=0)
    for net in (model, fresh):
        net.set_weights(weights)
        net.compile(optimizer=ai.optimizers.SGD(0.01))
        net.fit(x, y, shuffle=False, verbose=0)
    assert_same_weights(model, fresh)


# ---- interruption ----------------------------------------------------------


class InterruptingBar(progress._Bar):
    """A progress bar during which the user presses Ctrl-C."""

    updates_left = 4

    def update(self, n=1):
        InterruptingBar.updates_left -= 1
        if InterruptingBar.updates_left == 0:
            raise KeyboardInterrupt
        return super().update(n)


def test_interrupted_fit(monkeypatch):
    """The model is that after the last batch, and goes on from there."""
    x, y = binary(), labels()
    model, loop = new_net(optimizer="adam"), new_net(optimizer="adam")
    with monkeypatch.context() as patch:
        patch.setattr(models, "_SECONDS", 0)
        patch.setattr(progress, "_Bar", InterruptingBar)
        patch.setattr(InterruptingBar, "updates_left", 4)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, batch_size=15, epochs=3, shuffle=False, verbose=1)
    assert len(model.history.history["loss"]) == 1
    parts = batches(SAMPLES, 15)
    for part in [*parts, parts[0]]:
        loop.train_on_batch(x[part], y[part])
    assert_same_weights(model, loop)
    assert model.evaluate(x, y, verbose=0) == loop.evaluate(x, y, verbose=0)
    for net in (model, loop):
        net.fit(x, y, shuffle=False, verbose=0)
    assert_same_weights(model, loop)


# ---- bad input -------------------------------------------------------------

NAN_X, INF_X, NAN_Y, INF_Y = (array.astype(np.float64) for array in (binary(), binary(), labels(), labels()))
NAN_X[-1, -1, -1] = NAN_Y[-1, -1] = np.nan
INF_X[0, 0, 0], INF_Y[0, 0] = -np.inf, np.inf

BAD_X = [
    (ValueError, binary()[0]),
    (ValueError, binary()[..., None]),
    (ValueError, binary()[..., :-1]),
    (ValueError, np.zeros((SAMPLES, STEPS, 0))),
    (ValueError, NAN_X),
    (ValueError, INF_X),
    (ValueError, np.full((SAMPLES, STEPS, INPUTS), 1e300)),
    ((TypeError, ValueError), 3.0),
    (TypeError, None),
    (TypeError, "spikes"),
    (TypeError, np.full((SAMPLES, STEPS, INPUTS), "a")),
    (TypeError, np.full((SAMPLES, STEPS, INPUTS), None)),
    (TypeError, binary().astype(complex)),
    (TypeError, binary().astype("datetime64[s]")),
    (TypeError, binary().astype(np.longdouble)),
    (TypeError, {"x": binary()}),
    (ValueError, ai.Spikes.from_dense(binary()[..., :-1])),
    (ValueError, ai.Spikes.from_dense(binary()[..., None])),
]
BAD_Y = [
    (ValueError, labels().argmax(axis=1)),
    (ValueError, labels()[:-1]),
    (ValueError, labels()[:, :-1]),
    (ValueError, labels()[:, None]),
    (ValueError, 1.0),
    (ValueError, NAN_Y),
    (ValueError, INF_Y),
    (ValueError, np.full((SAMPLES, OUTPUTS), 1e300)),
    (TypeError, None),
    (TypeError, "targets"),
    (TypeError, labels().astype(str)),
    (TypeError, labels().astype(object)),
    (TypeError, labels().astype(complex)),
]
BAD_OPTIONS = [
    (ValueError, "batch_size", 0),
    (ValueError, "batch_size", -1),
    (TypeError, "batch_size", 2.0),
    (TypeError, "batch_size", "15"),
    (TypeError, "batch_size", True),
    (ValueError, "epochs", -1),
    (TypeError, "epochs", 1.5),
    (TypeError, "epochs", None),
    (ValueError, "initial_epoch", -1),
    (TypeError, "initial_epoch", 0.0),
    (ValueError, "verbose", 3),
    (ValueError, "verbose", "loud"),
]


def assert_refused(error, argument, method, *arguments, make=new_net, **options):
    """The message names method and argument; weights, history and generator are as they were."""
    model, control = make(), make()
    for net in (model, control):
        net.fit(binary(), labels(), verbose=0)
    history, values = model.history, {key: list(v) for key, v in model.history.history.items()}
    with pytest.raises(error, match=rf"^\w+: .*\b{argument}\b"):
        getattr(model, method)(*arguments, **options)
    assert_same_weights(model, control)
    assert model.history is history and history.history == values
    assert_same_run(trained(model, binary(), labels()), trained(control, binary(), labels()))


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch",
                                    "predict_on_batch"])
@pytest.mark.parametrize("error, x", BAD_X, ids=range(len(BAD_X)))
def test_bad_x(error, x, method):
    targets = () if method.startswith("predict") else (labels(),)
    assert_refused(error, "x", method, x, *targets)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("error, y", BAD_Y, ids=range(len(BAD_Y)))
def test_bad_y(error, y, method):
    assert_refused(error, "y", method, binary(), y)


@pytest.mark.parametrize("error, argument, value", BAD_OPTIONS, ids=str)
def test_bad_options(error, argument, value):
    assert_refused(error, argument, "fit", binary(), labels(), **{argument: value})
    if argument in ("batch_size", "verbose"):
        assert_refused(error, argument, "evaluate", binary(), labels(), **{argument: value})
        assert_refused(error, argument, "predict", binary(), **{argument: value})


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch",
                                    "predict_on_batch"])
def test_messages_begin_with_the_method(method):
    targets = () if method.startswith("predict") else (labels(),)
    with pytest.raises(ValueError, match=f"^{method}: x must be finite"):
        getattr(new_net(), method)(NAN_X, *targets)


def test_class_numbers_are_told_what_to_do():
    with pytest.raises(ValueError, match=r"\(40, 3\), got \(40,\).*to_categorical"):
        new_net().fit(binary(), labels().argmax(axis=1), verbose=0)


def test_bad_data_does_not_build():
    """A model without InputLayer is not built by a call that fails."""
    def model():
        net = ai.Sequential([ai.layers.SNU(OUTPUTS)], seed=0)
        net.compile()
        return net

    for bad in (lambda net: net.fit(binary()[..., :-1], labels()[:-1], verbose=0),
                lambda net: net.fit(NAN_X, labels(), verbose=0),
                lambda net: net.fit(binary()[..., :-1], labels(), batch_size=0, verbose=0),
                lambda net: net.predict(binary()[..., :-1], batch_size=0, verbose=0)):
        net, control = model(), model()
        with pytest.raises(ValueError):
            bad(net)
        net.fit(binary(), labels(), verbose=0)
        control.fit(binary(), labels(), verbose=0)
        assert_same_weights(net, control)


@pytest.mark.parametrize("optimizer", ["Adam()", "RMSprop()", "RMSprop(momentum=0.9)", "SGD(momentum=0.9)"])
def test_another_optimizer_without_compile(optimizer):
    """Its slots are not there: an error or training, but no crash."""
    done = subprocess.run([sys.executable, "-c", f"""
import numpy as np, neuroai_c as ai
model = ai.Sequential([ai.layers.InputLayer([None, 5]), ai.layers.SNU(3)], seed=0)
model.compile(optimizer="sgd")
model.fit(np.ones((8, 4, 5)), np.ones((8, 3)), verbose=0)
try:
    model.optimizer = ai.optimizers.{optimizer}
    model.fit(np.ones((8, 4, 5)), np.ones((8, 3)), verbose=0)
except (AttributeError, RuntimeError, TypeError, ValueError) as error:
    print(error)
"""], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_uncompiled(method):
    model = page_model()
    with pytest.raises(RuntimeError, match=f"({method}|evaluate): .*compile"):
        getattr(model, method)(binary(), labels())


def test_predict_needs_no_compile():
    assert page_model().predict(np.zeros((2, 3, 784)), verbose=0).shape == (2, 10)


@pytest.mark.parametrize("error, argument, value, listed", [
    (ValueError, "optimizer", "adamax", ["sgd", "rmsprop", "adam"]),
    (ValueError, "loss", "hinge", ["mse"]),
    (ValueError, "metrics", ["auc"], ["acc", "accuracy", "mse"]),
    (TypeError, "optimizer", 3, ["sgd", "rmsprop", "adam"]),
    (TypeError, "optimizer", ai.optimizers.SGD, ["sgd", "rmsprop", "adam"]),
    (TypeError, "loss", lambda y, target: 0, ["mse"]),
    (TypeError, "loss", None, ["mse"]),
    (TypeError, "metrics", [None], ["acc"]),
    (TypeError, "metrics", "acc", []),
])
def test_compile_of_something_unknown(error, argument, value, listed):
    model, control = new_net(), new_net()
    with pytest.raises(error, match=f"compile: {argument}") as caught:
        model.compile(**{argument: value})
    assert all(name in str(caught.value) for name in listed)
    assert_same_run(trained(model, binary(), labels()), trained(control, binary(), labels()))


def test_metrics_of_one_name():
    with pytest.raises(ValueError, match="compile: metrics .*different names"):
        new_net().compile(metrics=["acc", "acc"])


def test_spikes_of_another_model():
    with pytest.raises(ValueError, match="compile: .*metrics.*not a layer of this model"):
        new_net().compile(metrics=[ai.metrics.SpikeCount(new_net().layers[0])])


def test_accuracy_of_one_output():
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(1)])
    model.compile(metrics=["acc"])
    with pytest.raises(ValueError, match="fit: acc"):
        model.fit(binary(), np.zeros((SAMPLES, 1)), verbose=0)


@pytest.mark.parametrize("error, layers, message", [
    (ValueError, lambda: [ai.layers.SNU(2), ai.layers.SNU(2)], "return_sequences=True"),
    (ValueError, lambda: [ai.layers.SNU(2), ai.layers.GlobalAveragePooling1D()], "return_sequences=True"),
    (ValueError, lambda: [ai.layers.GlobalAveragePooling1D(), ai.layers.SNU(2)], "layer before it"),
    (ValueError, lambda: [ai.layers.SNU(2, name="a", return_sequences=True), ai.layers.SNU(2, name="a")],
     "'a'"),
    (ValueError, lambda: [ai.layers.SNU(2, return_sequences=True)] * 2, "already"),
    (ValueError, lambda: [ai.layers.SNU(2), ai.layers.InputLayer([None, 2])], "InputLayer"),
    (TypeError, lambda: ["SNU"], "layer"),
    (TypeError, lambda: [ai.layers.SNU], "layer"),
    (TypeError, lambda: [None], "layer"),
])
@pytest.mark.parametrize("built", [False, True])
def test_layers_that_do_not_fit(error, layers, message, built):
    front = [ai.layers.InputLayer([None, 4])] if built else []
    with pytest.raises(error, match=message):
        model = ai.Sequential([*front, *layers()])
        model.build((None, None, 4))


def test_add_that_fails_changes_nothing():
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(OUTPUTS)], seed=0)
    control = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(OUTPUTS)], seed=0)
    for net in (model, control):
        net.compile()
    layer = ai.layers.SNU(2)
    for bad in (layer, None, ai.layers.InputLayer([None, 3])):
        with pytest.raises((TypeError, ValueError)):
            model.add(bad)
    assert not layer.built and len(model.layers) == 1
    for net in (model, control):
        net.fit(binary(), labels(), verbose=0)
    assert_same_weights(model, control)


def test_build_that_fails_changes_nothing():
    shared = ai.layers.SNU(OUTPUTS, name="shared")
    ai.Sequential([ai.layers.InputLayer([None, 5]), shared])
    first = ai.layers.SNU(HIDDEN, return_sequences=True)
    model = ai.Sequential([first, shared])
    with pytest.raises(ValueError, match="5 inputs"):
        model.build((None, None, INPUTS))
    assert not first.built


@pytest.mark.parametrize("shape", [None, 3, (None, 4), (None, None, 0), (None, None, -1), (None, None, 2.5),
                                   (None, None, None), (1, 2, 3, 4), "abc", (None, 0, 3)], ids=str)
def test_build_of_a_bad_shape(shape):
    with pytest.raises((TypeError, ValueError), match="build: .*input_shape|input_shape"):
        ai.Sequential([ai.layers.SNU(2)]).build(shape)


def test_build_of_another_width():
    with pytest.raises(ValueError, match="12 inputs, got 13"):
        new_net().build((None, None, 13))


@pytest.mark.parametrize("error, options", [
    (TypeError, dict(seed="1")), (ValueError, dict(seed=-1)), (TypeError, dict(seed=1.5)),
    (ValueError, dict(dtype="float16")), (ValueError, dict(dtype=int)),
    (ValueError, dict(dtype=np.dtype("f4").newbyteorder())), (TypeError, dict(dtype="single-ish")),
    (TypeError, dict(name=3)), (TypeError, dict(layers=3)), (TypeError, dict(layers=["a"])),
], ids=str)
def test_bad_arguments_of_sequential(error, options):
    (argument,) = options
    with pytest.raises(error, match=f"Sequential: .*{argument}"):
        ai.Sequential(**options)


@pytest.mark.parametrize("dtype", ["f4", "double", np.float32, np.dtype("f8"), float])
def test_precision_by_any_name(dtype):
    layers = [ai.layers.InputLayer([None, INPUTS]), ai.layers.SNU(3)]
    assert ai.Sequential(layers, dtype=dtype).predict(binary(), verbose=0).dtype == np.dtype(dtype)


@pytest.mark.parametrize("error, change", [
    (ValueError, lambda weights: weights[:-1]),
    (ValueError, lambda weights: [*weights, weights[0]]),
    (ValueError, lambda weights: [*weights[:-1], weights[-1][:-1]]),
    (ValueError, lambda weights: [weights[0].T, *weights[1:]]),
    (TypeError, lambda weights: [*weights[:-1], weights[-1].astype(str)]),
    (TypeError, lambda weights: [*weights[:-1], None]),
    (TypeError, lambda weights: None),
])
def test_bad_weights_change_nothing(error, change):
    model = new_net()
    before = model.get_weights()
    with pytest.raises(error, match="set_weights: .*weights"):
        model.set_weights(change([np.ones_like(w) for w in before]))
    for weight, wanted in zip(model.get_weights(), before):
        assert_same_bits(weight, wanted)


def test_weights_of_a_model_that_is_not_built():
    with pytest.raises(ValueError, match="set_weights: .*build"):
        ai.Sequential([ai.layers.SNU(2)]).set_weights([])


@pytest.mark.parametrize("method", ["fit", "predict", "build"])
def test_no_layers(method):
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS])])
    model.compile()
    arguments = {"fit": (binary(), labels()), "predict": (binary(),), "build": ((None, None, INPUTS),)}
    with pytest.raises(ValueError, match=f"{method}: .*no layers"):
        getattr(model, method)(*arguments[method])


def test_spikes_of_a_layer_that_returns_its_last_step():
    """All its steps count, not only the one that it returns."""
    layer = ai.layers.SNU(OUTPUTS)
    model = ai.Sequential([ai.layers.InputLayer([None, INPUTS]), layer], seed=0)
    model.compile(metrics=[ai.metrics.SpikeCount(layer)])
    kernel, bias = model.get_weights()
    y, _ = ai.ops.snu_forward(binary(), kernel, bias)
    assert model.evaluate(binary(), labels(), verbose=0)[1] == y.sum() / len(y)
    assert y.sum() > y[:, -1].sum()


@pytest.mark.parametrize("optimizer", [ai.optimizers.SGD, ai.optimizers.RMSprop])
def test_momentum_that_comes_after_compile(optimizer):
    model = new_net(optimizer=optimizer(0.01))
    model.fit(binary(), labels(), verbose=0)
    model.optimizer.momentum = 0.9
    weights = model.get_weights()
    with pytest.raises(ValueError, match="compile again"):
        model.fit(binary(), labels(), verbose=0)
    for old, new in zip(weights, model.get_weights()):
        np.testing.assert_array_equal(old, new)
