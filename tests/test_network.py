"""Whole networks: every layer, loss and optimizer crossed, against the twin and recorded numbers."""

import neuroai_c as ai
import numpy as np
import pytest
import twin
from bridge import twin_batch, twin_of
from tolerances import (FLOAT32_VALUE, GOLDEN_VALUE, TRAINED_20, TRAINED_FLOAT32, assert_close,
                        assert_same_bits)

layers, optimizers = ai.layers, ai.optimizers

# ---- random networks against the twin --------------------------------------

BATCH = 4
LOSSES = [ai.losses.MeanSquaredError(),
          *(loss(from_logits=logits) for logits in (False, True)
            for loss in (ai.losses.BinaryCrossentropy, ai.losses.CategoricalCrossentropy,
                         ai.losses.SparseCategoricalCrossentropy))]
FEEDS = ["real", "binary", "Spikes", "lists", "binary lists"]


class Drawn:
    """A network, what it is fed and what it should put out, all of one random generator.

    A large one has rows of some vectors and a remainder, spikes that are few, and work for two threads.
    What is drawn from, and how often, can be chosen by name.
    """

    FEEDS = FEEDS
    TAILS = "average", "last", "sequences"
    OUTPUTS = "step_function", ai.activations.StepFunction("sigmoid"), "sigmoid", "tanh"
    POTENTIALS = "identity", "leaky_rel", "relu", "tanh", "sigmoid"
    GATES = False, "batch", "sample"
    DENSE = None, "relu", "tanh", "sigmoid", "leaky_rel", "step_function"
    PENALTIES = None, None, ai.regularizers.L1(0.02)
    ATTACHED = 0.7                      # how often the gradient passes through the reset gate
    STATEFUL = BACKWARDS = MASKING = 0.3

    def __init__(self, seed, large=False, **chosen):
        vars(self).update(chosen)
        self.rng = rng = np.random.default_rng(seed)
        self.inputs, self.density = (40, 0.05) if large else (5, 0.3)
        self.units = (64, 70, 130) if large else (1, 3, 4, 7, 9, 17)
        self.feed = self.FEEDS[seed % len(self.FEEDS)]
        self.loss = LOSSES[seed % len(LOSSES)]
        self.masking = self.chance(self.MASKING)
        self.tail = rng.choice(self.TAILS)
        self.stateful = self.chance(self.STATEFUL)
        self.samples = 2 * BATCH if self.stateful else 2 * BATCH + 2
        self.model = self.new_model()
        self.x = self.new_x()
        self.y = self.new_y()
        self.weights = rng.uniform(0, 2, self.samples) if self.chance(0.5) else None

    def chance(self, p):
        return bool(self.rng.random() < p)

    def of(self, *values):
        return values[self.rng.integers(len(values))]

    def new_model(self):
        probabilities = not getattr(self.loss, "from_logits", True)
        drawn = [layers.InputLayer([None, self.inputs])]
        if self.masking:
            drawn.append(layers.Masking(self.of(0.0, 1.0)))
        if self.chance(0.3):
            drawn.append(self.dense(6))
        units = int(self.of(*self.units))
        if self.chance(0.6):
            drawn.append(self.snu(int(self.of(*self.units)), True))
            if self.chance(0.3):
                drawn.append(self.dense(6))
        drawn.append(self.snu(units, self.tail != "last"))
        if self.tail == "average":
            drawn.append(layers.GlobalAveragePooling1D())
        if self.chance(0.4):
            drawn.append(self.dense(5))
        if probabilities:
            drawn.append(layers.Dense(int(self.of(2, 3, 9)), "sigmoid", self.chance(0.5)))
        model = ai.Sequential(drawn, seed=int(self.rng.integers(1000)), dtype="float64")
        model.compile(self.optimizer(), self.loss)
        for layer in model.layers:      # a threshold or a bias for every unit
            if (weights := layer.get_weights()) and len(weights) > 1:
                place = 2 if getattr(layer, "recurrent", False) else 1
                weights[place] += self.rng.uniform(-0.7, 0.1, len(weights[place]))
                layer.set_weights(weights)
        return model

    def dense(self, units):
        return layers.Dense(units, self.of(*self.DENSE), self.chance(0.6))

    def snu(self, units, sequences):
        decay = self.rng.uniform(0.2, 0.95, units)
        trained = self.chance(0.5)
        return layers.SNU(
            units, self.of(*self.OUTPUTS), decay=decay if self.chance(0.5) else float(decay[0]),
            trainable_decay=trained, g=self.of(*self.POTENTIALS),
            recurrent=self.chance(0.4), lateral_inhibition=self.of(*self.GATES),
            return_sequences=sequences, go_backwards=self.chance(self.BACKWARDS),
            stateful=self.stateful and self.chance(0.7), reset_gradient=self.chance(self.ATTACHED),
            activity_regularizer=self.of(*self.PENALTIES))

    def optimizer(self):
        rate = self.of(0.02, optimizers.schedules.CosineDecay(0.05, 4, alpha=0.1),
                       optimizers.schedules.ExponentialDecay(0.03, 2, 0.5, staircase=True))
        around = self.of({}, dict(clipnorm=0.05), dict(clipvalue=0.01))
        around["weight_decay"] = self.of(None, 0.1)
        return self.of(
            optimizers.SGD(rate, **around), optimizers.SGD(rate, 0.8, **around),
            optimizers.SGD(rate, 0.8, nesterov=True, **around), optimizers.RMSprop(rate, **around),
            optimizers.RMSprop(rate, 0.8, momentum=0.5, **around), optimizers.Adam(rate, **around))

    def new_x(self):
        rng, binary = self.rng, self.feed not in ("real", "lists")
        lengths = rng.integers(1, 9, self.samples) if "lists" in self.feed else np.full(self.samples, 7)
        if "lists" in self.feed:
            lengths[:2] = 1, 8          # so that they differ
        rows = []
        for length in lengths:
            row = rng.standard_normal((length, self.inputs))
            if binary:
                row = (rng.random(row.shape) < self.density).astype(np.uint8)
            if self.masking:
                row[rng.random(length) < 0.3] = self.model.layers[0].mask_value
                if self.tail == "average":          # some step has to count
                    row[rng.integers(length), :2] = 0, 1
            rows.append(row)
        if "lists" in self.feed:
            return rows
        x = np.array(rows)
        return ai.Spikes.from_dense(x) if self.feed == "Spikes" else x

    def new_y(self):
        shapes = [self.model._shape(len(row), self.inputs) for row in self.x]
        if self.loss.name == "sparse_categorical_crossentropy":
            rows = [self.rng.integers(0, shape[-1], shape[:-1]) for shape in shapes]
        elif self.loss.name == "binary_crossentropy":
            rows = [self.rng.integers(0, 2, shape).astype(float) for shape in shapes]
        else:
            rows = [self.rng.random(shape) for shape in shapes]
        return rows if "lists" in self.feed and len(shapes[0]) == 2 else np.array(rows)

    def batches(self):
        size = BATCH
        for start in range(0, self.samples, size):
            part = slice(start, start + size)
            yield (*twin_batch(self.model, self.x[part], self.y[part]),
                   None if self.weights is None else self.weights[part])


