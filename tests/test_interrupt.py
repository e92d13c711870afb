"""Ctrl-C: whenever it comes, the model is one of whole batches, and goes on as such a one does."""

import contextlib
import copy
import gc
import io
import operator
import os
import signal
import sys
import threading

import neuroai_c as ai
import numpy as np
import pytest
import tqdm
from neuroai_c import files, models, saving
from tolerances import assert_same_bits

# Python itself loses what comes between `open` and `with`, or at the end of a generator.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

layers = ai.layers
PACKAGE = os.path.dirname(ai.__file__)
SAMPLES, BATCH, EPOCHS = 10, 3, 3
BATCHES = -(-SAMPLES // BATCH)


def data():
    rng = np.random.default_rng(0)
    return (rng.random((SAMPLES, 4, 5)) < 0.5).astype(np.uint8), rng.random((SAMPLES, 2))


def new_model(dropout=0.3):
    model = ai.Sequential([
        layers.InputLayer([None, 5]), layers.SNU(6, g="leaky_rel", return_sequences=True, recurrent=True),
        layers.Dropout(dropout), layers.SNU(2, g="leaky_rel", return_sequences=True),
        layers.GlobalAveragePooling1D()], seed=0)
    model.compile(ai.optimizers.Adam(ai.optimizers.schedules.ExponentialDecay(0.1, 2, 0.9)), metrics=["mse"])
    return model


def train(model, **options):
    model.fit(*data(), batch_size=BATCH, epochs=EPOCHS, verbose=0, **options)


def state(model):
    """All that training goes on from, but the generator; and its generator."""
    arrays, document = saving.content(model)
    steps = document.get("steps") or 0
    groups = ("weights", "slots") if steps else ("weights",)        # slots of no step are zeros, or not there
    kept = {name: array.tobytes() for name, array in arrays.items() if name.split("/")[0] in groups}
    return (kept, steps), document["rng"]


class Stopped(ai.callbacks.Callback):
    """Ends training after so many batches of all."""

    def __init__(self, batches):
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        self.model.stop_training = self.left <= 0


@pytest.fixture(scope="module")
def stopped():
    """The states of models that were stopped after 0, 1, ... batches."""
    models = [new_model() for _ in range(1 + EPOCHS * BATCHES)]
    for batches, model in enumerate(models):
        if batches:
            train(model, callbacks=[Stopped(batches)])
    return [state(model) for model in models]


class Interrupt:
    """Raises KeyboardInterrupt at the n-th place where Python may: a call begins or comes back.

    It has to come out of the block, unless it came where Python can only tell of it: in what an
    object's end calls.  No other error may be lost there.
    """

    def __init__(self, place):
        self.place = self.left = place
        self.lost = []

    def __enter__(self):
        self.hook, sys.unraisablehook = sys.unraisablehook, lambda told: self.lost.append(told.exc_value)
        sys.setprofile(self)
        return self

    def __exit__(self, kind, *_):
        sys.setprofile(None)
        sys.unraisablehook = self.hook
        others = [error for error in self.lost if not isinstance(error, KeyboardInterrupt)]
        assert not others, f"place {self.place}: {others[0]!r} is lost"
        if kind is None and self.left == 0:
            assert self.lost, f"the Ctrl-C of place {self.place} is swallowed"
        return kind is KeyboardInterrupt and self.left == 0

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename.startswith(PACKAGE) and event in ("call", "c_return"):
            self.left -= 1
            if self.left == 0:
                sys.setprofile(None)
                raise KeyboardInterrupt


def everywhere(prepare, call, check, most=20_000):
    """Calls anew until no place is left; returns how many there were."""
    for place in range(1, most):
        subject = prepare()
        with Interrupt(place) as interrupt:
            call(subject)
        if interrupt.left > 0:
            return place - 1
        check(subject)
    raise AssertionError(f"more than {most} places")


def test_a_traceback_has_nothing_of_the_inside(alarm):
    model = new_model()
    with pytest.raises(KeyboardInterrupt) as caught, alarm:
        alarm(0.1)
        model.fit(*data(), epochs=10**9, verbose=0)
    assert inside(caught) == {ai.use.__file__}


def inside(caught):
    """The files of the package in a traceback."""
    return {str(entry.path) for entry in caught.traceback if str(entry.path).startswith(PACKAGE)}


@pytest.mark.parametrize("module, name", [
    ("tqdm.std", "tqdm.refresh"), ("numpy", "isfinite"), ("time", "perf_counter")])
def test_nor_of_what_that_calls(module, name, monkeypatch):
    within = {"__name__": module}
    exec("def pressed(*arguments, **options):\n    raise KeyboardInterrupt\n", within)
    model = new_model()
    model.fit(*data(), verbose=0)
    monkeypatch.setattr(f"{module}.{name}", within["pressed"])
    with pytest.raises(KeyboardInterrupt) as caught:
        model.fit(*data(), validation_data=data())
    assert inside(caught) == {ai.use.__file__}


class Pressed(io.StringIO):
    """Where nothing is written, as Ctrl-C comes."""

    def write(self, text):
        raise KeyboardInterrupt


def test_nor_of_where_a_bar_is_shown(monkeypatch):
    monkeypatch.setattr("sys.stdout", Pressed())
    with pytest.raises(KeyboardInterrupt) as caught:
        new_model().fit(*data())
    assert inside(caught) == {ai.use.__file__}


def test_nor_does_a_bar_of_the_user():
    """That keeps tqdm's own lock."""
    with pytest.raises(KeyboardInterrupt):
        for _ in tqdm.tqdm(range(3), file=Pressed()):
            pass
    thread = threading.Thread(target=new_model().fit, args=data(), daemon=True)
    thread.start()
    thread.join(20)
    with contextlib.suppress(RuntimeError):
        tqdm.tqdm.get_lock().release()
    assert not thread.is_alive()


def test_ctrl_c_is_told_where_a_bar_can_no_longer_be_drawn(monkeypatch):
    class Broken(io.StringIO):
        def write(self, text):
            if is_pressed:
                raise BrokenPipeError
            return len(text)

    class Presses(ai.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            is_pressed.append(True)
            raise KeyboardInterrupt

    is_pressed = []
    monkeypatch.setattr("sys.stdout", Broken())
    with pytest.raises(KeyboardInterrupt):
        new_model().fit(*data(), callbacks=[Presses()])


def test_a_bar_that_is_half_made_goes_without_a_word(monkeypatch):
    def pressed(*arguments):
        raise KeyboardInterrupt

    told = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    monkeypatch.setattr("tqdm.tqdm._get_free_pos", pressed)
    with pytest.raises(KeyboardInterrupt):
        new_model().fit(*data())
    gc.collect()
    assert not told


def test_a_bar_that_is_cut_lets_others_be_drawn(monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("sys.stdout", Pressed())
        new_model().fit(*data())
    thread = threading.Thread(target=new_model().fit, args=data(), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()


def test_a_traceback_shows_a_callback(alarm):
    class Endless(ai.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            alarm(0.01)
            while True:
                pass

    with pytest.raises(KeyboardInterrupt) as caught, alarm:
        train(new_model(), callbacks=[Endless()])
    assert caught.traceback[-1].name == "on_epoch_begin"


def test_a_traceback_shows_batches_that_have_a_bar():
    def batches():
        yield data()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        new_model().fit(tqdm.tqdm(batches(), file=io.StringIO()), verbose=0)
    assert caught.traceback[-1].name == "batches"


def test_a_traceback_shows_the_callback_of_a_call(alarm):
    class Evaluates(ai.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            alarm(0.01)
            while True:
                self.model.evaluate(*data(), verbose=0)

    with pytest.raises(KeyboardInterrupt) as caught, alarm:
        train(new_model(), callbacks=[Evaluates()])
    assert "on_epoch_begin" in [entry.name for entry in caught.traceback]


def is_free(model):
    """No method of another thread would be refused."""
    return all(use._first() is None for use in model._uses())


@pytest.fixture
def each_batch_alone(monkeypatch):
    monkeypatch.setattr(models, "_SECONDS", 0)


def test_fit_interrupted_everywhere(stopped, each_batch_alone, tmp_path):
    fresh = new_model()
    seen = set()

    def check(model):
        found, rng = state(model)
        batches = found[1]
        wanted, wanted_rng = stopped[batches]
        assert found == wanted and is_free(model)
        if batches % BATCHES:               # else it may have drawn for the next epoch
            assert rng == wanted_rng
        history = model.history
        epochs = len(history.epoch) if history else 0
        assert batches // BATCHES - 1 <= epochs <= batches // BATCHES
        assert not epochs or {len(row) for row in (history.seconds, *history.history.values())} == {epochs}
        seen.add(batches)

    places = everywhere(lambda: copy.deepcopy(fresh), train, check)
    assert places > 500 and seen == set(range(1 + EPOCHS * BATCHES))


def test_training_goes_on_after_an_interrupt(stopped, each_batch_alone):
    fresh = new_model()
    twins = {}

    def check(model):
        batches = state(model)[0][1]
        if batches not in twins:
            twins[batches] = new_model()
            if batches:
                train(twins[batches], callbacks=[Stopped(batches)])
            twins[batches]._rng = np.random.default_rng(1)
            train(twins[batches])
        model._rng = np.random.default_rng(1)
        train(model)
        assert state(model) == state(twins[batches])

    with Interrupt(10**9) as whole:
        train(copy.deepcopy(fresh))
    for place in np.linspace(1, whole.place - whole.left, 40, dtype=int):
        model = copy.deepcopy(fresh)
        with Interrupt(int(place)):
            train(model)
        check(model)
    assert len(twins) > EPOCHS * BATCHES / 2


def test_train_on_batch_interrupted_everywhere():
    x, y = data()
    fresh, once, twice = new_model(), new_model(), new_model()
    fresh.train_on_batch(x, y)
    for model, steps in ((once, 1), (twice, 2)):
        for _ in range(steps):
            model.train_on_batch(x, y)
    seen = set()

    def check(model):
        found, _ = state(model)
        assert found == state({1: once, 2: twice}[found[1]])[0] and is_free(model)
        seen.add(found[1])

    assert everywhere(lambda: copy.deepcopy(fresh), lambda model: model.train_on_batch(x, y), check) > 50
    assert seen == {1, 2}


@pytest.mark.parametrize("name", ["evaluate", "predict", "test_on_batch", "predict_on_batch"])
def test_what_does_not_train_changes_nothing(name, each_batch_alone):
    x, y = data()
    fresh = new_model()
    fresh.fit(x, y, verbose=0)
    before, wanted = state(fresh), fresh.predict(x, verbose=0)
    arguments = (x, y) if name in ("evaluate", "test_on_batch") else (x,)
    options = {} if "on_batch" in name else {"verbose": 0, "batch_size": BATCH}

    def check(model):
        assert state(model) == before and is_free(model)
        assert_same_bits(model.predict(x, verbose=0), wanted)

    assert everywhere(lambda: copy.deepcopy(fresh), lambda model: getattr(model, name)(*arguments, **options),
                      check) > 50


@pytest.mark.parametrize("name", ["save", "save_weights"])
def test_a_save_interrupted_everywhere(name, tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", operator.index)          # another function of C, which takes no time
    path = tmp_path / "file"
    old, new = new_model(), new_model()
    new.set_weights([weight + 1 for weight in new.get_weights()])
    getattr(old, name)(path)
    before = path.read_bytes()
    getattr(new, name)(path)
    allowed = {before, path.read_bytes()}
    path.write_bytes(before)

    def check(_):
        assert path.read_bytes() in allowed
        assert os.listdir(tmp_path) == ["file"]
        path.write_bytes(before)

    assert everywhere(lambda: None, lambda _: getattr(new, name)(path), check) > 50


@pytest.mark.parametrize("name", ["set_weights", "load_weights", "layer.set_weights"])
def test_all_weights_or_none(name, tmp_path):
    fresh = new_model()
    weights = [weight + 1 for weight in fresh.get_weights()]
    before, after = state(fresh)[0], None

    def call(model):
        if name == "layer.set_weights":
            model.layers[0].set_weights(weights[:3])
        elif name == "set_weights":
            model.set_weights(weights)
        else:
            model.load_weights(tmp_path / "weights")

    other = copy.deepcopy(fresh)
    other.set_weights(weights)
    other.save_weights(tmp_path / "weights")
    other = copy.deepcopy(fresh)
    call(other)
    after = state(other)[0]
    assert everywhere(lambda: copy.deepcopy(fresh), call, lambda model: allowed(state(model)[0], before, after)) > 5


def allowed(found, *states):
    assert found in states


# ---- signals -----------------------------------------------------------------


class Alarm:
    """Has KeyboardInterrupt raised after so many seconds, in C as Ctrl-C does.

    And each second again, until the block ends: Python loses one that comes while a callback of
    its garbage collector runs, and hypothesis has such a callback.
    """

    def __call__(self, seconds):
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def alarm():
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    callbacks = gc.callbacks[:]
    gc.callbacks.clear()                # pytest takes what is lost there for a failure
    with Alarm() as alarm:
        yield alarm
    gc.callbacks.extend(callbacks)
    signal.signal(signal.SIGALRM, before)


def test_an_alarm_rings_again(alarm):
    lost = []

    def callback(phase, info):
        if not lost:
            lost.append(phase)
            while True:                 # until the first comes
                pass

    hook, sys.unraisablehook = sys.unraisablehook, lambda told: lost.append(told.exc_type)
    gc.callbacks.append(callback)
    try:
        with pytest.raises(KeyboardInterrupt), alarm:
            alarm(0.01)
            gc.collect()
            while True:
                pass
    finally:
        gc.callbacks.remove(callback)
        sys.unraisablehook = hook
    assert lost[1:] == [KeyboardInterrupt]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_signals(seed, threads, alarm):
    before = ai.get_num_threads()
    ai.set_num_threads(threads)
    x, y = data()
    model, twin = new_model(dropout=0.0), new_model(dropout=0.0)
    try:
        with pytest.raises(KeyboardInterrupt), alarm:
            alarm(0.001 + 0.003 * seed)
            model.fit(x, y, batch_size=BATCH, epochs=10**9, verbose=0, shuffle=False)
        epochs, rest = divmod(state(model)[0][1], BATCHES)
        twin.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, shuffle=False)
        if rest:
            twin.fit(x, y, batch_size=BATCH, verbose=0, shuffle=False, steps_per_epoch=rest)
        assert state(model)[0] == state(twin)[0]
    finally:
        ai.set_num_threads(before)


def test_ctrl_c_in_a_callback(stopped):
    # Who starts this in the background may have it be deaf to Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    class Pressed(ai.callbacks.Callback):
        batches = 0

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            if self.batches == 6:
                signal.raise_signal(signal.SIGINT)

    model = new_model()
    with pytest.raises(KeyboardInterrupt):
        train(model, callbacks=[Pressed()])
    signal.signal(signal.SIGINT, before)
    assert state(model) == stopped[6]


def test_another_thread_may_use_the_model_after_an_interrupt():
    model = new_model()
    with pytest.raises(KeyboardInterrupt):
        train(model, callbacks=[Raising()])
    seen = []
    thread = threading.Thread(target=lambda: seen.append(model.predict(data()[0], verbose=0)))
    thread.start()
    thread.join()
    assert len(seen) == 1


class Raising(ai.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_transform_rate_ends_at_a_signal(alarm):
    pixels = np.full((40_000, 100), 0.5)
    wanted = np.asarray(ai.utils.transform_rate(pixels[:3], 5, 3))
    with pytest.raises(KeyboardInterrupt), alarm:
        alarm(0.02)
        ai.utils.transform_rate(pixels, 2_000, 1_000)
    assert_same_bits(np.asarray(ai.utils.transform_rate(pixels[:3], 5, 3)), wanted)
