"""Models in files and copies: they go on as if they had never stopped."""

import copy
import os
import pickle
import subprocess
import sys
import traceback

import neuroai_c as ai
import numpy as np
import pytest
from damaged import BAD_NUMBERS, EXTRA, GROUPS, LIES, LONG, SIZES, SNU, WRONG, changed
from neuroai_c import files, saving
from tolerances import assert_same_bits

layers, optimizers, schedules = ai.layers, ai.optimizers, ai.optimizers.schedules

INPUTS, OUTPUTS, SAMPLES = 6, 3, 12


def data(tail="average", seed=0):
    rng = np.random.default_rng(seed)
    x = [(rng.random((length, INPUTS)) < 0.4).astype(np.uint8) for length in rng.integers(3, 9, SAMPLES)]
    if tail == "sequences":
        return x, [rng.random((len(row), OUTPUTS)) for row in x]
    return x, rng.random((SAMPLES, OUTPUTS))


def new_model(optimizer="adam", *, stateful=False, dropout=0.3, dtype="float32", gate="batch", name=None):
    """A model with all that has a state: weights, slots, decays, states, a generator."""
    snu = dict(decay=0.9, g="leaky_rel", trainable_decay=True, return_sequences=True, stateful=stateful,
               bias_initializer=ai.initializers.Constant(0.2))
    model = ai.Sequential([
        layers.InputLayer([None, INPUTS]), layers.Masking(),
        layers.SNU(9, **snu, recurrent=True, lateral_inhibition=gate, name="hidden",
                   activity_regularizer=ai.regularizers.L1(1e-3)),
        layers.Dropout(dropout), layers.Dense(5, "relu"), layers.SNU(OUTPUTS, **snu, go_backwards=not stateful),
        layers.GlobalAveragePooling1D()], seed=3, dtype=dtype, name=name)
    model.compile(optimizer, "mse", ["acc", ai.metrics.SpikeCount(model.layers[1])])
    return model


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.05, 0.9, clipnorm=0.5),
    "nesterov": lambda: optimizers.SGD(0.05, 0.9, nesterov=True, clipvalue=0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "rmsprop momentum": lambda: optimizers.RMSprop(schedules.ExponentialDecay(0.01, 3, 0.7), momentum=0.9),
    "adam": lambda: optimizers.Adam(schedules.CosineDecay(0.05, 14, alpha=0.1), weight_decay=0.01),
}
VARIANTS = {"": {}, "stateful": dict(stateful=True), "float64": dict(dtype="float64", gate="sample")}


def train(model, initial_epoch, epochs):
    x, y = data()
    return model.fit(x, y, batch_size=4, initial_epoch=initial_epoch, epochs=epochs, verbose=0,
                     validation_data=(x[:4], y[:4]))


def parts(path):
    """All that a file says but how long the epochs took."""
    arrays, document = files.read(path, "model")
    arrays.pop("seconds", None)
    return arrays, document


def assert_same_file(path, other, history=True):
    (arrays, document), (arrays_2, document_2) = parts(path), parts(other)
    if not history:
        for some in (arrays, arrays_2):
            for name in [name for name in some if name.startswith(("epochs", "history/"))]:
                del some[name]
    assert document == document_2
    assert arrays.keys() == arrays_2.keys()
    for name in arrays:
        assert arrays[name].dtype == arrays_2[name].dtype
        assert arrays[name].shape == arrays_2[name].shape
        assert arrays[name].tobytes() == arrays_2[name].tobytes(), name


# ---- going on --------------------------------------------------------------

GOES_ON = """
import sys
sys.path[:0] = {tests!r}
import neuroai_c as ai, test_saving
for path in sys.argv[1:]:
    model = ai.load_model(path)
    test_saving.train(model, 2, 4)
    model.save(path + ".after")
"""


def run(code, *arguments):
    tests = os.path.dirname(os.path.abspath(__file__))
    return subprocess.run([sys.executable, "-c", code.format(tests=[tests]), *map(str, arguments)],
                          capture_output=True, text=True)


