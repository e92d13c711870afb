"""callbacks, called by a small model that trains nothing: its weight is the number of its epoch."""

import copy
import csv
import pickle

import neuroai_c as ai
import numpy as np
import pytest
from neuroai_c.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
)


class FakeModel:
    """Calls what fit calls; `losses` are what its epochs measure."""

    def __init__(self, optimizer=None):
        self.optimizer = optimizer or ai.optimizers.SGD(0.5)
        self.stop_training = False
        self.weight = None
        self.saved = []
        self.rates = []

    def get_weights(self):
        return [np.array([self.weight])]

    def set_weights(self, weights):
        self.weight = int(weights[0][0])

    def save(self, path):
        self.saved.append((path, "model", self.weight))

    def save_weights(self, path):
        self.saved.append((path, "weights", self.weight))

    def fit(self, callbacks, measures, initial_epoch=0, batches=0):
        """`measures`: by name the values of all epochs; returns the epochs and what is logged."""
        epochs = initial_epoch + len(next(iter(measures.values())))
        hooks = CallbackList("fit", callbacks, self, {"epochs": epochs})
        self.stop_training = False
        logged, logs = [], None
        hooks.call("on_train_begin")
        for epoch in range(initial_epoch, epochs):
            hooks.call("on_epoch_begin", epoch)
            self.rates.append(self.optimizer.learning_rate)
            for batch in range(batches if hooks.train_batches else 0):
                hooks.call("on_train_batch_begin", batch)
                hooks.call("on_train_batch_end", batch, {"loss": batch / 2})
            self.weight = epoch
            logs = {name: values[epoch - initial_epoch] for name, values in measures.items()}
            hooks.call("on_epoch_end", epoch, logs)
            logged.append(logs)
            if self.stop_training:
                break
        hooks.call("on_train_end", logs)
        return logged


class Recorded(Callback):
    def __init__(self, record, name):
        self.record, self.name = record, name

    def on_train_begin(self, logs=None):
        self.record.append((self.name, "train"))

    def on_epoch_end(self, epoch, logs=None):
        self.record.append((self.name, epoch, dict(logs)))
        logs[self.name] = epoch


# ---- Callback and CallbackList ---------------------------------------------


def test_order_model_params_and_logs():
    record, model = [], FakeModel()
    first, second = Recorded(record, "first"), Recorded(record, "second")
    logged = model.fit([first, second], {"loss": [0.5]})
    assert first.model is second.model is model
    assert first.params == second.params == {"epochs": 1}
    assert record == [("first", "train"), ("second", "train"), ("first", 0, {"loss": 0.5}),
                      ("second", 0, {"loss": 0.5, "first": 0})]
    assert logged == [{"loss": 0.5, "first": 0, "second": 0}]


def test_hooks_that_do_nothing():
    callback = Callback()
    hooks = [name for name in vars(Callback) if name.startswith("on_")]
    assert len(hooks) == 14
    for name in hooks:
        first = {"epoch": [3], "batch": [3]}.get(name.split("_")[-2], [])
        assert getattr(callback, name)(*first) is None
        assert getattr(callback, name)(*first, logs={"loss": 0.5}) is None


@pytest.mark.parametrize("callbacks", [None, [], ()])
def test_no_callbacks(callbacks):
    hooks = CallbackList("fit", callbacks, FakeModel(), {})
    hooks.call("on_train_begin")
    assert not (hooks.train_batches or hooks.test_batches or hooks.predict_batches)


def test_one_callback_alone():
    record = []
    FakeModel().fit(Recorded(record, "only"), {"loss": [0.5]})
    assert len(record) == 2


@pytest.mark.parametrize("callbacks", [3, "csv", [None], [EarlyStopping], [EarlyStopping(), print], {}], ids=range(6))
def test_bad_callbacks(callbacks):
    with pytest.raises(TypeError, match="fit: callbacks must be"):
        CallbackList("fit", callbacks, FakeModel(), {})


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
@pytest.mark.parametrize("edge", ["begin", "end"])
def test_who_needs_batches(mode, edge):
    def hook(self, batch, logs=None):
        pass

    def needed(callback):
        hooks = CallbackList("fit", [Callback(), callback], FakeModel(), {})
        return {mode for mode in ("train", "test", "predict") if getattr(hooks, f"{mode}_batches")}

    name = f"on_{mode}_batch_{edge}"
    derived = type("Derived", (Callback,), {name: hook})
    assert needed(derived()) == needed(type("Again", (derived,), {})()) == {mode}
    changed = Callback()
    setattr(changed, name, lambda batch, logs=None: None)
    assert needed(changed) == {mode}


