"""Careless and hostile calls: the documented error, and nothing changed by a refused call."""

import copy
import os
import pickle
import stat
import subprocess
import sys
import textwrap
import threading
import types

import neuroai_c as ai
import numpy as np
import pytest

callbacks, layers, optimizers = ai.callbacks, ai.layers, ai.optimizers

REFUSALS = (TypeError, ValueError)
SAMPLES, STEPS, INPUTS, OUTPUTS = 6, 5, 3, 2
X = np.random.default_rng(1).standard_normal((SAMPLES, STEPS, INPUTS))
Y = np.zeros((SAMPLES, OUTPUTS))
ONES = np.ones((SAMPLES, OUTPUTS))
LENGTHS = (2, 3, 4, 5, 2, 1)
ROWS = [np.random.default_rng(i).standard_normal((n, INPUTS)) for i, n in enumerate(LENGTHS)]


def new_model(*parts, optimizer="adam", loss="mse", metrics=None, steps=None, dtype="float32"):
    parts = parts or (layers.SNU(OUTPUTS),)
    model = ai.Sequential([layers.InputLayer([steps, INPUTS]), *parts], seed=0, dtype=dtype)
    model.compile(optimizer, loss, metrics)
    return model


def stateful_model():
    return new_model(layers.SNU(4, stateful=True, return_sequences=True),
                     layers.SNU(OUTPUTS, stateful=True))


def state(model):
    """All that a refused call has to leave alone."""
    return (
        [weight.tobytes() for weight in model.get_weights()],
        str(model._rng.bit_generator.state),
        None if model.history is None else (id(model.history), str(model.history.history)),
        [layer.built for layer in model.layers],
        [None if getattr(layer, "_state", None) is None
         else [array.tobytes() for array in layer._state] for layer in model.layers],
    )


def refused(model, call, *arguments, words=(), kinds=REFUSALS, **options):
    """The message of a call that raises one of `kinds` and changes nothing."""
    before = state(model)
    with pytest.raises(kinds) as caught:
        call(*arguments, **options)
    assert state(model) == before
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


def hooked(hook, function):
    """A callback that calls function(model, logs) in one of its hooks."""
    callback = callbacks.Callback()
    setattr(callback, hook, lambda *arguments: function(callback.model, arguments[-1]))
    return callback


def saved_and_loaded(model, folder):
    path = folder / "model.safetensors"
    model.save(path)
    return ai.load_model(path)


# ---- data ----------------------------------------------------------------------------

NO_INPUTS = {
    "None": None,
    "a number": 5,
    "a string": "abc",
    "bytes": b"abc",
    "an empty list": [],
    "numbers": [1, 2],
    "one axis too few": X[0],
    "one axis too many": X[..., None],
    "no features": X[..., :0],
    "other features": X[..., :2],
    "text": np.full(X.shape, "a"),
    "objects": X.astype(object),
    "complex": X + 0j,
    "dates": np.zeros(X.shape, "M8[s]"),
    "128 bits": X.astype(np.longdouble),
    "NaN": X * np.nan,
    "infinity": X + np.inf,
    "infinite in float32": X * 1e300,
    "a masked array": np.ma.masked_array(X, mask=X > 0),
    "a huge integer": [[[10**400, 1, 1]]],
    "ragged steps": [[[1, 2, 3]], [[1, 2, 3], [4, 5]]],
    "mixed ranks": [X[0], X[1, 0]],
    "mixed features": [X[0], X[1, :2, :2]],
    "an empty sequence": [X[0], X[1, :0]],
    "a list with None": [X[0], None],
    "a list of strings": ["a", "b"],
    "a set": {1, 2},
    "a dict": {"x": X},
    "a generator": (i for i in [1]),
    "a function": len,
    "flat spikes": ai.Spikes.from_dense(np.ones((SAMPLES, INPUTS), np.uint8)),
}


