"""Sequential: layers in a row, trained in C a run of batches at a time."""

import itertools
import numbers
import re
import sys
import time

import numpy as np

from . import (
    batches,
    checks,
    data,
    files,
    layers,
    losses,
    memory,
    metrics,
    ops,
    optimizers,
    progress,
    saving,
)
from .callbacks import CallbackList
from .history import History
from .serialization import deserialize, serialize
from .use import Look, Use, changing, reading, running

# How long C works before, at the end of a batch, Python looks for Ctrl-C and moves the progress
# bar.  A batch that takes longer is a run of its own; with shorter ones it is at most 40 ms.
_SECONDS = 0.02

# Layers, and metrics.  Each is compared with all before it: those that a file can name would
# take minutes.
MOST = 1000

# Of what is counted: C and files have no room for larger numbers.
_MOST_COUNT = sys.maxsize


class Sequential:
    """Layers in a row.

    One numpy.random.Generator, made from the seed, draws the weights and shuffles;
    NumPy's global generator is not touched.  Results depend on the seed and on nothing
    else: not on the number of threads, nor on how the work is cut.

    A model is for one thread at a time: while it trains, another thread that uses it or one of
    its layers gets a RuntimeError, and while it predicts, one that changes it or predicts too.

    Args:
        layers: to add.  Default None.
        name: Default "sequential".
        seed: an integer, or None for another one every time.  Default None.
        dtype: "float32" or "float64".  Default "float32".

    Attributes:
        layers: a list of the layers, without the InputLayer; add and pop change the model.
        history: the History of the last fit.
        stop_training: set to True by a callback, ends fit after the batch or the epoch.

    Example:
        >>> import neuroai_c as ai
        >>> model = ai.Sequential(seed=0)
        >>> model.add(ai.layers.InputLayer(input_shape=[None, 3]))
        >>> model.add(ai.layers.SNU(4, return_sequences=True))
        >>> model.add(ai.layers.GlobalAveragePooling1D())
        >>> model.compile(optimizer="adam", loss="mse")
        >>> x, y = np.ones((8, 5, 3)), np.full((8, 4), 0.5)
        >>> history = model.fit(x, y, epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2
    """

    def __init__(self, layers=None, name=None, seed=None, dtype="float32"):
        if seed is not None:
            seed = checks.integer("Sequential", "seed", seed, 0)
        self._dtype = checks.dtype("Sequential", "dtype", dtype)
        known = self.dtype.isnative and self.dtype.name in ("float32", "float64")
        if not known:
            raise ValueError(
                "Sequential: dtype must be float32 or float64, "
                f"got {checks.shown(dtype)}"
            )
        self.name = "sequential" if name is None else name
        self._layers = []
        self.history = None
        self._rng = np.random.default_rng(seed)
        self._input_shape = None
        self.stop_training = False
        self._use = Use()
        self._optimizer = self._loss = None
        self._changed()
        if not isinstance(layers, (list, tuple, type(None))):
            raise TypeError(
                "Sequential: layers must be a list of layers, "
                f"got {checks.shown(layers)}"
            )
        for i, layer in enumerate(layers or ()):
            _check_kind("Sequential", f"layers[{i}]", layer)
            self.add(layer)

    def __repr__(self):
        built = self._input_shape is not None
        weights = f"{self.count_params():,} weights" if built else "not built"
        return f"<Sequential {self.name}: {_count(len(self._layers), 'layer')}, {weights}>"

    @property
    def name(self):
        """The model's name, a string.

        Raises:
            TypeError: set to anything else.

        Example:
            >>> Sequential(name="net").name
            'net'
        """
        return self._name

    @name.setter
    def name(self, value):
        self._name = checks.text("Sequential", "name", value) or "sequential"

    @property
    def dtype(self):
        """The numbers that the model computes in, an np.dtype.

        Example:
            >>> Sequential(dtype="float64").dtype
            dtype('float64')
        """
        return self._dtype

    # ---- layers ---------------------------------------------------------------------

    @property
    def layers(self):
        """The layers, without the InputLayer, as a new list.

        Example:
            >>> Sequential([layers.SNU(2, name="output")]).layers
            [<SNU output>]
        """
        return list(self._layers)

    @changing
    def add(self, layer):
        """Adds a layer at the end; builds it if the shape of its input is known.

        Args:
            layer: an InputLayer first, if at all; then the others.

        Raises:
            TypeError: not a layer of neuroai_c.
            ValueError: a layer that does not fit behind the last, or is in the model already;
                more than 1000 layers.

        Example:
            >>> model = Sequential()
            >>> model.add(layers.InputLayer([None, 3]))
            >>> model.add(layers.SNU(2))
            >>> model
            <Sequential sequential: 1 layer, 8 weights>
        """
        _check_kind("add", "layer", layer)
        layer._held(self._add, layer)

    def _add(self, layer):
        if isinstance(layer, layers.InputLayer):
            if self._layers or self._input_shape is not None:
                raise ValueError("add: an InputLayer comes first, and once")
            self._input_shape = layer.input_shape
            return
        if layer in self._layers:
            raise ValueError(f"add: {layer!r} is in the model already")
        if len(self._layers) >= MOST:
            raise ValueError(f"add: a model has at most {MOST} layers")
        if isinstance(layer, layers.GlobalAveragePooling1D):
            if not any(isinstance(other, (layers.SNU, layers.Dense)) for other in self._layers):
                raise ValueError(f"add: {layer!r} needs a layer before it, one with weights")
        if isinstance(layer, layers.Masking) and self._layers:
            raise ValueError(f"add: {layer!r} must be the first layer: it tells from the input")
        if getattr(layer, "return_state", False):
            raise ValueError(f"add: {layer!r} has return_state, which is for a layer alone")
        if layer.name is not None and layer.name in [other.name for other in self._layers]:
            raise ValueError(f"add: the name {layer.name!r} is in the model already")
        if self._input_shape is not None:
            shape = self.output_shape[1:]
            self._check_layer(layer, shape)
            self._make_weights([(layer, shape)])
        if layer.name is None:
            layer.name = self._new_name(layer)
        self._changed()
        self._layers.append(layer)

    @changing
    def pop(self):
        """Removes the last layer.

        Returns:
            That layer, with its weights.

        Raises:
            ValueError: there is none.

        Example:
            >>> model = Sequential([layers.SNU(3, name="hidden"), layers.SNU(2, name="output")])
            >>> model.pop()
            <SNU output>
            >>> model.layers
            [<SNU hidden>]
        """
        if not self._layers:
            raise ValueError("pop: the model has no layers")
        self._changed()
        return self._layers.pop()

    @changing
    def build(self, input_shape):
        """Makes the weights for inputs of a shape, where no InputLayer gives it.

        Args:
            input_shape: (samples or None, steps or None, inputs).

        Raises:
            ValueError: another shape, or not that of the InputLayer; no layers.

        Example:
            >>> model = Sequential([layers.SNU(2)])
            >>> model.build((None, None, 3))
            >>> model
            <Sequential sequential: 1 layer, 8 weights>
        """
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 3:
            raise ValueError(
                "build: input_shape must be (samples, steps, inputs), "
                f"got {checks.shown(input_shape)}"
            )
        if input_shape[0] is not None:
            checks.integer("build", "input_shape[0]", input_shape[0], 1)
        shape = layers.InputLayer(list(input_shape)[1:]).input_shape
        if not self._layers:
            raise ValueError("build: the model has no layers")
        if self._input_shape is not None:
            if self._input_shape[1] != shape[1]:
                raise ValueError(
                    f"build: the model has {self._input_shape[1]} inputs, got {shape[1]}"
                )
            return
        self._build_layers(shape[1])

    @property
    def output_shape(self):
        """(None, T or None, M) or (None, M); None for the axes that the data decide.

        Raises:
            ValueError: the shape of the input is not known.

        Example:
            >>> Sequential([layers.InputLayer([None, 3]), layers.SNU(2)]).output_shape
            (None, 2)
        """
        if self._input_shape is None:
            raise ValueError("output_shape: the shape of the input is not known: call build")
        shape = self._input_shape
        for layer in self._layers:
            shape = layer._output_shape(shape)
        return (None, *shape)

    def _check_layer(self, layer, input_shape):
        """The shape of the layer's output; ValueError where its weights do not fit."""
        arrays = layer._arrays()
        if arrays and (arrays[0].shape[0] != input_shape[-1] or arrays[0].dtype != self.dtype):
            raise ValueError(
                f"{layer!r} is built for {arrays[0].shape[0]} inputs in {arrays[0].dtype}, "
                f"but is fed {input_shape[-1]} in {self.dtype}"
            )
        if getattr(layer, "return_state", False):
            raise ValueError(f"{layer!r} has return_state, which is for a layer alone")
        return layer._output_shape(input_shape)

    def _build_layers(self, inputs):
        """Makes the weights of all layers, or changes nothing."""
        shapes = [(None, inputs)]
        for layer in self._layers:
            shapes.append(self._check_layer(layer, shapes[-1]))
        self._make_weights(zip(self._layers, shapes))
        self._input_shape = shapes[0]

    def _make_weights(self, wanted):
        """Makes the weights of (layer, shape) that have none; all of them, or changes nothing."""
        state, made = self._rng.bit_generator.state, []
        try:
            for layer, shape in wanted:
                if not layer.built:
                    made.append(layer)
                    layer._build(shape, self._rng, self.dtype)
        except BaseException:
            self._rng.bit_generator.state = state
            for layer in made:
                layer._unbuild()
            raise

    def _new_name(self, layer):
        base = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        taken = {other.name for other in self._layers}
        name, number = base, 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name

    def _changed(self):
        """What was compiled no longer fits the layers."""
        self._version = object()
        self._compiled = False
        self._network = self._slots = self._slots_made = None

    # ---- weights --------------------------------------------------------------------

    def _arrays(self):
        return [array for layer in self._layers for array in layer._arrays()]

    @reading
    def get_weights(self):
        """Copies of all weights, a list: for each layer those of its get_weights.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> [weight.shape for weight in model.get_weights()]
            [(3, 2), (2,)]
        """
        return [array.copy() for array in self._arrays()]

    @changing
    def set_weights(self, weights):
        """Replaces all weights, or none where one does not fit.

        Args:
            weights: a list of arrays in the order and the shapes of get_weights.

        Raises:
            ValueError: the model is not built, or another number or shape of arrays.
            TypeError: not arrays of real numbers.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.set_weights([np.ones((3, 2)), np.array([0.5, 2.0])])
            >>> model.get_weights()[1]
            array([0.5, 2. ], dtype=float32)
        """
        self._need_built("set_weights")
        layers.base._set_arrays("set_weights", self._layers, weights)

    def count_params(self):
        """The number of weights, each entry counted; 0 before the model is built.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.count_params()
            8
        """
        return sum(layer.count_params() for layer in self._layers)

    @changing
    def reset_states(self):
        """Forgets the states of stateful layers: what comes next starts from zeros.

        Example:
            >>> snu = layers.SNU(1, stateful=True)
            >>> model = Sequential([layers.InputLayer([None, 3]), snu], seed=0)
            >>> y = model.predict(np.ones((2, 5, 3)), verbose=0)
            >>> model.reset_states()
        """
        units = [layer for layer in self._layers if isinstance(layer, layers.SNU)]
        own = layers.SNU.reset_states
        plain = [layer for layer in units if type(layer).reset_states is own]
        memory.at_once(
            object.__setattr__, plain, itertools.repeat("_state"), itertools.repeat(None)
        )
        for layer in units:
            if layer not in plain:
                layer.reset_states()

    # ---- files ----------------------------------------------------------------------

    def get_config(self):
        """What the model is made of, without weights, as data that JSON can hold.

        Returns:
            A dict; `Sequential.from_config` makes a model of it.

        Raises:
            TypeError: an object of a class that is not neuroai_c's own.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> sorted(model.get_config())
            ['dtype', 'input_shape', 'layers', 'name']
        """
        shape = self._input_shape
        return {
            "name": self.name,
            "dtype": self.dtype.name,
            "input_shape": None if shape is None else list(shape),
            "layers": [serialize(layer) for layer in self._layers],
        }

    @classmethod
    def from_config(cls, config):
        """A new model of that configuration, with new weights.

        Args:
            config: what get_config returned.

        Raises:
            ValueError: anything else.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> Sequential.from_config(model.get_config())
            <Sequential sequential: 1 layer, 8 weights>
        """
        where = "from_config"
        names = {"name", "dtype", "input_shape", "layers"}
        if not isinstance(config, dict) or set(config) != names:
            raise ValueError(
                f"{where}: config must be a dict of {sorted(names)}, "
                f"got {checks.shown(config)}"
            )
        if not isinstance(config["layers"], list):
            raise ValueError(
                f"{where}: layers must be a list, "
                f"got {checks.shown(config['layers'])}"
            )
        try:
            model = cls(name=config["name"], dtype=config["dtype"])
            if config["input_shape"] is not None:
                model.add(layers.InputLayer(config["input_shape"]))
            for layer in config["layers"]:
                model.add(deserialize("layer", layer, where))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from error
        return model

    def save(self, path):
        """Writes all of the model to a file, from which load_model goes on as if it never stopped.

        The layers, the weights, the optimizer and its slots, the generator's state, the states of
        stateful layers and the history of the last fit, in one safetensors file with a checksum;
        an old file is replaced when the new one is whole.

        Args:
            path: str or path-like, with whatever suffix.

        Raises:
            TypeError: an object of a class that is not neuroai_c's own.
            OSError: the file cannot be written.

        Example:
            >>> import neuroai_c as ai
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> path = getfixture("tmp_path") / "model.safetensors"
            >>> model.save(path)
            >>> ai.load_model(path)
            <Sequential sequential: 1 layer, 8 weights>
        """
        look = Look("save", self)
        content = saving.content(self)
        look.check()
        files.write(path, *content)

    def save_weights(self, path):
        """Writes the weights to a safetensors file.

        Args:
            path: str or path-like, with whatever suffix.

        Raises:
            ValueError: the model is not built.
            OSError: the file cannot be written.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.save_weights(getfixture("tmp_path") / "weights.safetensors")
        """
        self._need_built("save_weights")
        look = Look("save_weights", self)
        arrays = saving.copied(saving.named("weights", self._arrays()))
        look.check()
        files.write(path, arrays)

    @changing
    def load_weights(self, path):
        """Replaces all weights by those of a file, or none where one does not fit.

        Args:
            path: of a file that save_weights wrote.

        Raises:
            ValueError: the model is not built; a damaged file, or one of other weights.
            FileNotFoundError: no such file.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> path = getfixture("tmp_path") / "weights.safetensors"
            >>> model.save_weights(path)
            >>> model.load_weights(path)
        """
        self._need_built("load_weights")
        arrays, _ = files.read(path, "weights")
        saving.set_weights(f"load_weights: {path}", self._layers, arrays)

    def _need_built(self, where):
        if self._input_shape is None:
            raise ValueError(f"{where}: the model has no weights yet: call build")

    def __getstate__(self):
        look = Look("a copy", self)     # before anything is read
        # The network in C is made anew where it is needed.
        state = {**self.__dict__, "_network": None}
        del state["_use"]
        return {**state, "_use": look}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._use = Use()               # also where the state is that of a shallow copy
        self._layers = [*self._layers]

    # ---- threads ----------------------------------------------------------------------

    _noun = "model"

    def _uses(self):
        return [self._use, *(layer._use for layer in self._layers)]

    def _keeps(self):
        """Whether a run changes more than the network's memory."""
        return self._input_shape is None or any(
            getattr(layer, "stateful", False) for layer in self._layers
        )

    # ---- what it looks like -----------------------------------------------------------

    def summary(self, print_fn=None):
        """Prints the layers, the shapes of their outputs and their numbers of weights.

        Args:
            print_fn: is called with the text.  Default: print.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.summary()
            Model: "sequential"
            ...
            snu (SNU)              (None, 2)         8
            ...
            Total params: 8
            ...
        """
        widths = (52, 22, 10)
        rule = "_" * sum(widths)
        lines = [f'Model: "{self.name}"', rule]
        lines.append(f"{'Layer (type)':<{widths[0]}}{'Output Shape':<{widths[1]}}Param #")
        lines.append("=" * sum(widths))
        shape = self._input_shape
        for layer in self._layers:
            shape = layer._output_shape(shape) if shape is not None else None
            text = str((None, *shape)) if shape is not None else "?"
            name = f"{layer.name} ({type(layer).__name__})"
            lines.append(f"{name:<{widths[0]}}{text:<{widths[1]}}{layer.count_params():,}")
        lines += ["=" * sum(widths), f"Total params: {self.count_params():,}", rule]
        if print_fn is not None and not callable(print_fn):
            raise TypeError(f"summary: print_fn must be a function, got {checks.shown(print_fn)}")
        (print_fn or print)("\n".join(lines))

    # ---- training -------------------------------------------------------------------

    @property
    def optimizer(self):
        """The optimizer, None before compile; a new one, or a name, begins anew when it is set.

        Raises:
            TypeError, ValueError: set to anything else.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile("sgd")
            >>> model.optimizer = optimizers.Adam(0.01)
        """
        return self._optimizer

    @optimizer.setter
    @changing
    def optimizer(self, value):
        self._optimizer = optimizers.get(value, "Sequential", "optimizer")
        self._network = self._slots = None

    @property
    def loss(self):
        """The loss, None before compile; another one, or a name, counts from when it is set.

        Raises:
            TypeError, ValueError: set to anything else, or to one that a metric does not go with.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile(loss="mse")
            >>> model.loss
            MeanSquaredError()
        """
        return self._loss

    @loss.setter
    @changing
    def loss(self, value):
        value = losses.get(value, "Sequential", "loss")
        for metric in self._metrics if self._compiled else ():
            _metric("Sequential", metric, self._layers, value)
        sparse = losses.SparseCategoricalCrossentropy
        if isinstance(value, sparse) != isinstance(self._loss, sparse):
            self._version = object()    # who is at it has targets of the other kind
        self._loss = value

    @changing
    def compile(self, optimizer="rmsprop", loss="mse", metrics=None):
        """Says how to train: from then on the optimizer begins anew.

        Args:
            optimizer: a name or an optimizer.  Default "rmsprop".
            loss: a name or a loss.  Default "mse".
            metrics: a list of names ("acc", "mse") and metrics (SpikeCount).  Default none.

        Raises:
            TypeError, ValueError: an unknown name; a SpikeCount of another model's layer; two
                metrics of one name.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile(optimizers.RMSprop(learning_rate=0.1), "mse", ["acc"])
            >>> model.optimizer
            RMSprop(learning_rate=0.1, rho=0.9, momentum=0.0, epsilon=1e-07)
        """
        optimizer = optimizers.get(optimizer, "compile", "optimizer")
        loss = losses.get(loss, "compile", "loss")
        if metrics is not None and not isinstance(metrics, (tuple, list)):
            raise TypeError(f"compile: metrics must be a list, got {checks.shown(metrics)}")
        if metrics is not None and len(metrics) > MOST:
            raise ValueError(f"compile: metrics must be at most {MOST}, got {len(metrics)}")
        measures = [_metric("compile", metric, self._layers, loss) for metric in metrics or ()]
        names = ["loss"] + [metric.name for metric in measures]
        if len(set(names)) < len(names):
            raise ValueError(f"compile: metrics must have different names, got {names}")
        self._changed()
        self._optimizer, self._loss, self._metrics = optimizer, loss, measures
        self._compiled = True

    @property
    def metrics_names(self):
        """The names of what evaluate returns, in its order.

        Raises:
            RuntimeError: the model is not compiled.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile(metrics=["acc", metrics.SpikeCount(model.layers[0])])
            >>> model.metrics_names
            ['loss', 'acc', 'spikes']
        """
        self._need_compiled("metrics_names")
        return ["loss"] + [metric.name for metric in self._metrics]

    @changing
    def fit(self, x, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None,
            validation_split=0.0, validation_data=None, shuffle=True, sample_weight=None,
            initial_epoch=0, steps_per_epoch=None):
        """Trains for a number of epochs.

        Args:
            x: (samples, T, N) numbers or Spikes; a list of sequences (T, N) of different lengths,
                which are padded and masked within a batch; or an iterable of batches (x, y) or
                (x, y, sample_weight), with neither y nor sample_weight given.
            y: targets in the shape of the model's output, a list where outputs are sequences of
                different lengths; class numbers for SparseCategoricalCrossentropy.
            batch_size: samples a step.  Default 32.
            epochs: the number of the last epoch.  Default 1.
            verbose: 0 silent, 1 or "auto" a progress bar an epoch, 2 a line an epoch.
            callbacks: a list of callbacks.Callback.  Default none.
            validation_split: the part of the samples, the last ones, that is not trained on but
                measured after every epoch.  Default 0.
            validation_data: (x, y) or (x, y, sample_weight) to measure instead.  Default None.
            shuffle: a new order of samples every epoch.  Default True.
            sample_weight: (samples,), by which losses are multiplied.  Default 1.
            initial_epoch: the number to begin with.  Default 0.
            steps_per_epoch: batches an epoch.  Default all.

        Returns:
            The History: for "loss" and every metric a list, the mean over samples an epoch;
            validated, for "val_loss" and so on too.

        Raises:
            TypeError, ValueError: data of another kind or shape, NaN or infinity in them.
            RuntimeError: the model is not compiled, is changed by a callback or by an iterable
                of batches, or is in use by another thread.
            FloatingPointError: the loss or its gradient became NaN or infinite; the weights are
                those after the batch before.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile("adam")
            >>> x, y = np.ones((8, 5, 3)), np.ones((8, 2))
            >>> history = model.fit(x, y, batch_size=4, epochs=2, verbose=0)
            >>> len(history.history["loss"])
            2
        """
        self._need_compiled("fit")
        batch_size = _batch_size("fit", batch_size)
        epochs = checks.integer("fit", "epochs", epochs, 0, _MOST_COUNT)
        initial_epoch = checks.integer("fit", "initial_epoch", initial_epoch, 0, _MOST_COUNT)
        verbose = _verbose("fit", verbose)
        version = self._version
        shuffle = checks.boolean("fit", "shuffle", shuffle)
        split = checks.number("fit", "validation_split", validation_split, 0, 1)
        if steps_per_epoch is not None:
            steps_per_epoch = checks.integer("fit", "steps_per_epoch", steps_per_epoch, 1,
                                             _MOST_COUNT)
        if validation_data is not None:
            validation_data = batches.pair("fit", "validation_data", validation_data)
            split = 0.0
        if y is None and data.is_batches(x):
            if sample_weight is not None or split:
                raise ValueError(
                    "fit: sample_weight and validation_split must not be given beside an "
                    "iterable of batches"
                )
            source, trained = batches.Stream(x, steps_per_epoch), batch_size
        else:
            if split:
                x, y, sample_weight = batches.sliceable("fit", x, y, sample_weight)
                (x, y, sample_weight), validation_data = data.split(
                    "fit", x, y, sample_weight, split
                )
            whole = self._data("fit", x, y, sample_weight)
            trained = min(batch_size, whole[0].count)
            self._check_batches("fit", whole[0].count, trained)
            source = batches.Arrays(whole, batch_size, steps_per_epoch, shuffle, self._rng)
        validated = batch_size
        if validation_data is not None:
            validation_data = self._data("fit: validation_data", *validation_data)
            if any(getattr(layer, "stateful", False) for layer in self._layers):
                validated = trained or batch_size       # of the batch that the states are of
            self._check_batches("fit: validation_data", validation_data[0].count, validated)

        self._check_slots("fit")
        self._check_rates("fit", self.optimizer._rates(self._steps_made, 1))
        steps = source.steps
        hooks = CallbackList(
            "fit", callbacks, self, {"epochs": epochs, "steps": steps, "verbose": verbose}
        )
        self._check_version("fit", version)
        self.stop_training = False
        before, drawn = self.history, self._rng.bit_generator.state
        slots, made = self._slots, self._steps_made
        self.history = history = History()
        try:
            hooks.call("on_train_begin", {})
            self._check_version("fit", version)
            logs = {}
            for epoch in range(initial_epoch, epochs):
                hooks.call("on_epoch_begin", epoch, {})
                self._check_version("fit", version)
                title = f"Epoch {epoch + 1}/{epochs}"
                with progress.bar(verbose, title, steps) as bar:
                    start = time.perf_counter()
                    measures = batches.Measures(self)
                    for samples, y, weights, order, size in source.epoch(self):
                        self._run("fit", samples, y, weights, order, size, title, bar, measures,
                                  training=True, hooks=hooks if hooks.train_batches else None)
                        if self.stop_training:
                            break
                    seconds = time.perf_counter() - start
                    logs = measures.values()
                    if validation_data is not None:
                        values = self._evaluation("fit", validation_data, validated, 0, hooks,
                                                  version)
                        logs.update({f"val_{name}": value for name, value in values.items()})
                    bar.set_postfix_str(progress.text(logs), refresh=False)
                history._append(epoch, logs, seconds)
                if verbose == 2:
                    print(f"{title} - {progress.text(logs)}")
                # What a callback adds is in the history before the next one, which may save it.
                hooks.call("on_epoch_end", epoch, logs, after=lambda: history._complete(logs))
                if self.stop_training:
                    break
        except BaseException:
            if self._slots is slots and self._steps_made == made:       # nothing has changed
                self._rng.bit_generator.state = drawn
                self.history = before
            raise
        hooks.call("on_train_end", logs)
        return history

    @running
    def evaluate(self, x, y, batch_size=None, verbose="auto", return_dict=False, *,
                 sample_weight=None, callbacks=None):
        """The loss and the metrics on data.

        Args:
            x, y: as for fit, but no iterable.
            batch_size: Default 32.  Under "batch" inhibition results depend on it.
            verbose: as for fit.
            return_dict: a dict by name instead of a list.  Default False.
            sample_weight, callbacks: as for fit.

        Returns:
            [loss, metrics...], or the loss alone where there are no metrics.

        Raises:
            As fit.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile(metrics=["acc"])
            >>> x, y = np.zeros((8, 5, 3)), np.array([[1.0, 0.0]] * 8)
            >>> model.evaluate(x, y, verbose=0, return_dict=True)
            {'loss': 0.5, 'acc': 1.0}
        """
        return self._evaluate("evaluate", x, y, batch_size, verbose, return_dict,
                              sample_weight, callbacks)

    @running
    def predict(self, x, batch_size=None, verbose="auto", *, callbacks=None):
        """The model's outputs.

        Args:
            x: (samples, T, N) numbers or Spikes, or a list of sequences of different lengths.
            batch_size: Default 32.  Under "batch" inhibition outputs depend on it.
            verbose, callbacks: as for fit.

        Returns:
            (samples, ...) outputs in the model's precision; a list of arrays (T, ...) where they
            are sequences of different lengths.

        Raises:
            TypeError, ValueError: x of another kind or shape, NaN or infinity in it.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.predict(np.zeros((1, 5, 3)), verbose=0)
            array([[0., 0.]], dtype=float32)
        """
        return self._predict("predict", x, batch_size, verbose, callbacks)

    @running
    def predict_on_batch(self, x):
        """The outputs for x as one batch.

        Args:
            x: (samples, T, N) numbers or Spikes.

        Returns:
            (samples, ...) outputs in the model's precision.

        Raises:
            As predict.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.predict_on_batch(np.zeros((1, 5, 3)))
            array([[0., 0.]], dtype=float32)
        """
        return self._predict("predict_on_batch", x, _length("predict_on_batch", x), 0)

    @changing
    def train_on_batch(self, x, y, sample_weight=None):
        """One step on x and y as one batch.

        Args:
            x, y, sample_weight: as for fit.

        Returns:
            [loss, metrics...] before the step, or the loss alone where there are no metrics.

        Raises:
            As fit.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile("sgd", metrics=["acc"])
            >>> model.train_on_batch(np.zeros((8, 5, 3)), np.array([[1.0, 0.0]] * 8))
            [0.5, 1.0]
        """
        self._need_compiled("train_on_batch")
        self._check_slots("train_on_batch")
        samples, y, weights = self._data("train_on_batch", x, y, sample_weight)
        self._check_batches("train_on_batch", samples.count, samples.count)
        measures = batches.Measures(self)
        self._run("train_on_batch", samples, y, weights,
                  np.arange(samples.count, dtype=np.intp), samples.count, "train_on_batch",
                  progress.bar(0, "", 1), measures, training=True)
        return _as_list(measures.values())

    @running
    def test_on_batch(self, x, y):
        """The loss and the metrics of x and y as one batch.

        Args:
            x, y: as for fit.

        Returns:
            [loss, metrics...], or the loss alone where there are no metrics.

        Raises:
            As fit.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.compile()
            >>> model.test_on_batch(np.zeros((8, 5, 3)), np.array([[1.0, 0.0]] * 8))
            0.5
        """
        return self._evaluate("test_on_batch", x, y, _length("test_on_batch", x), 0, False)

    # ---- runs of batches ---------------------------------------------------------------

    def _need_compiled(self, where):
        if not self._compiled:
            raise RuntimeError(
                f"{where}: the model is not compiled, or was changed since: call compile first"
            )

    def _check_slots(self, where):
        """ValueError where the optimizer needs what was not made for it."""
        needs, made = self._optimizer._needs(), self._slots_made or (True, True)
        if needs[0] > made[0] or needs[1] > made[1]:
            raise ValueError(
                f"{where}: the optimizer needs slots that it did not need when the model was "
                "compiled: compile again"
            )

    def _check_rates(self, title, rates):
        """ValueError where a rate, or what it makes of the weights' decay, is no number of C's."""
        most = float(np.finfo(self.dtype).max) / max(1.0, self.optimizer.weight_decay or 0.0)
        if not np.all(rates <= most):
            raise ValueError(
                f"{title}: learning_rate must be at most {most:.2g} in {self.dtype}, "
                f"got {np.max(rates)}"
            )

    def _check_version(self, where, version):
        if self._version is not version:
            raise RuntimeError(f"{where}: the model was changed while it ran")

    def _check_batches(self, where, count, batch_size):
        """ValueError where a stateful layer would meet a smaller batch."""
        stateful = [layer for layer in self._layers if getattr(layer, "stateful", False)]
        for layer in stateful if count else ():
            layer._check_state(where, batch_size)
        if stateful and count % batch_size:
            raise ValueError(
                f"{where}: x must have whole batches of {batch_size} samples, as a layer is "
                f"stateful, got {count} samples"
            )

    def _evaluate(self, where, x, y, batch_size, verbose, return_dict, weights=None,
                  callbacks=None):
        self._need_compiled(where)
        batch_size = _batch_size(where, batch_size)
        verbose = _verbose(where, verbose)
        return_dict = checks.boolean(where, "return_dict", return_dict)
        evaluated = self._data(where, x, y, weights)
        version = self._version
        hooks = CallbackList(where, callbacks, self, {"verbose": verbose})
        values = self._evaluation(where, evaluated, batch_size, verbose, hooks, version)
        return values if return_dict else _as_list(values)

    def _evaluation(self, where, evaluated, batch_size, verbose, hooks, version):
        """Loss and metrics by name."""
        samples, y, weights = evaluated
        # Also where fit has done so: batches of an iterable are known only by now.
        self._check_batches(where, samples.count, min(batch_size, samples.count))
        hooks.call("on_test_begin", {})
        self._check_version(where, version)
        measures = batches.Measures(self)
        with progress.bar(verbose, "Test", -(-samples.count // batch_size)) as bar:
            self._run(where, samples, y, weights, np.arange(samples.count, dtype=np.intp),
                      batch_size, "Test", bar, measures,
                      hooks=hooks if hooks.test_batches else None)
        values = measures.values()
        if verbose == 2:
            print(f"Test - {progress.text(values)}")
        hooks.call("on_test_end", {**values})
        return values

    def _predict(self, where, x, batch_size, verbose, callbacks=None):
        batch_size = _batch_size(where, batch_size)
        verbose = _verbose(where, verbose)
        samples = self._input(where, x)
        self._check_batches(where, samples.count, min(batch_size, max(samples.count, 1)))
        version = self._version
        hooks = CallbackList(where, callbacks, self, {"verbose": verbose})
        self._check_version(where, version)
        shape = self._shape(samples.steps, samples.inputs)
        ragged = samples.lengths is not None and len(shape) == 2
        shape = (samples.starts[-1], shape[1]) if ragged else (samples.count, *shape)
        output = np.empty(shape, self.dtype)
        hooks.call("on_predict_begin", {})
        self._check_version(where, version)
        if output.size:
            with progress.bar(verbose, "Predict", -(-samples.count // batch_size)) as bar:
                self._run(where, samples, None, None, np.arange(samples.count, dtype=np.intp),
                          batch_size, "Predict", bar, batches.Measures(self),
                          output=output.reshape(-1, shape[-1]),
                          hooks=hooks if hooks.predict_batches else None)
        hooks.call("on_predict_end", {})
        return np.split(output, samples.starts[1:-1]) if ragged else output

    def _shape(self, steps, inputs):
        """The shape of a sample's output for a sample of that shape."""
        shape = (steps, inputs)
        for layer in self._layers:
            shape = layer._output_shape(shape)
        return shape

    def _input(self, where, x):
        """x checked and laid out for C."""
        if not any(isinstance(layer, (layers.SNU, layers.Dense)) for layer in self._layers):
            raise ValueError(f"{where}: the model has no layers with weights")
        for layer in self._layers:
            if isinstance(layer, layers.SNU):
                layer._check_decay(where, self.dtype)
        samples = data.Samples(where, x, self)
        wanted_steps, wanted_inputs = self._input_shape or (None, None)
        if wanted_inputs not in (None, samples.inputs):
            raise ValueError(
                f"{where}: x must have {wanted_inputs} inputs as the model has, "
                f"got {samples.inputs}"
            )
        if wanted_steps is not None and (samples.lengths is not None
                                         or samples.steps != wanted_steps):
            got = samples.steps if samples.lengths is None else "different numbers"
            raise ValueError(
                f"{where}: x must have {wanted_steps} steps as the InputLayer says, got {got}"
            )
        if samples.steps == 0 and len(self._shape(samples.steps, samples.inputs)) == 1:
            raise ValueError(f"{where}: x must have at least one step, got none")
        if any(isinstance(layer, layers.GlobalAveragePooling1D) for layer in self._layers):
            samples.check_steps(where)
        return samples

    def _data(self, where, x, y, weights=None):
        """The input, the targets and the weights of samples for C."""
        samples = self._input(where, x)
        y = data.targets(where, y, samples, self)
        one = self._shape(samples.steps, samples.inputs)[-1] == 1
        if one and not isinstance(self.loss, losses.BinaryCrossentropy):
            if any(isinstance(metric, metrics.Accuracy) for metric in self._metrics):
                raise ValueError(
                    f"{where}: acc compares argmaxes, which one output does not have, unless the "
                    "loss is binary_crossentropy"
                )
        return samples, y, data.sample_weights(where, weights, samples.count)

    def _core_layers(self):
        """The layers that C knows, each with the numbers a step that it is fed."""
        inputs = self._input_shape[1]
        for layer in self._layers:
            if not isinstance(layer, layers.Masking):
                yield layer, inputs
            inputs = getattr(layer, "units", inputs)

    def _make_slots(self):
        """What the optimizer keeps of every array that C trains; it begins anew."""
        optimizer = self.optimizer if self._compiled else None
        slots = [
            tuple(None if optimizer is None or array is None else optimizer._slots(array)
                  for array in layer._raw())
            for layer, _ in self._core_layers()
        ]
        self._slots_made = optimizer and optimizer._needs()
        self._steps, self._slots = np.zeros(1), slots

    @property
    def _steps_made(self):
        """Of the optimizer; C counts them with the weights that they change."""
        return 0 if self._slots is None else int(self._steps[0])

    def _prepare(self, batch_size):
        """The network in C, with fresh slots where the model was compiled since."""
        states = [
            array
            for layer in self._layers if getattr(layer, "stateful", False)
            for array in layer._state_for(batch_size)
        ]
        settings = [layer._settings() for layer in self._layers]
        if self._network is not None and settings == self._settings and all(
            a is b for a, b in zip(states, self._states)
        ):
            return
        if self._slots is None:
            self._make_slots()
        counted = batches.counted(self)
        specs = tuple(
            layer._core_spec(layer in counted, slots, inputs)
            for (layer, inputs), slots in zip(self._core_layers(), self._slots, strict=True)
        )
        network = ops._KERNELS[self.dtype.char].network_new(specs)
        self._network = None            # until what it is told by is there, whatever interrupts
        self._states, self._settings = states, settings
        self._network = network

    def _run(self, where, samples, y, weights, order, batch_size, title, bar, measures, *,
             training=False, output=None, hooks=None):
        """Runs the batches of `order` through C, which adds up what is measured.

        `hooks`, where given, are called before and after every batch.
        """
        rates = None
        if training and not hooks:
            rates = self.optimizer._rates(self._steps_made, -(-len(order) // batch_size))
            self._check_rates(title, rates)
        if self._input_shape is None:
            self._build_layers(samples.inputs)
        self._prepare(min(batch_size, len(order)))
        run = ops._KERNELS[self.dtype.char].network_run
        noisy = training and any(isinstance(layer, layers.Dropout) for layer in self._layers)
        key = int(self._rng.integers(2**64, dtype=np.uint64)) if noisy else 0
        kind = "train" if training else "predict" if y is None else "test"
        done = batches_done = 0
        version = self._version
        while done < len(order):
            end = len(order)
            if hooks:                   # which may change the rate, or ask for one batch's logs
                hooks.call(f"on_{kind}_batch_begin", measures.batches, {})
                self._check_version(where, version)
                self._prepare(min(batch_size, len(order)))      # a hook may reset states
                end = min(done + batch_size, end)
                if training:
                    rates = self.optimizer._rates(self._steps_made, 1)
                    self._check_rates(title, rates)
            count, diverged = run(
                self._network, samples.x, samples.starts, samples.mask, y, output, weights,
                order[:end], done, batch_size, self.optimizer._spec() if training else None,
                rates if rates is None or hooks else rates[batches_done:], self._steps,
                self.loss._spec() if y is not None else (0, False), measures.accuracy,
                measures.squares, key, measures.sums, _SECONDS,
            )
            new = -(-count // batch_size)
            done += count
            batches_done += new
            measures.samples += count
            measures.batches += new
            if y is not None and measures.samples and (bar.shown or hooks):
                values = measures.values()
                bar.set_postfix_str(progress.text(values), refresh=False)
            bar.update(new)
            if diverged:
                raise FloatingPointError(
                    f"{title}, batch {measures.batches + 1}: the loss is no longer finite, "
                    "or its gradient; the weights are those after the batch before"
                )
            if hooks:
                logs = values if y is not None else {}
                hooks.call(f"on_{kind}_batch_end", measures.batches - 1, logs)
                self._check_version(where, version)
                if training and self.stop_training:
                    return


def _check_kind(where, argument, layer):
    if not isinstance(layer, layers.KINDS):
        raise TypeError(
            f"{where}: {argument} must be a layer of neuroai_c, "
            f"got {checks.shown(layer)}"
        )


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _metric(where, metric, model_layers, loss):
    metric = metrics.get(metric, where, "metrics")
    if isinstance(metric, metrics.SpikeCount) and metric.layer not in model_layers:
        raise ValueError(f"{where}: {metric.layer!r} of metrics is not a layer of this model")
    if isinstance(metric, metrics.MeanSquaredError):
        if isinstance(loss, losses.SparseCategoricalCrossentropy):
            raise ValueError(
                f"{where}: {metric.name!r} of metrics needs targets that are not classes"
            )
    return metric


def _batch_size(where, batch_size):
    if batch_size is None:
        return 32
    return checks.integer(where, "batch_size", batch_size, 1, _MOST_COUNT)


def _length(where, x):
    """The samples of x, as a batch of at least one."""
    try:
        return max(1, len(x))
    except (TypeError, OverflowError):
        raise TypeError(f"{where}: x must be an array or Spikes, got {checks.shown(x)}") from None


def _verbose(where, verbose):
    checks.one_of(where, "verbose", verbose, ("auto", 0, 1, 2))
    return 1 if verbose == "auto" else int(verbose)


def _as_list(values):
    values = list(values.values())
    return values if len(values) > 1 else values[0]
