"""Layers: words and weights; what they compute is in C."""

import numpy as np

from . import activations, checks, initializers, ops
from .memory import aligned_rows
from .spikes import Spikes


class Layer:
    """What every layer has: a name, weights once it is built, an output shape.

    Attributes:
        name: unique within a model.
        built: whether the weights are there.
        weights: fresh copies of them, in the toolkit's order.

    Example:
        >>> isinstance(SNU(2), Layer)
        True
    """

    def __init__(self, name=None):
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: name must be a string, got {name!r}")
        self.name = name
        self.built = False

    def __repr__(self):
        return f"<{type(self).__name__} {self.name or ''}".rstrip() + ">"

    @property
    def weights(self):
        """Copies of the weights: kernel, [recurrent_kernel,] bias; none before the layer is built.

        Example:
            >>> layer = SNU(2, recurrent=True)
            >>> y = layer(np.ones((1, 3, 4)))
            >>> [weight.shape for weight in layer.weights]
            [(4, 2), (2, 2), (2,)]
        """
        return self.get_weights()

    def get_weights(self):
        """Copies of the weights, a list of arrays in the order of `weights`.

        Example:
            >>> SNU(2).get_weights()
            []
        """
        return [weight.copy() for weight in self._arrays()]

    def set_weights(self, weights):
        """Replaces the weights, all or none of them.

        Args:
            weights: a list of arrays in the order and the shapes of get_weights.

        Raises:
            ValueError: the layer is not built, or another number or shape of arrays.
            TypeError: not arrays of real numbers.

        Example:
            >>> layer = SNU(1)
            >>> y = layer(np.ones((1, 3, 2)))
            >>> layer.set_weights([[[0.5], [0.25]], [2.0]])
            >>> layer.weights[1]
            array([2.], dtype=float32)
        """
        if not self.built:
            raise ValueError(f"set_weights: {self!r} has no weights yet: build it first")
        _set_arrays("set_weights", self._arrays(), weights)

    def count_params(self):
        """The number of weights, each entry counted; 0 before the layer is built.

        Example:
            >>> GlobalAveragePooling1D().count_params()
            0
        """
        return sum(weight.size for weight in self._arrays())

    def _arrays(self):
        """The arrays that training changes."""
        return []

    def _output_shape(self, input_shape):
        """(T, M) or (M,) for an input of (T, N) or (N,); ValueError where it does not fit."""
        raise NotImplementedError

    def _build(self, input_shape, rng, dtype):
        """Makes the weights."""
        self.built = True

    def _core_spec(self, counted, optimizer):
        """The layer as csrc/python/py_network.c takes it, with slots for the optimizer, if any."""
        raise NotImplementedError


def _set_arrays(where, arrays, weights):
    """Copies `weights` into `arrays`, all or none of them."""
    if not isinstance(weights, (list, tuple)):
        raise TypeError(f"{where}: weights must be a list of arrays, got {weights!r}")
    if len(weights) != len(arrays):
        raise ValueError(f"{where}: weights must be {len(arrays)} arrays, got {len(weights)}")
    converted = []
    for i, (array, weight) in enumerate(zip(arrays, weights)):
        converted.append(checks.real(where, f"weights[{i}]", weight, array.dtype))
        if converted[-1].shape != array.shape:
            raise ValueError(
                f"{where}: weights[{i}] must have shape {array.shape}, "
                f"got {converted[-1].shape}"
            )
    for array, weight in zip(arrays, converted):
        array[...] = weight


def _drawn(name, initializer, shape, rng, dtype):
    """A weight's first numbers, in an array that C can work on."""
    weight = np.array(initializer(shape, rng), dtype=dtype, order="C")
    if weight.shape != shape:
        raise ValueError(
            f"SNU: {name} must have shape {shape}, "
            f"got {weight.shape} from {type(initializer).__name__}"
        )
    return weight


