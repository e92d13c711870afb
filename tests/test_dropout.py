"""Dropout in a network: what it leaves out, and that the seed alone decides about it.

The noise is told from a gradient. With a kernel of zeros behind it, binary cross-entropy from logits has
the gradient (1/2 - t) / (outputs B T) by an output: zero for targets of 1/2. Where every number of the
last axis is 1 at one step of one sample, and 1/2 elsewhere, the gradient of the kernel is the noise of all.
"""

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c import models
from tolerances import FLOAT32_VALUE, TRAINED, assert_close, assert_same_bits

layers = ai.layers
SAMPLES, STEPS, UNITS = 20, 5, 40
ONES = np.ones((SAMPLES, STEPS, UNITS))
MARKS = 0.5 + 0.5 * np.eye(SAMPLES * STEPS).reshape(SAMPLES, STEPS, -1)


class Noise(ai.callbacks.Callback):
    """After each step: what Dropout multiplied ones with, and the kernel is zero again."""

    def __init__(self, batch_size=SAMPLES):
        self.batch_size, self.seen = batch_size, []

    def on_train_batch_end(self, batch, logs=None):
        last = self.model.layers[-1]
        kernel = last.get_weights()[0].T.astype(float)
        self.seen.append(kernel.reshape(SAMPLES, STEPS, UNITS) * (2 * len(kernel) * self.batch_size * STEPS))
        self.model.layers[-1].set_weights([np.zeros((UNITS, len(kernel)))])


def new_net(rate, *before, seed=0, dtype="float32"):
    last = layers.Dense(SAMPLES * STEPS, use_bias=False, kernel_initializer="zeros")
    model = ai.Sequential([layers.InputLayer([None, UNITS]), *before, layers.Dropout(rate), last], seed=seed,
                          dtype=dtype)
    model.compile(ai.optimizers.SGD(1.0), ai.losses.BinaryCrossentropy(from_logits=True))
    return model


def identity_layer():
    return layers.Dense(UNITS, use_bias=False, kernel_initializer=Eye())


class Eye(ai.initializers.Initializer):
    def __call__(self, shape, rng):
        return np.eye(*shape)


def noise(model, epochs=1, batch_size=SAMPLES):
    """(epochs, samples, steps, units)"""
    callback = Noise(batch_size)
    model.fit(ONES, MARKS, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0, callbacks=[callback])
    seen = np.array(callback.seen)
    return seen.reshape(epochs, -1, *ONES.shape).sum(axis=1)


