"""What trust/allocations.py calls: the functions of kernels and data, and what models do."""

import copy
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import neuroai_c as ai
from neuroai_c import models, saving

# Every call of C ends after one batch, so that all moments between batches can be told; and
# nothing that is compared depends on the time.
models._SECONDS = 0
os.fsync = int                          # a disk takes its time
models.time = SimpleNamespace(perf_counter=float)

CASES = {}


def frozen(value):
    """The bits of a value as something that compares and hashes."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, np.generic):
        return frozen(np.asarray(value))
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, ai.Spikes):
        return ("spikes", frozen(np.asarray(value)))
    if isinstance(value, ai.Sequential):
        return of_model(value)
    if isinstance(value, ai.History):
        return ("history", frozen(value.epoch), frozen(value.history), len(value.seconds))
    if isinstance(value, dict):
        return tuple((key, frozen(item)) for key, item in value.items())
    if isinstance(value, SimpleNamespace):
        return frozen(vars(value))
    if isinstance(value, (list, tuple)):
        return tuple(frozen(item) for item in value)
    if isinstance(value, ai.layers.base.Layer):
        state = frozen(getattr(value, "_state", None))
        return (repr(value), value.built, frozen(value.get_weights()), state)
    if isinstance(value, (str, bytes, int, type(None))):
        return value
    if isinstance(value, os.PathLike):      # a folder: what is in it
        return tuple((path.name, path.read_bytes()) for path in sorted(Path(value).iterdir()))
    return repr(value)


def of_model(model):
    """All that a model is: what save writes."""
    return (frozen(saving.content(model)), model._compiled)


@dataclass
class Case:
    fresh: Callable                     # -> a new subject
    call: Callable                      # subject -> result
    look: Callable = frozen             # subject -> all of it that a call can change
    go_on: Callable = None              # subject -> what can be done with it later
    clean: Callable = lambda subject: None
    inside: bool = True                 # C of ours is called


def pure(name, function, *arguments, inside=True, **options):
    """A function that returns something and changes nothing."""
    CASES[name] = Case(
        fresh=lambda: arguments,
        call=lambda subject: function(*subject, **options),
        go_on=lambda subject: frozen(function(*subject, **options)),
        inside=inside,
    )


def in_place(name, function, *arrays, **options):
    """A function that changes arrays."""
    def again(subject):
        function(*subject, **options)
        return frozen(subject)

    CASES[name] = Case(
        fresh=lambda: [array.copy() for array in arrays],
        call=lambda subject: function(*subject, **options),
        go_on=again,
    )


# ---- kernels ------------------------------------------------------------------------------

_rng = np.random.default_rng(0)
_B, _T, _N, _M = 3, 5, 4, 3
_x = (_rng.random((_B, _T, _N)) < 0.4).astype(np.float64)
_W, _b = _rng.normal(size=(_N, _M)), np.full(_M, 0.7)
_R, _d = _rng.normal(size=(_M, _M)), np.linspace(0.5, 0.9, _M)
_state = (_rng.random((_B, _M)), _rng.random((_B, _M)))
_mask = np.arange(_T) < np.array([5, 3, 2])[:, None]
_dy = _rng.normal(size=(_B, _T, _M))
_soft = {"activation": "sigmoid", "g": "tanh"}
_all = {**_soft, "decay": _d, "lateral_inhibition": "sample", "initial_state": _state,
        "mask": _mask, "go_backwards": True}
_flat = [_rng.normal(size=(4, 5)) for _ in range(4)]


def _both(x, *weights, **options):
    y, V = ai.ops.snu_forward(x, *weights, **options)
    return ai.ops.snu_backward(_dy.astype(y.dtype), x, *weights, y=y, V=V, **options)


pure("matmul", ai.ops.matmul, _x[0], _W)
pure("matmul of a list", ai.ops.matmul, _x[0].astype(int).tolist(), _W)
pure("snu_forward", ai.ops.snu_forward, _x, _W, _b)
pure("snu_forward, all options", ai.ops.snu_forward, _x, _W, _b, _R, **_all)
pure("snu_forward, spikes, float32", ai.ops.snu_forward, ai.Spikes.from_dense(_x),
     _W.astype(np.float32), _b, lateral_inhibition=True)
pure("snu_backward", _both, _x, _W, _b)
pure("snu_backward, all options", _both, _x, _W, _b, _R, **_all)
pure("average_forward", ai.ops.average_forward, _x, _mask)
pure("average_backward", ai.ops.average_backward, _x[:, 0], _T, _mask)
pure("mse_forward", ai.ops.mse_forward, _x, _dy[..., :1] + _x)
pure("mse_backward", ai.ops.mse_backward, _x, _dy[..., :1] + _x)
in_place("sgd_step", ai.ops.sgd_step, *_flat[:3], momentum=0.9, nesterov=True)
in_place("rmsprop_step", ai.ops.rmsprop_step, _flat[0], _flat[1], abs(_flat[2]), _flat[3],
         momentum=0.9)
in_place("adam_step", ai.ops.adam_step, _flat[0], _flat[1], _flat[2], abs(_flat[3]), step=3)
pure("rate_encode", ai.ops.rate_encode, _rng.random((5, 7)), 9, 4)

# ---- spikes and what surrounds a network -------------------------------------------------

_spikes = ai.Spikes.from_dense((_rng.random((5, 40, 6)) < 0.2).astype(np.uint8))
pure("Spikes.from_dense", ai.Spikes.from_dense, np.asarray(_spikes))
pure("Spikes.from_dense of floats", ai.Spikes.from_dense, np.asarray(_spikes, np.float32))
pure("Spikes of a list", ai.Spikes.from_dense, np.asarray(_spikes)[:, :3].tolist())
pure("Spikes, dense", np.asarray, _spikes)
pure("Spikes, one sample", lambda s: s[2], _spikes)
pure("Spikes, some samples", lambda s: (s[1:3], s[[4, 0]], s[np.arange(5) > 2]), _spikes)
pure("Spikes, sample by sample", list, _spikes)
pure("transform_rate", ai.utils.transform_rate, _rng.random((40, 3, 7)), 20, 6, seed=3)
pure("to_categorical", ai.utils.to_categorical, [0.0, 2, 1], inside=False)


# ---- models --------------------------------------------------------------------------------

_pixels = _rng.random((26, 8))
_events = ai.utils.transform_rate(_pixels, 6, 4)
_numbers = _rng.normal(size=(26, 6, 8)).astype(np.float32)
_targets = ai.utils.to_categorical(_rng.integers(0, 3, 26), 3)
_ragged = [_numbers[i, : 2 + i % 5] for i in range(26)]
_ragged_targets = [_rng.random((len(x), 3)) for x in _ragged]
_two = np.array([1.0, 2.0] * 13)


def _page(**options):
    """The net of the first page, small."""
    return ai.Sequential([
        ai.layers.InputLayer([None, 8]),
        ai.layers.SNU(5, g="leaky_rel", lateral_inhibition=True, return_sequences=True),
        ai.layers.SNU(3, g="leaky_rel", return_sequences=True),
        ai.layers.GlobalAveragePooling1D(),
    ], seed=1, **options)


def _music():
    """A net for sequences, with all that layers have."""
    return ai.Sequential([
        ai.layers.InputLayer([None, 8]),
        ai.layers.Masking(0.0),
        ai.layers.SNU(5, recurrent=True, trainable_decay=True, return_sequences=True,
                      activity_regularizer="l1", go_backwards=True),
        ai.layers.Dropout(0.25),
        ai.layers.SNU(4, activation="sigmoid", return_sequences=True),
        ai.layers.Dense(3),
    ], seed=2, dtype="float64")


def _stateful():
    return ai.Sequential([
        ai.layers.InputLayer([None, 8]),
        ai.layers.SNU(5, stateful=True, activation="sigmoid", return_sequences=True),
        ai.layers.SNU(3, activation="sigmoid"),
    ], seed=3)


@functools.cache
def _template(make, compiled, trained):
    model = make()
    if compiled:
        loss = ai.losses.BinaryCrossentropy(from_logits=True) if make is _music else "mse"
        metrics = ["mse", ai.metrics.SpikeCount(model.layers[1])] if make is _music else ["acc"]
        model.compile(ai.optimizers.Adam(0.01, clipnorm=1.0), loss, metrics)
    if trained:
        model.fit(*_data(make), batch_size=13, epochs=1, verbose=0)
    return model


def _data(make):
    if make is _music:
        return _ragged, _ragged_targets
    return (_numbers, _targets) if make is _stateful else (_events, _targets)


def model_case(name, call, make=_page, compiled=True, trained=True, files=False, inside=True,
               prepare=None):
    """Something that a model does; afterwards it can be trained and asked as before."""
    x, y = _data(make)

    def fresh():
        subject = SimpleNamespace(model=copy.deepcopy(_template(make, compiled, trained)))
        if files:
            subject.folder = Path(tempfile.mkdtemp(dir=files_in()))
        if prepare:
            prepare(subject)
        return subject

    def go_on(subject):
        model = subject.model
        # else no other thread could use it
        result = [all(use._first() is None for use in model._uses())]
        if model._compiled:
            result.append(model.train_on_batch(x[:13], y[:13]))
        if model.layers:
            result.append(model.predict(x[:13], batch_size=13, verbose=0))
        return frozen([result, model])

    def clean(subject):
        if files:
            shutil.rmtree(subject.folder)

    CASES[name] = Case(fresh, call, go_on=go_on, clean=clean,
                       inside=inside)


def files_in():
    """Where files of cases lie: the check's own folder."""
    folder = Path(tempfile.gettempdir()) / f"neuroai_c-allocations-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    return folder