@pytest.mark.parametrize("x", NO_INPUTS.values(), ids=NO_INPUTS)
@pytest.mark.parametrize("call", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch"])
def test_no_inputs(call, x):
    model = new_model()
    arguments = (x,) if call == "predict" else (x, Y)
    refused(model, getattr(model, call), *arguments, words=[f"{call}: ", "x"])


NO_TARGETS = {
    "None": None,
    "a number": 5,
    "a string": "abc",
    "an empty list": [],
    "too few": Y[:5],
    "too many": np.zeros((SAMPLES + 1, OUTPUTS)),
    "class numbers": np.zeros(SAMPLES),
    "sequences": np.zeros((SAMPLES, STEPS, OUTPUTS)),
    "other outputs": np.zeros((SAMPLES, OUTPUTS + 1)),
    "objects": Y.astype(object),
    "complex": Y + 0j,
    "NaN": Y * np.nan,
    "infinite in float32": Y + 1e300,
    "a masked array": np.ma.masked_array(Y, mask=True),
    "ragged": [[1, 2], [1]] * 3,
    "a generator": (i for i in [1]),
}


@pytest.mark.parametrize("y", NO_TARGETS.values(), ids=NO_TARGETS)
@pytest.mark.parametrize("call", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_no_targets(call, y):
    model = new_model()
    refused(model, getattr(model, call), X, y, words=[f"{call}: ", "y"])
    if call == "fit":
        refused(model, model.fit, X, Y, validation_data=(X, y), words=["fit: validation_data"])


def test_missing_targets_are_named():
    model = new_model()
    refused(model, model.fit, X, words=["fit: ", "y ", "None"])


MASKED_ROWS = [np.ma.masked_array(row, mask=row > 0) for row in X]


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
def test_masks_in_a_list_are_not_lost(call):
    model = new_model()
    arguments = (MASKED_ROWS,) if call == "predict" else (MASKED_ROWS, Y)
    refused(model, getattr(model, call), *arguments, words=["mask"], kinds=TypeError)


def test_masks_in_a_list_of_targets_are_not_lost():
    model = new_model()
    refused(model, model.fit, X, list(np.ma.masked_array(Y, mask=True)), words=["mask"])



def unaligned(x):
    return np.frombuffer(bytes(1) + x.tobytes(), x.dtype, offset=1).reshape(x.shape)


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "big-endian": lambda x: x.astype(">f8"),
    "backwards": lambda x: x[::-1].copy()[::-1],
    "every other": lambda x: np.repeat(x, 2, axis=0)[::2],
    "unaligned": unaligned,
    "nested lists": lambda x: x.tolist(),
    "a list of arrays": list,
    "a tuple of arrays": tuple,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_have_equal_results(layout):
    model = new_model(layers.SNU(4, activation="sigmoid"), dtype="float64")
    x = X.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(model.predict(layout(x), verbose=0), model.predict(X, verbose=0))


def test_inputs_that_change_while_they_are_trained_on():
    """No value of a class number reads beyond the outputs."""
    rng = np.random.default_rng(0)
    x, y = rng.random((600, 10, INPUTS), np.float32), np.zeros(600, np.float32)
    model = new_model(layers.SNU(OUTPUTS, activation="sigmoid"), metrics=["acc"],
                      loss=ai.losses.SparseCategoricalCrossentropy(from_logits=True))
    values = iter([1e9, -1e9, 1e30, np.nan] * 100)
    change = hooked("on_train_batch_end", lambda model, logs: y.fill(next(values)))
    model.fit(x, y, epochs=2, verbose=0, callbacks=[change])
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


# ---- arguments of fit -------------------------------------------------------------------

NO_ARGUMENTS = [
    ("batch_size", (0, -1, True, 32.0, "3", [2], 2**63, 10**30)),
    ("epochs", (-1, 1.0, True, None, "1", np.nan)),
    ("initial_epoch", (-1, 0.5, None)),
    ("verbose", (3, -1, "x", None, 1.0)),
    ("validation_split", (-0.1, 1, 2, 0.999, 1e-300, np.nan, "0.2", None, True)),
    ("steps_per_epoch", (0, -1, 1.5, True, "1", 2, 10**30)),
    ("sample_weight", (5, [1], [1] * 7, [np.nan] * 6, [np.inf] * 6, ["a"] * 6, "abc", [None] * 6,
                       np.ones((6, 1)), {0: 1.0}, np.ma.masked_array(np.ones(6), mask=True))),
    ("callbacks", (5, "abc", [5], callbacks.Callback, [callbacks.Callback], [None], {},
                   [[callbacks.Callback()]])),
    ("validation_data", (5, [], (X,), X, "ab", {"x": X, "y": Y}, (X, Y, None, None),
                         (X, Y, np.ones(5)), iter([X, Y]))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in NO_ARGUMENTS for v in values])
def test_no_arguments(name, value):
    model = new_model()
    words = ["fit: ", name.removesuffix("_data")]
    refused(model, model.fit, X, Y, **{"verbose": 0, name: value}, words=words)


@pytest.mark.parametrize("batch_size", [10**18, 2**63 - 1, np.int64(2)])
def test_batch_sizes_of_any_size(batch_size):
    assert len(new_model().fit(X, Y, batch_size=batch_size, verbose=0).history["loss"]) == 1


@pytest.mark.parametrize("name", ["shuffle", "return_dict"])
def test_a_truth_value_that_is_none(name):
    model = new_model()
    call = model.fit if name == "shuffle" else model.evaluate
    refused(model, call, X, Y, **{"verbose": 0, name: np.array([1, 2])}, words=[name])


@pytest.mark.parametrize(("x", "y", "weights"), [
    (None, Y, None), (5, Y, None), ("abc", Y, None), (X, None, None), ([], [], None),
    (X[:1], Y[:1], None), (X, "abc", None), (X, Y, 5),
])  # fmt: skip
def test_nothing_to_split(x, y, weights):
    model = new_model()
    refused(model, model.fit, x, y, sample_weight=weights, validation_split=0.34, words=["fit: "])


@pytest.mark.parametrize(("y", "weights"), [(Y[:5], None), (Y, [1] * 5)])
def test_a_split_of_other_lengths_is_not_blamed_on_validation_data(y, weights):
    model = new_model()
    message = refused(model, model.fit, X, y, sample_weight=weights, validation_split=0.34)
    assert "validation_data" not in message


def test_many_epochs_that_end():
    stop = hooked("on_epoch_end", lambda model, logs: setattr(model, "stop_training", True))
    history = new_model().fit(X, Y, epochs=10**18, verbose=0, callbacks=[stop])
    assert history.epoch == [0]


@pytest.mark.parametrize("item", [5, None, (X,), X, (X, Y[:2]), (X * np.nan, Y), (X[:0], Y[:0]),
                                  (X[..., :2], Y), (X, Y, np.ones(6), 1)])  # fmt: skip
def test_a_bad_batch_after_a_good_one(item):
    model = new_model()
    with pytest.raises(REFUSALS, match="fit: "):
        model.fit(iter([(X, Y), item]), verbose=0)
    assert model._steps_made == 1


def test_a_generator_that_raises():
    def batches():
        yield X, Y
        raise KeyError("the user's own")

    model = new_model()
    with pytest.raises(KeyError, match="the user's own"):
        model.fit(batches(), verbose=0)
    model.fit(X, Y, verbose=0)


def test_targets_of_lists():
    model = new_model(layers.SNU(OUTPUTS, return_sequences=True))
    good = [np.zeros((n, OUTPUTS)) for n in LENGTHS]
    for bad in (good[:5], np.zeros((6, 5, 2)), [*good[:5], good[0]], [None] * 6,
                [row * np.nan for row in good], [row.astype(object) for row in good],
                [np.ma.masked_array(row, mask=True) for row in good]):  # fmt: skip
        refused(model, model.fit, ROWS, bad, verbose=0, words=["fit: y"])


# ---- states --------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch"])
def test_states_of_another_number_of_samples(call):
    model = stateful_model()
    model.predict(X[:3], verbose=0)
    arguments = (X,) if call == "predict" else (X, Y)
    refused(model, getattr(model, call), *arguments, words=["stateful"])


def test_states_of_one_layer_alone():
    model = stateful_model()
    model.predict(X[:3], verbose=0)
    model.layers[0].reset_states()
    refused(model, model.predict, X, verbose=0)


@pytest.mark.parametrize("kind", ["arrays", "batches", "predict"])
def test_states_reset_after_every_batch(kind):
    """What is reset in a callback counts from the next batch."""
    snu = layers.SNU(1, stateful=True, decay=1.0, activation="identity", kernel_initializer="ones",
                     bias_initializer=ai.initializers.Constant(0.5))  # fmt: skip
    model = ai.Sequential([layers.InputLayer([None, 1]), snu])
    model.compile(optimizers.SGD(0.0))
    x, y, losses = np.ones((4, 1, 1)), np.zeros((4, 1)), []

    def reset(model, logs):
        losses.append(logs.get("loss"))
        model.reset_states()

    if kind == "predict":
        reset_after = hooked("on_predict_batch_end", reset)
        outputs = model.predict(x, batch_size=1, verbose=0, callbacks=[reset_after])
        np.testing.assert_array_equal(outputs, np.full((4, 1), 0.5))
        return
    reset_after = hooked("on_train_batch_end", reset)
    if kind == "arrays":
        model.fit(x, y, batch_size=1, shuffle=False, verbose=0, callbacks=[reset_after])
    else:
        model.fit(iter([(x[:1], y[:1])] * 4), verbose=0, callbacks=[reset_after])
    assert losses == [0.25] * 4


NO_STATES = [5, (Y,), (Y, Y, Y), (None, None), (Y.T, Y.T), "ab", {0: Y, 1: Y}, (0, 0),
             (np.ma.masked_array(Y, mask=True), Y)]  # fmt: skip
NO_MASKS = ["a", True, np.ones((6, 5), int), np.ones((5, 6), bool), np.ones(5, bool),
            np.ones((6, 5, 3), bool), np.ones((6, 5), object),
            np.ma.masked_array(np.ones((6, 5), bool), mask=True)]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [*(("initial_state", value) for value in NO_STATES),
                                             *(("mask", value) for value in NO_MASKS)])
def test_no_states_and_masks_of_a_layer(name, value):
    layer = layers.SNU(OUTPUTS, stateful=True)
    layer(X)
    before = [array.tobytes() for array in layer._state]
    with pytest.raises(REFUSALS, match=name):
        layer(X, **{name: value})
    assert [array.tobytes() for array in layer._state] == before


# ---- attributes set after the model is built --------------------------------------------

STRUCTURE = [
    (layers.SNU, {}, "units", 5),
    (layers.SNU, {}, "units", "a"),
    (layers.SNU, {}, "units", -1),
    (layers.Dense, {"use_bias": False}, "units", 5),
    (layers.Dense, {}, "use_bias", False),
    (layers.SNU, {}, "recurrent", True),
    (layers.SNU, {"recurrent": True}, "recurrent", False),
    (layers.SNU, {}, "trainable_decay", True),
    (layers.SNU, {"trainable_decay": True}, "trainable_decay", False),
    (layers.SNU, {}, "return_state", True),
    (layers.SNU, {"stateful": True}, "stateful", False),
    (layers.SNU, {}, "kernel_initializer", "rubbish"),
    (layers.SNU, {}, "bias_initializer", None),
    (layers.SNU, {}, "activity_regularizer", 5),
    (layers.SNU, {}, "name", 5),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "name", "value"), STRUCTURE)
