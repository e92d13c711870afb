"""fit: callbacks, validation, iterables of batches, weights of samples, and what is refused."""

import copy
import csv

import neuroai_c as ai
import numpy as np
import pytest
from tolerances import GOLDEN_VALUE, TRAINED, assert_close, assert_same_bits

callbacks, layers, optimizers = ai.callbacks, ai.layers, ai.optimizers

INPUTS, OUTPUTS, SAMPLES, STEPS = 5, 3, 10, 4


def new_model(optimizer="adam", loss="mse", *, sequences=False, dropout=0.0, dtype="float32", compiled=True,
              metrics=("acc",)):
    snu = dict(decay=0.8, g="leaky_rel", bias_initializer=ai.initializers.Constant(0.2))
    model = ai.Sequential([
        layers.InputLayer([None, INPUTS]), layers.SNU(6, return_sequences=True, trainable_decay=True, **snu),
        *([layers.Dropout(dropout)] if dropout else []),
        layers.SNU(4, "sigmoid", return_sequences=sequences, **snu),
        layers.Dense(OUTPUTS)], seed=0, dtype=dtype)
    if compiled:
        model.compile(optimizer, loss, list(metrics))
    return model


def data(samples=SAMPLES, sequences=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, STEPS, INPUTS))
    return x, rng.random((samples, STEPS, OUTPUTS) if sequences else (samples, OUTPUTS))


def lists(samples=SAMPLES, sequences=False, seed=0):
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((length, INPUTS)) for length in rng.integers(1, 7, samples)]
    if sequences:
        return x, [rng.random((len(row), OUTPUTS)) for row in x]
    return x, rng.random((samples, OUTPUTS))


def assert_same_weights(model, other):
    for weight, wanted in zip(model.get_weights(), other.get_weights(), strict=True):
        assert_same_bits(weight, wanted)


def cut(x, y, size):
    return [(x[i:i + size], y[i:i + size]) for i in range(0, len(x), size)]


# ---- hooks -----------------------------------------------------------------


class Recorded(callbacks.Callback):
    """Every hook with what it is called with."""

    def __init__(self):
        self.calls = []


def _hook(name):
    def hook(self, *arguments, logs=None):
        *numbers, logs = arguments if logs is None else (*arguments, logs)
        assert isinstance(logs, dict)
        self.calls.append((name.removeprefix("on_"), *numbers, *logs))
    return hook


for _name in [name for name in vars(callbacks.Callback) if name.startswith("on_")]:
    setattr(Recorded, _name, _hook(_name))


def names(calls):
    return [call[0] for call in calls]


def test_order_of_hooks():
    x, y = data()
    model, recorded = new_model(), Recorded()
    model.fit(x, y, batch_size=6, epochs=2, verbose=0, callbacks=[recorded], validation_data=(x[:7], y[:7]))
    batches = [call for n in (0, 1) for call in
               (("train_batch_begin", n), ("train_batch_end", n, "loss", "acc"))]
    test = [("test_begin",), *[call for n in (0, 1) for call in
                               (("test_batch_begin", n), ("test_batch_end", n, "loss", "acc"))],
            ("test_end", "loss", "acc")]
    measures = ("loss", "acc", "val_loss", "val_acc")
    assert recorded.calls == [
        ("train_begin",),
        *[call for epoch in (0, 1) for call in
          (("epoch_begin", epoch), *batches, *test, ("epoch_end", epoch, *measures))],
        ("train_end", *measures)]
    assert recorded.model is model
    assert recorded.params == {"epochs": 2, "steps": 2, "verbose": 0}


@pytest.mark.parametrize("batch_size, batches", [(10, 1), (4, 3), (None, 1)])
def test_hooks_of_evaluate_and_predict(batch_size, batches):
    x, y = data()
    model, recorded = new_model(), Recorded()
    model.evaluate(x, y, batch_size=batch_size, verbose=0, callbacks=[recorded])
    assert names(recorded.calls) == ["test_begin", *["test_batch_begin", "test_batch_end"] * batches,
                                     "test_end"]
    recorded.calls.clear()
    model.predict(x, batch_size=batch_size, verbose=0, callbacks=[recorded])
    assert names(recorded.calls) == ["predict_begin", *["predict_batch_begin", "predict_batch_end"] * batches,
                                     "predict_end"]