_short = {"batch_size": 13, "verbose": 0}
_lengths = {"make": _music}

model_case("model made", lambda s: vars(s).update(model=_page()), compiled=False, trained=False)
model_case("add", lambda s: s.model.add(ai.layers.Dense(2)), compiled=False, trained=False,
           inside=False)


def _unbuilt():
    return ai.Sequential([ai.layers.SNU(5, recurrent=True, return_sequences=True),
                          ai.layers.SNU(3, trainable_decay=True)], seed=4)


model_case("build", lambda s: s.model.build((None, None, 8)), make=_unbuilt, compiled=False,
           trained=False, inside=False)
model_case("first predict", lambda s: s.model.predict(_events, **_short), make=_unbuilt,
           compiled=False, trained=False)
model_case("compile", lambda s: s.model.compile("adam", "mse", ["acc"]), inside=False)
model_case("pop", lambda s: s.model.pop(), inside=False)
model_case("summary", lambda s: s.model.summary(print_fn=str), inside=False)
model_case("get_config, from_config",
           lambda s: ai.Sequential.from_config(s.model.get_config()).get_config(), inside=False)
model_case("get_weights", lambda s: s.model.get_weights(), inside=False)
_other = [np.full_like(weight, 0.25) for weight in _template(_music, True, True).get_weights()]
model_case("set_weights", lambda s: s.model.set_weights(_other), **_lengths, inside=False)
model_case("set_weights of lists", lambda s: s.model.set_weights([w.tolist() for w in _other]),
           **_lengths, inside=False)