@pytest.fixture(scope="module")
def gone_on(tmp_path_factory):
    """A folder of files after 2 epochs, and of those after 2 more in a process that did nothing else."""
    folder = tmp_path_factory.mktemp("saved")
    for optimizer in OPTIMIZERS:
        for variant, options in VARIANTS.items():
            model = new_model(OPTIMIZERS[optimizer](), **options)
            train(model, 0, 2)
            model.save(folder / f"{optimizer}-{variant}")
    done = run(GOES_ON, *sorted(folder.iterdir()))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_in_a_new_process(optimizer, variant, gone_on, tmp_path):
    whole = new_model(OPTIMIZERS[optimizer](), **VARIANTS[variant])
    history = train(whole, 0, 4)
    whole.save(tmp_path / "whole")
    path = gone_on / f"{optimizer}-{variant}"
    assert_same_file(f"{path}.after", tmp_path / "whole", history=False)
    first, second = ai.load_model(path).history, ai.load_model(f"{path}.after").history
    assert first.epoch + second.epoch == history.epoch
    for name, values in history.history.items():
        assert first.history[name] + second.history[name] == values
    assert len(set(history.history["loss"])) == 4
    arrays, _ = parts(path)
    assert any(name.startswith("slots/") for name in arrays) == (optimizer != "sgd")
    assert any(name.startswith("states/") for name in arrays) == (variant == "stateful")


KILLED = """
import os, signal, sys
sys.path[:0] = {tests!r}
import neuroai_c as ai, test_saving

class Killed(ai.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            os.kill(os.getpid(), signal.SIGKILL)

model = test_saving.new_model()
x, y = test_saving.data()
model.fit(x, y, batch_size=5, epochs=6, verbose=0,
          callbacks=[test_saving.halving(), ai.callbacks.ModelCheckpoint(sys.argv[1]), Killed()])
"""


def halving():
    return ai.callbacks.LearningRateScheduler(lambda epoch, rate: 0.04 * 0.5**epoch)


def test_training_that_was_killed_goes_on_from_its_checkpoint(tmp_path):
    done = run(KILLED, tmp_path / "checkpoint")
    assert done.returncode == -9, done.stderr
    model, (x, y) = ai.load_model(tmp_path / "checkpoint"), data()
    assert model.history.epoch == [0, 1, 2]
    model.fit(x, y, batch_size=5, initial_epoch=3, epochs=6, verbose=0, callbacks=[halving()])
    model.save(tmp_path / "found")

    whole = new_model()
    whole.fit(x, y, batch_size=5, epochs=6, verbose=0, callbacks=[halving()])
    whole.save(tmp_path / "whole")
    assert_same_file(tmp_path / "found", tmp_path / "whole", history=False)
    for name, values in whole.history.history.items():
        assert model.history.history[name] == values[3:]


def test_a_checkpoint_has_all_of_its_epoch(tmp_path):
    """What callbacks add to an epoch's measures too, whose epoch is the same."""
    path = tmp_path / "checkpoint"
    model, (x, y) = new_model(), data()
    model.fit(x, y, epochs=2, verbose=0, callbacks=[halving(), ai.callbacks.ModelCheckpoint(path)])
    assert ai.load_model(path).history.history == model.history.history


# ---- there and back --------------------------------------------------------


def cases():
    """(name, model): of every age."""
    yield "no layers", ai.Sequential(name="empty")
    yield "not built", ai.Sequential([layers.SNU(3, return_sequences=True), layers.Dense(2)])
    yield "not compiled", ai.Sequential([layers.InputLayer([7, INPUTS]), layers.SNU(3, decay=[0.1, 0.2, 0.3])])
    yield "compiled", new_model(OPTIMIZERS["adam"]())
    not_built = ai.Sequential([layers.SNU(3)], seed=1)
    not_built.compile(optimizers.SGD(0.1, 0.5), ai.losses.CategoricalCrossentropy(True), ["accuracy"])
    yield "compiled, not built", not_built
    predicted = new_model(stateful=True)
    predicted.predict(data()[0], verbose=0)
    yield "predicted", predicted
    trained = new_model(OPTIMIZERS["rmsprop momentum"](), stateful=True, dtype="float64", name="a model")
    train(trained, 0, 2)
    yield "trained", trained
    again = new_model()
    train(again, 0, 1)
    again.compile(optimizers.Adam(0.1), ai.losses.BinaryCrossentropy(), [ai.metrics.MeanSquaredError("error")])
    yield "compiled again", again
    changed = new_model()
    train(changed, 0, 1)
    changed.pop()
    yield "changed", changed


