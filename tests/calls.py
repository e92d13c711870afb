"""Strange calls of all that is public, and what has to hold of each.

`case(below)` draws a call, with values as tests/strange.py has them.  `check(case)` makes it and
says what came out of it.
"""

import contextlib
import ctypes
import importlib.util
import io
import re
import sys
import threading
import warnings

import neuroai_c as ai
import numpy as np
from neuroai_c import layers, ops, optimizers
from strange import SIZES, Draw

ACTIVATIONS = ("step_function", "identity", "sigmoid", "tanh", "relu", "leaky_rel")

# What a refused call may raise; others where they are documented.
REFUSALS = (TypeError, ValueError)

class Case:
    """A call, ready to be made.

    Attributes:
        name: of the function.
        function, arguments: the call is function(**arguments).
        names: what a message may begin with; else it has to have an argument's name.
        kinds: what else than TypeError and ValueError it may raise.
        model: whose weights a refused call leaves alone, or None.
        keeps: whether it leaves the weights alone, whatever it raises.
        draw: what it was drawn by.
    """

    def __init__(self, draw, name, function, arguments, *, names=(), kinds=(), model=None,
                 keeps=True):
        self.draw, self.name, self.function, self.arguments = draw, name, function, arguments
        self.names = (name.rpartition(".")[2], *names)
        self.kinds, self.model, self.keeps = kinds, model, keeps

    def __repr__(self):
        with np.printoptions(threshold=20, edgeitems=2):
            shown = ", ".join(f"{k}={_shown(v)}" for k, v in self.arguments.items())
        return f"{self.name}({shown})"


def _shown(value):
    if isinstance(value, np.ndarray):
        strides = "" if value.flags.c_contiguous else f" strides {value.strides}"
        return f"<{type(value).__name__} {value.dtype} {value.shape}{strides}>"
    try:
        text = repr(value)
    except ValueError:              # an integer of too many digits
        text = "<a long integer>"
    return text if len(text) < 200 else f"{text[:200]}..."


def case(below, folder, kind=None):
    """A call drawn by `below`, of any kind or of one of CASES; files are made in `folder`."""
    draw = Draw(below, folder)
    return (kind or draw.one(CASES))(draw)


def _named(draw, module, name, arguments, **options):
    return Case(draw, f"{module.__name__.rpartition('.')[2]}.{name}", getattr(module, name),
                arguments, **options)


# ---- ops and utils

def _precision(draw):
    return draw.one((np.float32, np.float64))


def _matmul(draw):
    rows, inputs, units = draw.sizes(3)
    arguments = {"x": draw.array(rows, inputs),
                 "kernel": draw.array(inputs, units, dtype=_precision(draw))}
    return _named(draw, ops, "matmul", arguments)


def _sequence(draw, samples, steps, inputs):
    """x (B, T, N): numbers, 0 and 1, or Spikes."""
    how = draw.below(4)
    x = draw.array(samples, steps, inputs, kind="ones" if how > 1 else "real")
    if how == 3 and isinstance(x, np.ndarray) and x.ndim == 3 and x.size < 10**6:
        with contextlib.suppress(*REFUSALS, MemoryError):
            return ai.Spikes.from_dense(x)
    return x


def _snu_arguments(draw, samples, steps, inputs, units):
    dtype = _precision(draw)
    arguments = {"x": _sequence(draw, samples, steps, inputs),
                 "kernel": draw.array(inputs, units, dtype=dtype),
                 "bias": draw.array(units)}
    optional = {
        "recurrent_kernel": lambda: draw.array(units, units),
        "decay": lambda: draw.number(0.8, 0.0, 1.0) if draw.below(2) else draw.array(units),
        "activation": lambda: draw.given(*ACTIVATIONS, ai.activations.LeakyRel(0.5)),
        "g": lambda: draw.given(*ACTIVATIONS[1:]),
        "lateral_inhibition": lambda: draw.given(True, "batch", "sample"),
        "initial_state": lambda: draw.given(
            (draw.array(samples, units), draw.array(samples, units))),
        "mask": lambda: draw.array(samples, steps, kind="bool"),
        "go_backwards": draw.flag,
    }
    arguments.update({name: make() for name, make in optional.items() if draw.rarely(3)})
    return arguments


def _snu_forward(draw):
    return _named(draw, ops, "snu_forward", _snu_arguments(draw, *draw.sizes(4)))


def _snu_backward(draw):
    samples, steps, inputs, units = sizes = draw.sizes(4)
    arguments = _snu_arguments(draw, *sizes)
    for name in ("dy", "y", "V"):
        arguments[name] = draw.array(samples, steps, units)
    for name in ("dy_state", "dV_state"):
        if draw.rarely(3):
            arguments[name] = draw.array(samples, units)
    if draw.rarely(2):
        arguments["reset_gradient"] = draw.flag()
    return _named(draw, ops, "snu_backward", arguments)