model_case("predict", lambda s: s.model.predict(_events, **_short))
model_case("predict, sequences", lambda s: s.model.predict(_ragged, **_short), **_lengths)
model_case("predict_on_batch", lambda s: s.model.predict_on_batch(_numbers))
model_case("evaluate", lambda s: s.model.evaluate(_events, _targets, **_short))
model_case("evaluate, sequences", lambda s: s.model.evaluate(
    _ragged, _ragged_targets, sample_weight=_two, return_dict=True, **_short), **_lengths)
model_case("test_on_batch", lambda s: s.model.test_on_batch(_events, _targets))
model_case("train_on_batch", lambda s: s.model.train_on_batch(_events, _targets))
model_case("train_on_batch, sequences", lambda s: s.model.train_on_batch(
    _ragged, _ragged_targets, _two), **_lengths)
model_case("fit, fresh", lambda s: s.model.fit(_events, _targets, epochs=2, **_short),
           trained=False)
model_case("fit", lambda s: s.model.fit(
    _events, _targets, epochs=2, validation_split=0.5, **_short))
model_case("fit, sequences", lambda s: s.model.fit(
    _ragged, _ragged_targets, sample_weight=_two, epochs=2,
    validation_data=(_ragged[:9], _ragged_targets[:9]), **_short), **_lengths)
model_case("fit, batches", lambda s: s.model.fit(
    [(_events[:13], _targets[:13]), (_events[13:], _targets[13:])], verbose=0, epochs=2))