@pytest.mark.parametrize("model", [pytest.param(model, id=name) for name, model in cases()])
def test_there_and_back(model, tmp_path):
    model.save(tmp_path / "one")
    loaded = ai.load_model(tmp_path / "one")
    loaded.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert loaded.get_config() == model.get_config()
    assert (loaded.name, loaded.dtype) == (model.name, model.dtype)
    for weight, wanted in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert_same_bits(weight, wanted)
    if model._compiled:
        assert loaded.metrics_names == model.metrics_names
        assert loaded.optimizer == model.optimizer
        assert loaded.loss == model.loss
    else:
        with pytest.raises(RuntimeError, match="not compiled"):
            loaded.evaluate(np.ones((1, 2, INPUTS)), np.ones((1, OUTPUTS)))
    if model.history is None:
        assert loaded.history is None
    else:
        assert loaded.history.history == model.history.history
        assert loaded.history.epoch == model.history.epoch
        assert loaded.history.seconds == model.history.seconds


def test_saving_changes_nothing(tmp_path):
    saved, model = new_model(), new_model()
    for epoch in range(3):
        train(saved, epoch, epoch + 1)
        saved.save(tmp_path / "model")
        train(model, epoch, epoch + 1)
    saved.save(tmp_path / "one")
    model.save(tmp_path / "two")
    assert_same_file(tmp_path / "one", tmp_path / "two")


def test_every_configuration_comes_back():
    """get_config is JSON, and from_config makes the same of it."""
    model = new_model()
    assert ai.Sequential.from_config(model.get_config()).get_config() == model.get_config()
    rows = [layers.SNU(2, ai.activations.StepFunction("sigmoid"), [0.5, 0.75], ai.activations.LeakyRel(0.2),
                       True, "sample", True, False, True, True, "zeros", ai.initializers.Constant(0.1), "ones",
                       False, False, ai.regularizers.L1(0.1), "unit"),
            layers.Dense(3, ai.activations.LeakyRel(0.3), False, kernel_initializer="zeros", name="dense"),
            layers.Dropout(0.25, name="dropout"), layers.Masking(-1.0, name="masking"),
            layers.GlobalAveragePooling1D(name="average")]
    for layer in rows:
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        assert again.name == layer.name


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path):
    class Own(ai.initializers.Initializer):
        def __call__(self, shape, rng):
            return np.zeros(shape)

    path = tmp_path / "model"
    new_model().save(path)
    before = path.read_bytes()
    own = ai.Sequential([layers.InputLayer([None, 3]), layers.SNU(2, kernel_initializer=Own())])
    with pytest.raises(TypeError, match="must be of a class of neuroai_c, got Own"):
        own.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("path", [None, 3, b"model", ["model"]])
@pytest.mark.parametrize("method", ["save", "save_weights", "load_weights"])
def test_paths_that_are_none(method, path):
    wanted = "load_weights" if method == "load_weights" else method
    with pytest.raises(TypeError, match=f"{wanted}: path must be a str or a path-like object, got"):
        getattr(new_model(), method)(path)
    with pytest.raises(TypeError, match="load_model: path must be"):
        ai.load_model(path)


# ---- weights alone ---------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_there_and_back(dtype, tmp_path):
    model, other = new_model(dtype=dtype), new_model(dtype=dtype)
    train(model, 0, 1)
    model.save_weights(tmp_path / "weights")
    other.load_weights(tmp_path / "weights")
    for weight, wanted in zip(other.get_weights(), model.get_weights(), strict=True):
        assert_same_bits(weight, wanted)
    x, _ = data()
    assert_same_bits(other.predict(x, verbose=0), model.predict(x, verbose=0))


def test_training_goes_on_with_loaded_weights(tmp_path):
    """As after set_weights: the slots and the generator stay the model's own."""
    source, loaded, told = (new_model(dropout=0.2) for _ in range(3))
    train(source, 0, 2)
    source.save_weights(tmp_path / "weights")
    for model in (loaded, told):
        train(model, 0, 1)
    loaded.load_weights(tmp_path / "weights")
    told.set_weights(source.get_weights())
    for model in (loaded, told):
        train(model, 1, 2)
    loaded.save(tmp_path / "one")
    told.save(tmp_path / "two")
    assert_same_file(tmp_path / "one", tmp_path / "two")