def test_none_of_these_needs_batches(tmp_path):
    callbacks = [EarlyStopping(), ModelCheckpoint("x"), CSVLogger("x"), LearningRateScheduler(lambda epoch: 1)]
    hooks = CallbackList("fit", callbacks, FakeModel(), {})
    assert not (hooks.train_batches or hooks.test_batches or hooks.predict_batches)
    hooks = CallbackList("fit", [ModelCheckpoint("x", save_freq=3)], FakeModel(), {})
    assert hooks.train_batches and not (hooks.test_batches or hooks.predict_batches)


# ---- EarlyStopping ---------------------------------------------------------


@pytest.mark.parametrize("losses, options, epochs", [
    ([5, 4, 3, 2, 1], {}, 5),
    ([5, 4, 4, 3, 2], {}, 3),                                   # equal is not better
    ([5, 4, 4, 3, 2], dict(patience=1), 3),
    ([5, 4, 4, 3, 2], dict(patience=2), 5),
    ([5, 6, 4, 6, 6, 1], dict(patience=2), 5),                  # counts in a row only
    ([5, 4.5, 4, 3.5, 3], dict(min_delta=0.5), 2),
    ([5, 4.5, 4, 3.5, 3], dict(min_delta=0.25), 5),
    ([5, 4.5, 4, 3.5], dict(min_delta=0.75, patience=2), 4),    # against the best, not the last
    ([5, 6, 7, 6, 7], dict(start_from_epoch=2), 5),             # begins at 7
    ([5, 6, 7, 8, 7], dict(start_from_epoch=2), 4),
    ([5, 4, 3, 2, 1], dict(baseline=3.5, patience=2), 2),       # better, but too late
    ([5, 4, 3, 2, 1], dict(baseline=3.5, patience=3), 5),
    ([5, 4, 3, 2, 1], dict(baseline=6), 5),
    ([5, np.nan, 3], {}, 2),
    ([5, 4, 3], dict(mode="max"), 2),
    ([3, 4, 5, 5], dict(mode="max"), 4),
])
def test_when_it_stops(losses, options, epochs):
    model, stopping = FakeModel(), EarlyStopping(monitor="loss", **options)
    assert len(model.fit([stopping], {"loss": losses})) == epochs
    assert model.stop_training == (stopping.stopped_epoch > 0)
    if model.stop_training:
        assert stopping.stopped_epoch == epochs - 1


@pytest.mark.parametrize("monitor, epochs", [("acc", 4), ("val_acc", 4), ("val_accuracy", 4), ("mse", 2),
                                             ("spikes", 2)])
def test_auto(monitor, epochs):
    assert len(FakeModel().fit([EarlyStopping(monitor)], {monitor: [1, 2, 3, 2]})) == epochs


def test_default_monitor():
    assert len(FakeModel().fit([EarlyStopping()], {"loss": [3, 2, 1], "val_loss": [1, 2, 3]})) == 2


@pytest.mark.parametrize("restore, losses, weight", [
    (True, [5, 3, 4, 6, 7], 1),         # ended early
    (True, [5, 3, 4], 1),               # did not end early
    (True, [5, 4, 3], 2),
    (False, [5, 3, 4, 6, 7], 3),
])
def test_restored_weights(restore, losses, weight):
    model = FakeModel()
    stopping = EarlyStopping("loss", patience=2, restore_best_weights=restore)
    model.fit([stopping], {"loss": losses})
    assert model.weight == weight
    assert stopping.best == min(losses[:4]) and stopping.best_epoch == losses.index(stopping.best)


def test_restored_weights_where_none_surpassed_the_baseline():
    model = FakeModel()
    stopping = EarlyStopping("loss", patience=3, baseline=1, restore_best_weights=True)
    assert len(model.fit([stopping], {"loss": [5, 3, 4, 2]})) == 3
    assert model.weight == 1


def test_fit_begins_anew():
    model, stopping = FakeModel(), EarlyStopping("loss", patience=2)
    assert len(model.fit([stopping], {"loss": [1, 2, 3, 4]})) == 3
    assert len(model.fit([stopping], {"loss": [5, 4, 3, 2]}, initial_epoch=3)) == 4
    assert stopping.best_epoch == 6 and stopping.stopped_epoch == 0


