"""Sequential: layers in a row, trained in C a run of batches at a time."""

import re
import sys
import time

import numpy as np
from tqdm import tqdm

from . import checks, layers, losses, metrics, ops, optimizers
from .spikes import Spikes

# The longest that C works before Python looks for Ctrl-C and moves the progress bar.
_SECONDS = 0.05

# Above this density of ones a dense product is faster than one over events.
_DENSE = 0.4


class History:
    """What fit measured.

    Attributes:
        epoch: the numbers of the epochs, from 0.
        history: for each measure the list of its values, one an epoch.
        seconds: how long each epoch took.

    Example:
        >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
        >>> model.compile(metrics=["acc"])
        >>> history = model.fit(np.ones((8, 5, 3)), np.ones((8, 2)), epochs=3, verbose=0)
        >>> history
        <History of 3 epochs: loss, acc>
        >>> history.epoch, list(history.history)
        ([0, 1, 2], ['loss', 'acc'])
    """

    def __init__(self):
        self.epoch = []
        self.history = {}
        self.seconds = []

    def __repr__(self):
        measures = ": " + ", ".join(self.history) if self.history else ""
        return f"<History of {_count(len(self.epoch), 'epoch')}{measures}>"

    def _append(self, epoch, values, seconds):
        self.epoch.append(epoch)
        self.seconds.append(seconds)
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)