def test_a_model_that_is_saved_can_be_loaded(kind, options, name, value, tmp_path):
    """An attribute is refused, or save refuses it, or the file has the model."""
    model = new_model(kind(4, **options))
    before = model.predict(X, verbose=0)
    model.reset_states()
    weights = model.get_weights()
    try:
        setattr(model.layers[0], name, value)
        model.save(tmp_path / "model")
    except (*REFUSALS, AttributeError):
        return
    loaded = ai.load_model(tmp_path / "model")
    for weight, wanted in zip(loaded.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, wanted)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), before)


@pytest.mark.parametrize(("name", "value"), [("decay", -3.0), ("activation", "relu"),
                                             ("lateral_inhibition", "sample")])
def test_copies_compute_as_the_model_does(name, value, tmp_path):
    model = new_model(layers.SNU(4))
    model.fit(X, np.zeros((SAMPLES, 4)), verbose=0)
    setattr(model.layers[0], name, value)
    wanted = model.predict(X, verbose=0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)),
                  saved_and_loaded(model, tmp_path)):  # fmt: skip
        np.testing.assert_array_equal(other.predict(X, verbose=0), wanted)


def test_a_decay_that_is_trained_cannot_be_set_in_vain():
    layer = layers.SNU(1, trainable_decay=True, kernel_initializer="ones", activation="identity",
                       decay=1.0, bias_initializer="zeros", return_sequences=True)  # fmt: skip
    layer([[[0.25], [0.25]]])
    try:
        layer.decay = 0.0
    except (*REFUSALS, AttributeError):
        return
    np.testing.assert_array_equal(layer([[[0.25], [0.25]]]).ravel(), [0.25, 0.25])


def test_another_optimizer_is_saved_or_refused(tmp_path):
    model = new_model(optimizer="adam")
    model.fit(X, Y, verbose=0)
    try:
        model.optimizer = optimizers.SGD()
        model.fit(X, Y, verbose=0)
    except (*REFUSALS, AttributeError):
        return
    saved_and_loaded(model, tmp_path)


@pytest.mark.parametrize(("name", "value"), [("optimizer", "sgd"), ("loss", "mse")])
def test_names_as_attributes(name, value):
    model = new_model()
    try:
        setattr(model, name, value)
    except (*REFUSALS, AttributeError) as error:
        assert name in str(error)
        return
    model.fit(X, Y, verbose=0)


def test_layers_cannot_be_taken_behind_the_models_back():
    model = new_model(layers.SNU(OUTPUTS, return_sequences=True), layers.SNU(OUTPUTS))
    model.fit(X, Y, verbose=0)
    try:
        model.layers.pop()
    except AttributeError:
        return
    if len(model.get_weights()) == 4:
        return
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(X, Y, verbose=0)


def test_spikes_keep_their_shape():
    spikes = ai.Spikes.from_dense(X > 0)
    with pytest.raises(AttributeError):
        spikes.shape = (SAMPLES, 50, INPUTS)


# ---- callbacks -------------------------------------------------------------------------

EPOCHS = ["on_epoch_begin", "on_epoch_end"]
BATCHES = ["on_train_batch_begin", "on_train_batch_end"]


@pytest.mark.parametrize("hook", [*EPOCHS, *BATCHES, "on_train_begin", "on_test_end"])
def test_a_callback_that_raises(hook):
    def fail(model, logs):
        raise ZeroDivisionError("the user's own")

    model = new_model()
    with pytest.raises(ZeroDivisionError, match="the user's own"):
        model.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[hooked(hook, fail)])
    model.fit(X, Y, verbose=0)