def test_hooks_of_an_iterable():
    x, y = data()
    recorded = Recorded()
    new_model().fit(cut(x, y, 4).__iter__(), epochs=1, verbose=0, callbacks=[recorded])
    assert names(recorded.calls) == ["train_begin", "epoch_begin",
                                     *["train_batch_begin", "train_batch_end"] * 3, "epoch_end", "train_end"]
    assert [call[1] for call in recorded.calls if call[0] == "train_batch_end"] == [0, 1, 2]
    assert recorded.params["steps"] is None


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_logs_of_batches_are_means_so_far(dropout):
    x, y = data()
    logs = []

    class Logs(callbacks.Callback):
        def on_train_batch_end(self, batch, logs_=None, logs=logs):
            logs.append(dict(logs_))

        def on_epoch_end(self, epoch, logs_=None, logs=logs):
            logs.append(dict(logs_))

    model, silent = new_model(dropout=dropout), new_model(dropout=dropout)
    history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[Logs()]).history
    assert silent.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history == history
    assert_same_weights(model, silent)
    assert logs[2] == logs[3] == {"loss": history["loss"][0], "acc": history["acc"][0]}
    if dropout == 0:
        loop, seen = new_model(), []
        for (batch_x, batch_y), log in zip(cut(x, y, 4), logs):
            seen.append((len(batch_x), *loop.train_on_batch(batch_x, batch_y)))
            sizes, *columns = zip(*seen)
            means = [np.average(column, weights=sizes) for column in columns]
            assert_close([log["loss"], log["acc"]], means, GOLDEN_VALUE)


def test_weights_of_the_moment():
    """A hook sees the weights after its batch, and what it sets is what goes on."""
    x, y = data()
    seen = []

    class Look(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.get_weights())
            if batch == 1:
                self.model.set_weights([weight * 0.5 for weight in seen[-1]])

    model, loop = new_model(), new_model()
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[Look()])
    for number, (batch, found) in enumerate(zip(cut(x, y, 4), seen, strict=True)):
        loop.train_on_batch(*batch)
        for weight, wanted in zip(found, loop.get_weights(), strict=True):
            assert_same_bits(weight, wanted)
        if number == 1:
            loop.set_weights([weight * 0.5 for weight in loop.get_weights()])
    assert_same_weights(model, loop)


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_begin",
                                  "on_epoch_end"])
def test_a_learning_rate_counts_from_the_next_step(hook):
    x, y = data()

    class Slower(callbacks.Callback):
        pass

    def slower(self, number, logs=None):
        self.model.optimizer.learning_rate *= 0.5

    setattr(Slower, hook, slower)
    model, loop = new_model(optimizers.SGD(0.5)), new_model(optimizers.SGD(0.5))
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[Slower()])
    rate = 0.5
    for _ in range(2):
        rate *= 0.5 if hook == "on_epoch_begin" else 1
        for batch in cut(x, y, 4):
            rate *= 0.5 if hook == "on_train_batch_begin" else 1
            loop.optimizer.learning_rate = rate
            loop.train_on_batch(*batch)
            rate *= 0.5 if hook == "on_train_batch_end" else 1
        rate *= 0.5 if hook == "on_epoch_end" else 1
    assert_same_weights(model, loop)


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end",
                                  "on_test_end"])
def test_an_error_in_a_hook_comes_out(hook):
    """And leaves a model that trains on."""
    x, y = data()

    class Failing(callbacks.Callback):
        pass

    def fail(self, *arguments):
        raise LookupError("mine")

    setattr(Failing, hook, fail)
    model = new_model()
    with pytest.raises(LookupError, match="mine"):
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[Failing()], validation_data=(x, y))
    model.fit(x, y, verbose=0)


def test_stop_training():
    x, y = data()

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0 and self.epoch == 1:
                self.model.stop_training = True

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    model, recorded = new_model(), Recorded()
    history = model.fit(x, y, batch_size=4, epochs=5, verbose=0, callbacks=[Stop(), recorded])
    assert history.epoch == [0, 1]
    assert names(recorded.calls).count("train_batch_end") == 4          # after the batch
    assert recorded.calls[-1][0] == "train_end"
    assert model.stop_training is True
    assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]