def _mask(draw, samples, steps):
    """None or a mask with a step in every sample, mostly."""
    return draw.array(samples, steps, kind="bool") if draw.rarely(2) else None


def _average_forward(draw):
    samples, steps, inputs = draw.sizes(3)
    x = draw.array(samples, steps, inputs, dtype=_precision(draw))
    return _named(draw, ops, "average_forward", {"x": x, "mask": _mask(draw, samples, steps)})


def _average_backward(draw):
    samples, steps, inputs = draw.sizes(3)
    dy = draw.array(samples, inputs, dtype=_precision(draw))
    arguments = {"dy": dy, "T": draw.number(steps), "mask": _mask(draw, samples, steps)}
    return _named(draw, ops, "average_backward", arguments)


def _mse(draw):
    shape = draw.sizes(1 + draw.below(3))
    arguments = {"y": draw.array(*shape, dtype=_precision(draw)), "target": draw.array(*shape)}
    return _named(draw, ops, draw.one(("mse_forward", "mse_backward")), arguments)


def _step(draw):
    name, slots, more = draw.one((
        ("sgd_step", ("velocity",), ("momentum",)),
        ("rmsprop_step", ("v", "u"), ("rho", "momentum", "epsilon")),
        ("adam_step", ("m", "v"), ("beta_1", "beta_2", "epsilon")),
    ))
    shape, dtype = draw.sizes(1 + draw.below(2)), _precision(draw)
    arguments = {"w": draw.array(*shape, dtype=dtype, plain=True),
                 "g": draw.array(*shape)}
    arguments.update({slot: abs(draw.array(*shape, dtype=dtype, plain=True))
                      if not draw._odd else draw.array(*shape, dtype=dtype, plain=True)
                      for slot in slots})
    for slot in slots:
        if isinstance(arguments[slot], np.ndarray) and arguments[slot].size < 10**6:
            draw._kept(arguments[slot])
    if draw.rarely(6):
        arguments[draw.one(("g", *slots))] = arguments["w"]
    draw.changed = {id(arguments[slot]) for slot in ("w", *slots)}
    arguments["learning_rate"] = draw.number(0.1, 1e-3)
    if name == "adam_step":
        arguments["step"] = draw.number(1, 5)
    for option in more:
        if draw.rarely(3):
            arguments[option] = draw.number(0.5, 0.0)
    return _named(draw, ops, name, arguments, names=("SGD", "RMSprop", "Adam"))


def _encode(draw):
    module, name = draw.one(((ai.utils, "transform_rate"), (ops, "rate_encode")))
    data = np.abs if draw.rarely(2) else (lambda array: array)
    array = draw.array(*draw.sizes(1 + draw.below(3)))
    if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.size < 10**6:
        array = draw._kept(data(array))
    arguments = {"data2D": array, "N_ts": draw.number(6, 1, 33, 0),
                 "max_is_present_for": draw.number(3, 20, 0.5, -1)}
    if draw.rarely(2):
        arguments["seed"] = draw.number(7, 2**32 - 1)
    return _named(draw, module, name, arguments, names=("rate_encode",))


def _to_categorical(draw):
    arguments = {"y": draw.array(*draw.sizes(1 + draw.below(2)), kind="classes")}
    if draw.rarely(2):
        arguments["num_classes"] = draw.number(4, 2)
    if draw.rarely(2):
        arguments["dtype"] = draw.given("float32", "float64", "uint8", bool, ">f4")
    return _named(draw, ai.utils, "to_categorical", arguments)


def _path(draw, *options):
    """A path in the folder, or anything; and not what a path in the working folder would be."""
    path = draw.given(*(draw.folder / option for option in options), str(draw.folder / "other"))
    if draw.odd():
        path = draw.one((draw.folder, draw.folder / "none" / "file", draw.folder / ("n" * 300),
                         "a\0b", "~/\0", draw.folder / "\udcff", draw.folder / "\ud800", "\ud800"))
    return path


def _write_wav(draw):
    signal = draw.array(*draw.sizes(1))
    if isinstance(signal, np.ndarray) and signal.dtype.kind == "f" and not draw._odd:
        with np.errstate(all="ignore"):
            signal = draw._kept(np.clip(np.nan_to_num(signal), -1, 1))
    arguments = {"path": _path(draw, "a.wav"), "signal": signal, "rate": draw.number(8000, 1)}
    return _named(draw, ai.utils, "write_wav", arguments, kinds=(OSError,))


# ---- objects