def mean_loss(losses, batches):
    return np.average(losses, weights=[len(x) for x, *_ in batches])


def check(drawn):
    model, net, batches = drawn.model, twin_of(drawn.model), list(drawn.batches())
    options = dict(batch_size=BATCH, verbose=0, sample_weight=drawn.weights)

    net_loss = mean_loss([net.evaluate(*batch)[0] for batch in batches], batches)
    assert_close(model.evaluate(drawn.x, drawn.y, **options), net_loss, TRAINED_20, "loss before")
    history = model.fit(drawn.x, drawn.y, epochs=2, shuffle=False, **options).history["loss"]
    for epoch, loss in enumerate(history):
        net_loss = mean_loss([net.train_on_batch(*batch)[0] for batch in batches], batches)
        assert_close(loss, net_loss, TRAINED_20, f"loss of epoch {epoch}")
    for number, (weight, desired) in enumerate(zip(model.get_weights(), net.weights, strict=True)):
        assert_close(weight, desired, TRAINED_20, f"weights {number}")


@pytest.mark.parametrize("seed", range(200))
def test_twin(seed):
    check(Drawn(seed))


@pytest.mark.parametrize("seed", range(35))
def test_twin_of_large_networks(seed):
    check(Drawn(seed, large=True))


# ---- recorded numbers ------------------------------------------------------

# float64 was recorded with TensorFlow's float32 alpha
LEAKY = {"float64": ai.activations.LeakyRel(float(np.float32(0.1))), "float32": "leaky_rel"}


@pytest.mark.parametrize("name", ["net", "net-inhibited"])
def test_recorded_validation(name):
    """Validation has the batch size of fit, which under inhibition decides."""
    recorded = twin.golden("keras")[name]
    options = dict(decay=0.9, g=LEAKY["float64"], return_sequences=True)
    model = ai.Sequential([layers.SNU(6, lateral_inhibition=name == "net-inhibited", **options),
                           layers.SNU(3, **options), layers.GlobalAveragePooling1D()], dtype="float64")
    model.build((None, None, 12))
    model.compile(optimizers.SGD(0.5), "mse", ["acc"])
    model.set_weights([recorded["initial"][key] for key in ("kernel_1", "bias_1", "kernel_2", "bias_2")])
    x, y = recorded["x"], recorded["y"]
    history = model.fit(x, y, batch_size=15, epochs=3, shuffle=False, verbose=0,
                        validation_data=(x[:20], y[:20])).history
    assert list(history) == ["loss", "acc", "val_loss", "val_acc"]
    for key, values in history.items():
        assert_close(values, recorded["history"][key], GOLDEN_VALUE, key)