def test_early_stopping():
    """The weights of the best epoch, and training ends when there was none for a while."""
    x, y = data()

    class Spoil(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                self.model.optimizer.learning_rate = 3.0
            self.weights = self.model.get_weights()

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                self.best = self.model.get_weights()

    spoil = Spoil()
    stopping = callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    model = new_model(optimizers.SGD(0.05))
    history = model.fit(x, y, epochs=20, batch_size=5, verbose=0, validation_data=(x, y),
                        callbacks=[spoil, stopping])
    assert stopping.best_epoch == 2 and history.epoch == [0, 1, 2, 3, 4]
    for weight, wanted in zip(model.get_weights(), spoil.best, strict=True):
        assert_same_bits(weight, wanted)
    assert model.evaluate(x, y, verbose=0)[0] == stopping.best


def test_checkpoints(tmp_path):
    x, y = data()
    model = new_model()
    model.fit(x, y, epochs=3, batch_size=4, verbose=0, callbacks=[
        callbacks.ModelCheckpoint(tmp_path / "{epoch}-{loss:.3f}", save_weights_only=True),
        callbacks.ModelCheckpoint(tmp_path / "best", "loss", save_best_only=True),
        callbacks.ModelCheckpoint(tmp_path / "batch-{epoch}-{batch}", save_freq=2)])
    losses = model.history.history["loss"]
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == sorted([f"{epoch}-{loss:.3f}" for epoch, loss in enumerate(losses, 1)] +
                           ["best", "batch-1-2", "batch-2-1", "batch-2-3", "batch-3-2"])
    other = new_model()
    other.load_weights(tmp_path / f"3-{losses[2]:.3f}")
    assert_same_weights(other, model)
    assert ai.load_model(tmp_path / "best").history.history["loss"] == losses[:np.argmin(losses) + 1]


def test_learning_rates_of_epochs():
    x, y = data()
    rates = [0.5, 0.25, 0.125]
    model, loop = new_model(optimizers.SGD(1.0)), new_model(optimizers.SGD(1.0))
    history = model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0,
                        callbacks=[callbacks.LearningRateScheduler(lambda epoch: rates[epoch])]).history
    assert history["lr"] == rates
    for rate in rates:
        loop.optimizer.learning_rate = rate
        for batch in cut(x, y, 4):
            loop.train_on_batch(*batch)
    assert_same_weights(model, loop)


def test_csv(tmp_path):
    x, y = data()
    model = new_model()
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[
        callbacks.LearningRateScheduler(lambda epoch: 0.5), callbacks.CSVLogger(tmp_path / "log.csv")]).history
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "acc", "loss", "lr", "val_acc", "val_loss"]
    for epoch, row in enumerate(rows):
        assert row.pop("epoch") == str(epoch)
        assert {name: float(value) for name, value in row.items()} == {
            name: values[epoch] for name, values in history.items()}