def _from_dense(draw):
    arguments = {"a": draw.array(*draw.sizes(2 + draw.below(3)), kind="ones")}
    return Case(draw, "Spikes.from_dense", ai.Spikes.from_dense, arguments, names=("Spikes",))


def _part_of_spikes(draw):
    dense = draw.rng().random(draw.sizes(2 + draw.below(2))) < 0.3
    spikes = ai.Spikes.from_dense(dense)
    key = draw.one((
        lambda: draw.number(0, -1, len(dense) - 1),
        lambda: slice(draw.number(None, 0, 1), draw.number(None, 5, -1), draw.number(None, 2, -1)),
        lambda: draw.array(*draw.sizes(1), kind="classes"),
        lambda: draw.array(len(dense), kind="bool"),
        draw.anything,
    ))()
    return Case(draw, "Spikes.__getitem__", lambda key: spikes[key], {"key": key},
                names=("Spikes",), kinds=(IndexError,))


def _count_of_spikes(draw):
    spikes = ai.Spikes.from_dense(np.zeros(draw.sizes(2 + draw.below(2)), bool))
    return Case(draw, "Spikes.__len__", lambda: len(spikes), {})


OBJECTS = (
    (ai.activations, "LeakyRel", {"alpha": (0.1, 2.0)}),
    (ai.activations, "StepFunction", {"pseudoderivative_of": ("tanh", "relu")}),
    (ai.activations, "Activation", {"name": ("tanh", "identity")}),
    (ai.initializers, "Constant", {"value": (0.5, -1)}),
    (ai.initializers, "GlorotUniform", {}),
    (ai.initializers, "Ones", {}),
    (ai.initializers, "Zeros", {}),
    (ai.regularizers, "L1", {"l1": (0.01, 0)}),
    (ai.losses, "MeanSquaredError", {}),
    (ai.losses, "BinaryCrossentropy", {"from_logits": (True,)}),
    (ai.losses, "CategoricalCrossentropy", {"from_logits": (True,)}),
    (ai.losses, "SparseCategoricalCrossentropy", {"from_logits": (False,)}),
    (ai.metrics, "Accuracy", {"name": ("acc",)}),
    (ai.metrics, "MeanSquaredError", {"name": ("off",)}),
    (ai.metrics, "SpikeCount", {"layer": (layers.SNU(2, name="counted"),), "name": ("spikes",)}),
    (optimizers, "SGD", {"learning_rate": (0.1,), "momentum": (0.9, 0), "nesterov": (True, False),
                         "clipnorm": (1.0, None), "clipvalue": (None,), "weight_decay": (0.1,)}),
    (optimizers, "RMSprop", {"learning_rate": (0.1,), "rho": (0.9,), "momentum": (0.5,),
                             "epsilon": (1e-7, 0), "clipvalue": (1.0, None)}),
    (optimizers, "Adam", {"learning_rate": (0.1,), "beta_1": (0.9,), "beta_2": (0.99,),
                          "epsilon": (1e-7,), "weight_decay": (0.0,)}),
    (optimizers.schedules, "CosineDecay",
     {"initial_learning_rate": (0.1,), "decay_steps": (10,), "alpha": (0.5,)}),
    (optimizers.schedules, "ExponentialDecay",
     {"initial_learning_rate": (0.1,), "decay_steps": (10,), "decay_rate": (0.5, 2.0),
      "staircase": (True, False)}),
    (ai.callbacks, "EarlyStopping",
     {"monitor": ("loss",), "min_delta": (0, 0.1), "patience": (2,), "verbose": (0,),
      "mode": ("auto", "min"), "baseline": (None, 0.5), "restore_best_weights": (True,),
      "start_from_epoch": (1,)}),
    (ai.callbacks, "ModelCheckpoint",
     {"filepath": ("a{epoch}",), "monitor": ("loss",), "save_best_only": (True,),
      "save_weights_only": (True,), "mode": ("max",), "save_freq": ("epoch", 2)}),
    (ai.callbacks, "CSVLogger",
     {"filename": ("a.csv",), "separator": (",", ";"), "append": (False,)}),
    (ai.callbacks, "LearningRateScheduler",
     {"schedule": (lambda epoch: 0.1, lambda epoch, rate: rate), "verbose": (0,)}),
    (layers, "InputLayer", {"input_shape": ([None, 3], (5, 2)), "name": (None, "in")}),
    (layers, "Dense", {"units": (3,), "activation": (None, *ACTIVATIONS), "use_bias": (True,),
                       "kernel_initializer": ("zeros",), "bias_initializer": ("ones",),
                       "name": (None, "dense")}),
    (layers, "SNU", {"units": (3,), "activation": ACTIVATIONS, "decay": (0.5, [0.1, 0.2, 0.3]),
                     "g": ACTIVATIONS[1:], "recurrent": (True,), "lateral_inhibition": ("sample",),
                     "return_sequences": (True,), "return_state": (True,), "stateful": (True,),
                     "go_backwards": (True,), "kernel_initializer": ("ones",),
                     "trainable_decay": (True,), "reset_gradient": (False,),
                     "activity_regularizer": ("l1", None), "name": ("snu",)}),
    (layers, "Dropout", {"rate": (0.5, 0), "name": (None,)}),
    (layers, "Masking", {"mask_value": (0.0, -1), "name": (None,)}),
    (layers, "GlobalAveragePooling1D", {"name": (None, "mean")}),
    (ai, "Sequential", {"layers": (None, []), "name": (None, "net"), "seed": (0, 1),
                        "dtype": ("float32", "float64")}),
    (ai.activations, "get", {"identifier": ACTIVATIONS}),
    (ai.initializers, "get", {"identifier": ("ones", "zeros")}),
    (ai.losses, "get", {"identifier": ("mse",)}),
    (ai.metrics, "get", {"identifier": ("acc", "mse")}),
    (ai.optimizers, "get", {"identifier": ("adam", "sgd")}),
    (ai.regularizers, "get", {"identifier": ("l1", None)}),
    (ai, "Spikes", {}),
    (ai, "set_num_threads", {"n": (1, 2, 3)}),
    (ai, "get_num_threads", {}),
    (ai, "show_versions", {"file": (None,)}),
)  # fmt: skip


