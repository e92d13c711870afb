"""Everything around the package is, after every public call, as it was before."""

import contextlib
import ctypes
import ctypes.util
import gc
import importlib.util
import json
import locale
import logging
import multiprocessing
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import threading
import tracemalloc
import warnings

import children
import neuroai_c as ai
import numpy as np
import public
import pytest
from children import digest, small_data, small_model, trained

layers, callbacks, ops = ai.layers, ai.callbacks, ai.ops

GLIBC_X86 = platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
needs_registers = pytest.mark.skipif(not GLIBC_X86, reason="registers are read on x86-64 Linux")
UPWARD = 0x800                          # FE_UPWARD there
FLUSHED = 0x8040                        # of the MXCSR: subnormals count as zero
STATUS = 0x3F                           # of the MXCSR: flags that any operation raises


# ---- what there is around the package ----------------------------------------------------


def registers():
    """(the x87's control word, the MXCSR without its status)"""
    environment = (ctypes.c_uint32 * 8)()
    ctypes.CDLL(None).fegetenv(environment)
    return environment[0] & 0xFFFF, environment[7] & ~STATUS


def set_mxcsr(value):
    environment = (ctypes.c_uint32 * 8)()
    ctypes.CDLL(None).fegetenv(environment)
    environment[7] = value
    ctypes.CDLL(None).fesetenv(environment)


def umask():
    mask = os.umask(0o77)
    os.umask(mask)
    return mask