def other_model(**options):
    return ai.Sequential([layers.InputLayer([None, options.get("inputs", INPUTS)]),
                          layers.SNU(options.get("units", 4), return_sequences=True,
                                     recurrent=options.get("recurrent", False)),
                          *[layers.Dense(2) for _ in range(options.get("dense", 1))]],
                         dtype=options.get("dtype", "float32"))


@pytest.mark.parametrize("options", [dict(inputs=5), dict(units=3), dict(recurrent=True), dict(dense=0),
                                     dict(dense=2), dict(dtype="float64")], ids=str)
def test_weights_of_another_model_change_nothing(options, tmp_path):
    other_model(**options).save_weights(tmp_path / "weights")
    model = other_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"load_weights: .*weights.* must .*got"):
        model.load_weights(tmp_path / "weights")
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)


@pytest.mark.parametrize("number", [np.nan, np.inf, 7.0])
def test_weights_that_set_weights_refuses(number, tmp_path):
    model = ai.Sequential([layers.InputLayer([None, 3]), layers.SNU(2, trainable_decay=True)], seed=0)
    before = model.get_weights()
    files.write(tmp_path / "weights", saving.named("weights", [*before[:-1], before[-1] * 0 + number]))
    with pytest.raises(ValueError, match=f"load_weights: .*weights/000{len(before) - 1}.* must be"):
        model.load_weights(tmp_path / "weights")
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)


def test_weights_and_models_are_told_apart(tmp_path):
    model = new_model()
    model.save(tmp_path / "model")
    model.save_weights(tmp_path / "weights")
    with pytest.raises(ValueError, match="load_weights: .*wanted a weights file, got a model file"):
        model.load_weights(tmp_path / "model")
    with pytest.raises(ValueError, match="load_model: .*wanted a model file, got a weights file"):
        ai.load_model(tmp_path / "weights")


def test_a_model_that_has_predicted_before_it_is_compiled(tmp_path):
    model = ai.Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
    x = np.ones((4, 5, 3))
    before = model.predict(x, verbose=0)
    model.save(tmp_path / "model")
    assert_same_bits(ai.load_model(tmp_path / "model").predict(x, verbose=0), before)


def test_weights_of_a_model_that_is_not_built(tmp_path):
    new_model().save_weights(tmp_path / "weights")
    model = ai.Sequential([layers.SNU(2)])
    with pytest.raises(ValueError, match="save_weights: the model has no weights yet"):
        model.save_weights(tmp_path / "none")
    with pytest.raises(ValueError, match="load_weights: the model has no weights yet"):
        model.load_weights(tmp_path / "weights")
    assert not (tmp_path / "none").exists()


# ---- files that are none ---------------------------------------------------


def foreign(path):
    from safetensors.numpy import save_file
    save_file({"weights/0000": np.ones(3)}, path)


@pytest.mark.parametrize("make", [
    lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"a model" * 100), foreign,
    lambda path: path.mkdir(),
    lambda path: path.write_bytes(pickle.dumps({"weights": 1})),
], ids=["empty", "text", "another program's", "folder", "pickle"])
@pytest.mark.parametrize("load", [ai.load_model, lambda path: new_model().load_weights(path)],
                         ids=["load_model", "load_weights"])
def test_other_files(load, make, tmp_path):
    make(tmp_path / "file")
    with pytest.raises(ValueError, match=r"load_\w+: .*file: wanted"):
        load(tmp_path / "file")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        ai.load_model(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="nothing"):
        new_model().load_weights(tmp_path / "nothing")


def test_random_damage(tmp_path):
    model = new_model()
    train(model, 0, 1)
    model.save(tmp_path / "model")
    whole = (tmp_path / "model").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        (tmp_path / "model").write_bytes(damaged)
        with pytest.raises(ValueError, match="load_model: .*model: "):
            ai.load_model(tmp_path / "model")
    for length in [*rng.integers(0, len(whole), 20), len(whole) - 1]:
        (tmp_path / "model").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="load_model: .*model: "):
            ai.load_model(tmp_path / "model")


# ---- files that lie --------------------------------------------------------


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """What a file of a trained model says."""
    path = tmp_path_factory.mktemp("truth") / "model"
    model = new_model(OPTIMIZERS["adam"](), stateful=True)
    train(model, 0, 2)
    model.save(path)
    return files.read(path, "model")