def test_measures_of_callbacks_are_in_the_history():
    x, y = data()

    class Norm(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["norm"] = epoch / 2

    history = new_model().fit(x, y, epochs=2, verbose=0, callbacks=[Norm()]).history
    assert list(history) == ["loss", "acc", "norm"]
    assert history["norm"] == [0.0, 0.5]


@pytest.mark.parametrize("given", [3, [None], [callbacks.Callback], "csv"], ids=str)
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_other_callbacks(method, given):
    x, y = data()
    with pytest.raises(TypeError, match=f"{method}: callbacks must be"):
        getattr(new_model(), method)(*((x,) if method == "predict" else (x, y)), callbacks=given)


# ---- validation ------------------------------------------------------------


@pytest.mark.parametrize("given", [data, lists], ids=["array", "lists"])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("as_spikes", [False, True])
def test_validation_split_is_of_the_last_samples(as_spikes, sequences, given):
    x, y = given(sequences=sequences)
    if as_spikes:
        if given is lists:
            return
        x = ai.Spikes.from_dense((x > 0).astype(np.uint8))
    weights = np.linspace(0.5, 2, SAMPLES)
    for weight in (None, weights):
        split, told = (new_model(sequences=sequences) for _ in range(2))
        part = None if weight is None else weight[:7]
        rest = () if weight is None else (weight[7:],)
        history = split.fit(x, y, batch_size=3, epochs=2, verbose=0, validation_split=0.3, sample_weight=weight)
        wanted = told.fit(x[:7], y[:7], batch_size=3, epochs=2, verbose=0, sample_weight=part,
                          validation_data=(x[7:], y[7:], *rest))
        assert history.history == wanted.history
        assert list(history.history) == ["loss", "acc", "val_loss", "val_acc"]
        assert_same_weights(split, told)


def test_validation_changes_nothing():
    x, y = data()
    model, alone = new_model(dropout=0.3), new_model(dropout=0.3)
    history = model.fit(x, y, batch_size=4, epochs=3, verbose=0, validation_data=lists(5)).history
    wanted = alone.fit(x, y, batch_size=4, epochs=3, verbose=0).history
    assert {name: history[name] for name in wanted} == wanted
    assert_same_weights(model, alone)


def test_validation_is_evaluate_after_the_epoch():
    x, y = data()
    validation = *data(7, seed=1), np.arange(7.0)
    evaluated = []

    class Evaluate(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            evaluated.append(self.model.evaluate(*validation[:2], batch_size=3, verbose=0,
                                                 sample_weight=validation[2]))

    history = new_model().fit(x, y, batch_size=3, epochs=2, verbose=0, validation_data=validation,
                              callbacks=[Evaluate()]).history
    assert list(zip(history["val_loss"], history["val_acc"])) == [tuple(values) for values in evaluated]


def test_validation_data_win_over_a_split():
    x, y = data()
    model, other = new_model(), new_model()
    history = model.fit(x, y, verbose=0, validation_split=0.5, validation_data=(x, y)).history
    assert history == other.fit(x, y, verbose=0, validation_data=(x, y)).history


def test_validation_of_an_iterable():
    x, y = data()
    model, arrays = new_model(), new_model()
    history = model.fit(iter(cut(x, y, 4)), verbose=0, validation_data=(x, y)).history
    wanted = arrays.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
    assert_close([history["loss"], history["acc"]], [wanted["loss"], wanted["acc"]], GOLDEN_VALUE)
    assert [history["val_loss"][0], history["val_acc"][0]] == arrays.evaluate(x, y, verbose=0)


# ---- weights of samples ----------------------------------------------------


@pytest.mark.parametrize("sequences", [False, True])
def test_weights_multiply_losses(sequences):
    x, y = lists(sequences=sequences)
    model = new_model(sequences=sequences, dtype="float64")
    alone = [model.evaluate(x[i:i + 1], y[i:i + 1], verbose=0) for i in range(SAMPLES)]
    weights = np.linspace(-1, 2, SAMPLES)
    loss, acc = model.evaluate(x, y, batch_size=4, verbose=0, sample_weight=weights)
    losses, hits = np.transpose(alone)
    assert_close(loss, np.mean(losses * weights), TRAINED)
    assert_close(acc, hits.mean(), TRAINED)


def test_a_weight_of_zero_is_a_sample_left_out():
    x, y = data()
    model, fewer = (new_model(optimizers.SGD(0.1), dtype="float64") for _ in range(2))
    weights = np.array([1.0, 0, 1, 0, 0, 1, 1, 0, 1, 0])
    assert np.sum(weights) == 5
    model.train_on_batch(x, y, weights * 2)         # means are over all samples
    fewer.train_on_batch(x[weights > 0], y[weights > 0])
    for weight, wanted in zip(model.get_weights(), fewer.get_weights(), strict=True):
        assert_close(weight, wanted, TRAINED)


def test_weights_go_with_their_samples():
    x, y = data()
    weights = np.linspace(0, 2, SAMPLES)
    shuffled, told = new_model(), new_model()
    order = copy.deepcopy(shuffled._rng).permutation(SAMPLES)
    shuffled.fit(x, y, batch_size=4, verbose=0, sample_weight=weights)
    told.fit(x[order], y[order], batch_size=4, verbose=0, shuffle=False, sample_weight=weights[order].tolist())
    assert_same_weights(shuffled, told)


# ---- iterables of batches --------------------------------------------------


class Batches:
    """Begins anew at every iter."""

    def __init__(self, batches):
        self.batches, self.begun = batches, 0

    def __iter__(self):
        self.begun += 1
        yield from self.batches


@pytest.mark.parametrize("given", [data, lists], ids=["array", "lists"])
@pytest.mark.parametrize("sequences", [False, True])
def test_batches_are_a_loop_of_train_on_batch(sequences, given):
    x, y = given(sequences=sequences)
    batches = cut(x, y, 4)
    batches[1] = (*batches[1], np.array([0.5, 1, 2, 1]))
    model, loop = new_model(sequences=sequences), new_model(sequences=sequences)
    source = Batches([list(batches[0]), *batches[1:]])
    history = model.fit(source, epochs=2, verbose=0).history
    assert source.begun == 2
    for epoch in range(2):
        values = [loop.train_on_batch(*batch) for batch in batches]
        means = np.average(values, axis=0, weights=[4, 4, 2])
        assert_close([history["loss"][epoch], history["acc"][epoch]], means, GOLDEN_VALUE)
    assert_same_weights(model, loop)


def endless(batches, taken):
    while True:
        for batch in batches:
            taken.append(batch)
            yield batch


def test_a_generator_goes_on_over_epochs():
    x, y = data()
    batches, taken = cut(x, y, 2), []
    model, loop = new_model(), new_model()
    model.fit(endless(batches, taken), epochs=3, steps_per_epoch=4, verbose=0)
    assert len(taken) == 12
    for batch in taken:
        loop.train_on_batch(*batch)
    assert_same_weights(model, loop)


def test_batches_begin_anew_in_the_middle_of_an_epoch():
    """Where steps are given and they end: 5 batches, 7 steps."""
    x, y = data()
    batches = cut(x, y, 2)
    model, loop, source = new_model(), new_model(), Batches(batches)
    model.fit(source, epochs=2, steps_per_epoch=7, verbose=0)
    for step in range(14):
        loop.train_on_batch(*batches[step % 5])
    assert source.begun == 3
    assert_same_weights(model, loop)


def test_a_generator_that_ends_too_early():
    x, y = data()
    model, loop = new_model(), new_model()
    with pytest.raises(ValueError, match="fit: x must give batches for every epoch, but ended after 0"):
        model.fit(iter(cut(x, y, 4)), epochs=2, verbose=0)
    for batch in cut(x, y, 4):
        loop.train_on_batch(*batch)
    assert_same_weights(model, loop)
    assert model.history.epoch == [0]
    with pytest.raises(ValueError, match="ended after 3"):
        model.fit(iter(cut(x, y, 4)), epochs=1, steps_per_epoch=5, verbose=0)
    with pytest.raises(ValueError, match="ended after 0"):
        model.fit(iter([]), verbose=0)


def test_an_error_of_a_generator_comes_out():
    x, y = data()

    def broken():
        yield x, y
        raise OSError("the disk")

    model, loop = new_model(), new_model()
    with pytest.raises(OSError, match="the disk"):
        model.fit(broken(), verbose=0)
    loop.train_on_batch(x, y)
    assert_same_weights(model, loop)


BAD_BATCHES = [
    (TypeError, "x must be|a batch of x must be", lambda x, y: x), (TypeError, "a batch", lambda x, y: (x,)),
    (TypeError, "a batch", lambda x, y: (x, y, None, None)),
    (TypeError, "a batch", lambda x, y: {"x": x, "y": y}),
    (TypeError, "a batch", lambda x, y: None), (TypeError, "a batch", lambda x, y: "xy"),
    (ValueError, "x must have 5 inputs", lambda x, y: (x[:, :, :4], y)),
    (ValueError, "x must be finite", lambda x, y: (x * np.nan, y)),
    (ValueError, "x must", lambda x, y: (x[:0], y[:0])),
    (ValueError, "y must", lambda x, y: (x, y[:3])), (ValueError, "y must", lambda x, y: (x, y * np.inf)),
    (TypeError, "y must", lambda x, y: (x, None)),
    (ValueError, "sample_weight must", lambda x, y: (x, y, [1.0])),
]


@pytest.mark.parametrize("error, message, bad", BAD_BATCHES, ids=range(len(BAD_BATCHES)))
def test_bad_batches(error, message, bad):
    """Each is looked at before it is trained on; those before it were good."""
    x, y = data(4)
    model, loop = new_model(), new_model()
    with pytest.raises(error, match=f"fit: .*({message})"):
        model.fit(iter([(x, y), bad(x, y)]), verbose=0)
    loop.train_on_batch(x, y)
    assert_same_weights(model, loop)


def test_messages_about_batches_say_what_came():
    x, y = data(4)
    with pytest.raises(TypeError, match=r"a batch of x must be \(x, y\) or \(x, y, sample_weight\), got"):
        new_model().fit(iter([(x,)]), verbose=0)
    with pytest.raises(TypeError, match=r"validation_data must be \(x, y\) or \(x, y, sample_weight\), got"):
        new_model().fit(x, y, validation_data=x, verbose=0)


def growing():
    """Its loss overflows when fed large numbers."""
    model = ai.Sequential([layers.InputLayer([None, 1]), layers.Dense(1, kernel_initializer="ones")],
                          dtype="float64")
    model.compile(optimizers.SGD(1e-3))
    return model


@pytest.mark.parametrize("as_batches", [False, True])
@pytest.mark.parametrize("kinds", [[], [Recorded]], ids=["", "hooks"])
def test_divergence_says_which_batch(kinds, as_batches):
    x, y = np.ones((6, 1, 1)), np.ones((6, 1, 1))
    x[4] = 1e200
    model, good = growing(), growing()
    given = (iter(cut(x, y, 1)),) if as_batches else (x, y)
    options = {} if as_batches else dict(batch_size=1, shuffle=False)
    with pytest.raises(FloatingPointError, match="Epoch 1/2, batch 5: the loss is no longer finite"):
        model.fit(*given, epochs=2, verbose=0, callbacks=[kind() for kind in kinds], **options)
    for _ in range(4):
        good.train_on_batch(x[:1], y[:1])
    assert_same_weights(model, good)


def test_steps_of_an_epoch():
    """Of arrays: so many batches of a new order every epoch."""
    x, y = data()
    model, loop = new_model(), new_model()
    order = copy.deepcopy(model._rng)
    history = model.fit(x, y, batch_size=3, epochs=3, steps_per_epoch=2, verbose=0)
    assert len(history.history["loss"]) == 3
    for _ in range(3):
        chosen = order.permutation(SAMPLES)[:6]
        for part in (chosen[:3], chosen[3:]):
            loop.train_on_batch(x[part], y[part])
    assert_same_weights(model, loop)


# ---- lists -----------------------------------------------------------------


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 4, None])
def test_fit_of_lists_is_a_loop_of_train_on_batch(batch_size, sequences):
    x, y = lists(sequences=sequences)
    model, loop = new_model(sequences=sequences), new_model(sequences=sequences)
    order = copy.deepcopy(model._rng)
    history = model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0).history
    size = batch_size or 32
    for epoch in range(2):
        chosen = order.permutation(SAMPLES)
        values = []
        for start in range(0, SAMPLES, size):
            part = chosen[start:start + size]
            rows = [y[i] for i in part] if sequences else y[part]
            values.append(loop.train_on_batch([x[i] for i in part], rows))
        means = np.average(values, axis=0, weights=[len(x[i:i + size]) for i in range(0, SAMPLES, size)])
        assert_close([history["loss"][epoch], history["acc"][epoch]], means, GOLDEN_VALUE)
    assert_same_weights(model, loop)