def descriptors():
    names = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            names[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            pass                        # of the list itself
    return names


def snapshot():
    root = logging.getLogger()
    found = {
        "numpy's numbers": [np.asarray(part).tobytes() for part in np.random.get_state()],
        "random": random.getstate(),
        "numpy's errors": (np.geterr(), np.geterrcall()),
        "numpy's printing": np.get_printoptions(),
        "folder": os.getcwd(),
        "umask": umask(),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "path": list(sys.path),
        "locale": locale.setlocale(locale.LC_ALL),
        "Python's threads": set(threading.enumerate()),
        "tracemalloc": tracemalloc.is_tracing(),
        "recursion": sys.getrecursionlimit(),
        "switching": sys.getswitchinterval(),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "tracing": (sys.gettrace(), sys.getprofile()),
        "logging": (root.level, list(root.handlers)),
        "way to start processes": multiprocessing.get_start_method(allow_none=True),
        "threads of the pool": ai.get_num_threads(),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
    }
    if hasattr(signal, "pthread_sigmask"):
        found["blocked signals"] = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        found["timers"] = signal.getitimer(signal.ITIMER_REAL)
    if hasattr(os, "sched_getaffinity"):
        found["cores"] = os.sched_getaffinity(0)
    if os.path.isdir("/proc/self/fd"):
        found["descriptors"] = descriptors()
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            found["child processes"] = file.read()
    if GLIBC_X86:
        found["registers"] = registers()
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.get_num_threads(), torch.initial_seed()
    return found


@contextlib.contextmanager
def unchanged():
    """Compares what there is before and after the body, and says what has changed."""
    gc.collect()                        # of other tests
    before = snapshot()
    yield
    after = snapshot()
    changed = [f"{name}: {before[name]}, then {after[name]}"
               for name in before if before[name] != after[name]]
    assert not changed, "\n".join(changed)


# ---- public calls ------------------------------------------------------------------------

X, Y = small_data()
SPIKES = ai.Spikes.from_dense(X < 0.3)
KERNEL, BIAS, DY = np.ones((7, 3)), np.ones(3), np.ones((40, 6, 3))


class Raises(callbacks.Callback):
    """An error, or Ctrl-C, in the midst of training."""

    def __init__(self, error):
        self.error = error

    def on_train_batch_end(self, batch, logs=None):
        raise self.error


def raising(error, call):
    def caught(path):
        with pytest.raises(error):
            call(path)

    return caught


def model(fitted=False, threads=2):
    made = small_model(ai, threads=threads)
    if fitted:
        made.fit(X, Y, verbose=0)
    return made


def everything(path):
    """All callbacks, validation and a bar."""
    model().fit(
        X, Y, epochs=2, validation_split=0.25, verbose=1,
        callbacks=[
            callbacks.EarlyStopping(restore_best_weights=True),
            callbacks.ModelCheckpoint(path / "{epoch}-{loss:.3f}"),
            callbacks.CSVLogger(path / "log.csv"),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
        ],
    )


def saved(path):
    made = model(fitted=True)
    made.save(path / "model")
    ai.load_model(path / "model")
    made.save_weights(path / "weights")
    made.load_weights(path / "weights")


def diverging():
    made = ai.Sequential([layers.InputLayer([None, 7]), layers.Dense(4)], seed=0)
    made.compile(ai.optimizers.SGD(1e30))
    made.fit(X, np.ones((40, 6, 4)), epochs=50, verbose=0)


def drawn(path):
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as pyplot

    ai.plots.raster(SPIKES[0])
    ai.plots.features(KERNEL[:4], (2, 2))
    ai.plots.spike_history({"one": {"spikes": [1.0, 2.0]}})
    pyplot.close("all")


def of_ops(path):
    y, V = ops.snu_forward(X, KERNEL, BIAS, lateral_inhibition=True)
    ops.snu_backward(DY, X, KERNEL, BIAS, y=y, V=V, lateral_inhibition=True)
    ops.matmul(X[0], KERNEL)
    ops.mse_forward(Y.astype(float), Y.astype(float))
    ops.mse_backward(Y.astype(float), Y.astype(float))
    ops.average_forward(DY)
    ops.average_backward(DY[:, 0], 6)
    ops.rate_encode(np.full((20, 7), 0.5), 10, 4, seed=3)
    w, g, m, v = np.ones((4, 5, 3))
    ops.sgd_step(w, g, m, momentum=0.9)
    ops.rmsprop_step(w, g, v, m, momentum=0.9)
    ops.adam_step(w, g, m, v, step=1)


def data_sets(path):
    """Of this machine only: None would download JSB where it is missing."""
    ai.datasets.mnist.load_data()
    with contextlib.suppress(FileNotFoundError):
        ai.datasets.JSB(os.environ.get("NEUROAI_C_DATA", path))


def objects(path):
    """One of each public class that keeps settings, and copies of them."""
    made = [getattr(module, name)() for module, names in {
        ai.initializers: ("GlorotUniform", "Constant", "Ones", "Zeros"),
        ai.losses: ("MeanSquaredError", "BinaryCrossentropy", "CategoricalCrossentropy",
                    "SparseCategoricalCrossentropy"),
        ai.metrics: ("Accuracy", "MeanSquaredError"),
        ai.optimizers: ("SGD", "RMSprop", "Adam"),
    }.items() for name in names]
    made += [
        ai.activations.LeakyRel(0.5), ai.activations.StepFunction("relu"),
        ai.activations.Activation("tanh"), ai.regularizers.L1(0.1),
        ai.optimizers.schedules.CosineDecay(0.1, 10),
        ai.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5),
    ]
    for one in made:
        repr(type(one).from_config(one.get_config()))
    ai.metrics.SpikeCount(layers.SNU(2, name="counted")).get_config()
    with pytest.raises(TypeError):
        ai.Spikes()
    for module, name in ((ai.activations, "relu"), (ai.initializers, "ones"), (ai.losses, "mse"),
                         (ai.metrics, "acc"), (ai.optimizers, "adam"), (ai.regularizers, "l1")):
        module.get(name)


def numbers(path):
    """What objects compute that a model only keeps."""
    rng = np.random.default_rng(0)
    ai.initializers.GlorotUniform()((3, 4), rng)
    ai.initializers.Constant(0.5)((3, 4), rng)
    ai.activations.LeakyRel(3.0)(X * 1e30)
    for schedule in (ai.optimizers.schedules.CosineDecay(0.1, 10),
                     ai.optimizers.schedules.ExponentialDecay(1e300, 1, 1e300)):
        schedule(5), schedule(np.arange(20))


class Batches(callbacks.Callback):
    def on_test_batch_begin(self, batch, logs=None):
        pass

    on_train_batch_begin = on_predict_batch_begin = on_test_batch_begin


def called_back(path):
    """Every method of a callback."""
    both, made = [callbacks.Callback(), Batches()], model()
    made.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=both)
    made.predict(X, verbose=0, callbacks=both)
    made.evaluate(X, Y, verbose=0, callbacks=both)


def layer_by_layer(path):
    for layer, x in ((layers.SNU(3), SPIKES), (layers.Dense(3), X), (layers.Dropout(0.5), X),
                     (layers.Masking(), X), (layers.GlobalAveragePooling1D(), X)):
        layer(x)
        layer.count_params()
        if weights := layer.get_weights():
            layer.set_weights(weights)
    layers.SNU(3, stateful=True).reset_states()