def test_early_stopping_says_what_it_does(capsys):
    FakeModel().fit([EarlyStopping("loss", verbose=1, restore_best_weights=True)], {"loss": [5, 6]})
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\nRestoring the weights after the best epoch, 1\n"
    )
    FakeModel().fit([EarlyStopping("loss", restore_best_weights=True)], {"loss": [5, 6]})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("callback", [EarlyStopping, lambda **options: ModelCheckpoint("x", save_best_only=True)])
def test_a_measure_that_is_not_there(callback):
    with pytest.raises(ValueError, match=r"monitor must be one .*\(loss, acc\), got 'val_loss'"):
        FakeModel().fit([callback()], {"loss": [1.0], "acc": [1.0]})


def test_a_measure_of_a_callback_before_it():
    record = []
    FakeModel().fit([Recorded(record, "mine"), EarlyStopping("mine")], {"loss": [1.0]})


@pytest.mark.parametrize("argument, value, error", [
    ("monitor", None, TypeError), ("monitor", ["loss"], TypeError),
    ("min_delta", -1, ValueError), ("min_delta", "0", TypeError),
    ("patience", -1, ValueError), ("patience", 1.5, TypeError), ("patience", None, TypeError),
    ("verbose", -1, ValueError), ("verbose", "auto", TypeError),
    ("mode", "best", ValueError), ("mode", None, ValueError),
    ("baseline", "0.5", TypeError), ("baseline", np.nan, ValueError),
    ("start_from_epoch", -1, ValueError), ("start_from_epoch", 0.5, TypeError),
])
def test_bad_arguments_of_early_stopping(argument, value, error):
    with pytest.raises(error, match=f"EarlyStopping: {argument} must be"):
        EarlyStopping(**{argument: value})


# ---- ModelCheckpoint -------------------------------------------------------


def test_every_epoch(tmp_path):
    model = FakeModel()
    path = tmp_path / "{epoch:02d}-{val_loss:.2f}.safetensors"
    model.fit([ModelCheckpoint(path)], {"loss": [3, 2], "val_loss": [0.5, 0.256]}, initial_epoch=8)
    assert model.saved == [(str(tmp_path / "09-0.50.safetensors"), "model", 8),
                           (str(tmp_path / "10-0.26.safetensors"), "model", 9)]


def test_best_only(tmp_path):
    model, path = FakeModel(), str(tmp_path / "best")
    checkpoint = ModelCheckpoint(path, "loss", save_best_only=True, save_weights_only=True)
    model.fit([checkpoint], {"loss": [3, 2, 2, 4, 1]})
    assert model.saved == [(path, "weights", 0), (path, "weights", 1), (path, "weights", 4)]
    assert checkpoint.best == 1
    model.fit([checkpoint], {"loss": [2, 0.5]}, initial_epoch=5)
    assert [weight for _, _, weight in model.saved[3:]] == [6]


@pytest.mark.parametrize("mode, monitor, epochs", [("max", "loss", [0, 2]), ("min", "acc", [0, 1]),
                                                   ("auto", "val_acc", [0, 2]), ("auto", "spikes", [0, 1])])
def test_modes(mode, monitor, epochs, tmp_path):
    model = FakeModel()
    checkpoint = ModelCheckpoint(tmp_path / "x", monitor, save_best_only=True, mode=mode)
    model.fit([checkpoint], {monitor: [3, 2, 4]})
    assert [weight for _, _, weight in model.saved] == epochs


def test_batches(tmp_path):
    model = FakeModel()
    path = tmp_path / "{epoch}-{batch}-{loss}"
    model.fit([ModelCheckpoint(path, save_freq=3)], {"loss": [9.0, 9.0]}, batches=4)
    assert [name for name, _, _ in model.saved] == [
        str(tmp_path / "1-3-1.0"), str(tmp_path / "2-2-0.5")    # the count goes on over epochs
    ]


def test_best_of_batches(tmp_path):
    model = FakeModel()
    checkpoint = ModelCheckpoint(tmp_path / "{batch}", "loss", save_best_only=True, save_freq=1)
    model.fit([checkpoint], {"loss": [9.0]}, batches=3)
    assert [name for name, _, _ in model.saved] == [str(tmp_path / "1")]


def test_folders_are_made(tmp_path, monkeypatch):
    FakeModel().fit([ModelCheckpoint(tmp_path / "new" / "{epoch}" / "x")], {"loss": [1.0]})
    assert (tmp_path / "new" / "1").is_dir()
    monkeypatch.chdir(tmp_path)
    FakeModel().fit([ModelCheckpoint("x")], {"loss": [1.0]})