@pytest.mark.parametrize("kind", [ai.losses.BinaryCrossentropy, ai.losses.CategoricalCrossentropy,
                                  ai.losses.SparseCategoricalCrossentropy])
@pytest.mark.parametrize("sequences", [False, True])
def test_large_logits(sequences, kind):
    """From logits nothing overflows, and a right answer costs nothing."""
    loss = kind(from_logits=True)
    copying = layers.SNU(OUTPUTS, "identity", decay=0.0, bias_initializer="zeros", return_sequences=sequences)
    model = ai.Sequential([layers.InputLayer([None, OUTPUTS]), copying])
    model.set_weights([np.eye(OUTPUTS), np.zeros(OUTPUTS)])
    model.compile(optimizers.SGD(0.0), loss, ["acc"])
    labels = np.array([0, 2, 1, 2])
    y = np.eye(OUTPUTS)[labels]
    x = np.repeat(np.where(y == 1, 1e30, -1e30)[:, None], STEPS, axis=1)
    if sequences:
        labels, y = np.repeat(labels[:, None], STEPS, axis=1), np.repeat(y[:, None], STEPS, axis=1)
    target = labels if loss.name.startswith("sparse") else y
    assert model.evaluate(x, target, verbose=0) == [0.0, 1.0]
    assert model.train_on_batch(x, target) == [0.0, 1.0]
    wrong, acc = model.evaluate(-x, target, verbose=0)
    assert wrong > 1e29 and acc < 1
    assert np.isfinite(model.train_on_batch(-x, target)).all()