CHANGES = {
    "pop": lambda model: model.pop(),
    "add": lambda model: model.add(layers.Dense(OUTPUTS)),
    "pop and add": lambda model: (model.pop(), model.add(layers.SNU(OUTPUTS))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("hook", [*EPOCHS, *BATCHES])
def test_a_model_that_is_changed_while_it_is_trained(hook, change):
    done = []

    def once(model, logs):
        if not done:
            done.append(True)
            change(model)

    model = new_model(layers.SNU(4, return_sequences=True), layers.SNU(OUTPUTS))
    with pytest.raises(RuntimeError, match="fit: "):
        model.fit(X, Y, epochs=2, batch_size=3, verbose=0, callbacks=[hooked(hook, once)])


@pytest.mark.parametrize("hook", [*EPOCHS, *BATCHES])
def test_weights_that_are_set_while_training(hook):
    model = new_model(optimizer=optimizers.SGD(0.0))
    ones = [np.ones_like(weight) for weight in model.get_weights()]
    set_ones = hooked(hook, lambda model, logs: model.set_weights(ones))
    model.fit(X, Y, batch_size=3, verbose=0, callbacks=[set_ones])
    assert all((weight == 1).all() for weight in model.get_weights())


@pytest.mark.parametrize("hook", [*EPOCHS, *BATCHES, "on_test_batch_end", "on_train_end"])
def test_saving_copying_and_measuring_in_a_callback_change_nothing(hook, tmp_path):
    def use(model, logs):
        saved_and_loaded(model, tmp_path).predict(X, verbose=0)
        copy.deepcopy(model).fit(X, ONES, verbose=0)
        pickle.dumps(model)
        model.predict(X, batch_size=5, verbose=0)

    model, alone = new_model(), new_model()
    options = dict(epochs=2, batch_size=4, verbose=0, validation_data=(X, ONES))
    history = model.fit(X, ONES, callbacks=[hooked(hook, use)], **options)
    assert history.history == alone.fit(X, ONES, **options).history
    for weight, wanted in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, wanted)


def test_fit_within_fit():
    done = []

    def once(model, logs):
        if not done:
            done.append(True)
            model.fit(X, Y, verbose=0)

    model = new_model()
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[hooked("on_epoch_end", once)])
    assert history.epoch == [0, 1, 2]
    assert len(history.history["loss"]) == 3


@pytest.mark.parametrize("added", [{"note": "text"}, {"many": [1, 2]}, {5: 1.0}, {None: 1.0}])
def test_what_callbacks_add_to_logs(added, tmp_path):
    add = hooked("on_epoch_end", lambda model, logs: logs.update(added))
    model = new_model()
    try:
        model.fit(X, Y, verbose=0, callbacks=[add])
        model.save(tmp_path / "model")
    except REFUSALS as error:
        assert str(next(iter(added))) in str(error)
        return
    ai.load_model(tmp_path / "model")


def test_checkpoints_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    checkpoint = callbacks.ModelCheckpoint("~/checkpoints/{epoch}.safetensors")
    new_model().fit(X, Y, verbose=0, callbacks=[checkpoint, callbacks.CSVLogger("~/log.csv")])
    assert sorted(os.listdir(tmp_path)) == ["checkpoints", "log.csv"]


def test_a_log_that_does_not_end_in_a_new_line(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss\n0,0.5")
    new_model().fit(X, Y, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    assert path.read_text().splitlines()[:2] == ["epoch,loss", "0,0.5"]


# ---- another thread --------------------------------------------------------------------


def test_a_model_in_use_by_another_thread():
    """Only the one that came first trains, with the numbers that it has alone."""
    rng = np.random.default_rng(0)
    x, y = rng.random((2000, 20, INPUTS), np.float32), np.zeros((2000, OUTPUTS), np.float32)
    model = new_model(layers.SNU(64, return_sequences=True), layers.SNU(OUTPUTS))
    alone = copy.deepcopy(model)
    alone.fit(x, y, epochs=2, verbose=0)
    begun, results, refusals = threading.Event(), [], []
    began = hooked("on_epoch_begin", lambda model, logs: begun.set())

    def train():
        try:
            results.append(model.fit(x, y, epochs=2, verbose=0, callbacks=[began]).history)
        except RuntimeError as error:
            results.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    assert begun.wait(60)
    while thread.is_alive():
        try:
            model.fit(x[:5], y[:5], verbose=0)
            break                       # it was the other's end
        except RuntimeError as error:
            refusals.append(str(error))
    thread.join()
    assert results == [alone.history.history]
    assert all(message.startswith("fit: ") for message in refusals)


def test_a_layer_of_two_models_in_two_threads():
    """Only the one that came first trains it, to the weights that it gets alone."""
    shared = layers.SNU(8, return_sequences=True)
    first, second = (new_model(shared, layers.SNU(OUTPUTS, name=name)) for name in "ab")
    alone, refusals = copy.deepcopy(first), []
    alone.fit(X, Y, epochs=3, verbose=0)

    def use_in_another_thread(model, logs):
        def use():
            try:
                second.fit(X, Y, verbose=0)
            except RuntimeError as error:
                refusals.append(str(error))

        thread = threading.Thread(target=use)
        thread.start()
        thread.join()

    first.fit(X, Y, epochs=3, verbose=0, callbacks=[hooked("on_epoch_end", use_in_another_thread)])
    assert refusals == ["fit: this model is in use by another thread"] * 3
    for weight, wanted in zip(first.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, wanted)
    second.fit(X, Y, verbose=0)


# ---- making models ------------------------------------------------------------------------


class Foreign(layers.Layer):
    pass


class Misshapen(ai.initializers.Initializer):
    def __call__(self, shape, rng):
        return np.zeros((*shape, 1))


@pytest.mark.parametrize("layer", [layers.Layer, Foreign])
def test_foreign_layers(layer):
    model = ai.Sequential([layers.InputLayer([None, INPUTS])], seed=0)
    refused(model, model.add, layer(), words=["add: "])


FOREIGN = {
    "loss": lambda: new_model(loss=ai.losses.Loss()),
    "metric": lambda: new_model(metrics=[ai.metrics.Metric("foo")]),
    "optimizer": lambda: new_model(optimizer=optimizers.Optimizer(0.1, None, None, None)),
    "regularizer": lambda: new_model(
        layers.SNU(OUTPUTS, activity_regularizer=ai.regularizers.Regularizer())),
}  # fmt: skip


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_foreign_objects(make):
    with pytest.raises(TypeError, match="neuroai_c|own"):
        make()


def test_a_build_that_fails_changes_nothing():
    model = ai.Sequential([layers.SNU(3, return_sequences=True),
                           layers.SNU(2, bias_initializer=Misshapen())], seed=0)  # fmt: skip
    refused(model, model.build, (None, None, INPUTS), words=["bias", "shape"])


def test_an_add_that_fails_changes_nothing():
    model = ai.Sequential([layers.InputLayer([None, INPUTS])], seed=0)
    refused(model, model.add, layers.SNU(2, bias_initializer=Misshapen()), words=["bias"])


@pytest.mark.parametrize("name", ["recurrent", "return_sequences", "stateful", "trainable_decay"])
@pytest.mark.parametrize("value", ["False", [1, 2], np.array([True, False]), float("nan")])
def test_no_truth_values(name, value):
    with pytest.raises(REFUSALS, match=f"SNU: {name}"):
        layers.SNU(2, **{name: value})


@pytest.mark.parametrize("shape", [None, 5, (None, 3), (None, None, None), (None, None, -3),
                                   (None, None, 3.0), (None, 0, 3), ("a", None, 3), (-5, None, 3),
                                   (None, None, 10**30)])
def test_no_shapes_to_build_for(shape):
    model = ai.Sequential([layers.SNU(2)], seed=0)
    refused(model, model.build, shape, words=["input_shape"])


@pytest.mark.parametrize("units", [2**62, 10**30])
@pytest.mark.parametrize("kind", [layers.SNU, layers.Dense])
def test_units_beyond_all_memory(kind, units):
    model = ai.Sequential([layers.InputLayer([None, INPUTS])], seed=0)
    try:
        layer = kind(units)
    except ValueError as error:
        assert "units" in str(error)
        return
    refused(model, model.add, layer, words=["units"], kinds=(ValueError, MemoryError))


def test_messages_of_bounds():
    for make in (lambda: layers.Dropout(1), lambda: optimizers.Adam(beta_1=1.0)):
        with pytest.raises(ValueError, match="less than 1"):
            make()


@pytest.mark.parametrize("weights", [None, Y, [], ["a"] * 2, [Y, Y], [Y.T, Y], {0: Y},
                                     [np.zeros((3, 2)) + 0j, np.zeros(2)],
                                     [np.zeros((3, 2)), np.zeros((2, 1))],
                                     [np.zeros((3, 2)), np.full(2, 1e300)],
                                     [np.ma.masked_array(np.zeros((3, 2)), mask=True), Y[0]]])
def test_no_weights(weights):
    model = new_model()
    refused(model, model.set_weights, weights, words=["set_weights: "])
    refused(model, model.layers[0].set_weights, weights, words=["set_weights: "])


@pytest.mark.parametrize("decay", [5.0, -3.0])
def test_a_trained_decay_stays_in_its_range(decay):
    model = new_model(layers.SNU(2, trainable_decay=True))
    kernel, bias, _ = model.get_weights()
    refused(model, model.set_weights, [kernel, bias, np.full(2, decay)], words=["decay"])


# ---- numbers -------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [optimizers.RMSprop(epsilon=0), optimizers.Adam(epsilon=0),
                                       optimizers.SGD(1e300),
                                       optimizers.SGD(0.1, weight_decay=1e300)], ids=repr)
