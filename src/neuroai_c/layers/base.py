"""What layers have in common."""

import inspect

import numpy as np

from .. import checks
from ..memory import aligned_rows, aligned_zeros, copy_all
from ..shown import Shown
from ..use import Look, Use, changing, reading


# Of inputs and of units: more of them have no room in any memory.
MOST_UNITS = 2**31 - 1


class Layer(Shown):
    """What every layer has: a name, weights once it is built, an output shape.

    Attributes:
        name: unique within a model.
        built: whether the weights are there.
        weights: fresh copies of them, in the toolkit's order.

    Example:
        >>> from neuroai_c.layers import SNU
        >>> isinstance(SNU(2), Layer)
        True
    """

    # Two layers of the same arguments are two layers.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, name=None):
        self._use = Use()
        self._built = False
        self.name = name

    # The arguments, of which those can be set anew that weights and shapes do not follow from.
    _named = frozenset({"name"})
    _free = ()

    def __init_subclass__(cls):
        super().__init_subclass__()
        cls._named = cls._named | frozenset(inspect.signature(cls).parameters)

    def __setattr__(self, name, value):
        if name in self._named and hasattr(self, "_use"):
            self._set(name, value)
        else:
            super().__setattr__(name, value)

    @changing
    def _set(self, name, value):
        """Sets what was an argument, which no other thread may use meanwhile."""
        if name == "name":
            if getattr(self, "name", None) is not None:
                raise ValueError(f"{self!r}: name cannot change, as the layer has one")
            value = value if value is None else checks.text(type(self).__name__, name, value)
        elif name not in self._free and self._built:
            raise ValueError(f"{self!r}: {name} cannot change, as the layer is built")
        super().__setattr__(name, value)

    @changing
    def _held(self, function, *arguments):
        """Calls a function while no other thread may use the layer."""
        return function(*arguments)

    @property
    def built(self):
        """Whether the weights are there.

        Example:
            >>> from neuroai_c.layers import SNU
            >>> SNU(2).built
            False
        """
        return self._built

    def __repr__(self):
        return f"<{type(self).__name__} {self.name or ''}".rstrip() + ">"

    @property
    def weights(self):
        """Copies of the weights, in the toolkit's order; none before the layer is built.

        Example:
            >>> from neuroai_c.layers import SNU
            >>> layer = SNU(2, recurrent=True)
            >>> y = layer(np.ones((1, 3, 4)))
            >>> [weight.shape for weight in layer.weights]
            [(4, 2), (2, 2), (2,)]
        """
        return self.get_weights()

    @reading
    def get_weights(self):
        """Copies of the weights, a list of arrays in the order of `weights`.

        Example:
            >>> from neuroai_c.layers import SNU
            >>> SNU(2).get_weights()
            []
        """
        return [weight.copy() for weight in self._arrays()]

    @changing
    def set_weights(self, weights):
        """Replaces the weights, all or none of them.

        Args:
            weights: a list of arrays in the order and the shapes of get_weights.

        Raises:
            ValueError: the layer is not built, or another number or shape of arrays.
            TypeError: not arrays of real numbers.

        Example:
            >>> from neuroai_c.layers import SNU
            >>> layer = SNU(1)
            >>> y = layer(np.ones((1, 3, 2)))
            >>> layer.set_weights([[[0.5], [0.25]], [2.0]])
            >>> layer.weights[1]
            array([2.], dtype=float32)
        """
        if not self.built:
            raise ValueError(f"set_weights: {self!r} has no weights yet: build it first")
        _set_arrays("set_weights", [self], weights)

    def count_params(self):
        """The number of weights, each entry counted; 0 before the layer is built.

        Example:
            >>> from neuroai_c.layers import Dropout
            >>> Dropout(0.5).count_params()
            0
        """
        return sum(weight.size for weight in self._arrays())

    def __getstate__(self):
        look = Look("a copy", self)     # before anything is read
        state = {**self.__dict__}
        del state["_use"]
        return {**state, "_use": look}

    def __setstate__(self, state):
        self.__dict__.update(state)
        object.__setattr__(self, "_use", Use())
        for name in self._trained:
            if (array := getattr(self, name)) is not None:
                object.__setattr__(self, name, _aligned(array))
        if (state := getattr(self, "_state", None)) is not None:
            object.__setattr__(self, "_state", tuple(array.copy() for array in state))

    # The names of the arrays that C trains, in the order of `weights`.
    _trained = ()

    _noun = "layer"

    def _uses(self):
        return [self._use]

    def _keeps(self):
        """Whether a call changes the layer."""
        return not self.built or getattr(self, "stateful", False)

    def _raw(self):
        """The arrays that C trains: what _arrays shows may be parts of them."""
        return [getattr(self, name) for name in self._trained]

    def _arrays(self):
        """The weights that there are: none where making them ended in the middle."""
        return [self._shown(array) for array in self._raw() if array is not None and self.built]

    def _shown(self, array):
        """What of an array, or of an optimizer's slot for it, is weights."""
        return array if array.ndim == 1 else array[:, : self.units]

    def _settings(self):
        """What C computes with besides the weights, to tell whether it has changed."""
        return tuple(getattr(self, name) for name in self._free)

    def _unbuild(self):
        """Has no weights again."""
        self._built = False
        for name in self._trained:
            setattr(self, name, None)

    def _output_shape(self, input_shape):
        """(T, M) or (M,) for an input of (T, N) or (N,); ValueError where it does not fit."""
        raise NotImplementedError

    def _shapes(self, inputs):
        """The shapes of the weights, in their order, for that many inputs."""
        return []

    def _build(self, input_shape, rng, dtype):
        """Makes the weights."""
        self._built = True

    def _core_spec(self, counted, slots, inputs):
        """The layer as csrc/python/py_network.c takes it; slots are pairs, one for each of _raw."""
        raise NotImplementedError