# ---- bad input: an error that says what, and nothing is changed ------------

X, Y = data()
LISTS, LIST_Y = lists()
_, LIST_SEQUENCES = lists(sequences=True)
NAN = X.copy()
NAN[3, 1, 2] = np.nan

BAD_FIT = [
    # lists
    (ValueError, r"x\[2\] must have as many inputs as x\[0\], 5, got 4",
     dict(x=[*LISTS[:2], LISTS[2][:, :4], *LISTS[3:]])),
    (ValueError, r"x\[1\] must have at least one step, got none", dict(x=[LISTS[0], LISTS[1][:0], *LISTS[2:]])),
    (ValueError, "x must be finite, got NaN", dict(x=[*LISTS[:9], LISTS[9] * np.inf])),
    (ValueError, "x", dict(x=[*LISTS[:9], LISTS[9][0]])),
    ((TypeError, ValueError), "x", dict(x=[*LISTS[:9], None])),
    ((TypeError, ValueError), "x", dict(x=[*LISTS[:9], "sequence"])),
    (ValueError, "y must have the shape of the model's output", dict(x=LISTS, y=LIST_Y[:9])),
    (ValueError, "x must have 5 inputs as the model has, got 4",
     dict(x=[row[:, :4] for row in LISTS], y=LIST_Y)),
    # samples and targets
    (ValueError, "y must have the shape of the model's output, .10, 3., got .9, 3.", dict(y=Y[:9])),
    (ValueError, "y must", dict(y=[list(row) for row in Y[:9]])), (TypeError, "y must", dict(y=None)),
    (ValueError, "x must be finite", dict(x=NAN)), (ValueError, "y must be finite", dict(y=Y * np.inf)),
    # weights of samples
    (ValueError, r"sample_weight must have the shape \(10,\), got \(9,\)", dict(sample_weight=np.ones(9))),
    (ValueError, r"sample_weight must have the shape \(10,\), got \(10, 1\)",
     dict(sample_weight=np.ones((10, 1)))),
    (ValueError, r"sample_weight must have the shape \(10,\), got \(\)", dict(sample_weight=1.0)),
    (ValueError, "sample_weight must be finite", dict(sample_weight=[np.nan] * 10)),
    (TypeError, "sample_weight must", dict(sample_weight=["1"] * 10)),
    # validation
    (ValueError, "validation_split must", dict(validation_split=1.0)),
    (ValueError, "validation_split must", dict(validation_split=-0.1)),
    (ValueError, "validation_split must", dict(validation_split=1.5)),
    (ValueError, "validation_split must leave samples on both sides", dict(validation_split=0.99)),
    (TypeError, "validation_split must be a number", dict(validation_split="0.1")),
    (TypeError, "validation_split must be a number", dict(validation_split=True)),
    (TypeError, "validation_data must be", dict(validation_data=X)),
    (TypeError, "validation_data must be", dict(validation_data=(X,))),
    (TypeError, "validation_data must be", dict(validation_data={"x": X, "y": Y})),
    (ValueError, "validation.*x must have 5 inputs", dict(validation_data=(X[:, :, 1:], Y))),
    (ValueError, "validation.*y must", dict(validation_data=(X, Y[:9]))),
    (ValueError, "validation.*sample_weight must", dict(validation_data=(X, Y, np.ones(3)))),
    (ValueError, "validation.*x must be finite", dict(validation_data=(NAN, Y))),
    (ValueError, "validation.*x must", dict(validation_data=(X[:0], Y[:0]))),
    # steps and epochs
    (ValueError, "steps_per_epoch must be 1 or more, got 0", dict(steps_per_epoch=0)),
    (ValueError, "steps_per_epoch must be at most the 3 batches that there are, got 4",
     dict(steps_per_epoch=4, batch_size=4)),
    (TypeError, "steps_per_epoch must be an integer", dict(steps_per_epoch=2.0)),
    (ValueError, "epochs must be 0 or more, got -1", dict(epochs=-1)),
    (TypeError, "epochs must", dict(epochs=1.5)),
    (TypeError, "initial_epoch must", dict(initial_epoch="1")),
    (ValueError, "batch_size must", dict(batch_size=0)),
    (ValueError, "verbose must", dict(verbose=3)),
    # iterables
    (ValueError, "sample_weight and validation_split must not be given beside an iterable of batches",
     dict(x=iter(cut(X, Y, 4)), y=None, sample_weight=np.ones(10))),
    (ValueError, "sample_weight and validation_split must not be given beside an iterable of batches",
     dict(x=iter(cut(X, Y, 4)), y=None, validation_split=0.2)),
    ((TypeError, ValueError), "x", dict(x=iter(cut(X, Y, 4)))),
    ((TypeError, ValueError), "x", dict(x=7, y=None)),
    ((TypeError, ValueError), "x", dict(x="batches", y=None)),
    ((TypeError, ValueError), "x", dict(x=None, y=None)),
]