def test_weights_stay_finite(optimizer):
    """Else an error, and the weights of before."""
    model = new_model(layers.SNU(2, activation="sigmoid"), optimizer=optimizer)
    try:
        model.fit(X * 0, Y, verbose=0)
    except (FloatingPointError, ValueError):
        pass
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("call", ["fit", "train_on_batch"])
def test_divergence_changes_no_weights_and_states(call):
    model = new_model(layers.SNU(OUTPUTS, stateful=True, activation="sigmoid"), optimizer="adam")
    model.fit(X, Y, verbose=0)
    before = state(model)
    slots = [slot.tobytes() for pairs in model._slots for pair in pairs for slot in pair or ()
             if slot is not None]
    with pytest.raises(FloatingPointError):
        getattr(model, call)(X, Y + 1, sample_weight=[1e308] * SAMPLES)
    after = state(model)
    assert (after[0], after[4]) == (before[0], before[4])
    assert slots == [slot.tobytes() for pairs in model._slots for pair in pairs
                     for slot in pair or () if slot is not None]
    assert model._steps_made == 1


def test_sparse_crossentropy_of_a_silent_layer():
    """Keras clips each probability: where all are 0, all classes are equally likely."""
    model = new_model(layers.SNU(3), loss="sparse_categorical_crossentropy")
    loss = model.evaluate(X * 0, np.zeros(SAMPLES), verbose=0)
    np.testing.assert_allclose(loss, np.log(3), rtol=1e-6)


def test_schedules_at_their_ends():
    schedules = optimizers.schedules
    assert schedules.ExponentialDecay(0, 1, 2)(5000) == 0
    assert schedules.ExponentialDecay(0.1, 1e-300, 0.5, staircase=True)(2**53) == 0


# ---- attributes ----------------------------------------------------------------------------


@pytest.mark.parametrize("made, name, value", [
    (lambda: layers.SNU(2), "units", -3), (lambda: layers.SNU(2), "recurrent", "x"),
    (lambda: layers.SNU(2), "kernel_initializer", 1), (lambda: layers.SNU(2), "g", "step_function"),
    (lambda: layers.Dense(2), "units", 1.5), (lambda: layers.Dense(2), "use_bias", None),
    (lambda: layers.Dropout(0.5), "rate", 1), (lambda: layers.Masking(), "mask_value", "abc"),
    (lambda: ai.losses.BinaryCrossentropy(), "from_logits", "x"),
    (lambda: ai.initializers.Constant(), "value", np.nan), (lambda: ai.regularizers.L1(), "l1", -1),
    (lambda: optimizers.SGD(), "nesterov", 2), (lambda: optimizers.Adam(), "beta_1", 1),
    (lambda: optimizers.schedules.CosineDecay(0.1, 5), "decay_steps", 0),
], ids=lambda part: part if isinstance(part, str) else "")
def test_attributes_that_no_constructor_takes(made, name, value):
    subject = made()
    before = getattr(subject, name)
    with pytest.raises(REFUSALS, match=rf"{type(subject).__name__}: {name} must"):
        setattr(subject, name, value)
    assert getattr(subject, name) is before


def test_a_rate_that_is_none_in_float32_changes_nothing():
    model = new_model()
    model.fit(X, Y, verbose=0)
    model.optimizer.learning_rate = 1e39
    refused(model, model.fit, X, Y, verbose=0, words=["fit: learning_rate must be at most"])