model_case("fit, stateful", lambda s: s.model.fit(_numbers, _targets, shuffle=False, **_short),
           make=_stateful)
model_case("predict, stateful", lambda s: s.model.predict(_numbers, **_short), make=_stateful)
model_case("reset_states", lambda s: s.model.reset_states(), make=_stateful, inside=False)
model_case("fit, with a bar", lambda s: s.model.fit(
    _events, _targets, batch_size=13, verbose=1))        # which goes to standard error


class _Every(ai.callbacks.Callback):
    """Has all batches run one by one."""

    def on_train_batch_end(self, batch, logs=None):
        self.last = dict(logs)


def _callbacks(s):
    stopping = ai.callbacks.EarlyStopping("loss", patience=5, restore_best_weights=True)
    rates = ai.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (1 + epoch))
    return s.model.fit(_events, _targets, epochs=2, callbacks=[stopping, rates, _Every()], **_short)


model_case("fit, callbacks", _callbacks)
model_case("fit, CSVLogger", lambda s: s.model.fit(
    _events, _targets, epochs=2, callbacks=[ai.callbacks.CSVLogger(s.folder / "log")], **_short),
    files=True, prepare=lambda s: (s.folder / "log").touch())       # as Python opens it
model_case("fit, ModelCheckpoint", lambda s: s.model.fit(
    _events, _targets, callbacks=[ai.callbacks.ModelCheckpoint(s.folder / "{epoch}")], **_short),
    files=True)

# ---- files -----------------------------------------------------------------------------------

model_case("save", lambda s: s.model.save(s.folder / "model"), files=True, inside=False,
           prepare=lambda s: _template(_music, True, True).save(s.folder / "model"))
model_case("save_weights", lambda s: s.model.save_weights(s.folder / "weights"), files=True,
           inside=False)
model_case("load_weights", lambda s: s.model.load_weights(s.folder / "weights"), files=True,
           inside=False,
           prepare=lambda s: _template(_page, False, False).save_weights(s.folder / "weights"))
model_case("load_model", lambda s: ai.load_model(s.folder / "model"), files=True, inside=False,
           **_lengths, prepare=lambda s: s.model.save(s.folder / "model"))
model_case("write_wav", lambda s: ai.utils.write_wav(s.folder / "a.wav", _pixels[0], 8000),
           files=True, inside=False)

# ---- layers alone -----------------------------------------------------------------------------


def layer_case(name, layer, x, inside=True, **options):
    """A layer is called; at first it may have to be built, from the generator without a seed."""
    def fresh():
        made = layer()
        made(x, **options)
        return SimpleNamespace(layer=made)

    template = fresh().layer
    CASES[name] = Case(
        fresh=lambda: SimpleNamespace(layer=copy.deepcopy(template)),
        call=lambda s: s.layer(x, **options),
        go_on=lambda s: frozen([s.layer(x, **options), s.layer]),
        inside=inside,
    )


layer_case("SNU called", lambda: ai.layers.SNU(3, recurrent=True, return_state=True), _numbers[:4],
           mask=np.arange(6) < np.array([6, 2, 1, 0])[:, None],
           initial_state=(np.ones((4, 3)), np.zeros((4, 3))))
layer_case("SNU called, stateful", lambda: ai.layers.SNU(3, stateful=True), _events[:4])
layer_case("SNU called, one kernel", lambda: ai.layers.SNU(
    2, kernel_initializer="ones", return_sequences=True), _events[:4])
layer_case("Dense called", lambda: ai.layers.Dense(3, "relu"), _numbers[:4])
layer_case("GlobalAveragePooling1D called", ai.layers.GlobalAveragePooling1D, _numbers[:4])
layer_case("Dropout called", lambda: ai.layers.Dropout(0.5), _numbers[:4], inside=False)
layer_case("Masking called", ai.layers.Masking, _numbers[:4], inside=False)
CASES["SNU built by a call"] = Case(
    fresh=lambda: SimpleNamespace(layer=ai.layers.SNU(2, kernel_initializer="ones", recurrent=True,
                                                      recurrent_initializer="zeros")),
    call=lambda s: s.layer(_numbers[:2]),
    go_on=lambda s: frozen([s.layer(_numbers[:2]), s.layer]),
)