def assert_refused(path, arrays, document):
    files.write(path, arrays, document)
    with pytest.raises(ValueError):
        ai.load_model(path)


@pytest.mark.parametrize("place, value", LIES, ids=lambda part: str(part)[:60])
def test_documents_that_lie(place, value, truth, tmp_path):
    arrays, document = truth
    assert_refused(tmp_path / "lie", arrays, changed(document, place, value))


@pytest.mark.parametrize("place, value", [
    (("model", "dtype"), "float16"), (("model", "input_shape"), [None, 0]), ((*SNU, "units"), 8),
    ((*SNU, "name"), "masking"), ((*SNU, "time_major"), True), (("rng",), {}), (("compile", "loss"), "hinge"),
    (("compile", "metrics"), ["acc", "acc"]), (("steps",), -1), (("history",), None),
], ids=str)
def test_messages_say_which_file(place, value, truth, tmp_path):
    arrays, document = truth
    files.write(tmp_path / "lie", arrays, changed(document, place, value))
    with pytest.raises(ValueError, match="load_model: .*lie"):
        ai.load_model(tmp_path / "lie")


@pytest.mark.parametrize("place, value", LONG, ids=lambda part: str(part)[:60])
def test_content_without_end(place, value, truth, tmp_path):
    arrays, document = truth
    files.write(tmp_path / "long", arrays, changed(document, place, value))
    with pytest.raises(ValueError) as caught:
        ai.load_model(tmp_path / "long")
    assert len("".join(traceback.format_exception(caught.value))) < 20_000


def test_weights_with_names_without_end(tmp_path):
    model = new_model()
    files.write(tmp_path / "weights", {f"{i}": np.zeros(0) for i in range(20_000)})
    with pytest.raises(ValueError) as caught:
        model.load_weights(tmp_path / "weights")
    assert len(str(caught.value)) < 1100


def test_models_have_an_end():
    model = ai.Sequential([layers.Dropout(0.5) for _ in range(1000)])
    with pytest.raises(ValueError, match="add: a model has at most 1000 layers"):
        model.add(layers.Dropout(0.5))
    with pytest.raises(ValueError, match="compile: metrics must be at most 1000, got 1001"):
        model.compile(metrics=["acc"] * 1001)


@pytest.mark.parametrize("place, value", SIZES, ids=str)
def test_sizes_that_lie(place, value, truth, tmp_path):
    """They do not take the memory that they promise."""
    arrays, document = truth
    assert_refused(tmp_path / "lie", arrays, changed(document, place, value))


# A callback may add a measure in some epochs only.
@pytest.mark.parametrize("wrong, name", [
    (wrong, name) for wrong in WRONG for name in GROUPS
    if not (name.startswith("history") and wrong in ("empty", "shorter"))])
def test_arrays_that_lie(wrong, name, truth, tmp_path):
    arrays, document = truth
    array = WRONG[wrong](arrays[name])
    assert_refused(tmp_path / "lie", {**arrays, name: array}, document)


@pytest.mark.parametrize("name, number", BAD_NUMBERS)
def test_numbers_that_lie(name, number, truth, tmp_path):
    arrays, document = truth
    array = arrays[name].copy()
    array.flat[-1] = number
    files.write(tmp_path / "lie", {**arrays, name: array}, document)
    with pytest.raises(ValueError, match=f"load_model: .*{name}.* must"):
        ai.load_model(tmp_path / "lie")


@pytest.mark.parametrize("name", GROUPS)
def test_arrays_that_are_missing(name, truth, tmp_path):
    arrays, document = truth
    assert_refused(tmp_path / "lie", {key: array for key, array in arrays.items() if key != name}, document)


@pytest.mark.parametrize("name", EXTRA)
def test_arrays_too_many(name, truth, tmp_path):
    arrays, document = truth
    assert_refused(tmp_path / "lie", {**arrays, name: arrays["states/0002"]}, document)


# ---- copies ----------------------------------------------------------------


def by_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


COPIES = pytest.mark.parametrize("copied", [copy.deepcopy, by_pickle], ids=["deepcopy", "pickle"])