@pytest.mark.parametrize("shared, name, value", [
    (ai.activations.leaky_rel, "alpha", 0.7), (ai.activations.tanh, "name", "relu"),
    (ai.activations.leaky_rel, "name", "tanh"),
    (ai.activations.step_function, "pseudoderivative_of", ai.activations.sigmoid),
    (ai.metrics.SpikeCount(layers.SNU(2)), "layer", layers.SNU(2)),
    (ai.metrics.Accuracy(), "name", "loss"),
], ids=lambda part: part if isinstance(part, str) else "")
def test_what_many_have_does_not_change(shared, name, value):
    before = getattr(shared, name)
    with pytest.raises(ValueError, match=f"{name} cannot change: make another one"):
        setattr(shared, name, value)
    assert getattr(shared, name) is before


def test_activations_that_c_does_not_have():
    class Other(ai.activations.Activation):
        pass

    with pytest.raises(TypeError, match="SNU: g must be an activation of neuroai_c"):
        layers.SNU(2, g=Other("tanh"))


def test_a_price_that_changes_counts_at_once():
    model = new_model(layers.SNU(OUTPUTS, bias_initializer="ones", activity_regularizer="l1"))
    before = model.evaluate(X, Y, verbose=0)
    model.layers[0].activity_regularizer.l1 = 100.0
    assert model.evaluate(X, Y, verbose=0) == copy.deepcopy(model).evaluate(X, Y, verbose=0) > before


@pytest.mark.parametrize("change", [
    lambda layer: setattr(layer, "units", 3), lambda layer: setattr(layer, "trainable_decay", True),
    lambda layer: setattr(layer, "name", 5), lambda layer: setattr(layer, "built", True)])
def test_attributes_that_do_not_fit_the_others(change):
    layer = layers.SNU(2, decay=[1.5, 0.5])
    before = layer.get_config()
    with pytest.raises((*REFUSALS, AttributeError)):
        change(layer)
    assert layer.get_config() == before


def test_subclasses_are_guarded_too():
    class Unit(layers.SNU):
        def __init__(self, units, extra, **options):
            self.extra = extra
            super().__init__(units, **options)

    model = new_model(Unit(OUTPUTS, 1))
    with pytest.raises(ValueError, match="go_backwards cannot change, as the layer is built"):
        model.layers[0].go_backwards = True
    model.layers[0].decay = 0.5


def test_layers_are_not_changed_by_another_thread_while_they_train():
    refusals = []

    def change(model, logs):
        def setting():
            try:
                model.layers[0].decay = 0.1
            except RuntimeError as error:
                refusals.append(str(error))

        thread = threading.Thread(target=setting)
        thread.start()
        thread.join()

    model = new_model()
    model.fit(X, Y, verbose=0, callbacks=[hooked("on_epoch_begin", change)])
    assert refusals == ["SNU: this layer is in use by another thread"]
    assert model.layers[0].decay == 0.8


def test_a_copy_has_its_own_list_of_layers():
    model = new_model()
    copied = copy.copy(model)
    copied.add(layers.Dense(2))
    assert len(model.layers) == 1
    unit = layers.SNU(2, stateful=True)
    unit(X)
    other = copy.copy(unit)
    other._state[0][...] = 7
    assert not (unit._state[0] == 7).any()


@pytest.mark.parametrize("hook", ["set_model", "on_test_begin", "on_predict_begin", "on_train_begin",
                                  "on_test_batch_end", "on_train_batch_end", "on_predict_batch_end"])
def test_a_model_that_a_hook_changes_is_refused(hook):
    def change(model, logs):
        (model or logs).compile("sgd", "mse", ["acc"])

    callback = [hooked(hook, change)]
    model = new_model()
    call = model.evaluate if "test" in hook else model.fit if "train" in hook else model.predict
    arguments = (X,) if call == model.predict else (X, Y)
    with pytest.raises(RuntimeError, match="the model was changed while it ran"):
        call(*arguments, verbose=0, callbacks=callback)


def test_a_loss_of_other_targets_that_a_hook_sets_is_refused():
    model = new_model()
    model.fit(X, Y, verbose=0, callbacks=[hooked(
        "on_epoch_begin", lambda model, logs: setattr(model, "loss", "categorical_crossentropy"))])
    before = model.history
    for hook in ("on_train_begin", "on_epoch_begin"):
        with pytest.raises(RuntimeError, match="fit: the model was changed while it ran"):
            model.fit(X, Y, verbose=0, callbacks=[hooked(
                hook, lambda model, logs: setattr(model, "loss", "sparse_categorical_crossentropy"))])
        model.loss = "mse"
        assert hook == "on_epoch_begin" or model.history is before


def test_a_loss_that_a_metric_does_not_go_with():
    """Squares read a target an output, of which classes have one for all."""
    model = new_model(metrics=["mse"])
    refused(model, setattr, model, "loss", "sparse_categorical_crossentropy",
            words=["Sequential: 'mse' of metrics needs targets that are not classes"])
    model._loss = ai.losses.SparseCategoricalCrossentropy()
    with pytest.raises(ValueError, match="network_run: squares need targets that are no classes"):
        model.evaluate(X, np.zeros(SAMPLES), verbose=0)


@pytest.mark.parametrize("first, then", [(0.9, 0.0), (0.0, 0.9)])
def test_a_momentum_that_changes_is_saved_or_refused(first, then, tmp_path):
    model = new_model(optimizer=optimizers.SGD(0.1, momentum=first))
    model.fit(X, Y, verbose=0)
    model.optimizer.momentum = then
    if then:
        refused(model, model.save, tmp_path / "model", words=["save: ", "compile again"])
    else:
        loaded = saved_and_loaded(model, tmp_path)
        for each in (model, loaded):
            each.fit(X, Y, verbose=0)
        assert state(model)[0] == state(loaded)[0]


@pytest.mark.parametrize("change", [
    lambda layer: layer._bias.fill(np.inf), lambda layer: layer._state[1].fill(np.nan)])
def test_what_load_would_refuse_is_not_saved(change, tmp_path):
    model = new_model(layers.SNU(OUTPUTS, stateful=True), optimizer="sgd")
    model.predict(X, verbose=0)
    model.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    change(model.layers[0])
    refused(model, model.save, tmp_path / "model", words=["save: ", "must"])
    assert (tmp_path / "model").read_bytes() == before


def test_lists_in_lists_without_end():
    deep = 1.0
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(ValueError, match="matmul: x cannot be made an array"):
        ai.ops.matmul(deep, [[1.0]])