def recorded_layer(name, masking, **options):
    recorded = twin.golden("keras")[name]
    layer = layers.SNU(int(recorded["units"]), str(recorded["activation"]), float(recorded["decay"]),
                       LEAKY["float64"], recurrent=True, return_sequences="last_output" not in name,
                       lateral_inhibition=bool(recorded["lateral_inhibition"]),
                       go_backwards="go_backwards" in name, **options)
    model = ai.Sequential([layers.InputLayer([None, 4]), *([layers.Masking()] if masking else []), layer],
                          dtype="float64")
    layer.set_weights([recorded[key] for key in ("kernel", "recurrent_kernel", "bias")])
    return model, recorded


@pytest.mark.parametrize("name", ["mask", "mask-sigmoid", "mask-inhibited", "mask-inhibited-sigmoid",
                                  "mask-last_output", "mask-go_backwards", "go_backwards",
                                  "go_backwards-last_output"])
def test_recorded_outputs(name):
    model, recorded = recorded_layer(name, masking="mask" in name)
    assert_close(model.predict(recorded["x"], verbose=0), recorded["y"], GOLDEN_VALUE)
    if "mask" in name:
        assert_same_bits(model.layers[0](recorded["x"]), recorded["mask"])


def test_recorded_average_of_the_steps_that_count():
    """A sample without such a step is recorded as nan, and refused here."""
    model, recorded = recorded_layer("mask-global_average_pooling", masking=True)
    model.add(layers.GlobalAveragePooling1D())
    counts = recorded["mask"].any(axis=1)
    output = model.predict(recorded["x"][counts], verbose=0)
    assert_close(output, recorded["averaged"][counts], GOLDEN_VALUE)
    if not counts.all():
        with pytest.raises(ValueError, match="predict: every sample of x must have a step that counts"):
            model.predict(recorded["x"], verbose=0)


@pytest.mark.parametrize("name", ["stateful", "stateful-inhibited"])
def test_recorded_states(name):
    model, recorded = recorded_layer(name, masking=False, stateful=True)
    assert_close(model.predict(recorded["x"], verbose=0), recorded["y"], GOLDEN_VALUE)
    assert_close(model.predict(recorded["x_2"], verbose=0), recorded["y_2"], GOLDEN_VALUE)
    model.reset_states()
    assert_close(model.predict(recorded["x_2"], verbose=0), recorded["y_2_after_reset_states"], GOLDEN_VALUE)


@pytest.mark.parametrize("as_list", [True, False], ids=["list", "Spikes, one by one"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_recorded_music(dtype, as_list):
    """Ten chorales, one a step, as a user trains on them."""
    try:
        train, _, _ = ai.datasets.JSB()
    except FileNotFoundError:
        pytest.skip("the chorales are not here")
    recorded = twin.golden("jsb")
    model = ai.Sequential([layers.InputLayer([None, 88]),
                           layers.SNU(150, decay=float(recorded["decay"]), g=LEAKY[dtype],
                                      return_sequences=True),
                           layers.Dense(88)], dtype=dtype)
    names = ["kernel", "bias", "dense_kernel", "dense_bias"]
    model.set_weights([recorded["initial"][name] for name in names])
    model.compile(optimizers.Adam(0.01), ai.losses.BinaryCrossentropy(from_logits=True))

    x, y = [chorale[:-1] for chorale in train[:10]], [chorale[1:] for chorale in train[:10]]
    losses = []
    if as_list:
        class Losses(ai.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                losses.append(logs["loss"] * (batch + 1) - sum(losses))

        history = model.fit(x, y, batch_size=1, shuffle=False, verbose=0, callbacks=[Losses()]).history
        assert_close(history["loss"], [np.mean(losses)], GOLDEN_VALUE)
    else:
        for chorale, target in zip(x, y):
            losses.append(model.train_on_batch(ai.Spikes.from_dense(chorale[None]), target[None]))

    desired = recorded["f64"]
    assert_close(losses, desired["loss"], GOLDEN_VALUE if dtype == "float64" else FLOAT32_VALUE, "loss")
    tolerance = TRAINED_20 if dtype == "float64" else TRAINED_FLOAT32[20]
    for name, weight in zip(names, model.get_weights(), strict=True):
        assert_close(weight, desired["after_10"][name], tolerance, name)
