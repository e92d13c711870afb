"""What weights begin with, by name or as objects: called with a shape and a generator."""

import math

import numpy as np

from . import checks
from .serialization import _known
from .shown import Shown


class Initializer(Shown):
    """Draws or makes the first numbers of a weight.

    Example:
        >>> isinstance(get("zeros"), Initializer)
        True
    """

    def __call__(self, shape, rng):
        """A weight's first numbers.

        Args:
            shape: of the weight, a tuple of integers, 1 or more.
            rng: the numpy.random.Generator to draw from; what draws nothing ignores it.

        Returns:
            A float64 array of that shape.

        Raises:
            TypeError, ValueError: another shape or generator.

        Example:
            >>> GlorotUniform()((2, 3), np.random.default_rng(0)).shape
            (2, 3)
        """
        raise NotImplementedError


def _shape(where, shape):
    if not isinstance(shape, (tuple, list)) or not shape:
        raise TypeError(f"{where}: shape must be a tuple of sizes, got {checks.shown(shape)}")
    most = np.iinfo(np.intp).max
    shape = tuple(checks.integer(where, "shape", size, 1, most) for size in shape)
    if math.prod(shape) > most // 8:
        raise ValueError(f"{where}: shape must be that of an array, got {shape}")
    return shape


class GlorotUniform(Initializer):
    """Uniform in +-sqrt(6 / (rows + columns)); of a vector, rows and columns are its length.

    Source:
        X. Glorot and Y. Bengio, AISTATS 2010.

    Example:
        >>> w = GlorotUniform()((3, 3), np.random.default_rng(0))
        >>> bool((np.abs(w) <= 1).all())
        True
    """

    def __call__(self, shape, rng):
        shape = _shape("GlorotUniform", shape)
        if not isinstance(rng, np.random.Generator):
            raise TypeError(
                "GlorotUniform: rng must be a numpy.random.Generator, "
                f"got {checks.shown(rng)}"
            )
        limit = np.sqrt(6 / (shape[0] + shape[-1]))
        return rng.uniform(-limit, limit, shape)


class Constant(Initializer):
    """The same number everywhere.

    Args:
        value: that number.  Default 0.

    Raises:
        TypeError, ValueError: not a finite number.

    Example:
        >>> Constant(0.5)((2,), None)
        array([0.5, 0.5])
    """

    _checks = {"value": (checks.number,)}

    def __init__(self, value=0.0):
        self.value = value

    def __call__(self, shape, rng):
        return np.full(_shape(type(self).__name__, shape), self.value)


class Ones(Constant):
    """Ones.

    Example:
        >>> Ones()((2,), None)
        array([1., 1.])
    """

    def __init__(self):
        super().__init__(1.0)


class Zeros(Constant):
    """Zeros.

    Example:
        >>> Zeros()((2,), None)
        array([0., 0.])
    """

    def __init__(self):
        super().__init__(0.0)


_BY_NAME = {"glorot_uniform": GlorotUniform, "ones": Ones, "zeros": Zeros}


def get(identifier, where="initializers.get", argument="identifier"):
    """The initializer of a name, or the initializer itself.

    Args:
        identifier: "glorot_uniform", "ones", "zeros" or an initializer.
        where, argument: the function and the argument that an error names.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor an initializer.

    Example:
        >>> get("ones")
        Ones()
    """
    if isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, str):
        checks.one_of(where, argument, identifier, _BY_NAME)
        return _BY_NAME[identifier]()
    raise TypeError(
        f"{where}: {argument} must be an initializer of neuroai_c or one of its names "
        f"({', '.join(_BY_NAME)}), got {checks.shown(identifier)}"
    )


_known("initializer", get, GlorotUniform, Constant, Ones, Zeros)