def _object(draw):
    """A constructor, or what gets an object by its name; then what it shows of itself."""
    module, name, options = draw.one(OBJECTS)
    first = next(iter(options), None)
    arguments = {option: draw.number(*values) if isinstance(values[0], (int, float))
                 else draw.given(*values)
                 for option, values in options.items() if option == first or draw.rarely(3)}
    made = getattr(module, name)

    def function(**arguments):
        value = made(**arguments)
        config = value.get_config() if hasattr(value, "get_config") else None
        if hasattr(made, "from_config") and name not in ("Sequential", "SpikeCount", "InputLayer"):
            made.from_config(config)
        return value

    case = Case(draw, f"{module.__name__.rpartition('.')[2]}.{name}", function, arguments)
    case.names += (f"{case.name}",)
    return case


def _activation(draw):
    which = draw.one((*ACTIVATIONS, ai.activations.LeakyRel(3.0)))
    activation = ai.activations.get(which)
    arguments = {"x": draw.array(*draw.sizes(draw.below(4)))}
    return Case(draw, activation.name, activation, arguments)


def _schedule(draw):
    schedules = optimizers.schedules
    schedule = draw.one((
        schedules.CosineDecay(0.1, 10, 0.5), schedules.CosineDecay(1e300, 5e-324),
        schedules.ExponentialDecay(0.1, 2, 0.5), schedules.ExponentialDecay(0.1, 2, 3.0, True),
        schedules.ExponentialDecay(1e300, 1e-300, 1e300),
    ))
    step = draw.number(0, 3, 10**6) if draw.below(2) else draw.array(3, kind="classes")
    return Case(draw, type(schedule).__name__, schedule, {"step": step})


def _initializer(draw):
    initializer = draw.one((ai.initializers.GlorotUniform(), ai.initializers.Constant(0.5)))
    shape = draw.given((2, 3), (4,), (3, 1)) if draw.below(4) else (draw.number(3), draw.number(2))
    rng = draw.given(draw.rng())
    return Case(draw, type(initializer).__name__, initializer, {"shape": shape, "rng": rng})


def _layer_alone(draw):
    samples, steps, inputs = draw.sizes(3)
    layer = draw.one((
        lambda: _snu(draw, 3, draw.below(2), kernel_initializer="ones",
                     recurrent_initializer="ones", return_state=draw.rarely(3)),
        lambda: layers.Dense(2, draw.one((None, *ACTIVATIONS)), kernel_initializer="ones"),
        lambda: layers.Dropout(0.5),
        lambda: layers.Masking(draw.one((0.0, 1.0))),
        lambda: layers.GlobalAveragePooling1D(),
    ))()
    arguments = {"x": _sequence(draw, samples, steps, inputs)}
    if isinstance(layer, layers.SNU) and draw.rarely(3):
        arguments["initial_state"] = draw.given((draw.array(samples, 3), draw.array(samples, 3)))
    if isinstance(layer, (layers.SNU, layers.GlobalAveragePooling1D)) and draw.rarely(3):
        arguments["mask"] = draw.array(samples, steps, kind="bool")
    kind = type(layer).__name__
    def twice(**arguments):
        return layer(**arguments), layer(**arguments)

    function = layer if draw.below(3) else twice
    return Case(draw, kind, function, arguments,
                names=("snu_forward", "average_forward", "matmul"))