CALLS = {
    "fit": everything,
    "fit, a line an epoch": lambda path: model().fit(X, Y, verbose=2),
    "fit on spikes": lambda path: model().fit(SPIKES, Y),
    "fit on batches": lambda path: model().fit(iter([(X, Y)] * 3)),
    "fit with bad data": raising(ValueError, lambda path: model().fit(X * np.nan, Y)),
    "fit that diverges": raising(FloatingPointError, lambda path: diverging()),
    "fit with a callback that raises": raising(
        ValueError, lambda path: model().fit(X, Y, callbacks=[Raises(ValueError("its own"))])),
    "fit that is interrupted": raising(
        KeyboardInterrupt, lambda path: model().fit(X, Y, callbacks=[Raises(KeyboardInterrupt())])),
    "evaluate": lambda path: model().evaluate(X, Y),
    "predict": lambda path: model().predict(X),
    "predict of overflowing numbers": lambda path: model().predict(X * 1e38, verbose=0),
    "batches": lambda path: (model().train_on_batch(X, Y), model().test_on_batch(X, Y),
                             model().predict_on_batch(X)),
    "changes of a model": lambda path: (
        model().add(layers.Dense(2)), model().pop(), model().build((None, None, 7)),
        model().compile("sgd"), model().reset_states(), model().set_weights(model().get_weights())),
    "looks at a model": lambda path: (
        model().summary(), model().count_params(), model().get_config(), repr(model()),
        ai.Sequential.from_config(model().get_config())),
    "save and load": saved,
    "save where there is no folder": raising(
        OSError, lambda path: model().save(path / "no" / "folder")),
    "load of a damaged file": raising(ValueError, lambda path: (
        (path / "bad").write_bytes(b"damaged"), ai.load_model(path / "bad"))),
    "callbacks": called_back,
    "layers": layer_by_layer,
    "objects": objects,
    "ops": of_ops,
    "ops of NaN and overflow": lambda path: ops.snu_forward(
        np.array([[[np.nan, 1e308, -1e308]]]), np.full((3, 2), 1e308), np.ones(2)),
    "numbers": numbers,
    "activations": lambda path: (ai.activations.sigmoid(X * 1e4), ai.activations.tanh(X)),
    "transform_rate": lambda path: ai.utils.transform_rate(np.ones((20, 7)), 10, 4),
    "transform_rate of bad data": raising(
        ValueError, lambda path: ai.utils.transform_rate(np.ones((2, 7)), -10, 4)),
    "utils": lambda path: (ai.utils.to_categorical([0, 1]),
                           ai.utils.write_wav(path / "sound.wav", np.zeros(9), 8000)),
    "Spikes": lambda path: (ai.Spikes.from_dense(X < 0.3), np.asarray(SPIKES[1:3]), SPIKES[0],
                            len(SPIKES), repr(SPIKES)),
    "plots": drawn,
    "data sets": data_sets,
    "data that is missing": raising(
        FileNotFoundError, lambda path: ai.datasets.mnist.load_data(path / "none")),
    "show_versions": lambda path: ai.show_versions(),
    "number of threads": lambda path: ai.set_num_threads(ai.get_num_threads()),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_leaves_everything_as_it_was(call, tmp_path):
    if call == "plots":                 # what matplotlib's import changes is its own doing
        pytest.importorskip("matplotlib.pyplot")
    threads = ai.get_num_threads()
    try:
        model()                         # sets the number of threads of the pool
        with unchanged():
            CALLS[call](tmp_path)
    finally:
        ai.set_num_threads(threads)


@pytest.mark.parametrize("name, change, undo", [
    ("numpy's numbers", lambda: np.random.seed(), lambda: None),
    ("random", lambda: random.seed(), lambda: None),
    ("numpy's errors", lambda: np.seterr(over="ignore"), lambda: np.seterr(over="warn")),
    ("environment", lambda: os.environ.update(NEW="1"), lambda: os.environ.pop("NEW")),
    ("signals", lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
     lambda: signal.signal(signal.SIGINT, signal.default_int_handler)),
    pytest.param("registers", lambda: set_mxcsr(registers()[1] | FLUSHED),
                 lambda: set_mxcsr(registers()[1] & ~FLUSHED), marks=needs_registers),
])
def test_changes_are_seen(name, change, undo):
    with pytest.raises(AssertionError, match=name):
        try:
            with unchanged():
                change()
        finally:
            undo()


def test_the_calls_are_all_there_are(tmp_path, monkeypatch):
    """What is new in the package is called here too."""
    missing = set(public.TO_CALL)
    monkeypatch.chdir(tmp_path)
    threads = ai.get_num_threads()
    try:
        with public.watched(__file__, children.__file__) as called:
            for name, call in CALLS.items():
                if name == "plots" and not importlib.util.find_spec("matplotlib"):
                    missing = {name for name in missing if ".plots." not in name}
                else:
                    call(tmp_path)
    finally:
        ai.set_num_threads(threads)
    assert sorted(missing - called) == []


# ---- registers ---------------------------------------------------------------------------


@needs_registers
@pytest.mark.parametrize("threads", [1, 3])
def test_a_caller_that_flushes_subnormals_goes_on_to(threads):
    """As after torch.set_flush_denormal: what the caller has set stays, within a run and after."""
    wanted = trained(ai, threads=threads)
    before = registers()
    set_mxcsr(before[1] | FLUSHED)
    try:
        assert trained(ai, threads=threads) == wanted
        model(threads=threads).predict(X, verbose=0)
        assert registers() == (before[0], before[1] | FLUSHED)
    finally:
        set_mxcsr(before[1])


@needs_registers
def test_the_callers_rounding_is_that_of_all_threads():
    """The same bits on any number of threads, and others than by rounding to nearest."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    start = small_model(ai).get_weights()

    def results(threads):
        made = small_model(ai, threads=threads)
        made.set_weights(start)
        made.fit(X, Y, epochs=3, batch_size=20, shuffle=False, verbose=0)
        spikes = ai.utils.transform_rate(np.random.default_rng(0).random((20, 7)), 10, 4)
        return digest(made), np.asarray(spikes).tobytes()

    usual = results(4)                  # the pool's threads are there before the mode changes
    assert libm.fesetround(UPWARD) == 0
    try:
        upward = [results(threads) for threads in (1, 2, 4)]
        assert libm.fegetround() == UPWARD
    finally:
        libm.fesetround(0)
        ai.set_num_threads(2)
    assert upward == [upward[0]] * 3
    assert upward[0] != usual
    assert results(3) == usual


# ---- locale --------------------------------------------------------------------------------


def test_files_do_not_depend_on_the_locale(tmp_path):
    """Where numbers are written with a comma, files are the same, byte for byte."""
    code = f"""
import sys; sys.path.insert(0, {os.path.dirname(children.__file__)!r})
import hashlib, json, locale, os, pathlib, neuroai_c as ai
from children import small_data, small_model
name = locale.setlocale(locale.LC_ALL, sys.argv[1])
point = locale.localeconv()["decimal_point"]
folder = pathlib.Path(sys.argv[2])
os.makedirs(folder)
os.chdir(folder)
model = small_model(ai)
checkpoint = ai.callbacks.ModelCheckpoint("{{epoch}}-{{loss:.4f}}", save_weights_only=True)
model.fit(*small_data(), verbose=2, callbacks=[ai.callbacks.CSVLogger("log.csv"), checkpoint])
model.history.seconds = [0.0]
model.save("model")
assert ai.load_model("model").get_config() == model.get_config()
model.summary()
files = {{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}}
assert locale.setlocale(locale.LC_ALL) == name
print(json.dumps([point, files]))
"""
    places = {}
    if localedef := shutil.which("localedef"):
        subprocess.run([localedef, "-i", "de_DE", "-f", "UTF-8", tmp_path / "de_DE.UTF-8"],
                       capture_output=True)
        if (tmp_path / "de_DE.UTF-8").is_dir():
            places = {"LOCPATH": str(tmp_path)}
    try:
        printed = children.python(code, "de_DE.UTF-8", tmp_path / "comma", **places)
    except AssertionError as error:
        if "unsupported locale" in str(error):
            pytest.skip("no locale with a comma is here")
        raise
    wanted = children.python(code, "C", tmp_path / "point")
    assert printed.splitlines()[:-1] == wanted.splitlines()[:-1]
    (point, files), (_, wanted) = (json.loads(text.splitlines()[-1]) for text in (printed, wanted))
    assert point == ","
    assert files == wanted and len(files) == 3