@pytest.mark.parametrize("compiled_once", [False, True], ids=["", "trained"])
@pytest.mark.parametrize("error, message, options", BAD_FIT, ids=range(len(BAD_FIT)))
def test_bad_input_changes_nothing(error, message, options, compiled_once):
    """Not the weights, the slots, the generator, the history; the callbacks are not called."""
    model, untouched = new_model(dropout=0.2), new_model(dropout=0.2)
    if compiled_once:
        for each in (model, untouched):
            each.fit(X, Y, verbose=0)
    history, recorded = model.history, Recorded()
    with pytest.raises(error, match=f"fit: .*{message}"):
        model.fit(**{"x": X, "y": Y, "verbose": 0, "callbacks": [recorded], **options})
    assert recorded.calls == []
    assert model.history is history
    for each in (model, untouched):
        each.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert_same_weights(model, untouched)
    assert model.history.history == untouched.history.history


@pytest.mark.parametrize("batches", [[], [1], list(zip(X, Y)), [(X,)], [(X, Y[:2])], [(NAN, Y)]])
def test_a_first_batch_that_is_refused_leaves_the_history(batches):
    model = new_model()
    history = model.fit(X, Y, epochs=2, verbose=0)
    with pytest.raises((TypeError, ValueError), match="fit: "):
        model.fit(iter(batches), verbose=0)
    assert model.history is history and history.epoch == [0, 1]
    with pytest.raises((TypeError, ValueError), match="fit: "):         # it has trained
        model.fit(iter([(X, Y), *batches]), steps_per_epoch=2, verbose=0)
    assert model.history.epoch == []