@pytest.mark.parametrize("what", ["decay", "schedule"])
def test_what_float32_does_not_have_changes_nothing(what):
    model = new_model(layers.SNU(OUTPUTS, stateful=True))
    model.layers[0].reset_states()
    if what == "decay":
        model.layers[0].decay = 1e300
    else:
        model.optimizer.learning_rate = optimizers.schedules.CosineDecay(1e300, 5)
    refused(model, model.fit, X, Y, verbose=0, words=["fit: ", "float32"])
    with pytest.raises(ValueError, match="SNU: decay .* in float32 must be finite"):
        layers.SNU(2, decay=1e300)(X)


def test_a_layer_in_use_is_not_added():
    refusals = []

    class Slow(ai.initializers.Ones):
        def __call__(self, shape, rng):
            thread = threading.Thread(target=adding)
            thread.start()
            thread.join()
            return super().__call__(shape, rng)

    def adding():
        with pytest.raises(RuntimeError, match="in use by another thread") as caught:
            new_model(layers.SNU(INPUTS, return_sequences=True)).add(layer)
        refusals.append(caught.value)

    layer = layers.SNU(2, kernel_initializer=Slow())
    layer(X)
    assert len(refusals) == 1


def test_states_of_subclasses_are_reset_by_them():
    seen = []

    class Unit(layers.SNU):
        def reset_states(self):
            seen.append(self)
            super().reset_states()

    model = new_model(Unit(OUTPUTS, stateful=True))
    model.predict(X, verbose=0)
    model.reset_states()
    assert seen == model.layers and model.layers[0]._state is None


def test_logs_that_a_hook_empties():
    model = new_model(metrics=["mse"])
    wanted = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, verbose=0, callbacks=[
        hooked("on_test_end", lambda model, logs: logs.clear())]) == wanted


@pytest.mark.parametrize("options", [
    dict(kernel_initializer=ai.initializers.Constant(1e300)), dict(decay=1e300)], ids=str)
def test_numbers_beyond_float32(options):
    with pytest.raises(ValueError, match="(SNU|predict): .* in float32 must be finite"):
        new_model(layers.SNU(2, **options)).predict(X)
    with pytest.raises(ValueError, match="LeakyRel: alpha must be"):
        ai.activations.LeakyRel(1e300)


@pytest.mark.parametrize("change", [
    lambda model: setattr(model.optimizer, "momentum", 0.5),
    lambda model: setattr(model.optimizer, "learning_rate", 1e39)])
def test_an_optimizer_that_cannot_step_changes_nothing(change):
    model = new_model(layers.SNU(OUTPUTS), layers.Dropout(0.5), optimizer="sgd")
    model.fit(X, Y, verbose=0)
    change(model)
    refused(model, model.fit, X, Y, verbose=0, words=["fit: "])
    refused(model, model.train_on_batch, X, Y, words=["train_on_batch: "])


def test_a_log_that_cannot_be_written_changes_nothing(tmp_path):
    model = new_model()
    model.fit(X, Y, verbose=0)
    refused(model, model.fit, X, Y, verbose=0, kinds=OSError,
            callbacks=[callbacks.CSVLogger(tmp_path / "none" / "log.csv")])


@pytest.mark.parametrize("options", [dict(mask="bad"), dict(initial_state=3),
                                     dict(mask=np.ones((1, 1), bool))], ids=str)
def test_a_refused_call_leaves_a_layer_as_it_was(options):
    layer = layers.SNU(2, stateful=True)
    with pytest.raises(REFUSALS):
        layer(X, **options)
    assert not layer.built and layer._state is None


def test_masks_deep_in_lists():
    row = np.ma.array([1.0, 1.0], mask=[0, 1])
    with pytest.raises(TypeError, match="transform_rate: .* must not be a masked array"):
        ai.utils.transform_rate([[row, row]], 4, 4)
    endless = []
    endless += [endless]
    with pytest.raises(REFUSALS):
        ai.ops.matmul(endless, [[1.0]])


@pytest.mark.parametrize("error", [
    lambda: UnicodeDecodeError("utf-8", b"", 0, 1, "odd"), lambda: OverflowError("odd")])
def test_arrays_that_cannot_be_made(error):
    class Odd:
        def __array__(self, *_, **__):
            raise error()

    with pytest.raises(ValueError, match="matmul: x cannot be made an array: .*odd"):
        ai.ops.matmul(Odd(), [[1.0]])


def test_small_numbers_with_every_warning_an_error():
    model = new_model()
    with np.errstate(all="raise"):
        model.set_weights([weight + 1e-300 for weight in map(np.float64, model.get_weights())])
        model.predict(np.full_like(X, 1e-300), verbose=0)


@pytest.mark.parametrize("dtype", ["(1 2)f4,f4", "f4,f4", "1," * 900_000, [("a", "f4")], None, 10**5000,
                                   {"names": ["a"], "formats": ["f4"], "offsets": [10**30]}],
                         ids=lambda dtype: str(type(dtype)))
def test_no_dtypes(dtype, tmp_path):
    with pytest.raises(REFUSALS, match="Sequential: dtype"):
        ai.Sequential(dtype=dtype)
    with pytest.raises(REFUSALS, match="to_categorical: dtype"):
        ai.utils.to_categorical([1], dtype=dtype)


def test_output_that_is_nowhere(monkeypatch):
    model = new_model()
    monkeypatch.setattr(sys, "stdout", None)
    model.fit(X, Y)
    model.fit(X, Y, verbose=2)
    written = []
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(write=written.append, flush=lambda: None))
    model.fit(X, Y)
    assert written


def test_a_model_keeps_its_dtype():
    with pytest.raises(AttributeError):
        new_model().dtype = np.dtype(np.int32)


# ---- files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [5, None, b"x", ["x"], "a\0b", "~\ud800"])
def test_no_paths(path, tmp_path):
    model = new_model()
    for call in (model.save, model.save_weights, model.load_weights):
        refused(model, call, path, words=["path"])
    with pytest.raises(REFUSALS, match="load_model: path"):
        ai.load_model(path)
    with pytest.raises(REFUSALS, match="write_wav: path"):
        ai.utils.write_wav(path, [0.0], 8000)
    for call in (ai.datasets.mnist.load_data, ai.datasets.JSB) if path is not None else ():
        with pytest.raises(REFUSALS, match=f"{call.__name__}: path"):
            call(path)
    with pytest.raises(REFUSALS, match="CSVLogger: filename"):
        ai.callbacks.CSVLogger(path)


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_folders_are_no_sound_files(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError)) as caught:
        ai.utils.write_wav(path, [0.0], 8000)
    assert isinstance(caught.value, OSError) or "write_wav: path" in str(caught.value)