def _set_arrays(where, layers, weights, names=None):
    """Copies `weights`, which errors call by `names`, into the arrays of layers, all or none."""
    arrays = [array for layer in layers for array in layer._arrays()]
    fractions = [layer._decay for layer in layers if getattr(layer, "_decay", None) is not None]
    if not isinstance(weights, (list, tuple)):
        raise TypeError(f"{where}: weights must be a list of arrays, got {checks.shown(weights)}")
    if len(weights) != len(arrays):
        raise ValueError(f"{where}: weights must be {len(arrays)} arrays, got {len(weights)}")
    names = names or [f"weights[{i}]" for i in range(len(arrays))]
    converted = []
    for name, array, weight in zip(names, arrays, weights):
        # A copy: what is checked is what is kept, whatever other threads do.
        converted.append(checks.real(where, name, weight, array.dtype).copy())
        if converted[-1].shape != array.shape:
            raise ValueError(
                f"{where}: {name} must have shape {array.shape}, got {converted[-1].shape}"
            )
        checks.finite(where, name, converted[-1], converted=True)
        if any(array is decay for decay in fractions) and not (
            (converted[-1] >= 0) & (converted[-1] <= 1)
        ).all():
            raise ValueError(f"{where}: {name}, a decay, must be from 0 to 1")
    copy_all(arrays, converted)


def _drawn(where, name, initializer, shape, rng, dtype):
    """A weight's first numbers, in an array that C can work on."""
    argument = f"{name}_initializer's numbers"
    weight = checks.real(where, argument, initializer(shape, rng), dtype).copy()
    checks.finite(where, argument, weight, converted=True)
    if weight.shape != shape:
        raise ValueError(
            f"{where}: {name} must have shape {shape}, "
            f"got {weight.shape} from {type(initializer).__name__}"
        )
    return weight


def _as_rows(kernel):
    """A kernel in rows of whole cache lines, as C wants them; what fills them up is C's own."""
    rows = aligned_rows(*kernel.shape, kernel.dtype)
    rows[:, : kernel.shape[1]] = kernel
    return rows


def _aligned(array):
    """A copy that begins on a cache line."""
    copy = aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


def _need_sequence(layer, input_shape):
    if len(input_shape) != 2:
        raise ValueError(
            f"{layer!r} needs a sequence (steps, inputs), but is fed the shape {input_shape}: "
            "the layer before it needs return_sequences=True"
        )


def _steps_and_inputs(where, argument, shape):
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise ValueError(
            f"{where}: {argument} must be [steps or None, inputs], got {checks.shown(shape)}"
        )
    steps, inputs = shape
    if steps is not None:
        steps = checks.integer(where, f"{argument}[0]", steps, 1)
    return steps, checks.integer(where, f"{argument}[1]", inputs, 1, MOST_UNITS)


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

    _checks = {"input_shape": (_steps_and_inputs,)}

    def __init__(self, input_shape, name=None):
        super().__init__(name)
        self.input_shape = input_shape