# ---- data sets and plots

def _data_set(draw):
    """Not the right files, which take long and are not everywhere; trust/parsers.py has more."""
    module, name, file = draw.one(((ai.datasets.mnist, "load_data", "mnist.npz"),
                                   (ai.datasets, "JSB", "jsb-chorales-quarter.json")))
    content = draw.one((b"", b"{}", b"PK\3\4", b"\x1f\x8b\x08", draw.rng().bytes(300)))
    (draw.folder / file).write_bytes(content)
    (draw.folder / "train-images-idx3-ubyte").write_bytes(content)
    path = _path(draw, file, ".", "none")
    if path is None:                # the right files
        path = draw.folder
    return Case(draw, f"datasets.{name}", getattr(module, name), {"path": path}, kinds=(OSError,),
                names=(str(draw.folder),))      # a message begins with the file's path


def _plot(draw):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as pyplot

    rows, columns = draw.one(((2, 3), (1, 1), (4, 2)))
    name, arguments = draw.one((
        ("raster", lambda: {"spikes": draw.array(*draw.sizes(2), kind="ones")}),
        ("features", lambda: {"kernel": draw.array(rows * columns, draw.one(SIZES)),
                              "shape": draw.given((rows, columns)),
                              "columns": draw.number(20, 1)}),
        ("spike_history", lambda: {"histories": draw.given(
            {"one": draw.given({"spikes": draw.given([1.0, 2.5], [3], draw.array(3))})},
            {"one": ai.History(), 2: {"spikes": [0]}})}),
    ))
    arguments = arguments()
    if draw.rarely(4):
        arguments["ax"] = draw.given(None)

    def function(**arguments):
        try:
            return repr(getattr(ai.plots, name)(**arguments))
        finally:
            pyplot.close("all")

    return Case(draw, f"plots.{name}", function, arguments)


# ---- models

def _snu(draw, units, sequences, **options):
    return layers.SNU(
        units, activation=draw.one(ACTIVATIONS), decay=draw.one((0.8, 0.0, 1.0)),
        g=draw.one(ACTIVATIONS[1:]), recurrent=draw.rarely(3),
        lateral_inhibition=draw.one((False, False, "batch", "sample")),
        return_sequences=bool(sequences), go_backwards=draw.rarely(4), stateful=draw.rarely(6),
        trainable_decay=draw.rarely(4), reset_gradient=draw.below(3) > 0,
        activity_regularizer="l1" if draw.rarely(6) else None, **options)


class Net:
    """A model, and data that fit it."""

    def __init__(self, draw):
        self.samples, self.steps, self.inputs = draw.sizes(3)
        self.units = draw.one((2, 1, 3, 9))
        sequences = draw.rarely(2)
        parts = [layers.InputLayer([None, self.inputs])] if draw.below(3) else []
        if draw.rarely(6):
            parts.append(layers.Masking(draw.one((-7.0, 0.0))))
        if draw.rarely(6):
            parts.append(layers.Dropout(0.5))
        if draw.rarely(3):
            parts.append(_snu(draw, draw.one((3, 8, 17)), True))
        if draw.rarely(3):
            parts.append(layers.Dense(self.units, draw.one((None, "sigmoid"))))
            sequences = True
        else:
            parts.append(_snu(draw, self.units, sequences))
        if sequences and draw.rarely(2):
            parts.append(layers.GlobalAveragePooling1D())
            sequences = False
        self.model = ai.Sequential(parts, seed=0, dtype=draw.one(("float32", "float64")))
        self.loss = draw.one(("mse", "mse", "binary_crossentropy", "categorical_crossentropy",
                              "sparse_categorical_crossentropy"))
        found = [ai.metrics.get("acc")] if self.units > 1 and draw.rarely(2) else []
        if not draw.rarely(12):
            self.model.compile(
                draw.one(("sgd", "rmsprop", "adam", optimizers.SGD(0.1, 0.9, True, clipnorm=1.0),
                          optimizers.SGD(1e30), optimizers.SGD(1e300),
                          optimizers.Adam(0.01, weight_decay=0.1, clipvalue=0.5))),
                self.loss, found)
        self.sequences = sequences

    def x(self, draw, samples=None):
        samples = samples or self.samples
        if draw.rarely(6):          # of different lengths
            return [draw.array(1 + (i + self.steps) % 4, self.inputs, kind=draw.one(
                ("real", "ones"))) for i in range(samples)]
        return _sequence(draw, samples, self.steps, self.inputs)

    def y(self, draw, x, samples=None):
        samples = samples or self.samples
        sparse = self.loss.startswith("sparse")
        last = () if sparse else (self.units,)
        kind = "classes" if sparse else draw.one(("ones", "real"))
        if sparse and self.units == 1:
            kind = "bool"
        if isinstance(x, list) and self.sequences and x and isinstance(x[0], np.ndarray):
            lengths = [row.shape[0] if isinstance(row, np.ndarray) and row.ndim else 1 for row in x]
            return [draw.array(min(length, 5), *last, kind=kind) for length in lengths]
        shape = (samples, self.steps, *last) if self.sequences else (samples, *last)
        return draw.array(*shape, kind=kind)