class InputLayer(Layer):
    """The shape of what a model is fed; it does not count in `model.layers`.

    Args:
        input_shape: [steps or None, inputs], without the axis of samples.
        name: Default None.

    Raises:
        TypeError, ValueError: another shape.

    Example:
        >>> InputLayer(input_shape=[None, 28 * 28]).input_shape
        (None, 784)
    """

    def __init__(self, input_shape, name=None):
        super().__init__(name)
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 2:
            raise ValueError(
                f"InputLayer: input_shape must be [steps or None, inputs], got {input_shape!r}"
            )
        steps, inputs = input_shape
        if steps is not None:
            steps = checks.integer("InputLayer", "input_shape[0]", steps, 1)
        self.input_shape = (steps, checks.integer("InputLayer", "input_shape[1]", inputs, 1))


class SNU(Layer):
    """Spiking neural units: leaky integrators that their output resets.

    a_t = x_t W + y_{t-1} R + d V_{t-1} r_{t-1},  V_t = g(a_t),  y_t = h(V_t - b),
    r_t = 1 - y_t; under lateral inhibition r_t = 1 - max(y_t).

    The arguments are attributes.  A new decay, activation, g or lateral_inhibition is checked
    when it is set; it counts at once where the layer is called alone, and in a model from its
    next compile.

    Args:
        units: M, 1 or more.
        activation: h, a name or an activation.  Default the step; "sigmoid" is the soft unit.
        decay: d, a number.  Default 0.8.
        g: a name or an activation, not the step.  Default identity.
        recurrent: whether there is R.  Default False.
        lateral_inhibition: False, True or "batch", "sample".  "batch" takes the maximum over
            all units of all samples of a batch, as the toolkit does and as the published
            numbers need: a prediction then depends on the batch that it is in, and on the
            batch's size.  "sample" takes it over the units of each sample, as the toolkit's
            text says: predictions depend on nothing else.  Default False.
        return_sequences: the output of every step (B, T, M), or of the last (B, M).
            Default False.
        kernel_initializer, recurrent_initializer: Default "glorot_uniform".
        bias_initializer: of the threshold b.  Default "ones".
        name: Default None.

    Raises:
        TypeError, ValueError: an argument of another kind; an unknown name.

    Source:
        S. Wozniak et al., Nature Machine Intelligence 2, 325-336 (2020).

    Example:
        >>> layer = SNU(2, decay=0.9, return_sequences=True)
        >>> layer(np.ones((1, 3, 4))).shape
        (1, 3, 2)
        >>> [w.shape for w in layer.weights]
        [(4, 2), (2,)]
    """

    def __init__(self, units, activation="step_function", decay=0.8, g="identity",
                 recurrent=False, lateral_inhibition=False, return_sequences=False, *,
                 kernel_initializer="glorot_uniform", recurrent_initializer="glorot_uniform",
                 bias_initializer="ones", name=None):
        super().__init__(name)
        self.units = checks.integer("SNU", "units", units, 1)
        self.activation = activation
        self.decay = decay
        self.g = g
        self.recurrent = bool(recurrent)
        self.lateral_inhibition = lateral_inhibition
        self.return_sequences = bool(return_sequences)
        self.kernel_initializer = initializers.get(
            kernel_initializer, "SNU", "kernel_initializer"
        )
        self.recurrent_initializer = initializers.get(
            recurrent_initializer, "SNU", "recurrent_initializer"
        )
        self.bias_initializer = initializers.get(bias_initializer, "SNU", "bias_initializer")
        self._kernel_rows = self._recurrent_kernel = self._bias = None

    def __setattr__(self, name, value):
        if name == "decay":
            value = checks.number("SNU", name, value)
        elif name == "activation":
            value = activations.get(value, "SNU", name)
        elif name == "g":
            value = activations._with_slope(value, "SNU", name)
        elif name == "lateral_inhibition":
            value = ops._inhibition("SNU", value)
        super().__setattr__(name, value)

    def __call__(self, x, initial_state=None):
        """Runs the layer alone.

        Args:
            x: (B, T, N) numbers or Spikes.  The first call builds the layer in float32 if no
                model has.
            initial_state: (y_0, V_0), each (B, M).  Default zeros.

        Returns:
            (B, T, M), or (B, M) without return_sequences.

        Raises:
            TypeError, ValueError: an argument of another kind or shape; no step to return.

        Example:
            >>> layer = SNU(1, kernel_initializer="ones", return_sequences=True)
            >>> layer([[[0.75], [0.75], [0.75]]]).ravel()
            array([0., 1., 0.], dtype=float32)
        """
        if not isinstance(x, Spikes):
            x = checks.numeric("SNU", "x", x)
        if x.ndim != 3 or x.shape[2] == 0:
            raise ValueError(
                f"SNU: x must have the axes (samples, steps, inputs), got shape {x.shape}"
            )
        if x.shape[1] == 0 and not self.return_sequences:
            raise ValueError("SNU: x must have at least one step, got none")
        if not self.built:
            self._build(x.shape[1:], np.random.default_rng(), np.dtype(np.float32))
        if x.shape[2] != len(self._kernel):
            raise ValueError(
                f"SNU: x must have {len(self._kernel)} inputs as the layer has, got {x.shape[2]}"
            )
        y, _ = ops.snu_forward(
            x, self._kernel, self._bias, self._recurrent_kernel, decay=self.decay,
            activation=self.activation, g=self.g, lateral_inhibition=self.lateral_inhibition,
            initial_state=initial_state,
        )
        return y if self.return_sequences else y[:, -1]

    def _arrays(self):
        arrays = [self._kernel, self._recurrent_kernel, self._bias]
        return [array for array in arrays if array is not None]

    @property
    def _kernel(self):
        # C wants its rows in whole cache lines; what fills them up is C's own.
        return None if self._kernel_rows is None else self._kernel_rows[:, : self.units]

    def _output_shape(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError(
                f"{self!r} needs a sequence (steps, inputs), but is fed the shape {input_shape}: "
                "the layer before it needs return_sequences=True"
            )
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def _build(self, input_shape, rng, dtype):
        shape = (input_shape[-1], self.units)
        kernel = _drawn("kernel", self.kernel_initializer, shape, rng, dtype)
        recurrent_kernel = None
        if self.recurrent:
            shape = (self.units, self.units)
            recurrent_kernel = _drawn("recurrent_kernel", self.recurrent_initializer, shape, rng, dtype)
        bias = _drawn("bias", self.bias_initializer, (self.units,), rng, dtype)
        self._kernel_rows = aligned_rows(*kernel.shape, dtype)
        self._kernel[...] = kernel
        self._recurrent_kernel, self._bias = recurrent_kernel, bias
        self.built = True

    def _core_spec(self, counted, optimizer):
        arrays = (self._kernel_rows, self._recurrent_kernel, self._bias)
        return (
            "snu",
            counted,
            *arrays,
            np.full(self.units, self.decay, self._kernel.dtype),
            self.activation._spec(),
            self.g._spec(),
            ops._INHIBITION[self.lateral_inhibition],
            self.return_sequences,
            tuple(
                None if optimizer is None or array is None else optimizer._slots(array)
                for array in arrays
            ),
        )


class GlobalAveragePooling1D(Layer):
    """The mean over time: y = sum_t x_t / T; (B, T, N) becomes (B, N).

    Args:
        name: Default None.

    Raises:
        TypeError: the name is not a string.

    Example:
        >>> GlobalAveragePooling1D()(np.array([[[0.0], [1.0]]]))
        array([[0.5]])
    """

    def __call__(self, x):
        """The mean over time.

        Args:
            x: (B, T, N) numbers, T at least 1.

        Returns:
            (B, N): float32 stays, all else becomes float64.

        Raises:
            TypeError, ValueError: another kind or shape.

        Example:
            >>> GlobalAveragePooling1D()([[[0, 1], [1, 1]]])
            array([[0.5, 1. ]])
        """
        x = checks.numeric("GlobalAveragePooling1D", "x", x)
        if x.ndim != 3 or x.shape[1] == 0:
            raise ValueError(
                "GlobalAveragePooling1D: x must have the axes (samples, steps, inputs) and at "
                f"least one step, got shape {x.shape}"
            )
        return ops.average_forward(x if x.dtype == np.float32 else x.astype(np.float64))

    def _output_shape(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError(
                f"{self!r} needs a sequence (steps, inputs), but is fed the shape {input_shape}: "
                "the layer before it needs return_sequences=True"
            )
        return (input_shape[1],)

    def _core_spec(self, counted, optimizer):
        return ("average",)