def alike(first, second):
    """The fraction of numbers that are left out in both or in none."""
    return np.mean((first > 0) == (second > 0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("inner", [False, True], ids=["first", "inner"])
def test_rate_and_scale(inner, rate, dtype):
    model = new_net(rate, *([identity_layer()] if inner else []), dtype=dtype)
    kept, = noise(model)
    assert_close(kept[kept != 0], np.full(np.count_nonzero(kept), 1 / (1 - rate)), FLOAT32_VALUE)
    deviation = np.sqrt(rate * (1 - rate) / kept.size)
    assert abs(np.mean(kept == 0) - rate) <= 4 * deviation
    assert abs(kept.mean() - 1) <= 4 * deviation / (1 - rate) + FLOAT32_VALUE


def test_it_is_evenly_spread():
    """Over samples, steps and units, and no two of them have the same noise."""
    kept = noise(new_net(0.5), epochs=4) == 0
    for axis in range(4):
        counts = kept.sum(axis=tuple(other for other in range(4) if other != axis))
        size = kept.size / len(counts)
        assert np.all(np.abs(counts - size / 2) < 5 * np.sqrt(size / 4))
        rows = np.moveaxis(kept, axis, 0).reshape(len(counts), -1)
        same = np.array([alike(rows[i], rows[j]) for i in range(len(rows)) for j in range(i)])
        assert np.all(np.abs(same - 0.5) < 5.5 * np.sqrt(0.25 / rows.shape[1]))


def test_every_epoch_and_batch_has_its_own():
    epochs = noise(new_net(0.5), epochs=3, batch_size=5)
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        assert abs(alike(epochs[first], epochs[second]) - 0.5) < 0.05
    one = epochs[0].reshape(4, 5, STEPS, UNITS)
    for batch in range(1, 4):
        assert abs(alike(one[0], one[batch]) - 0.5) < 0.1


def test_every_call_has_its_own():
    model = new_net(0.5)
    first, second = noise(model)[0], noise(model)[0]
    assert abs(alike(first, second) - 0.5) < 0.05


def test_every_layer_has_its_own():
    """Of two in a row a quarter is left; were they alike, a half would be."""
    kept, = noise(new_net(0.5, layers.Dropout(0.5)))
    assert abs(np.mean(kept != 0) - 0.25) < 0.04
    assert_close(kept[kept != 0], np.full(np.count_nonzero(kept), 4.0), FLOAT32_VALUE)


def test_seeds_reproduce():
    first, again, other = (noise(new_net(0.3, seed=seed), epochs=2) for seed in (5, 5, 6))
    assert_same_bits(first, again)
    assert alike(first, other) < 0.7


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("seconds", [0, 10])
def test_same_noise_however_the_work_is_done(threads, seconds, monkeypatch):
    before = ai.get_num_threads()
    ai.set_num_threads(1)
    wanted = noise(new_net(0.3, identity_layer()), epochs=2)
    monkeypatch.setattr(models, "_SECONDS", seconds)
    ai.set_num_threads(threads)
    try:
        assert_same_bits(noise(new_net(0.3, identity_layer()), epochs=2), wanted)
    finally:
        ai.set_num_threads(before)


def test_the_noise_of_a_batch_is_the_same_going_backward(monkeypatch):
    """Of every batch of a run: a run of one batch begins with it."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal(ONES.shape), rng.standard_normal((SAMPLES, STEPS, 3))
    trained = []
    for seconds in (0, 10):
        monkeypatch.setattr(models, "_SECONDS", seconds)
        model = ai.Sequential([layers.InputLayer([None, UNITS]), layers.Dense(7), layers.Dropout(0.3),
                               layers.Dense(3)], seed=0)
        model.compile("sgd")
        model.fit(x, t, batch_size=3, verbose=0)
        trained.append(model.get_weights())
    for weight, wanted in zip(*trained, strict=True):
        assert_same_bits(weight, wanted)


def test_none_but_in_training():
    rng = np.random.default_rng(0)
    x, y = rng.random((6, STEPS, UNITS)), rng.random((6, STEPS, UNITS))
    noisy = ai.Sequential([layers.InputLayer([None, UNITS]), layers.Dropout(0.4), identity_layer(),
                           layers.Dropout(0.7)], dtype="float64", seed=0)
    noisy.compile("sgd", "mse", ["mse"])
    assert_same_bits(noisy.predict(x, verbose=0), x)
    assert_same_bits(noisy.predict_on_batch(x), x)
    desired = np.mean((x - y) ** 2)
    assert_close(noisy.evaluate(x, y, verbose=0), [desired] * 2, TRAINED)
    assert_close(noisy.test_on_batch(x, y), [desired] * 2, TRAINED)
    noisy.compile(ai.optimizers.SGD(0.0), "mse", ["mse"])
    history = noisy.fit(x, y, validation_data=(x, y), verbose=0).history
    assert_close(history["val_loss"], [desired], TRAINED)
    assert abs(history["loss"][0] / desired - 1) > 0.05


def test_evaluating_draws_no_noise():
    """What is evaluated between epochs does not change the noise that comes."""
    rng = np.random.default_rng(0)
    x, y = rng.random((8, STEPS, UNITS)), rng.random((8, STEPS, UNITS))

    def trained(**options):
        model = ai.Sequential([layers.InputLayer([None, UNITS]), identity_layer(), layers.Dropout(0.4)], seed=0)
        model.compile("sgd", "mse")
        model.fit(x, y, epochs=3, batch_size=3, verbose=0, **options)
        model.predict(x, verbose=0)
        model.train_on_batch(x, y)
        return model.get_weights()[0]

    assert_same_bits(trained(validation_data=(x, y)), trained())


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("tail", ["dense", "last"])
def test_the_gradient_goes_through_the_same_noise(tail, rate):
    """A linear net, whose noise is known from one of the same seed: y = (x W * k) U."""
    k = noise(new_net(rate, identity_layer(), dtype="float64"))[0]
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal(ONES.shape), rng.standard_normal((SAMPLES, STEPS, 3))
    W, U = rng.standard_normal((UNITS, UNITS)) / 6, rng.standard_normal((UNITS, 3)) / 6
    model = ai.Sequential([layers.InputLayer([None, UNITS]), identity_layer(), layers.Dropout(rate)], seed=0,
                          dtype="float64")
    if tail == "dense":
        model.add(layers.Dense(3, use_bias=False, kernel_initializer="zeros"))
        model.set_weights([W, U])
        z = (x @ W * k) @ U
        dz = 2 * (z - t) / z.size
        gradients = [np.einsum("bti,btj->ij", x, (dz @ U.T) * k), np.einsum("bti,btj->ij", x @ W * k, dz)]
    else:
        model.set_weights([W])
        t = rng.standard_normal(ONES.shape)
        z = x @ W * k
        gradients = [np.einsum("bti,btj->ij", x, 2 * (z - t) / z.size * k)]
    model.compile(ai.optimizers.SGD(1.0), "mse")
    before = model.get_weights()
    loss = model.fit(x, t, batch_size=SAMPLES, shuffle=False, verbose=0).history["loss"]
    assert_close(loss, [np.mean((z - t) ** 2)], TRAINED)
    for old, new, gradient in zip(before, model.get_weights(), gradients, strict=True):
        assert_close(old - new, gradient, TRAINED)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, np.nan, np.inf])
def test_bad_rates(rate):
    with pytest.raises(ValueError, match="Dropout: rate must be"):
        layers.Dropout(rate)


@pytest.mark.parametrize("rate", [None, "0.5", True, [0.5]])
def test_rates_of_another_kind(rate):
    with pytest.raises(TypeError, match="Dropout: rate must be a number, got"):
        layers.Dropout(rate)


@pytest.mark.parametrize("place", ["input", "spikes", "sequences", "last output", "average", "output"])
def test_any_place(place):
    """With a rate of 0 it is as if it were not there, forward and backward."""
    rng = np.random.default_rng(0)
    x = (rng.random((6, STEPS, 7)) < 0.4).astype(np.uint8)
    x = x + (place == "input") * 0.25
    y = rng.random((6, 3))
    options = dict(g="leaky_rel", bias_initializer=ai.initializers.Constant(0.1))
    parts = [layers.SNU(9, return_sequences=True, **options),
             layers.SNU(8, return_sequences=place != "last output", **options),
             *([] if place == "last output" else [layers.GlobalAveragePooling1D()]), layers.Dense(3)]
    at = {"input": 0, "spikes": 0, "sequences": 1, "last output": 2, "average": 2, "output": 4}[place]

    def trained(dropout):
        row = [layers.InputLayer([None, 7]), *(type(part).from_config(part.get_config()) for part in parts)]
        if dropout:
            row.insert(at + 1, layers.Dropout(0.0))
        model = ai.Sequential(row, seed=0)
        model.compile("adam", "mse")
        history = model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0).history
        return model.get_weights(), history["loss"], model.predict(x, verbose=0)

    (weights, losses, output), (weights_0, losses_0, output_0) = trained(False), trained(True)
    assert losses == losses_0
    assert_same_bits(output, output_0)
    for weight, wanted in zip(weights, weights_0, strict=True):
        assert_same_bits(weight, wanted)