def _train(draw):
    """fit, evaluate, predict and what does one batch of them."""
    net = Net(draw)
    model = net.model
    for _ in range(draw.below(2)):
        with contextlib.suppress(ValueError):
            model.predict(np.ones((net.samples, net.steps, net.inputs)), verbose=0)
    name = draw.one(("fit", "predict", "evaluate", "train_on_batch", "test_on_batch",
                     "predict_on_batch"))
    x = net.x(draw)
    arguments, keeps = {"x": x}, True
    if "predict" not in name:
        arguments["y"] = net.y(draw, x)
    optional = {}
    if "batch" not in name:
        optional["batch_size"] = lambda: draw.number(2, 1, 32, 10**9)
        arguments["verbose"] = draw.given(0, 0, 0)
    if name in ("fit", "evaluate", "train_on_batch"):
        optional["sample_weight"] = lambda: draw.array(net.samples)
    if name == "evaluate":
        optional["return_dict"] = draw.flag
    if name == "fit":
        optional.update({
            "epochs": lambda: draw.number(2, 1, 0),
            "callbacks": lambda: draw.given([ai.callbacks.Callback()], [_Batches()], [
                ai.callbacks.EarlyStopping("loss", restore_best_weights=True)]),
            "validation_split": lambda: draw.number(0.5, 0.25),
            "validation_data": lambda: draw.given((net.x(draw), net.y(draw, x))),
            "shuffle": draw.flag,
            "initial_epoch": lambda: draw.number(0, 1),
            "steps_per_epoch": lambda: draw.number(1, 2),
        })
        if draw.rarely(8):
            keeps = False           # a batch after a good one may be refused
            batches = [(net.x(draw, n), net.y(draw, x, n)) for n in (1, 2)]
            arguments = {"x": draw.one((iter, list, tuple))(batches), "verbose": 0}
            optional = {"epochs": lambda: 1}
    arguments.update({key: make() for key, make in optional.items() if draw.rarely(5)})
    if _is_long(arguments.get("epochs")):           # right, and for ever
        arguments["callbacks"] = [_Stop()]
    return Case(draw, name, getattr(model, name), arguments, model=model, keeps=keeps,
                names=("Epoch", "Test", "fit: ", "ModelCheckpoint", "EarlyStopping", "Sequential"),
                kinds=(FloatingPointError, RuntimeError))


def _is_long(epochs):
    return isinstance(epochs, (int, np.integer)) and epochs > 5


def _with_callbacks(draw):
    """Training and more, with what it calls and what it is to write."""
    net = Net(draw)
    x = net.x(draw)
    name = draw.one(("fit", "fit", "evaluate", "predict"))
    rate = draw.number(0.1, 0.0)
    schedule = draw.one((lambda epoch: rate, lambda epoch, before: rate))
    options = {
        "save_weights_only": draw.flag, "save_best_only": draw.flag,
        "mode": lambda: draw.given("auto", "max"), "verbose": lambda: draw.number(1, 0),
        "save_freq": lambda: draw.number("epoch", 1, 2),
    }
    some = {key: make() for key, make in options.items() if draw.rarely(3)}
    folder = draw.folder
    files = draw.given("{epoch}-{loss:.1f}", "{epoch}-{batch}", "new/{epoch}", "{none}", "{")
    files = folder / f"saved-{files}" if isinstance(files, str) and files else files
    log, separator, append = draw.given(folder / "log.csv"), draw.given(",", ";"), draw.flag()
    (folder / "log.csv").write_bytes(draw.one((
        b"", b"epoch,loss\n0,1", b"a;b\n", draw.rng().bytes(20))))
    kinds = (
        ai.callbacks.Callback,
        _Batches,
        lambda: ai.callbacks.EarlyStopping(
            draw.given("loss", "val_loss"), patience=draw.number(0, 1), restore_best_weights=True),
        lambda: ai.callbacks.ModelCheckpoint(files, draw.given("loss", "acc"), **some),
        lambda: ai.callbacks.CSVLogger(log, separator, append),
        lambda: ai.callbacks.LearningRateScheduler(schedule, draw.number(1, 0)),
    )
    chosen = []
    for _ in range(1 + draw.below(3)):
        with contextlib.suppress(*REFUSALS):        # the constructor's; see _object
            chosen.append(draw.one(kinds)())
    arguments = {"x": x, "verbose": 0, "callbacks": draw.given(chosen, tuple(chosen))}
    if name != "predict":
        arguments["y"] = net.y(draw, x)
    if name == "fit":
        arguments["epochs"] = draw.one((2, 1, 3))
        if draw.rarely(3):
            arguments["validation_data"] = (net.x(draw), net.y(draw, x))
    # Restored weights may be those of a step that has left the range.
    names = ("EarlyStopping", "ModelCheckpoint", "CSVLogger", "LearningRateScheduler", "Epoch",
             "Test", "Sequential", "path", "set_weights")
    # What one epoch has learned the next one's callback may refuse.
    return Case(draw, name, getattr(net.model, name), arguments, names=names, model=net.model,
                keeps=False, kinds=(FloatingPointError, RuntimeError, OSError))