def test_files_that_are_none(tmp_path):
    pipe, folder, junk = tmp_path / "pipe", tmp_path / "folder", tmp_path / "junk"
    os.mkfifo(pipe)
    folder.mkdir()
    junk.write_bytes(bytes(range(256)) * 4)
    model = new_model()
    for path in (pipe, folder, junk):
        refused(model, model.load_weights, path, words=["load_weights: ", str(path)])
        with pytest.raises(ValueError, match=f"load_model: {path}"):
            ai.load_model(path)
    for path in (pipe, folder, tmp_path / "none" / "file"):
        refused(model, model.save, path, kinds=OSError)
    assert sorted(os.listdir(tmp_path)) == ["folder", "junk", "pipe"]


def test_write_wav_leaves_other_files_alone(tmp_path):
    pipe, sound, part = tmp_path / "pipe", tmp_path / "a.wav", tmp_path / "a.wav.part"
    os.mkfifo(pipe)
    part.write_text("mine")
    with pytest.raises(OSError):
        ai.utils.write_wav(pipe, [0.0], 8000)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    ai.utils.write_wav(sound, [0.0], 8000)
    assert part.read_text() == "mine"
    link = tmp_path / "link.wav"
    link.symlink_to(sound)
    ai.utils.write_wav(link, [0.0, 0.5], 8000)
    assert link.is_symlink() and sound.stat().st_size == 48


@pytest.mark.parametrize("signal", [None, 5, "abc", [[1]], [np.nan], [np.inf], [1.0000001], ["a"],
                                    [1 + 0j], [None], np.ma.masked_array([0.0], mask=[True]),
                                    list(np.ma.masked_array([0.0, 0.5], mask=[True, False]))])
def test_no_signals(signal, tmp_path):
    with pytest.raises(REFUSALS, match="write_wav: signal"):
        ai.utils.write_wav(tmp_path / "a.wav", signal, 8000)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("path", [5, b"x", [1], True])
def test_no_paths_of_data(path):
    with pytest.raises(TypeError, match="JSB: path"):
        ai.datasets.JSB(path)


CONFIGS = {
    "None": None,
    "nothing": {},
    "another dtype": {"dtype": "float16"},
    "no dtype": {"dtype": None},
    "a name that is none": {"name": 5},
    "a shape that is none": {"input_shape": "ab"},
    "no list of layers": {"layers": {}},
    "a number as layer": {"layers": [5]},
    "an unknown class": {"layers": [{"class_name": "os.system", "config": {}}]},
    "another kind": {"layers": [{"class_name": "L1", "config": {"l1": 0.1}}]},
    "an unknown argument": {"layers": [{"class_name": "Dense", "config": {"foo": 1}}]},
    "a number as argument": {"layers": [{"class_name": "Dense", "config": {5: 1}}]},
    "one name twice": {
        "layers": [{"class_name": "Dense", "config": {"units": 2, "name": "a"}}] * 2
    },
    "too many units": {"layers": [{"class_name": "Dense", "config": {"units": 10**30}}]},
}


@pytest.mark.parametrize("change", CONFIGS.values(), ids=CONFIGS)
def test_no_configurations(change):
    config = {**new_model().get_config(), **change} if change else change
    with pytest.raises(ValueError, match="from_config"):
        ai.Sequential.from_config(config)


@pytest.mark.parametrize("kind", [layers.SNU, layers.Dense, optimizers.Adam,
                                  ai.losses.MeanSquaredError, ai.metrics.SpikeCount])
@pytest.mark.parametrize("config", [None, 5, "abc", {"foo": 1}, {5: 1}])
def test_no_configurations_of_objects(kind, config):
    with pytest.raises(REFUSALS, match=kind.__name__):
        kind.from_config(config)


@pytest.mark.parametrize("kind", ["foo", 5, []])
def test_no_kinds_to_deserialize(kind):
    from neuroai_c.serialization import deserialize

    with pytest.raises(ValueError, match="kind"):
        deserialize(kind, "mse", "here")


# ---- the interpreter stays alive ------------------------------------------------------------


def test_random_misuse_of_ops_never_crashes():
    """In a process of its own, each argument of each kernel replaced by things that do not fit."""
    program = textwrap.dedent("""
        import inspect, random
        import numpy as np
        from neuroai_c import Spikes, ops

        choose = random.Random(0)
        x, W, b = (np.ones(shape, np.float32) for shape in ((2, 4, 3), (3, 5), 5))
        y, V = ops.snu_forward(x, W, b)
        things = [None, 5, "a", [], {}, -1, True, np.inf, 10**30, object(), "relu", x, W, b,
                  "sample", y, V, (b, b), np.zeros((2, 5)), np.zeros((0, 4, 3)),
                  np.zeros((2, 0, 3)), np.zeros((2, 4, 0)), np.full((2, 4, 3), np.nan),
                  np.ones((2, 4), bool),
                  np.zeros((2, 4), bool), np.zeros((2, 4, 3), ">f4"), x[:, ::-1], np.zeros(()),
                  np.zeros((5, 5)), np.zeros((1,) * 20), Spikes.from_dense(np.ones((2, 4, 3)))]
        calls = {
            ops.snu_forward: dict(x=x, kernel=W, bias=b),
            ops.snu_backward: dict(dy=y, x=x, kernel=W, bias=b, y=y, V=V),
            ops.matmul: dict(x=x[0], kernel=W),
            ops.average_forward: dict(x=x),
            ops.average_backward: dict(dy=y[:, 0], T=4),
            ops.mse_forward: dict(y=y, target=V),
            ops.mse_backward: dict(y=y, target=V),
            ops.sgd_step: dict(w=W.copy(), g=W),
            ops.rmsprop_step: dict(w=W.copy(), g=W, v=W * 0),
            ops.adam_step: dict(w=W.copy(), g=W, m=W * 0, v=W * 0, step=1),
            ops.rate_encode: dict(data2D=x[0], N_ts=4, max_is_present_for=2),
        }
        for function, good in calls.items():
            names = list(inspect.signature(function).parameters)
            for _ in range(400):
                some = choose.sample(names, min(choose.randint(1, 3), len(names)))
                bad = {name: choose.choice(things) for name in some}
                try:
                    function(**{**good, **bad})
                except (TypeError, ValueError, MemoryError):
                    pass
        print("alive")
    """)
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-W", "ignore", "-c", program],
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr[-2000:]