def test_a_rate_that_is_refused_leaves_the_history():
    model = new_model()
    history = model.fit(X, Y, epochs=2, verbose=0)
    with pytest.raises(ValueError, match="schedule returns must be finite and 0 or more, got -1.0"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: -1.0)])
    assert model.history is history and history.epoch == [0, 1]


def test_an_iterable_with_targets_beside_it_is_told_so():
    """A generator is no array."""
    with pytest.raises((TypeError, ValueError), match="fit: "):
        new_model().fit(iter(cut(X, Y, 4)), Y, verbose=0)


@pytest.mark.parametrize("error, message, y", [
    (ValueError, r"y must be a list of 10 sequences as x is, got ndarray", np.ones((10, 6, OUTPUTS))),
    (ValueError, r"y must be a list of 10 sequences as x is, got 9", LIST_SEQUENCES[:9]),
    (ValueError, r"y\[3\] must have the shape",
     [*LIST_SEQUENCES[:3], LIST_SEQUENCES[3][:-1], *LIST_SEQUENCES[4:]]),
    (ValueError, r"y\[9\] must have the shape", [*LIST_SEQUENCES[:9], LIST_SEQUENCES[9][:, :2]]),
    (ValueError, "y must be finite", [*LIST_SEQUENCES[:9], LIST_SEQUENCES[9] * np.nan]),
    ((TypeError, ValueError), r"y\[9\]", [*LIST_SEQUENCES[:9], None]),
], ids=range(6))
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_bad_targets_of_lists(method, error, message, y):
    model, untouched = new_model(sequences=True), new_model(sequences=True)
    options = {} if method.endswith("batch") else dict(verbose=0)
    with pytest.raises(error, match=f"{method}: {message}"):
        getattr(model, method)(LISTS, y, **options)
    assert_same_weights(model, untouched)


@pytest.mark.parametrize("labels, message", [
    (np.full(10, 3), "y must be integers from 0 to 2, the classes"),
    (np.full(10, -1), "y must be integers from 0"),
    (np.full(10, 0.5), "y must be integers"),
    (np.eye(3)[np.zeros(10, int)], "y must have the shape of classes"),
    (np.zeros((10, 2)), "y must have the shape of classes"),
], ids=range(5))
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch"])
def test_bad_classes(method, labels, message):
    model = new_model(loss=ai.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match=f"{method}: {message}"):
        getattr(model, method)(X, labels)


def test_classes_of_any_integer_type():
    labels = np.arange(10) % 3
    models = []
    for given in (labels, labels.astype(np.uint8), labels.astype(float), labels[:, None], labels.tolist()):
        model = new_model(loss=ai.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(X, given, verbose=0)
        models.append(model)
    for model in models[1:]:
        assert_same_weights(model, models[0])


def test_classes_are_targets_of_ones_and_zeros():
    labels = np.arange(10) % 3
    sparse = new_model(loss=ai.losses.SparseCategoricalCrossentropy(from_logits=True))
    dense = new_model(loss=ai.losses.CategoricalCrossentropy(from_logits=True))
    assert sparse.fit(X, labels, verbose=0).history == dense.fit(X, np.eye(3)[labels], verbose=0).history
    assert_same_weights(sparse, dense)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_bad_lists_elsewhere(method):
    model = new_model()
    given = ([LISTS[0], LISTS[1][:, :4]],) if method == "predict" else ([LISTS[0], LISTS[1][:, :4]], Y[:2])
    with pytest.raises(ValueError, match=rf"{method}: x\[1\] must have as many inputs as x\[0\], 5, got 4"):
        getattr(model, method)(*given, verbose=0)


def test_lists_that_the_input_layer_forbids():
    model = ai.Sequential([layers.InputLayer([4, INPUTS]), layers.SNU(OUTPUTS)])
    with pytest.raises(ValueError, match="predict: x must have 4 steps as the InputLayer says, got different"):
        model.predict(LISTS, verbose=0)


def test_a_sample_without_a_step_cannot_be_averaged():
    model = ai.Sequential([layers.InputLayer([None, INPUTS]), layers.Masking(),
                           layers.SNU(OUTPUTS, return_sequences=True), layers.GlobalAveragePooling1D()])
    model.compile()
    before = model.get_weights()
    x = X.copy()
    x[7] = 0
    with pytest.raises(ValueError, match="fit: every sample of x must have a step that counts.*sample 7"):
        model.fit(x, Y, verbose=0)
    rows = [row.copy() for row in LISTS]
    rows[4][:] = 0
    with pytest.raises(ValueError, match="predict: every sample of x must have a step that counts.*sample 4"):
        model.predict(rows, verbose=0)
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)