@COPIES
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_models_and_copies_train_alike(optimizer, variant, copied, tmp_path):
    model = new_model(OPTIMIZERS[optimizer](), **VARIANTS[variant])
    fresh = copied(model)
    train(model, 0, 2)
    other = copied(model)
    for twin in (model, other):
        train(twin, 2, 4)
    train(fresh, 0, 2)
    train(fresh, 2, 4)
    for number, twin in enumerate((model, other, fresh)):
        twin.save(tmp_path / str(number))
    assert_same_file(tmp_path / "1", tmp_path / "0")
    assert_same_file(tmp_path / "2", tmp_path / "0")


@COPIES
def test_a_copy_stands_alone(copied):
    model = new_model(stateful=True)
    train(model, 0, 1)
    x, _ = data()
    before, config = model.get_weights(), model.get_config()
    states = [array.copy() for array in model.layers[1]._state]
    other = copied(model)
    train(other, 1, 2)
    other.optimizer.learning_rate = 0.5
    other.layers[1].g = "relu"
    other.pop()
    for weight, wanted in zip(model.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)
    for state, wanted in zip(model.layers[1]._state, states, strict=True):
        assert_same_bits(state, wanted)
    assert model.get_config() == config
    assert model.optimizer.learning_rate == 0.001
    assert other.layers[1] is not model.layers[1]
    assert len(model.layers) == 6
    model.predict(x, batch_size=4, verbose=0)


@COPIES
def test_metrics_of_a_copy_count_its_own_layer(copied):
    model = new_model()
    other = copied(model)
    assert other._metrics[1].layer is other.layers[1]
    x, y = data()
    assert other.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


@COPIES
@pytest.mark.parametrize("make", [
    lambda: layers.SNU(9, decay=[0.1] * 9, trainable_decay=True, recurrent=True, return_sequences=True),
    lambda: layers.Dense(9, "tanh"), lambda: layers.Dense(9, use_bias=False)],
    ids=["SNU", "Dense", "Dense without bias"])
def test_layers_and_copies(make, copied):
    x = np.random.default_rng(0).random((4, 5, INPUTS))
    layer = make()
    assert not copied(layer).built
    y = layer(x)
    other = copied(layer)
    assert_same_bits(other(x), y)
    assert other.get_config() == layer.get_config()
    models = []
    for part in (layer, other):
        model = ai.Sequential([layers.InputLayer([None, INPUTS]), part], seed=0)
        model.compile("adam")
        model.fit(x, np.zeros((4, 5, 9)), epochs=2, batch_size=2, verbose=0)
        models.append(model.get_weights())
    for weight, wanted in zip(*models, strict=True):
        assert_same_bits(weight, wanted)
    assert np.any(models[0][0] != 0)


@COPIES
def test_states_of_a_layer_and_its_copy(copied):
    x = np.random.default_rng(0).random((4, 5, INPUTS))
    layer = layers.SNU(3, "sigmoid", stateful=True)
    layer(x)
    other = copied(layer)
    assert_same_bits(other(x), layer(x))
    other.reset_states()
    assert np.any(other(x) != layer(x))


@COPIES
@pytest.mark.parametrize("shape", [(3, 4, 5), (0, 4, 5), (3, 0, 5), (2, 33, 3, 2), (1, 1, 1)])
def test_spikes_and_copies(shape, copied):
    dense = (np.random.default_rng(0).random(shape) < 0.3).astype(np.uint8)
    spikes = ai.Spikes.from_dense(dense)
    other = copied(spikes)
    assert isinstance(other, ai.Spikes)
    assert other.shape == spikes.shape
    np.testing.assert_array_equal(np.asarray(other), dense)
    part = copied(spikes[1:])
    np.testing.assert_array_equal(np.asarray(part), dense[1:])


def test_shallow_copies_of_layers_do_not_share_weights_that_change():
    layer = layers.SNU(3)
    layer(np.ones((1, 2, INPUTS)))
    other = copy.copy(layer)
    before = other.get_weights()
    layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    for weight, wanted in zip(other.get_weights(), before, strict=True):
        assert_same_bits(weight, wanted)


def test_a_model_in_another_process():
    """As a pool of processes would send it."""
    import multiprocessing

    model = new_model()
    train(model, 0, 1)
    x, _ = data()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_predict, (model, x))
    assert_same_bits(found, model.predict(x, verbose=0))


def _predict(model, x):
    return model.predict(x, verbose=0)