class _Stop(ai.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


class _Batches(ai.callbacks.Callback):
    """Has a model go batch by batch."""

    def on_train_batch_end(self, batch, logs=None):
        self.last = logs

    on_test_batch_end = on_predict_batch_end = on_train_batch_end


def _weights(draw):
    model = Net(draw).model
    wanted = [array.shape for array in model.get_weights()]
    weights = draw.given([draw.array(*shape) for shape in wanted])
    owner = draw.one((model, *model.layers))
    if owner is not model and isinstance(weights, list):
        weights = weights[:len(owner.get_weights())]
    return Case(draw, "set_weights", owner.set_weights, {"weights": weights}, model=model)


def _files(draw):
    net = Net(draw)
    name = draw.one(("save", "save_weights", "load_weights", "load_model"))
    for file, write in (("model", net.model.save), ("weights", net.model.save_weights)):
        with contextlib.suppress(ValueError):       # no weights yet
            write(draw.folder / file)
    (draw.folder / "rubbish").write_bytes(draw.rng().bytes(draw.one((300, 7, 0))))
    found = draw.folder / draw.one(("model", "weights"))
    damaged = bytearray(found.read_bytes() if found.exists() else b"abc")
    damaged[draw.below(len(damaged))] ^= 1 << draw.below(8)
    (draw.folder / "damaged").write_bytes(damaged)
    path = _path(draw, *(("model", "weights", "rubbish", "damaged") if "load" in name else
                         ("saved",)))
    function = getattr(net.model, name, lambda path: ai.load_model(path).get_weights())
    return Case(draw, name, function, {"path": path}, model=net.model, kinds=(OSError,),
                names=("path",))


def _silent(function):
    """What a function of ours calls, whose own errors are not ours."""
    return (lambda text: None) if callable(function) else function


def _change(draw):
    """What changes a model."""
    model = Net(draw).model
    name, arguments = draw.one((
        ("add", {"layer": draw.given(layers.Dense(2), layers.SNU(2), layers.Dropout(0.5),
                                     layers.GlobalAveragePooling1D(), *model.layers)}),
        ("build", {"input_shape": draw.given((None, None, 3), [2, 5, 3],
                                             (draw.number(2), draw.number(3), draw.number(4)))}),
        ("compile", {"optimizer": draw.given("adam"), "loss": draw.given("mse"),
                     "metrics": draw.given(["acc"], None, [draw.anything()])}),
        ("from_config", {"config": draw.given(_spoiled(draw, model.get_config()))}),
        ("summary", {"print_fn": _silent(draw.given(lambda text: None))}),
        ("pop", {}),
        ("reset_states", {}),
        ("count_params", {}),
        ("get_weights", {}),
        ("get_config", {}),
    ))
    owner = model
    if not arguments and name != "pop":
        owner = draw.one([part for part in (model, *model.layers) if hasattr(part, name)])
    return Case(draw, name, getattr(owner, name), arguments, names=("InputLayer", "SNU", "Dense"),
                model=model, keeps=name not in ("add", "build", "pop"))


def _attribute(draw):
    """Attributes that may be set anew."""
    model = Net(draw).model
    layer = draw.one(model.layers)
    owner, name, options = draw.one((
        (layer, "decay", (0.5, [0.5] * getattr(layer, "units", 1))),
        (layer, "activation", ACTIVATIONS),
        (layer, "g", ACTIVATIONS),
        (layer, "lateral_inhibition", (False, True)),
        (layer, "units", (1, 2)),
        (model, "optimizer", ("sgd",)),
        (model, "loss", ("mse",)),
        (optimizers.Adam(), "learning_rate", (0.1,)),
        (optimizers.Adam(), "clipnorm", (1.0, None)),
    ))
    value = draw.given(*options)
    return Case(draw, name, lambda value: setattr(owner, name, value), {"value": value},
                names=("SNU", "Adam", "Sequential", "<SNU", "<Dense", "Dense"), model=model)


def _spoiled(draw, config):
    """Data for JSON with one thing in it that is another."""
    if not draw._odd:
        return config
    place = config
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        if not keys:
            return config
        key = keys[draw.below(len(keys))]
        if not isinstance(place[key], (dict, list)) or draw.rarely(4):
            place[key] = draw.anything()
            return config
        place = place[key]


CASES = (
    _matmul, _snu_forward, _snu_forward, _snu_backward, _snu_backward, _average_forward,
    _average_backward, _mse, _step, _step, _encode, _encode, _to_categorical, _write_wav,
    _from_dense, _from_dense, _part_of_spikes, _object, _object, _object, _activation, _schedule,
    _initializer, _layer_alone, _layer_alone, _train, _train, _train, _train, _train, _weights,
    _files, _change, _change, _attribute, _with_callbacks, _count_of_spikes, _data_set,
)  # fmt: skip
if importlib.util.find_spec("matplotlib"):
    CASES += (_plot,)


# ---- what has to hold --------------------------------------------------------------------

class Broken(AssertionError):
    """What has to hold does not."""


def check(case, steady=True):
    """Makes the call and returns what came out of it; Broken where something does not hold.

    `steady`: nobody else changes the arguments meanwhile.
    """
    draw = case.draw
    before = [array.tobytes() for array in draw.arrays] if steady else []
    weights = _weights_of(case.model)
    output = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(output):
            warnings.simplefilter("error" if steady else "ignore")
            value = case.function(**case.arguments)
        result = ("returned", _digest(value))
    except Exception as error:
        value = error
        _check_error(case, error, steady)
        result = ("raised", type(error).__name__, re.sub("0x[0-9a-f]+", "", str(error)))
        if case.keeps and not isinstance(error, (FloatingPointError, MemoryError)):
            if weights and weights != _weights_of(case.model):
                raise Broken(f"a refused call changed weights: {error!r}") from error
    refused = isinstance(value, Exception)
    for array, was in zip(draw.arrays, before):
        if array.tobytes() != was and (refused or id(array) not in draw.changed):
            raise Broken(f"an argument was changed: {array.dtype} {array.shape}: {result[:2]}")
    for array in case.model.get_weights() if case.model is not None else ():
        # A step of such a rate leaves the range by itself.
        if not np.isfinite(array).all() and getattr(case.model.optimizer, "learning_rate", 0) < 1e9:
            raise Broken(f"weights are not finite: {result}")
    return result


def _check_error(case, error, steady):
    kinds = (*REFUSALS, *case.kinds)
    if isinstance(error, MemoryError) and (case.draw.huge or not steady):
        return
    if not isinstance(error, kinds) or isinstance(error, RecursionError):
        raise Broken(f"{type(error).__name__} is not documented: {error}") from error
    if isinstance(error, OSError):
        return
    message = str(error)
    if not message.startswith(tuple(f"{name}" for name in case.names)) and not any(
        re.search(rf"\b{name}\b", message) for name in case.arguments
    ):
        raise Broken(f"the message names neither function nor argument: {message!r}") from error


def _weights_of(model):
    return None if model is None else [array.tobytes() for array in model.get_weights()]


def _digest(value):
    """What is to be equal in a second call."""
    if isinstance(value, ai.Spikes):
        return ("Spikes", value.shape, value.nbytes)
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, ai.History):
        return (value.epoch, repr(value.history))
    if isinstance(value, (tuple, list)):
        return [_digest(part) for part in value]
    return re.sub("0x[0-9a-f]+", "", repr(value))


def _other_bytes(array, rng):
    """Bytes for an array: 0 and 1 as they may be, or any; of floats also NaN and infinity."""
    if rng.random() < 0.5:
        return rng.integers(0, 2, array.shape).astype(array.dtype).tobytes()
    return rng.bytes(array.nbytes)


@contextlib.contextmanager
def scribbling(arrays, seed):
    """A second thread that writes into these arrays all the time, outside of Python's lock."""
    rng = np.random.default_rng(seed)
    places = [(array.ctypes.data, array.nbytes, _other_bytes(array, rng), array.tobytes())
              for array in arrays if array.flags.writeable and array.flags.forc and array.nbytes]
    done = threading.Event()

    def scribble():
        while not done.is_set():
            for place, size, rubbish, content in places:
                ctypes.memmove(place, rubbish, size)
                ctypes.memmove(place, content, size)

    thread = threading.Thread(target=scribble)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)