class Sequential:
    """Layers in a row.

    One numpy.random.Generator, made from the seed, draws the weights and shuffles;
    NumPy's global generator is not touched.  Results depend on the seed and on nothing
    else: not on the number of threads, nor on how the work is cut.

    Args:
        layers: to add.  Default None.
        name: Default "sequential".
        seed: an integer, or None for another one every time.  Default None.
        dtype: "float32" or "float64".  Default "float32".

    Attributes:
        layers: the layers, without the InputLayer.
        history: the History of the last fit.

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
        if name is not None and not isinstance(name, str):
            raise TypeError(f"Sequential: name must be a string, got {name!r}")
        if seed is not None:
            seed = checks.integer("Sequential", "seed", seed, 0)
        try:
            self.dtype = np.dtype(dtype)
        except TypeError as error:
            raise TypeError(f"Sequential: dtype: {error}") from None
        known = self.dtype.isnative and self.dtype.name in ("float32", "float64")
        if dtype is None or not known:
            raise ValueError(f"Sequential: dtype must be float32 or float64, got {dtype!r}")
        self.name = name or "sequential"
        self.layers = []
        self.history = None
        self._rng = np.random.default_rng(seed)
        self._input_shape = None
        self._compiled = False
        self._network = None
        if not isinstance(layers, (list, tuple, type(None))):
            raise TypeError(f"Sequential: layers must be a list of layers, got {layers!r}")
        for layer in layers or ():
            self.add(layer)

    def __repr__(self):
        built = self._input_shape is not None
        weights = f"{self.count_params():,} weights" if built else "not built"
        return f"<Sequential {self.name}: {_count(len(self.layers), 'layer')}, {weights}>"

    # ---- layers ---------------------------------------------------------------------

    def add(self, layer):
        """Adds a layer at the end; builds it if the shape of its input is known.

        Args:
            layer: an InputLayer first, if at all; then the others.

        Raises:
            TypeError: not a layer of neuroai_c.
            ValueError: a layer that does not fit behind the last, or is in the model already.

        Example:
            >>> model = Sequential()
            >>> model.add(layers.InputLayer([None, 3]))
            >>> model.add(layers.SNU(2))
            >>> model
            <Sequential sequential: 1 layer, 8 weights>
        """
        if not isinstance(layer, layers.Layer):
            raise TypeError(f"add: layer must be a layer of neuroai_c, got {layer!r}")
        if isinstance(layer, layers.InputLayer):
            if self.layers or self._input_shape is not None:
                raise ValueError("add: an InputLayer comes first, and once")
            self._input_shape = layer.input_shape
            return
        if layer in self.layers:
            raise ValueError(f"add: {layer!r} is in the model already")
        if not self.layers and isinstance(layer, layers.GlobalAveragePooling1D):
            raise ValueError(f"add: {layer!r} needs a layer before it")
        if layer.name is not None and layer.name in [other.name for other in self.layers]:
            raise ValueError(f"add: the name {layer.name!r} is in the model already")
        if self._input_shape is not None:
            shape = self.output_shape[1:]
            self._check_layer(layer, shape)
            if not layer.built:
                layer._build(shape, self._rng, self.dtype)
        if layer.name is None:
            layer.name = self._new_name(layer)
        self.layers.append(layer)
        self._changed()

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
        if not self.layers:
            raise ValueError("pop: the model has no layers")
        self._changed()
        return self.layers.pop()

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
                f"build: input_shape must be (samples, steps, inputs), got {input_shape!r}"
            )
        shape = layers.InputLayer(list(input_shape)[1:]).input_shape
        if not self.layers:
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
        for layer in self.layers:
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
        return layer._output_shape(input_shape)

    def _build_layers(self, inputs):
        """Makes the weights of all layers, or changes nothing."""
        shapes = [(None, inputs)]
        for layer in self.layers:
            shapes.append(self._check_layer(layer, shapes[-1]))
        for layer, shape in zip(self.layers, shapes):
            if not layer.built:
                layer._build(shape, self._rng, self.dtype)
        self._input_shape = shapes[0]

    def _new_name(self, layer):
        base = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        taken = {other.name for other in self.layers}
        name, number = base, 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name

    def _changed(self):
        """What was compiled no longer fits the layers."""
        self._compiled = False
        self._network = None

    # ---- weights --------------------------------------------------------------------

    def _arrays(self):
        return [array for layer in self.layers for array in layer._arrays()]

    def get_weights(self):
        """Copies of all weights, a list: for each layer kernel, [recurrent_kernel,] bias.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> [weight.shape for weight in model.get_weights()]
            [(3, 2), (2,)]
        """
        return [array.copy() for array in self._arrays()]

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
        if self._input_shape is None:
            raise ValueError("set_weights: the model has no weights yet: call build")
        layers._set_arrays("set_weights", self._arrays(), weights)

    def count_params(self):
        """The number of weights, each entry counted; 0 before the model is built.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.count_params()
            8
        """
        return sum(layer.count_params() for layer in self.layers)

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
        for layer in self.layers:
            shape = layer._output_shape(shape) if shape is not None else None
            text = str((None, *shape)) if shape is not None else "?"
            name = f"{layer.name} ({type(layer).__name__})"
            lines.append(f"{name:<{widths[0]}}{text:<{widths[1]}}{layer.count_params():,}")
        lines += ["=" * sum(widths), f"Total params: {self.count_params():,}", rule]
        (print_fn or print)("\n".join(lines))

    # ---- training -------------------------------------------------------------------

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
            raise TypeError(f"compile: metrics must be a list, got {metrics!r}")
        measures = [_metric(metric, self.layers) for metric in metrics or ()]
        names = ["loss"] + [metric.name for metric in measures]
        if len(set(names)) < len(names):
            raise ValueError(f"compile: metrics must have different names, got {names}")
        self.optimizer, self.loss, self._metrics = optimizer, loss, measures
        self._compiled = True
        self._network = None

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

    def fit(self, x, y, batch_size=None, epochs=1, verbose="auto", *, shuffle=True,
            initial_epoch=0):
        """Trains for a number of epochs.

        Args:
            x: (samples, T, N) numbers or Spikes.
            y: (samples, ...) targets in the shape of the model's output.
            batch_size: samples a step.  Default 32.
            epochs: the number of the last epoch.  Default 1.
            verbose: 0 silent, 1 or "auto" a progress bar an epoch, 2 a line an epoch.
            shuffle: a new order of samples every epoch.  Default True.
            initial_epoch: the number to begin with.  Default 0.

        Returns:
            The History: for "loss" and every metric a list, the mean over samples an epoch.

        Raises:
            TypeError, ValueError: x or y of another kind or shape, NaN or infinity in them.
            RuntimeError: the model is not compiled.
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
        epochs = checks.integer("fit", "epochs", epochs, 0)
        initial_epoch = checks.integer("fit", "initial_epoch", initial_epoch, 0)
        verbose = _verbose("fit", verbose)
        x, y = self._data("fit", x, y)

        self.history = history = History()
        order = np.arange(len(y), dtype=np.intp)
        for epoch in range(initial_epoch, epochs):
            if shuffle:
                order = self._rng.permutation(len(y)).astype(np.intp, copy=False)
            title = f"Epoch {epoch + 1}/{epochs}"
            start = time.perf_counter()
            values = self._run(x, y, order, batch_size, verbose, title, training=True)
            history._append(epoch, values, time.perf_counter() - start)
        return history

    def evaluate(self, x, y, batch_size=None, verbose="auto", return_dict=False):
        """The loss and the metrics on data.

        Args:
            x, y: as for fit.
            batch_size: Default 32.  Under "batch" inhibition results depend on it.
            verbose: as for fit.
            return_dict: a dict by name instead of a list.  Default False.

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
        return self._evaluate("evaluate", x, y, batch_size, verbose, return_dict)

    def predict(self, x, batch_size=None, verbose="auto"):
        """The model's outputs.

        Args:
            x: (samples, T, N) numbers or Spikes.
            batch_size: Default 32.  Under "batch" inhibition outputs depend on it.
            verbose: as for fit.

        Returns:
            (samples, ...) outputs in the model's precision.

        Raises:
            TypeError, ValueError: x of another kind or shape, NaN or infinity in it.

        Example:
            >>> model = Sequential([layers.InputLayer([None, 3]), layers.SNU(2)], seed=0)
            >>> model.predict(np.zeros((1, 5, 3)), verbose=0)
            array([[0., 0.]], dtype=float32)
        """
        return self._predict("predict", x, batch_size, verbose)

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

    def train_on_batch(self, x, y):
        """One step on x and y as one batch.

        Args:
            x, y: as for fit.

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
        x, y = self._data("train_on_batch", x, y)
        order = np.arange(len(y), dtype=np.intp)
        return _as_list(self._run(x, y, order, len(y), 0, "Batch 1", training=True))

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

    def _evaluate(self, where, x, y, batch_size, verbose, return_dict):
        self._need_compiled(where)
        batch_size = _batch_size(where, batch_size)
        verbose = _verbose(where, verbose)
        x, y = self._data(where, x, y)
        order = np.arange(len(y), dtype=np.intp)
        values = self._run(x, y, order, batch_size, verbose, "Test")
        return values if return_dict else _as_list(values)

    def _predict(self, where, x, batch_size, verbose):
        batch_size = _batch_size(where, batch_size)
        verbose = _verbose(where, verbose)
        x = self._input(where, x)
        samples, steps, inputs = x[0]
        output = np.empty((samples, *self._shape(steps, inputs)), self.dtype)
        if output.size:
            order = np.arange(samples, dtype=np.intp)
            flat = output.reshape(samples, -1)
            self._run(x, None, order, batch_size, verbose, "Predict", output=flat)
        return output

    def _shape(self, steps, inputs):
        """The shape of a sample's output for a sample of that shape."""
        shape = (steps, inputs)
        for layer in self.layers:
            shape = layer._output_shape(shape)
        return shape

    def _input(self, where, x):
        """(samples, steps, inputs), and x for C."""
        if not self.layers:
            raise ValueError(f"{where}: the model has no layers")
        if not isinstance(x, Spikes):
            x = checks.numeric(where, "x", x)
        if x.ndim != 3 or x.shape[2] == 0:
            raise ValueError(
                f"{where}: x must have the axes (samples, steps, inputs), got shape {x.shape}"
            )
        shape = x.shape
        wanted_steps, wanted_inputs = self._input_shape or (None, None)
        if wanted_inputs not in (None, shape[2]):
            raise ValueError(
                f"{where}: x must have {wanted_inputs} inputs as the model has, got {shape[2]}"
            )
        if wanted_steps not in (None, shape[1]):
            raise ValueError(
                f"{where}: x must have {wanted_steps} steps as the InputLayer says, "
                f"got {shape[1]}"
            )
        if shape[1] == 0 and len(self._shape(*shape[1:])) == 1:
            raise ValueError(f"{where}: x must have at least one step, got shape {shape}")
        if not isinstance(x, Spikes):
            checks.finite(where, "x", x)
            x = _pack(x)
        x = ops._input(where, x, self.dtype)
        if isinstance(x, np.ndarray):
            checks.finite(where, f"x in {self.dtype}", x)
        return shape, x

    def _data(self, where, x, y):
        """The input, and y for C."""
        x = self._input(where, x)
        samples, steps, inputs = x[0]
        wanted = (samples, *self._shape(steps, inputs))
        y = checks.numeric(where, "y", y)
        if y.shape != wanted:
            hint = "" if y.ndim != 1 else ", utils.to_categorical makes rows of class numbers"
            raise ValueError(
                f"{where}: y must have the shape of the model's output, {wanted}, "
                f"got {y.shape}{hint}"
            )
        if samples == 0 or steps == 0:
            raise ValueError(f"{where}: x must have at least one sample and step, got none")
        checks.finite(where, "y", y)
        y = checks.real(where, "y", y, self.dtype)
        checks.finite(where, f"y in {self.dtype}", y)
        accuracy = any(isinstance(metric, metrics.Accuracy) for metric in self._metrics)
        if accuracy and wanted[-1] == 1:
            raise ValueError(f"{where}: acc compares argmaxes, which one output does not have")
        return x, y.reshape(samples, -1)

    def _prepare(self):
        """The network in C, with fresh slots where the model is compiled."""
        if self._network is not None:
            return
        counted = []
        if self._compiled:
            counted = [m.layer for m in self._metrics if isinstance(m, metrics.SpikeCount)]
        self._counted = [layer for layer in self.layers if layer in counted]
        optimizer = self.optimizer if self._compiled else None
        specs = tuple(layer._core_spec(layer in counted, optimizer) for layer in self.layers)
        self._network = ops._KERNELS[self.dtype].network_new(specs)
        self._steps_made = 0

    def _run(self, x, y, order, batch_size, verbose, title, *, training=False, output=None):
        """Runs the batches of `order` through C and returns what compile asked for."""
        (_, steps, inputs), x = x
        if self._input_shape is None:
            self._build_layers(inputs)
        self._prepare()
        network, run = self._network, ops._KERNELS[self.dtype].network_run
        sums = np.zeros(2 + len(self._counted))
        done = 0
        with _progress(verbose, title, -(-len(order) // batch_size)) as bar:
            while done < len(order):
                optimizer = self.optimizer._spec() if training else None
                count, diverged = run(
                    network, x, y, output, order, done, batch_size, optimizer,
                    self._steps_made, sums, _SECONDS,
                )
                batches = -(-count // batch_size)
                done += count
                self._steps_made += batches if training else 0
                if y is not None and done:
                    values = self._values(sums, done, self._shape(steps, inputs))
                    bar.set_postfix_str(_text(values), refresh=False)
                bar.update(batches)
                if diverged:
                    raise FloatingPointError(
                        f"{title}, batch {done // batch_size + 1}: the loss is no longer finite, "
                        "or its gradient; the weights are those after the batch before"
                    )
        if y is None:
            return {}
        if verbose == 2:
            print(f"{title} - {_text(values)}")
        return values

    def _values(self, sums, samples, shape):
        """Loss and metrics from C's sums; `shape` is that of a sample's output."""
        values = {"loss": sums[0] / samples}
        for metric in self._metrics:
            if isinstance(metric, metrics.SpikeCount):
                total = sums[2 + self._counted.index(metric.layer)] / samples
            elif isinstance(metric, metrics.Accuracy):
                total = sums[1] / (samples * (shape[0] if len(shape) == 2 else 1))
            else:
                total = sums[0] / samples
            values[metric.name] = total
        return {name: float(value) for name, value in values.items()}


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _metric(metric, model_layers):
    metric = metrics.get(metric, "compile", "metrics")
    if isinstance(metric, metrics.SpikeCount) and metric.layer not in model_layers:
        raise ValueError(f"compile: {metric.layer!r} of metrics is not a layer of this model")
    return metric


def _batch_size(where, batch_size):
    most = np.iinfo(np.intp).max
    return 32 if batch_size is None else checks.integer(where, "batch_size", batch_size, 1, most)


def _length(where, x):
    """The samples of x, as a batch of at least one."""
    try:
        return max(1, len(x))
    except TypeError:
        raise TypeError(f"{where}: x must be an array or Spikes, got {x!r}") from None


def _verbose(where, verbose):
    checks.one_of(where, "verbose", verbose, ("auto", 0, 1, 2))
    return 1 if verbose == "auto" else int(verbose)


def _as_list(values):
    values = list(values.values())
    return values if len(values) > 1 else values[0]


def _text(values):
    return " - ".join(f"{name}: {value:.4f}" for name, value in values.items())


class _Silent:
    """What stands for a bar that is not shown: tqdm's own takes a tenth of a small batch's time."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def set_postfix_str(self, text, refresh):
        pass

    def update(self, batches):
        pass


def _progress(verbose, title, batches):
    if verbose != 1:
        return _Silent()
    return tqdm(
        total=batches,
        desc=title,
        unit="batch",
        file=sys.stdout,
        dynamic_ncols=True,
        # A log is no place for a moving bar: there, a line every few seconds.
        mininterval=0.1 if sys.stdout.isatty() else 5,
    )


def _pack(x):
    """Spikes of an array that holds 0 and 1 and few enough ones; else the array."""
    head = x[:64]
    if head.size and not ((head == 0) | (head == 1)).all():
        return x
    if x.size == 0 or np.count_nonzero(head) > _DENSE * head.size:
        return x
    try:
        return Spikes.from_dense(x)
    except ValueError:
        return x