def test_checkpoint_says_what_it_does(tmp_path, capsys):
    path = str(tmp_path / "x")
    FakeModel().fit([ModelCheckpoint(path, "loss", 1, save_best_only=True)], {"loss": [1.0, 2.0]})
    assert capsys.readouterr().out == (
        f"Epoch 1: saving to {path}\nEpoch 2: loss did not improve from 1.00000\n"
    )
    FakeModel().fit([ModelCheckpoint(path, verbose=1, save_freq=2)], {"loss": [1.0]}, batches=2)
    assert capsys.readouterr().out == f"Epoch 1 batch 2: saving to {path}\n"


def test_a_failed_save_is_not_the_best(tmp_path):
    class Full(FakeModel):
        def save(self, path):
            raise OSError("no space")

    checkpoint = ModelCheckpoint(tmp_path / "x", "loss", save_best_only=True)
    with pytest.raises(OSError, match="no space"):
        Full().fit([checkpoint], {"loss": [1.0]})
    assert checkpoint.best == np.inf


@pytest.mark.parametrize("path", ["{val_loss}", "{}", "{0}", "{loss:q}", "{loss", "{batch}", "{epoch.x}",
                                  "{epoch[0]}"])
def test_bad_fields(path):
    model = FakeModel()
    with pytest.raises(ValueError, match="ModelCheckpoint: filepath may have the fields loss, epoch"):
        model.fit([ModelCheckpoint(path)], {"loss": [1.0]})
    assert model.saved == []


@pytest.mark.parametrize("argument, value, error", [
    ("filepath", None, TypeError), ("filepath", 3, TypeError), ("filepath", b"x", TypeError),
    ("monitor", 3, TypeError), ("verbose", None, TypeError), ("mode", "Max", ValueError),
    ("save_freq", "batch", ValueError), ("save_freq", 0, ValueError), ("save_freq", 0.5, TypeError),
    ("save_freq", None, TypeError), ("save_freq", True, TypeError),
])
def test_bad_arguments_of_model_checkpoint(argument, value, error):
    with pytest.raises(error, match=f"ModelCheckpoint: {argument} must be"):
        ModelCheckpoint(**{"filepath": "x", argument: value})


# ---- CSVLogger -------------------------------------------------------------


def rows(path, **options):
    with open(path, newline="") as file:
        return list(csv.reader(file, **options))


