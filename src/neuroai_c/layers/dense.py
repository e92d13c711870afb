"""Dense layers."""

import numpy as np

from .. import activations, checks, initializers, ops
from ..spikes import Spikes
from ..use import calling
from .base import MOST_UNITS, Layer, _as_rows, _drawn


def _activation(where, argument, value):
    return activations.get("identity" if value is None else value, where, argument)


class Dense(Layer):
    """A dense layer: y = f(x W + b); of a sequence, step by step.

    Args:
        units: M, 1 or more.
        activation: f, a name or an activation.  Default None: identity.
        use_bias: whether there is b.  Default True.
        kernel_initializer: of W.  Default "glorot_uniform".
        bias_initializer: of b.  Default "zeros".
        name: Default None.

    Raises:
        TypeError, ValueError: an argument of another kind; an unknown name.

    Example:
        >>> layer = Dense(2, activation="relu")
        >>> layer(np.ones((1, 3, 4))).shape
        (1, 3, 2)
        >>> [w.shape for w in layer.weights]
        [(4, 2), (2,)]
    """

    _kinds = {
        "activation": "activation",
        "kernel_initializer": "initializer",
        "bias_initializer": "initializer",
    }
    _trained = ("_kernel_rows", "_bias")
    _free = ("activation",)
    _checks = {
        "units": (checks.integer, 1, MOST_UNITS),
        "activation": (_activation,),
        "use_bias": (checks.boolean,),
        "kernel_initializer": (checks.got_by(initializers.get),),
        "bias_initializer": (checks.got_by(initializers.get),),
    }

    def __init__(self, units, activation=None, use_bias=True, *,
                 kernel_initializer="glorot_uniform", bias_initializer="zeros", name=None):
        super().__init__(name)
        self.units = units
        self.activation = activation
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = bias_initializer
        self._kernel_rows = self._bias = None

    @calling
    def __call__(self, x):
        """Runs the layer alone.

        Args:
            x: (..., N) numbers or Spikes.  The first call builds the layer in float32 if no model
                has.

        Returns:
            (..., M).

        Raises:
            TypeError, ValueError: another kind or shape.

        Example:
            >>> Dense(1, kernel_initializer="ones")([[1, 2]])
            array([[3.]], dtype=float32)
        """
        x = checks.numeric("Dense", "x", np.asarray(x) if isinstance(x, Spikes) else x)
        if x.ndim < 2 or x.shape[-1] == 0:
            raise ValueError(f"Dense: x must have the axes (..., inputs), got shape {x.shape}")
        if not self.built:
            self._build(x.shape[1:], np.random.default_rng(), np.dtype(np.float32))
        kernel = self._shown(self._kernel_rows)
        if x.shape[-1] != len(kernel):
            raise ValueError(
                f"Dense: x must have {len(kernel)} inputs as the layer has, got {x.shape[-1]}"
            )
        a = ops.matmul(x.reshape(-1, x.shape[-1]), kernel)
        if self._bias is not None:
            a += self._bias
        return self.activation(a).reshape(*x.shape[:-1], self.units)

    def _output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def _shapes(self, inputs):
        return [(inputs, self.units)] + [(self.units,)] * self.use_bias

    def _build(self, input_shape, rng, dtype):
        shape = (input_shape[-1], self.units)
        kernel = _drawn("Dense", "kernel", self.kernel_initializer, shape, rng, dtype)
        bias = None
        if self.use_bias:
            bias = _drawn("Dense", "bias", self.bias_initializer, (self.units,), rng, dtype)
        self._kernel_rows, self._bias = _as_rows(kernel), bias
        self._built = True

    def _core_spec(self, counted, slots, inputs):
        return ("dense", *self._raw(), self.activation._spec(), self.units, slots)
