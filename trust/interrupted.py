"""What is interrupted: executed at the prompt that trust/interrupt.py types into."""

import copy
import itertools
import sys
import time

import numpy as np

import neuroai_c as ai
from neuroai_c import saving

SAMPLES, BATCH = 1024, 16
_rng = np.random.default_rng(0)
_x = (_rng.random((SAMPLES, 20, 100)) < 0.2).astype(np.uint8)
_y = _rng.random((SAMPLES, 10))
_parts = [slice(i, i + BATCH) for i in range(0, SAMPLES, BATCH)]
_pixels = _rng.random((60_000, 784)) * (_rng.random((60_000, 784)) < 0.2)
_spikes = ai.utils.transform_rate(_pixels[:2000], 20, 6)
_known = np.asarray(ai.utils.transform_rate(_pixels[:50], 20, 6))
_model = _before = _call = _ended = None


def _new(inputs=100, units=60):
    model = ai.Sequential([
        ai.layers.InputLayer([None, inputs]),
        ai.layers.SNU(units, g="leaky_rel", return_sequences=True, recurrent=True),
        ai.layers.Dropout(0.2), ai.layers.SNU(10, g="leaky_rel", return_sequences=True),
        ai.layers.GlobalAveragePooling1D(),
    ], seed=0)
    model.compile("adam", metrics=["acc"])
    return model


def _state(model):
    """All that training goes on from, but the generator."""
    arrays, document = saving.content(model)
    return document.get("steps"), {
        name: array.tobytes() for name, array in arrays.items()
        if name.partition("/")[0] in ("weights", "slots")
    }


def _fit(model, **options):
    return model.fit(_x, _y, batch_size=BATCH, verbose=0, **options)


def _batch_of(seconds):
    """A net and samples of which one batch takes about so long."""
    model, count = _new(784, 300), 64
    while True:
        begun = time.perf_counter()
        model.train_on_batch(_spikes[:count], _targets[:count])
        model.train_on_batch(_spikes[:count], _targets[:count])
        took = (time.perf_counter() - begun) / 2
        if took > 0.8 * seconds or count == len(_spikes):
            return count, took
        count = min(int(count * min(2, seconds / took)) + 1, len(_spikes))


_targets = _rng.random((len(_spikes), 10))
_sizes = {"fit, batches of 30 ms": _batch_of(0.03), "fit, batches of 300 ms": _batch_of(0.3)}


# ---- calls: without end ------------------------------------------------------------

def _fits():
    _fit(_model, epochs=10**6)


def _fits_in_batches():
    _model.fit(_spikes, _targets, batch_size=_sizes[_call][0], epochs=10**6, verbose=0)


def _fits_with_a_bar():
    _model.fit(_x, _y, batch_size=BATCH, epochs=10**6)


def _trains_on_batches():
    for part in itertools.cycle(_parts):
        _model.train_on_batch(_x[part], _y[part])


def _predicts():
    while True:
        _model.predict(_x, verbose=0)


def _evaluates():
    while True:
        _model.evaluate(_x, _y, verbose=0)


def _does_nothing():
    while True:
        pass


def _makes_large_arrays():
    while True:
        np.ones(20_000_000)


def _transforms():
    while True:
        ai.utils.transform_rate(_pixels, 20, 6)


CALLS = {
    "nothing": _does_nothing, "large arrays": _makes_large_arrays,
    "fit": _fits, "fit with a bar": _fits_with_a_bar,
    "fit, batches of 30 ms": _fits_in_batches,
    "fit, batches of 300 ms": _fits_in_batches, "train_on_batch": _trains_on_batches,
    "predict": _predicts, "evaluate": _evaluates, "transform_rate": _transforms,
}


def start(call):
    """A call of that name, until it is interrupted."""
    global _model, _before, _call, _ended
    _call = call
    _model = _new(784, 300) if "ms" in call else _new()
    if "fit" not in call and "train" not in call:
        _fit(_model)
    _before = _state(_model)
    print("begun", file=sys.stderr, flush=True)
    try:
        CALLS[call]()
    finally:
        _ended = time.monotonic()


# ---- afterwards --------------------------------------------------------------------

class _Clock(ai.callbacks.Callback):
    """Knows the seconds of the longest batch."""

    longest = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        self._begun = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.longest = max(self.longest, time.perf_counter() - self._begun)


def verify():
    """Whether the model is one that was stopped behind a batch, and goes on as such a one does.

    Prints "right", after how many batches, when the call had ended, and the seconds of the longest
    of these batches when nothing interrupts them.
    """
    steps, clock = _model._steps_made if _model._slots is not None else 0, _Clock()
    if _before[0] is not None:
        assert _state(_model) == _before, "the call has changed the model"
        assert (np.asarray(ai.utils.transform_rate(_pixels[:50], 20, 6)) == _known).all()
    else:
        twin = _twin(steps, clock)
        assert _state(_model) == _state(twin), f"not the model after {steps} batches"
        _model._rng = copy.deepcopy(twin._rng)  # it may have drawn for an epoch that had no batch
        history = _model.history
        if history is not None:
            rows = (history.epoch, history.seconds, *history.history.values())
            assert len({len(row) for row in rows}) == 1, history.history
        for model in (_model, twin):
            if "ms" in _call:
                model.fit(_spikes[:100], _targets[:100], verbose=0)
            else:
                _fit(model)
        assert _state(_model) == _state(twin), "training did not go on as it should"
    print(f"right {steps} {_ended} {clock.longest}", file=sys.stderr, flush=True)


def _twin(steps, clock):
    """The model that was stopped after so many batches."""
    twin = _new(784, 300) if "ms" in _call else _new()
    if _call == "train_on_batch":
        for part in itertools.islice(itertools.cycle(_parts), steps):
            twin.train_on_batch(_x[part], _y[part])
        return twin
    x, y, size = (_x, _y, BATCH) if "ms" not in _call else (_spikes, _targets, _sizes[_call][0])
    batches = -(-len(x) // size)
    epochs, rest = divmod(steps, batches)
    twin.fit(x, y, batch_size=size, epochs=epochs, verbose=0, callbacks=[clock])
    if rest:
        twin.fit(x, y, batch_size=size, initial_epoch=epochs, epochs=epochs + 1, verbose=0,
                 steps_per_epoch=rest, callbacks=[clock])
    return twin