def test_csv(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("what was there\n")
    FakeModel().fit([CSVLogger(path)], {"val_loss": [0.1, 1 / 3], "acc": [1.0, 0.5]})
    assert rows(path) == [["epoch", "acc", "val_loss"], ["0", "1.0", "0.1"], ["1", "0.5", repr(1 / 3)]]


def test_every_line_is_there_at_once(tmp_path):
    path, seen = tmp_path / "log.csv", []

    class Reader(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(path.read_text())

    FakeModel().fit([CSVLogger(path, separator=";"), Reader()], {"loss": [0.5, 0.25]})
    assert seen == ["epoch;loss\n0;0.5\n", "epoch;loss\n0;0.5\n1;0.25\n"]


def test_append_to_what_is_no_text(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"\xdf")
    with pytest.raises(ValueError, match="CSVLogger: filename must be of a CSV file to append to"):
        FakeModel().fit([CSVLogger(path, append=True)], {"loss": [0.5]})
    assert path.read_bytes() == b"\xdf"


def test_append(tmp_path):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path, append=True)
    FakeModel().fit([logger], {"loss": [0.5], "acc": [1.0]})
    FakeModel().fit([logger], {"acc": [0.5], "loss": [0.25]}, initial_epoch=1)
    FakeModel().fit([CSVLogger(path, append=True)], {"loss": [0.125]}, initial_epoch=2)
    assert rows(path) == [["epoch", "acc", "loss"], ["0", "1.0", "0.5"], ["1", "0.5", "0.25"], ["2", "NA", "0.125"]]
    before = path.read_text()
    with pytest.raises(ValueError, match="has the columns epoch, acc, loss, but there are epoch, mse"):
        FakeModel().fit([CSVLogger(path, append=True)], {"mse": [0.5]})
    assert path.read_text() == before
    FakeModel().fit([CSVLogger(path)], {"mse": [0.5]})
    assert rows(path) == [["epoch", "mse"], ["0", "0.5"]]


def test_append_to_an_empty_file(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("")
    FakeModel().fit([CSVLogger(path, append=True)], {"loss": [0.5]})
    assert rows(path) == [["epoch", "loss"], ["0", "0.5"]]


def test_names_with_the_separator(tmp_path):
    path = tmp_path / "log.csv"
    for _ in range(2):
        FakeModel().fit([CSVLogger(path, append=True)], {'a,"b"': [0.5]})
    assert rows(path) == [["epoch", 'a,"b"'], ["0", "0.5"], ["0", "0.5"]]


@pytest.mark.parametrize("argument, value, error", [
    ("filename", None, TypeError), ("filename", 3, TypeError),
    ("separator", "", ValueError), ("separator", ", ", ValueError), ("separator", "\n", ValueError),
    ("separator", None, ValueError),
])
def test_bad_arguments_of_csv_logger(argument, value, error):
    with pytest.raises(error, match=f"CSVLogger: {argument} must be"):
        CSVLogger(**{"filename": "x", argument: value})


# ---- LearningRateScheduler -------------------------------------------------


@pytest.mark.parametrize("schedule, rates", [
    (lambda epoch, rate: rate / 2 if epoch else rate, [0.5, 0.25, 0.125]),
    (lambda epoch: 1 / (epoch + 1), [1, 0.5, 1 / 3]),
    (lambda epoch, rate=None: rate, [0.5, 0.5, 0.5]),
    (lambda *arguments: arguments[1], [0.5, 0.5, 0.5]),
    (max, [0.5, 1, 2]),                                         # written in C
    (lambda epoch: np.float32(0.25), [0.25, 0.25, 0.25]),
    (ai.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5), [1, 0.5, 0.25]),
], ids=lambda value: getattr(value, "__name__", str(value)))
def test_learning_rates(schedule, rates):
    model = FakeModel()
    logged = model.fit([LearningRateScheduler(schedule)], {"loss": [3, 2, 1]})
    assert model.rates == rates == [logs["lr"] for logs in logged]
    assert type(model.optimizer.learning_rate) is float


def test_scheduler_says_what_it_does(capsys):
    FakeModel().fit([LearningRateScheduler(lambda epoch: 0.25, verbose=1)], {"loss": [1.0]})
    assert capsys.readouterr().out == "Epoch 1: the learning rate is 0.25\n"


@pytest.mark.parametrize("schedule", [None, 0.1, "decay", lambda: 0.1, lambda a, b, c: 0.1],
                         ids=lambda value: getattr(value, "__name__", str(value)))
def test_bad_schedules(schedule):
    with pytest.raises(TypeError, match="LearningRateScheduler: schedule must"):
        LearningRateScheduler(schedule)


@pytest.mark.parametrize("rate, error", [(None, TypeError), ("0.1", TypeError), (-1, ValueError),
                                         (np.nan, ValueError)], ids=str)
def test_bad_results_of_a_schedule(rate, error):
    model = FakeModel()
    with pytest.raises(error, match="LearningRateScheduler: what schedule returns must be"):
        model.fit([LearningRateScheduler(lambda epoch: rate)], {"loss": [1.0]})
    assert model.optimizer.learning_rate == 0.5


def test_an_error_inside_a_schedule_is_shown():
    def schedule(epoch, rate):
        return len(epoch)

    with pytest.raises(TypeError, match="has no len"):
        FakeModel().fit([LearningRateScheduler(schedule)], {"loss": [1.0]})


def test_an_optimizer_with_a_schedule_of_its_own():
    model = FakeModel(ai.optimizers.SGD(ai.optimizers.schedules.CosineDecay(0.5, 10)))
    with pytest.raises(ValueError, match="learning_rate must be a number, got CosineDecay"):
        model.fit([LearningRateScheduler(lambda epoch: 0.1)], {"loss": [1.0]})


# ---- copies ----------------------------------------------------------------


def halved(epoch, rate):
    return rate / 2


@pytest.mark.parametrize("callback", [EarlyStopping(restore_best_weights=True), CSVLogger("x"),
                                      LearningRateScheduler(halved), ModelCheckpoint("x", save_freq=1)],
                         ids=lambda callback: type(callback).__name__)
def test_copies_stand_alone(callback):
    for copied in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert vars(copied).keys() == vars(callback).keys()
        if isinstance(callback, ModelCheckpoint):
            copied.set_model(FakeModel())
            copied.filepath = "copy"
            copied.on_train_batch_end(0, {})
            assert [path for path, _, _ in copied.model.saved] == ["copy"]
            assert callback._batches == 0 and callback.model is None
